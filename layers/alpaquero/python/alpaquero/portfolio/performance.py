"""Performance from round trips and equity marks; called by `analytics/api` and backtests.

Figures of the equity curve alone (Sharpe, drawdowns, months) are in `alpaquero.portfolio.curve`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Protocol, TypeVar

from alpaquero.portfolio.positions import per_share
from alpaquero.portfolio.trades import Trade

_ZERO = Decimal(0)
_FOUR_DECIMALS = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Equity in dollars at a moment of market time."""

    at: datetime
    equity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Trades in numbers; money is in dollars, percentages to four decimals.

    A ratio is None when there is nothing to divide by: no trade, no loss, no mark. A trade that
    made nothing is neither a win nor a loss.
    """

    trades: int
    wins: int
    losses: int
    win_rate_percent: Decimal | None
    profit_factor: Decimal | None
    realised_pnl: Decimal
    average_win: Decimal | None
    average_loss: Decimal | None
    total_return_percent: Decimal | None
    max_drawdown_percent: Decimal
    since: datetime | None
    as_of: datetime | None


def performance_of(trades: Sequence[Trade], marks: Iterable[EquityPoint]) -> Performance:
    """The summary of `trades` and equity `marks`, in any order.

    Win rate is wins of all trades; profit factor is what the wins made over what the losses cost
    (a positive number); return is from the first mark to the last.
    """
    won = [trade.pnl for trade in trades if trade.pnl > 0]
    lost = [trade.pnl for trade in trades if trade.pnl < 0]
    gained, paid = sum(won, _ZERO), sum(lost, _ZERO)
    curve = sorted(marks, key=lambda mark: mark.at)
    times = [trade.opened_at for trade in trades] + [mark.at for mark in curve]
    return Performance(
        trades=len(trades),
        wins=len(won),
        losses=len(lost),
        win_rate_percent=_percent(Decimal(len(won)), Decimal(len(trades))),
        profit_factor=(gained / -paid).quantize(_FOUR_DECIMALS, rounding=ROUND_HALF_EVEN) if paid else None,
        realised_pnl=gained + paid,
        average_win=per_share(gained, Decimal(len(won))) if won else None,
        average_loss=per_share(paid, Decimal(len(lost))) if lost else None,
        total_return_percent=_percent(curve[-1].equity - curve[0].equity, curve[0].equity) if curve else None,
        max_drawdown_percent=max_drawdown_percent([mark.equity for mark in curve]),
        since=min(times, default=None),
        as_of=max([trade.closed_at for trade in trades] + [mark.at for mark in curve], default=None),
    )


class RoundTrip(Protocol):
    """What the figures of trades look at; `portfolio.trades.Trade` and the backtest's trades are such."""

    @property
    def pnl(self) -> Decimal:
        """Dollars gained, after fees."""

    @property
    def opened_at(self) -> datetime:
        """When the first share was bought, or sold short."""

    @property
    def closed_at(self) -> datetime:
        """When the last share was closed."""


AnyTrade = TypeVar("AnyTrade", bound=RoundTrip)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFigures:
    """Round trips in numbers; money is in dollars. A figure is None when there is nothing to divide by.

    A trade that made nothing is neither a win nor a loss, and ends a streak of either.

    `profit_factor` is what wins made over what losses cost. `payoff_ratio` is the average win over
    the average loss. `expectancy` is the mean profit a trade: win rate x average win + loss rate x
    average loss (V. K. Tharp, "Trade Your Way to Financial Freedom", 1998). Streaks count
    consecutive trades by the time they closed.
    """

    trades: int
    wins: int
    losses: int
    pnl: Decimal
    win_rate_percent: Decimal | None
    profit_factor: Decimal | None
    payoff_ratio: Decimal | None
    expectancy: Decimal | None
    average_win: Decimal | None
    average_loss: Decimal | None
    largest_win: Decimal | None
    largest_loss: Decimal | None
    average_holding: timedelta | None
    longest_win_streak_trades: int
    longest_loss_streak_trades: int


def trade_figures(trades: Iterable[RoundTrip]) -> TradeFigures:
    """The figures of `trades`, in any order."""
    ordered = sorted(trades, key=lambda trade: (trade.closed_at, trade.opened_at))
    gains = [trade.pnl for trade in ordered]
    won, lost = [gain for gain in gains if gain > 0], [gain for gain in gains if gain < 0]
    gained, paid = sum(won, _ZERO), sum(lost, _ZERO)
    average_win, average_loss = _mean(won), _mean(lost)
    held = [trade.closed_at - trade.opened_at for trade in ordered]
    return TradeFigures(
        trades=len(gains),
        wins=len(won),
        losses=len(lost),
        pnl=gained + paid,
        win_rate_percent=_percent(Decimal(len(won)), Decimal(len(gains))),
        profit_factor=_ratio(gained, -paid),
        payoff_ratio=_ratio(gained * len(lost), -paid * len(won)),
        expectancy=_mean(gains),
        average_win=average_win,
        average_loss=average_loss,
        largest_win=max(won, default=None),
        largest_loss=min(lost, default=None),
        average_holding=sum(held, timedelta()) / len(held) if held else None,
        longest_win_streak_trades=_longest(gain > 0 for gain in gains),
        longest_loss_streak_trades=_longest(gain < 0 for gain in gains),
    )


def figures_by(trades: Iterable[AnyTrade], key: Callable[[AnyTrade], str]) -> dict[str, TradeFigures]:
    """The figures of each group that `key` names (symbol, strategy, tag), the most profitable first."""
    groups: dict[str, list[AnyTrade]] = {}
    for trade in trades:
        groups.setdefault(key(trade), []).append(trade)
    figures = {name: trade_figures(group) for name, group in groups.items()}
    return dict(sorted(figures.items(), key=lambda pair: (-pair[1].pnl, pair[0])))


def _mean(amounts: Sequence[Decimal]) -> Decimal | None:
    return per_share(sum(amounts, _ZERO), Decimal(len(amounts))) if amounts else None


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return (part / whole).quantize(_FOUR_DECIMALS, rounding=ROUND_HALF_EVEN) if whole > 0 else None


def _longest(outcomes: Iterable[bool]) -> int:
    """The longest run of true."""
    longest = current = 0
    for outcome in outcomes:
        current = current + 1 if outcome else 0
        longest = max(longest, current)
    return longest


def max_drawdown_percent(equities: Iterable[Decimal]) -> Decimal:
    """The deepest fall from a peak, in percent of that peak, 0 or more, of equities in order of time.

    >>> max_drawdown_percent([Decimal(100), Decimal(120), Decimal(90), Decimal(130)])
    Decimal('25.0000')
    """
    peak = deepest = _ZERO
    for equity in equities:
        peak = max(peak, equity)
        if peak > 0:
            deepest = max(deepest, (peak - equity) * 100 / peak)
    return deepest.quantize(_FOUR_DECIMALS, rounding=ROUND_HALF_EVEN)


def _percent(part: Decimal, whole: Decimal) -> Decimal | None:
    if whole <= 0:
        return None
    return (part * 100 / whole).quantize(_FOUR_DECIMALS, rounding=ROUND_HALF_EVEN)
