"""A grid of settings: a backtest for each combination, over processes; also what walk-forward chooses by."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import date
from itertools import product
from math import inf
from multiprocessing import get_context
from typing import Any, Final

import msgspec

from alpaquero.backtests.outcome import Outcome
from alpaquero.prices.bars import Timeframe
from alpaquero.strategy import registry
from laptop.backtests.options import Prepared, value_of
from laptop.backtests.single import executed
from laptop.errors import LaptopError

MOST_COMBINATIONS: Final = 20_000
SCREENED: Final = ("total_return_percent", "max_drawdown_percent", "trades")  # what the array path tells

# Metric to sort by: how to read it, and whether more is better.
METRICS: Final[Mapping[str, tuple[Callable[[Outcome], float | None], bool]]] = {
    "total_return_percent": (lambda found: found.curve.total_return_percent, True),
    "cagr_percent": (lambda found: found.curve.cagr_percent, True),
    "sharpe": (lambda found: found.curve.sharpe, True),
    "sortino": (lambda found: found.curve.sortino, True),
    "calmar": (lambda found: found.curve.calmar, True),
    "max_drawdown_percent": (lambda found: found.curve.max_drawdown_percent, False),
    "volatility_percent": (lambda found: found.curve.volatility_percent, False),
    "exposure_percent": (lambda found: found.curve.exposure_percent, False),
    "trades": (lambda found: found.trades.trades, True),
    "win_rate_percent": (lambda found: _float(found.trades.win_rate_percent), True),
    "profit_factor": (lambda found: _float(found.trades.profit_factor), True),
    "expectancy": (lambda found: _float(found.trades.expectancy), True),
    "final_equity": (lambda found: float(found.final_equity), True),
}


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One combination and what it came to; `error` says why it could not be run, then without metrics."""

    changes: dict[str, Any]
    metrics: dict[str, float | None] = {}
    trades_sha256: str = ""
    error: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One backtest for a worker: a combination over a stretch of sessions."""

    changes: dict[str, Any]
    start: date
    end: date


def combinations(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values, the last setting changing fastest.

    Raises `LaptopError` for more than `MOST_COMBINATIONS`.
    """
    count = 1
    for values in grid.values():
        count *= len(values)
    if count > MOST_COMBINATIONS:
        raise LaptopError(
            f"that grid has {count:,} combinations, at most {MOST_COMBINATIONS:,} are run; "
            "give fewer values (--grid name=a,b,c)"
        )
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def grid_of(texts: Sequence[str]) -> dict[str, list[Any]]:
    """The values by setting from texts like `strategy.rsi_period_bars=10,14` or `=5:25:5` (5 to 25 by 5).

    >>> grid_of(["a=1,2", "b=5:15:5"])
    {'a': [1, 2], 'b': [5, 10, 15]}
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, separator, values = text.partition("=")
        if not separator or not values.strip():
            raise LaptopError(f"--grid {text}: write it as strategy.rsi_period_bars=10,14 or =5:25:5")
        if name in found:
            raise LaptopError(f"--grid {name} is given twice; put all its values into one")
        found[name.strip()] = _values(text, values)
    if not found:
        raise LaptopError("give at least one --grid, like --grid strategy.rsi_period_bars=10,14,20")
    return found


def _values(text: str, values: str) -> list[Any]:
    if ":" not in values:
        return [value_of(part.strip()) for part in values.split(",")]
    from decimal import Decimal, InvalidOperation

    try:
        first, last, step = (Decimal(part) for part in values.split(":"))
    except (ValueError, InvalidOperation):
        raise LaptopError(f"--grid {text}: write a range as first:last:step, like 5:25:5") from None
    if step <= 0 or last < first:
        raise LaptopError(f"--grid {text}: the step must be above 0 and the last not before the first")
    count = int((last - first) / step) + 1
    return [value_of(str(first + step * number)) for number in range(min(count, MOST_COMBINATIONS + 1))]


@contextmanager
def workers(prepared: Prepared, processes: int | None) -> Iterator[Callable[..., Iterator[tuple[int, Cell]]]]:
    """Yields `run(jobs)`, which gives each job's number and cell as it is done.

    `processes` None takes one a core. With one, jobs run in this process.
    """
    count = processes or os.cpu_count() or 1
    if count == 1:
        yield lambda jobs: ((number, cell_of(prepared, job)) for number, job in enumerate(jobs))
        return
    # Started anew, not forked: a fork would copy the threads' locks of a progress bar as they stand.
    pool = ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_start, initargs=(prepared,)
    )

    def run(jobs: Sequence[Job]) -> Iterator[tuple[int, Cell]]:
        waiting = {pool.submit(_work, job): number for number, job in enumerate(jobs)}
        for done in as_completed(waiting):
            yield waiting[done], done.result()

    try:
        yield run
    finally:
        pool.shutdown(cancel_futures=True)


_prepared: Prepared | None = None


def _start(prepared: Prepared) -> None:
    """In a new worker: what every job needs, strategy files included."""
    global _prepared  # noqa: PLW0603 - a worker of the pool has no other place between its jobs
    for path in prepared.files:
        registry.load_file(path)
    _prepared = prepared


def _work(job: Job) -> Cell:
    if _prepared is None:
        raise RuntimeError("a worker was given a job before its prices")
    return cell_of(_prepared, job)


def cell_of(prepared: Prepared, job: Job) -> Cell:
    """One job's cell; settings that do not fit each other are an error of the cell alone."""
    try:
        found = outcome_of(prepared, job)
    except ValueError as error:
        return Cell(changes=job.changes, error=str(error))
    return Cell(
        changes=job.changes,
        metrics={name: read(found) for name, (read, _) in METRICS.items()},
        trades_sha256=found.trades_sha256,
    )


def outcome_of(prepared: Prepared, job: Job) -> Outcome:
    """The whole outcome of one job. Raises `ValueError` for settings that do not fit."""
    request = prepared.asked(job.changes, start=job.start, end=job.end)
    return executed(prepared, request, prepared.settings(job.changes))


def screened(prepared: Prepared, changes: Sequence[Mapping[str, Any]]) -> Iterator[Cell]:
    """A cell for each of `changes` by the array path: each symbol alone with the whole cash, no locks.

    An approximation to choose what to backtest: metrics are the mean return of the symbols, their mean
    deepest drawdown and all trades. Raises `LaptopError` for what it cannot vary.
    """
    from datetime import UTC, datetime, time

    from alpaquero.backtests.execution import terms_of, unsplit
    from alpaquero.prices.sessions import NEW_YORK
    from alpaquero.simulation.screening import screen
    from alpaquero.strategy.panel import Panel

    first, last = (
        datetime.combine(day, time(), tzinfo=NEW_YORK).astimezone(UTC)
        for day in (prepared.request.start, prepared.request.end)
    )
    prices = prepared.prices
    if prepared.settings().timeframe is not Timeframe.DAY:
        raise LaptopError(
            f"--fast screens daily bars, and bars of {prepared.settings().timeframe} are asked for: leave "
            "--fast out, or give --timeframe 1Day"
        )
    series = [
        unsplit(columns, symbol, prices.splits).until(last) for symbol, columns in prices.series.items()
    ]
    panel = Panel.of([columns for columns in series if len(columns)])
    start = panel.bars - max(len(columns.since(first)) for columns in series)
    for change in changes:
        try:
            settings = prepared.settings(change)
            prices.of(settings.timeframe)
            chosen, *more = settings.strategies.values()
            if more:
                raise LaptopError("--fast screens one strategy; give one --strategy")
            (found,) = screen(
                panel,
                chosen.rule,
                [chosen.parameters_for("")],
                limits=settings.risk,
                terms=terms_of(prepared.request),
                window=chosen.minimum_history_bars,
                first=start,
                cash=float(prepared.request.cash),
            )
        except ValueError as error:
            yield Cell(changes=dict(change), error=str(error))
            continue
        yield Cell(
            changes=dict(change),
            metrics={
                "total_return_percent": found.mean_return * 100,
                "max_drawdown_percent": float(found.max_drawdown.mean()) * 100,
                "trades": float(found.trades.sum()),
            },
        )


def ranked(cells: Sequence[Cell], metric: str) -> list[Cell]:
    """The best by `metric` first; those without it after, those with an error last."""
    better = METRICS[metric][1]

    def place(cell: Cell) -> tuple[bool, float]:
        value = cell.metrics.get(metric)
        worst = inf if value is None else -value if better else value
        return bool(cell.error), worst

    return sorted(cells, key=place)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
