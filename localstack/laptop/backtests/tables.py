"""What a backtest or research command found, as tables for people; the command line prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from alpaquero.backtests.checks import Lookahead, WarmUp
from alpaquero.backtests.monte_carlo import PERCENTILES, Bands
from alpaquero.backtests.outcome import Outcome
from alpaquero.portfolio.curve import day_of
from alpaquero.portfolio.performance import TradeFigures
from laptop.backtests.grid import Cell
from laptop.backtests.walk_forward import WalkForward

_NONE = "-"
_MOST_GROUPS = 15
_LABELS = {
    "total_return_percent": "return %",
    "cagr_percent": "a year %",
    "max_drawdown_percent": "drawdown %",
    "volatility_percent": "volatility %",
    "exposure_percent": "invested %",
    "win_rate_percent": "won %",
    "profit_factor": "profit factor",
    "final_equity": "final equity",
}
_SHOWN = ("sharpe", "cagr_percent", "max_drawdown_percent", "trades", "profit_factor", "final_equity")


@dataclass(frozen=True)
class Table:
    """Title, column names and rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


def of_outcome(found: Outcome) -> list[Table]:
    """Key figures beside buy and hold, trades, groups, and what happened on the way."""
    asked, activity = found.asked, found.activity
    title = f"{', '.join(asked.strategies)} on {_several(asked.symbols)}, {asked.start} to {asked.end}"
    return [
        Table(title, ("figure", "backtest", "buy and hold"), _compared(found)),
        Table("Trades", ("figure", "value"), _trades(found)),
        *_groups(found),
        Table(
            "On the way",
            ("what", "times", "reasons"),
            [
                ("signals", f"{activity.signals:,}", ""),
                *(
                    (name, f"{sum(codes.values()):,}", _reasons(codes))
                    for name, codes in (
                        ("withheld", activity.withheld),
                        ("passed over", activity.passed_over),
                        ("refused by risk", activity.refused),
                    )
                ),
                ("intents", f"{activity.intents:,}", ""),
                ("fills", f"{activity.fills:,}", f"fees {money(activity.fees)}"),
            ],
        ),
    ]


def _several(symbols: Sequence[str]) -> str:
    rest = len(symbols) - 8
    return ", ".join(symbols[:8]) + (f" and {rest} more" if rest > 0 else "")


def _compared(found: Outcome) -> list[Sequence[str]]:
    own, held = found.curve, found.benchmark
    return [
        ("total return", percent(own.total_return_percent), percent(held.total_return_percent)),
        ("a year (CAGR)", percent(own.cagr_percent), percent(held.cagr_percent)),
        ("volatility a year", percent(own.volatility_percent), percent(held.volatility_percent)),
        ("Sharpe", number(own.sharpe), number(held.sharpe)),
        ("Sortino", number(own.sortino), number(held.sortino)),
        ("Calmar", number(own.calmar), number(held.calmar)),
        ("deepest drawdown", percent(own.max_drawdown_percent), percent(held.max_drawdown_percent)),
        ("longest drawdown", f"{own.longest_drawdown_days} days", f"{held.longest_drawdown_days} days"),
        ("invested on average", percent(own.exposure_percent), ""),
        ("final equity", money(found.final_equity), money(held.final_equity)),
    ]


def _trades(found: Outcome) -> list[Sequence[str]]:
    trades = found.trades
    return [
        ("trades", f"{trades.trades:,} ({trades.wins:,} won, {trades.losses:,} lost)"),
        ("win rate", percent(trades.win_rate_percent)),
        ("profit factor", number(trades.profit_factor)),
        ("expectancy a trade", money(trades.expectancy)),
        ("average win, loss", f"{money(trades.average_win)}, {money(trades.average_loss)}"),
        ("average holding", duration(trades.average_holding)),
        (
            "longest runs",
            f"{trades.longest_win_streak_trades} won, {trades.longest_loss_streak_trades} lost",
        ),
        ("turnover a year", number(found.activity.turnover_yearly)),
        ("still held", ", ".join(f"{held.symbol} {held.quantity:f}" for held in found.held) or _NONE),
        ("trades_sha256", found.trades_sha256),
    ]


def _groups(found: Outcome) -> list[Table]:
    groups = {
        "symbol": found.by_symbol,
        "strategy": found.by_strategy if len(found.by_strategy) > 1 else {},
        "entry": found.by_entry_tag if len(found.by_entry_tag) > 1 else {},
        "exit": found.by_exit_tag,
    }
    return [_group(kind, parts) for kind, parts in groups.items() if parts]


def _group(kind: str, parts: Mapping[str, TradeFigures]) -> Table:
    rows: list[Sequence[object]] = [
        (
            name or _NONE,
            part.trades,
            percent(part.win_rate_percent),
            money(part.pnl),
            number(part.profit_factor),
            money(part.expectancy),
        )
        for name, part in list(parts.items())[:_MOST_GROUPS]
    ]
    title = f"By {kind}" + (f", the first {_MOST_GROUPS} of {len(parts)}" if len(parts) > len(rows) else "")
    return Table(title, (kind, "trades", "win rate", "profit", "profit factor", "expectancy"), rows)


def _reasons(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {times:,}" for code, times in sorted(codes.items(), key=lambda pair: -pair[1]))


def of_cells(cells: Sequence[Cell], names: Sequence[str], metric: str, top: int) -> Table:
    """The best combinations of a grid."""
    shown = [
        name
        for name in dict.fromkeys((metric, *_SHOWN))
        if any(cell.metrics.get(name) is not None for cell in cells)
    ]
    rows = [
        (*(cell.changes[name] for name in names), *(_metric(cell, name) for name in shown))
        for cell in cells[:top]
        if not cell.error
    ]
    title = f"Best of {len(cells):,} combinations by {metric}"
    return Table(
        title, (*(short(name) for name in names), *(_LABELS.get(name, name) for name in shown)), rows
    )


def _metric(cell: Cell, name: str) -> str:
    value = cell.metrics.get(name)
    return f"{value:,.0f}" if value is not None and name in {"trades", "final_equity"} else number(value)


def short(name: str) -> str:
    """A setting's name without its group."""
    return name.rsplit(".", 1)[-1]


def of_walk(found: WalkForward) -> list[Table]:
    """The folds, and what the joined tests came to."""
    names = list(found.folds[0].chosen)
    folds = [
        (
            fold.train_start,
            fold.test_start,
            fold.test_end,
            *(fold.chosen[name] for name in names),
            number(fold.train[found.metric]),
            number(fold.test[found.metric]),
            percent(fold.test["total_return_percent"]),
            f"{fold.test['trades'] or 0:,.0f}",
        )
        for fold in found.folds
    ]
    metric = _LABELS.get(found.metric, found.metric)
    columns = ("chosen from", "tested from", "to", *map(short, names), metric, "tested", "return", "trades")
    joined = found.joined
    return [
        Table(f"Walk-forward, {found.combinations:,} combinations a step", columns, folds),
        Table(
            "The joined tests",
            ("figure", "value"),
            [
                ("total return", percent(joined.total_return_percent)),
                ("a year (CAGR)", percent(joined.cagr_percent)),
                ("Sharpe", number(joined.sharpe)),
                ("deepest drawdown", percent(joined.max_drawdown_percent)),
                ("efficiency", percent(found.efficiency_percent)),
                ("tests with a gain", f"{found.profitable_tests} of {len(found.folds)}"),
                ("different choices", len(found.choices)),
            ],
        ),
    ]


def of_bands(found: Bands, outcome: Outcome) -> Table:
    """Percentiles of the final equity and of the deepest drawdown, beside the backtest's own."""
    rows: list[Sequence[object]] = [
        (f"{part}%", money(found.final_equity[part]), percent(found.max_drawdown_percent[part]))
        for part in PERCENTILES
    ]
    rows += [
        ("the backtest", money(outcome.final_equity), percent(outcome.curve.max_drawdown_percent)),
        ("ends with a loss", percent(found.loss_percent), ""),
    ]
    title = f"{found.histories:,} histories of {found.returns:,} {_DRAWN[found.method]}"
    return Table(title, ("of histories below", "final equity", "deepest drawdown"), rows)


_DRAWN = {
    "order": "trades in another order",
    "trades": "trades drawn",
    "sessions": "sessions drawn in stretches",
}


def of_lookahead(name: str, found: Lookahead) -> list[Table]:
    """What was compared, and the first answers that knew the future."""
    counts = Table(
        f"Lookahead of {name}: {'passed' if found.passed else 'FAILED'}",
        ("what", "value"),
        [
            ("symbols", found.symbols),
            ("bars judged", f"{found.bars:,}"),
            ("forms", ", ".join(found.forms)),
            ("signals", f"{found.signals:,}"),
            ("decisions that differ", f"{found.signals_different:,}"),
            ("answers that differ", f"{found.different:,}"),
        ],
    )
    rows = [
        (
            one.symbol,
            day_of(one.bar_start),
            one.form,
            one.what,
            one.knowing_the_future,
            one.on_truncated_data,
        )
        for one in found.differences
    ]
    columns = ("symbol", "bar", "form", "what", "knowing the future", "on truncated data")
    return [counts, *([Table("The first of them", columns, rows)] if rows else [])]


def of_warm_up(name: str, found: WarmUp) -> list[Table]:
    """How far values are from those of the longest history, by length."""
    values = sorted({value for rung in found.rungs for value in rung.largest_difference})
    rows: list[Sequence[Any]] = [
        (
            rung.bars,
            *(f"{rung.largest_difference.get(value, 0):.2g}" for value in values),
            rung.decisions_different,
        )
        for rung in found.rungs
    ]
    settled = "never" if found.settled_bars is None else f"from {found.settled_bars} bars on"
    facts: list[Sequence[object]] = [
        ("bars judged", found.judged_bars),
        (f"moves by {found.tolerance:g} at most", settled),
        ("first values at bars", found.first_value_bars or _NONE),
        ("the rule's warm_up_bars", found.declared_bars),
        ("compared with", f"{found.reference_bars} bars, at {found.places} bars of {found.symbols} symbols"),
    ]
    title = f"Warm-up of {name}: {'passed' if found.passed else 'FAILED'}"
    return [
        Table(title, ("what", "value"), facts),
        Table("Largest difference by length of history", ("bars", *values, "decisions that differ"), rows),
    ]


def percent(value: float | Decimal | None) -> str:
    """With two decimals."""
    return _NONE if value is None else f"{float(value):,.2f}%"


def number(value: float | Decimal | None) -> str:
    """With two decimals."""
    return _NONE if value is None else f"{float(value):,.2f}"


def money(value: float | Decimal | None) -> str:
    """Dollars and cents."""
    return _NONE if value is None else f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def duration(value: timedelta | None) -> str:
    """Days, or hours when it is less than one."""
    if value is None:
        return _NONE
    days = value / timedelta(days=1)
    return f"{days:,.1f} days" if days >= 1 else f"{days * 24:,.1f} hours"
