"""What round trips say: wins, losses, expectancy, slippage, distribution; for `analytics/api` and backtests.

Figures of the equity curve alone (Sharpe, drawdowns, months) are in `alpaquero.portfolio.curve`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Protocol, TypeVar

from alpaquero.orders.intent import Side
from alpaquero.portfolio.positions import per_share
from alpaquero.portfolio.trades import Trade
from alpaquero.quickly_made import dataclass

_ZERO = Decimal(0)
_FOUR_DECIMALS = Decimal("0.0001")


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


def _percent(part: Decimal, whole: Decimal) -> Decimal | None:
    if whole <= 0:
        return None
    return (part * 100 / whole).quantize(_FOUR_DECIMALS, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Slippage:
    """What orders paid beyond the price at their arrival: `dollars`, and `bps` of the value at arrival.

    Above 0 is a cost. `bps` is None when no order had an arrival price.
    """

    dollars: Decimal
    bps: Decimal | None


def slippage_of(trades: Iterable[Trade]) -> Slippage:
    """The slippage of all entries and exits of `trades` that have an arrival price.

    The part of the implementation shortfall that trading itself costs: A. F. Perold, "The
    Implementation Shortfall: Paper versus Reality", Journal of Portfolio Management 14 (1988), 4-9.
    """
    cost = value = _ZERO
    for trade in trades:
        sign = 1 if trade.side is Side.BUY else -1
        for paid, arrival, way in (
            (trade.entry_price, trade.arrival_price, sign),
            (trade.exit_price, trade.exit_arrival_price, -sign),
        ):
            if arrival is not None:
                cost += way * (paid - arrival) * trade.quantity
                value += arrival * trade.quantity
    return Slippage(cost, _ratio(cost * 10_000, value))


@dataclass(frozen=True, slots=True)
class Bin:
    """How many trades gained from `low` to below `high` percent of their entry, and dollars together."""

    low: Decimal
    high: Decimal
    trades: int
    pnl: Decimal


def distribution(trades: Iterable[Trade], wanted: int) -> list[Bin]:
    """The gains of `trades` in steps of one round width, at most `wanted` + 2 of them.

    0 is an edge, so that no step holds gains and losses. Trades without a percentage are left out.
    """
    gains = [(trade.pnl_percent, trade.pnl) for trade in trades if trade.pnl_percent is not None]
    if not gains:
        return []
    shares = [share for share, _ in gains]
    width = _round_step((max(_ZERO, *shares) - min(_ZERO, *shares)) / wanted)
    places = [int((share / width).to_integral_value(rounding=ROUND_FLOOR)) for share in shares]
    first, last = min(0, *places), max(0, *places)
    counts, sums = [0] * (last - first + 1), [_ZERO] * (last - first + 1)
    for place, (_, pnl) in zip(places, gains, strict=True):
        counts[place - first] += 1
        sums[place - first] += pnl
    return [
        Bin(place * width, (place + 1) * width, counts[place - first], sums[place - first])
        for place in range(first, last + 1)
    ]


def _round_step(step: Decimal) -> Decimal:
    """The next of 1, 2, 5 and 10 times a power of ten; 1 for nothing.

    >>> _round_step(Decimal("0.3")), _round_step(Decimal(7)), _round_step(Decimal(0))
    (Decimal('0.5'), Decimal('10'), Decimal('1'))
    """
    if step <= 0:
        return Decimal(1)
    power = step.adjusted()
    return next(round_ for round_ in (Decimal(f"{d}E{power}") for d in (1, 2, 5, 10)) if round_ >= step)
