"""Performance from round trips and equity marks; called by `analytics/api`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

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
