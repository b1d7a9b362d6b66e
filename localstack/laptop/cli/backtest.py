"""``alpaquero backtest``: the live rules over past prices, and research with it; no cloud is needed.

``laptop.backtests`` does the work; here options are parsed and results are shown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from laptop.cli.common import (
    Day,
    Group,
    json_option,
    print_json,
    print_table,
    refuse_options_before,
    state_option,
)

if TYPE_CHECKING:
    from alpaquero.prices.columns import Columns
    from alpaquero.strategy.settings import StrategySettings
    from laptop.backtests.grid import Cell
    from laptop.backtests.options import Prepared
    from laptop.backtests.show import Show
    from laptop.backtests.tables import Table

_Command = TypeVar("_Command", bound=Callable[..., Any])

_METRICS: Final = (
    "sharpe", "total_return_percent", "cagr_percent", "sortino", "calmar", "max_drawdown_percent",
    "volatility_percent", "exposure_percent", "trades", "win_rate_percent", "profit_factor", "expectancy",
    "final_equity",
)  # fmt: skip
_FILLS: Final = (
    "partial_fills", "half_spread_bps", "slippage_bps", "fee_per_share_dollars", "fee_percent"
)  # fmt: skip
_TIMEFRAMES: Final = ("1Min", "5Min", "15Min", "1Hour", "1Day")
_DATES: Final = Day()


def _number(_context: click.Context, _option: click.Parameter, value: str) -> Decimal:
    """A number of 0 or more, to the digit as it was typed."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise click.BadParameter(f"{value!r} is no number") from None
    if not number.is_finite() or number < 0:
        raise click.BadParameter(f"{value} is not a number of 0 or more")
    return number


def _symbols(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip().upper() for part in (value or "").split(",") if part.strip()))


def _with(options: Sequence[Callable[[_Command], _Command]], command: _Command) -> _Command:
    """The command with these options, shown in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def _tested(command: _Command) -> _Command:
    """The options that say what is tested on which prices, for every subcommand."""
    helps = {
        "strategy": "A rule's name, or a strategy file (my_rule.py); may be given several times.",
        "symbols": "A,B: what to trade; else every symbol of the data.",
        "from": "First session; else the first with enough history.",
        "to": "Last session; else the data's last.",
        "data": "A folder of SYMBOL.csv files, `store` for the running stack's; else the shipped prices.",
        "timeframe": "Bars to judge; else those of the strategy's settings.",
        "settings": "A JSON file of trading settings, or `current` for the running stack's.",
        "set": "A setting to change, as strategy.rsi_period_bars=10; may be given several times.",
    }
    options = (
        click.option("--strategy", "strategies", multiple=True, help=helps["strategy"]),
        click.option("--symbols", callback=_symbols, help=helps["symbols"]),
        click.option("--from", "start", type=_DATES, help=helps["from"]),
        click.option("--to", "end", type=_DATES, help=helps["to"]),
        click.option("--data", help=helps["data"]),
        click.option("--timeframe", type=click.Choice(_TIMEFRAMES), help=helps["timeframe"]),
        click.option("--settings", help=helps["settings"]),
        click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help=helps["set"]),
        state_option,
        json_option,
    )
    return _with(options, command)


def _traded(command: _Command) -> _Command:
    """The options that say how orders fill and with how much cash."""
    numbers = {
        "cash": ("100000", "Dollars at the start."),
        "partial-fills": ("0", "Share of orders that fill in two."),
        "half-spread-bps": ("1", "How far the quote is from the price, in 0.01%."),
        "slippage-bps": ("0", "What a market order loses beyond the quote, in 0.01%."),
        "fee-per-share-dollars": ("0", "Paid for each share of a fill."),
        "fee-percent": ("0", "Paid of what a fill is worth."),
    }
    options = [
        click.option(
            f"--{name}", callback=_number, metavar="NUMBER", default=default, show_default=True, help=text
        )
        for name, (default, text) in numbers.items()
    ]
    seed = click.option(
        "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Fixes every draw."
    )
    return _with([seed, *options], command)


_processes = click.option(
    "--processes", type=click.IntRange(1, 256), help="How many at once; one a core by default."
)
_grid = click.option(
    "--grid", "grid", multiple=True, metavar="NAME=A,B,C",
    help="Values to try, as strategy.rsi_period_bars=10,14 or =5:25:5; may be given several times.",
)  # fmt: skip
_by = click.option(
    "--by", "metric", type=click.Choice(_METRICS), default="sharpe", show_default=True, help="What is best."
)
_fast = click.option(
    "--fast",
    is_flag=True,
    help="Screen with arrays: each symbol alone, no locks; tells total return, drawdown and trades.",
)


@click.group(cls=Group, invoke_without_command=True)
@_tested
@_traded
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the report (HTML) here."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write result, report, trades and equity here.",
)
@click.pass_context
def backtest(context: click.Context, /, *, report: Path | None, out: Path | None, **given: Any) -> int:
    """Trade past prices by the live rules and show what would have come of it."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context)
        return 0
    from laptop.backtests import single, tables
    from laptop.backtests.show import progress

    prepared = _prepared(given)
    with progress("backtest") as show:
        outcome = single.run(prepared, show)
    if report is not None:
        single.write_report(report, outcome, prepared)
    if out is not None:
        single.write_folder(out, outcome, prepared)
    if given["as_json"]:
        from alpaquero.backtests import outcome as outcomes

        print(outcomes.encoded(outcome).decode())
    else:
        _print_tables(tables.of_outcome(outcome))
        for note in outcome.notes:
            print(f"note: {note}")
        for path in (report, out):
            if path is not None:
                print(f"written to {path}")
    return 0


@backtest.command("grid")
@_tested
@_traded
@_grid
@_by
@_processes
@_fast
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="Rows of the table.")
@click.option("--csv", "table", type=click.Path(path_type=Path, dir_okay=False), help="Write every row here.")
def grid(
    *,
    grid: tuple[str, ...],
    metric: str,
    processes: int | None,
    fast: bool,
    top: int,
    table: Path | None,
    **given: Any,
) -> int:
    """Run a backtest for each combination of settings and rank them."""
    from laptop.backtests import grid as grids
    from laptop.backtests import tables
    from laptop.backtests.show import progress

    metric = _screened_metric(metric) if fast else metric
    values = grids.grid_of(grid)
    combinations = grids.combinations(values)
    prepared = _prepared(given)
    cells = []
    with progress("grid") as show:
        for cell in _cells(prepared, combinations, processes, fast=fast):
            cells.append(cell)
            show(len(cells), len(combinations), "")
    ranked = grids.ranked(cells, metric)
    if table is not None:
        _write_cells(table, ranked, list(values))
    if given["as_json"]:
        _print_encoded({"metric": metric, "combinations": len(cells), "cells": ranked})
    else:
        _print_tables([tables.of_cells(ranked, list(values), metric, top)])
    return _failed_cells(ranked)


def _screened_metric(metric: str) -> str:
    """What a screening is ranked by: what was asked for, if it tells it."""
    from laptop.backtests.grid import SCREENED

    context = click.get_current_context()
    if context.get_parameter_source("metric") is not ParameterSource.COMMANDLINE:
        return SCREENED[0]
    if metric not in SCREENED:
        raise click.UsageError(f"--fast tells no {metric}: give --by {', '.join(SCREENED)}", context)
    return metric


def _cells(
    prepared: Prepared, combinations: Sequence[dict[str, Any]], processes: int | None, *, fast: bool
) -> Iterator[Cell]:
    """The cell of each combination, as they are done."""
    from laptop.backtests import grid as grids

    if fast:
        yield from grids.screened(prepared, combinations)
        return
    asked = prepared.request
    jobs = [grids.Job(changes=one, start=asked.start, end=asked.end) for one in combinations]
    with grids.workers(prepared, processes) as run:
        yield from (cell for _, cell in run(jobs))


@backtest.command("walk-forward")
@_tested
@_traded
@_grid
@_by
@_processes
@click.option(
    "--train-sessions", type=click.IntRange(min=2), default=504, show_default=True, help="To choose on."
)
@click.option(
    "--test-sessions", type=click.IntRange(min=2), default=126, show_default=True, help="To test on."
)
@click.option("--anchored", is_flag=True, help="Always choose from the first session on.")
def walk_forward(
    *,
    grid: tuple[str, ...],
    metric: str,
    processes: int | None,
    train_sessions: int,
    test_sessions: int,
    anchored: bool,
    **given: Any,
) -> int:
    """Choose settings on one stretch, test them on the next, and join the tests."""
    from laptop.backtests import grid as grids
    from laptop.backtests import tables
    from laptop.backtests import walk_forward as forward
    from laptop.backtests.show import progress

    values = grids.grid_of(grid)
    prepared = _prepared(given)
    with progress("walk-forward") as show, grids.workers(prepared, processes) as run:
        found = forward.walk(
            prepared,
            values,
            metric=metric,
            train=train_sessions,
            test=test_sessions,
            anchored=anchored,
            run=run,
            show=show,
        )
    if given["as_json"]:
        _print_encoded(found)
    else:
        _print_tables(tables.of_walk(found))
    return 0


@backtest.command("monte-carlo")
@_tested
@_traded
@click.option(
    "--result", type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The result.json of an earlier backtest (--out), instead of running one.",
)  # fmt: skip
@click.option(
    "--method", type=click.Choice(["order", "trades", "sessions"]), default="sessions", show_default=True,
    help="Shuffle trades, draw trades, or draw stretches of sessions.",
)  # fmt: skip
@click.option(
    "--histories",
    type=click.IntRange(10, 1_000_000),
    default=1000,
    show_default=True,
    help="How many to draw.",
)
def monte_carlo(*, result: Path | None, method: str, histories: int, **given: Any) -> int:
    """Draw histories from a backtest's trades or sessions, and show how far luck spreads the result."""
    from alpaquero.backtests import monte_carlo as carlo
    from laptop.backtests import single, tables
    from laptop.backtests.drawing import read_result, returns_of
    from laptop.backtests.show import progress
    from laptop.errors import LaptopError

    with progress("backtest") as show:
        outcome = single.run(_prepared(given), show) if result is None else read_result(result)
    with progress("monte-carlo") as show:
        try:
            found = carlo.bands(
                returns_of(outcome, carlo.Method(method)),
                method=carlo.Method(method),
                initial_equity=float(outcome.asked.cash),
                histories=histories,
                seed=given["seed"],
                show=lambda done: show(done, histories, ""),
            )
        except ValueError as error:
            raise LaptopError(str(error)) from error
    if given["as_json"]:
        _print_encoded(found)
    else:
        _print_tables([tables.of_bands(found, outcome)])
    return 0


@backtest.command("check-lookahead")
@_tested
def check_lookahead(**given: Any) -> int:
    """Recompute every signal on data that ends at its bar, and tell what knew the future."""
    from alpaquero.backtests.checks import Lookahead, check_lookahead
    from laptop.backtests import tables

    found = _checked("lookahead", given, check_lookahead, from_start=True)
    if given["as_json"]:
        _print_encoded(
            [{"strategy": name, "passed": one.passed, **_plain(one)} for name, one in found.items()]
        )
    wrong = {name: one for name, one in found.items() if isinstance(one, Lookahead) and not one.passed}
    if not given["as_json"]:
        _print_tables([table for name, one in found.items() for table in tables.of_lookahead(name, one)])
    for name, one in wrong.items():
        print(
            f"error: {name} looks ahead in {one.different:,} answers: "
            "use in values and rolling only bars up to the one that is judged",
            file=sys.stderr,
        )
    return 1 if wrong else 0


@backtest.command("check-warm-up")
@_tested
@click.option(
    "--tolerance", type=click.FloatRange(min=0), default=0.001, show_default=True,
    help="How far a value may move; relative above 1.",
)  # fmt: skip
@click.option(
    "--places", type=click.IntRange(1, 10_000), default=60, show_default=True, help="Bars looked at a symbol."
)
def check_warm_up(*, tolerance: float, places: int, **given: Any) -> int:
    """Compute signals with more and more history, and tell from how many bars on they no longer change."""
    from functools import partial

    from alpaquero.backtests import checks
    from laptop.backtests import tables

    check = partial(checks.check_warm_up, tolerance=tolerance, places=places)
    found = _checked("warm-up", given, check, from_start=False)
    if given["as_json"]:
        _print_encoded(
            [
                {"strategy": name, "passed": one.passed, "faults": one.faults, **_plain(one)}
                for name, one in found.items()
            ]
        )
    else:
        _print_tables([table for name, one in found.items() for table in tables.of_warm_up(name, one)])
    faults = [f"{name}: {fault}" for name, one in found.items() for fault in one.faults]
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _checked(
    what: str, given: Mapping[str, Any], check: Callable[..., Any], *, from_start: bool
) -> dict[str, Any]:
    """What a check finds, by the strategy's name, each on the prices that were asked for."""
    from laptop.backtests.show import progress
    from laptop.errors import LaptopError

    prepared = _prepared({**_UNTRADED, **given})
    found = {}
    for name, settings in prepared.settings().strategies.items():
        series = _series(prepared, settings, from_start=from_start)
        with progress(f"{what} {name}") as show:
            try:
                found[name] = check(series, settings, show=_by_symbol(show, len(series)))
            except ValueError as error:
                raise LaptopError(str(error)) from error
    return found


def _by_symbol(show: Show, total: int) -> Callable[[str], None]:
    """Progress of a check, which tells the symbol it begins with."""
    counted = count(1)
    return lambda symbol: show(next(counted), total, symbol)


def _series(prepared: Prepared, settings: StrategySettings, *, from_start: bool) -> dict[str, Columns]:
    """The bars to check, split-adjusted as a strategy sees them, up to the end of the last day asked for.

    `from_start` leaves out what lies before the history of the first day.
    """
    from datetime import UTC, datetime, time

    from alpaquero.backtests.execution import unsplit
    from alpaquero.prices.sessions import NEW_YORK
    from alpaquero.simulation.backtest.parts import regular

    first, last = (
        datetime.combine(day, at, tzinfo=NEW_YORK).astimezone(UTC)
        for day, at in ((prepared.request.start, time()), (prepared.request.end, time.max))
    )
    prices, found = prepared.prices, {}
    for symbol, columns in regular(
        prices.of(settings.timeframe), prices.sessions, settings.timeframe
    ).items():
        until = unsplit(columns, symbol, prices.splits).until(last)
        within = len(until.since(first))
        found[symbol] = until[-(within + settings.minimum_history_bars - 1) :] if from_start else until
    return found


_UNTRADED: Final[Mapping[str, Any]] = {"cash": Decimal(100_000), "seed": 1}


def _prepared(given: Mapping[str, Any]) -> Prepared:
    """The request that the options make, with its prices read."""
    from laptop.backtests import options

    dates = {name: given[name] and given[name].date() for name in ("start", "end")}
    return options.prepare(
        options.Options(
            strategies=given["strategies"],
            symbols=given["symbols"],
            **dates,
            data=given["data"],
            settings=given["settings"],
            changes=options.changes_of(given["changes"]),
            timeframe=given["timeframe"],
            cash=given["cash"],
            seed=given["seed"],
            fills={name: given[name] for name in _FILLS if name in given},
            state=given["state"],
        )
    )


def _print_tables(tables: Sequence[Table]) -> None:
    for table in tables:
        print_table(table.title, table.columns, table.rows)


def _print_encoded(value: Any) -> None:
    """One JSON value of structs on stdout."""
    print_json(_plain(value))


def _plain(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value, str_keys=True)


def _write_cells(path: Path, cells: Sequence[Cell], names: Sequence[str]) -> None:
    """Every row of a grid as CSV."""
    import csv

    from laptop.errors import LaptopError

    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*names, *_METRICS, "trades_sha256", "error"])
            for cell in cells:
                values = [cell.changes[name] for name in names]
                metrics = [cell.metrics.get(name) for name in _METRICS]
                writer.writerow([*values, *metrics, cell.trades_sha256, cell.error])
    except OSError as error:
        raise LaptopError(f"{path} cannot be written ({error.strerror}); give another place") from error


def _failed_cells(cells: Sequence[Cell]) -> int:
    """Tells of combinations that could not be run; an error when none could."""
    wrong = [cell for cell in cells if cell.error]
    if wrong:
        first = ", ".join(f"{name}={value}" for name, value in wrong[0].changes.items())
        what = "error" if len(wrong) == len(cells) else "note"
        print(
            f"{what}: {len(wrong):,} of {len(cells):,} combinations do not fit ({first}: {wrong[0].error})",
            file=sys.stderr,
        )
    return 1 if len(wrong) == len(cells) else 0
