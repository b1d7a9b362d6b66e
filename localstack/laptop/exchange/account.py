"""What the account is worth and may still do: every figure of GET /v2/account, from book and market.

Sources: Alpaca's description of the account object (equity, buying power by multiplier, Regulation T)
and of its margin requirements: 50 per cent to open; to hold, 30 per cent of a long position, all of it
below $2.50 a share; of a short one the larger of 30 per cent and $5 a share, below $5 a share the
larger of all of it and $2.50 a share.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpaquero.simulation.margin import multiplier
from laptop.exchange.book import Book, Position
from laptop.exchange.margin import may_short, power_left, standing
from laptop.exchange.market import Market

_MAINTENANCE = Decimal("0.3")
_INITIAL = Decimal("0.5")
_CHEAP_LONG = Decimal("2.5")
_CHEAP_SHORT = Decimal(5)
_CENT = Decimal("0.01")
_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Holding:
    """Shares of a symbol, negative when short, and their price."""

    quantity: Decimal
    price: Decimal

    @property
    def value(self) -> Decimal:
        """What they are worth; negative when short."""
        return self.quantity * self.price


@dataclass(frozen=True, slots=True)
class Figures:
    """The account's figures in dollars; `short_value` is negative or zero."""

    cash: Decimal
    equity: Decimal
    long_value: Decimal
    short_value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    last_equity: Decimal
    last_maintenance_margin: Decimal
    multiplier: Decimal
    buying_power: Decimal
    regulation_t_power: Decimal
    cash_power: Decimal
    shorting: bool


def figures(book: Book, market: Market, now: datetime) -> Figures:
    """The account at market time `now`."""
    holdings = _holdings(book.positions, market, now)
    longs = sum((held.value for held in holdings if held.quantity > 0), start=_NONE)
    shorts = sum((held.value for held in holdings if held.quantity < 0), start=_NONE)
    worth = standing(book, market, now)
    equity = book.cash + worth.net
    times = min(multiplier(equity), Decimal(book.configuration.max_margin_multiplier))
    initial = (longs - shorts) * _INITIAL
    excess = max(equity - initial, _NONE)
    closed = _holdings(book.positions_at_close, market, _last_close(book, market, now))
    return Figures(
        cash=book.cash,
        equity=equity,
        long_value=longs,
        short_value=shorts,
        initial_margin=initial,
        maintenance_margin=_maintenance(holdings),
        last_equity=book.last_equity,
        last_maintenance_margin=_maintenance(closed),
        multiplier=times,
        buying_power=power_left(book, worth),
        regulation_t_power=_cents(excess * min(times, Decimal(2)) - book.reserved),
        cash_power=_cents(min(book.cash, excess) - book.reserved),
        shorting=may_short(book, worth),
    )


def _last_close(book: Book, market: Market, now: datetime) -> datetime:
    """When the last session of the book closed; now for a book without one."""
    if not book.closings:
        return now
    day = book.closings[-1].date
    index = bisect_left(market.history.calendar, day, key=lambda session: session.date)
    return market.history.calendar[index].close


def _holdings(positions: Mapping[str, Position], market: Market, at: datetime) -> list[Holding]:
    """Positions at their last prices; at what they cost where nothing has traded."""
    held = []
    for symbol, position in positions.items():
        trade = market.last_trade(symbol, at)
        price = position.cost / position.quantity if trade is None else trade.price
        held.append(Holding(position.quantity, price))
    return held


def _maintenance(holdings: Iterable[Holding]) -> Decimal:
    """What must be kept to hold on to the positions."""
    return _cents(sum((_requirement(held) for held in holdings), start=_NONE))


def _requirement(held: Holding) -> Decimal:
    shares, price = abs(held.quantity), held.price
    if held.quantity > 0:
        return shares * (price if price < _CHEAP_LONG else price * _MAINTENANCE)
    if price < _CHEAP_SHORT:
        return shares * max(price, _CHEAP_LONG)
    return shares * max(price * _MAINTENANCE, _CHEAP_SHORT)


def _cents(amount: Decimal) -> Decimal:
    return max(amount, _NONE).quantize(_CENT)
