"""The risk book: what an account holds, owes and has promised, in one item with one version.

`trading/execute` reserves in it in the transaction that writes an intent, `trading/sync` brings
it level with the broker and releases what has ended, `risk/monitor` marks equity. The store
accepts a write only as the next version, so each writer ends its changes with `next_version()`.
"""

from __future__ import annotations

from dataclasses import field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from alpaquero.orders.intent import Purpose, Side
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass
from alpaquero.risk.activity import Activity, orders_within

_ZERO = Decimal(0)
_ENTRY, _EXIT = Purpose.ENTRY, Purpose.EXIT  # Python 3.11 takes long to find them in their enum


class TradingState(StrEnum):
    """ACTIVE trades, REDUCING only shrinks positions, HALTED places no order at all."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """Shares held (negative when short) and what they are worth, in dollars."""

    quantity: Decimal
    market_value: Decimal


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one order that has not ended may still take.

    `notional` is cash in dollars (an entry), `quantity` the shares it may trade (an exit's keep
    a second exit from selling them twice). A `forced` exit takes the place of the others.
    """

    symbol: str
    side: Side
    purpose: Purpose
    notional: Decimal
    quantity: Decimal = Decimal(0)
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A limit that the monitor found broken: the state it holds trading at, since when, and why."""

    state: TradingState
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """Who set the trading state last, when (wall time) and why."""

    author: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskBook:
    """The risk book; money is in dollars, `as_of` and `marked_at` (the last equity mark) market time.

    `trading_state` is the one in force: the lower of what a person asked for and what `locks`
    hold it at. `asked_state` is kept while a lock is on. `day` is the market day (New York) that
    `day_start_equity` and `told` (ids of the breaches reported) belong to. `buying_power` is the
    broker's, from which the orders named in `deducted` are taken off already. `recent_orders` are
    the times of the last minute's orders. `highs` is the highest price of each holding, for
    trailing stops. `released_at` is when an admin last let go of the locks; `flatten_since` when
    someone asked for everything to be sold.
    """

    account: str
    cash: Decimal
    equity: Decimal
    peak_equity: Decimal
    as_of: datetime
    version: int = 1
    trading_state: TradingState = TradingState.ACTIVE
    positions: dict[str, HeldPosition] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    marked_at: datetime | None = None
    told: tuple[str, ...] = ()
    day: str = ""
    day_start_equity: Decimal | None = None
    buying_power: Decimal | None = None
    deducted: tuple[str, ...] = ()
    recent_orders: tuple[datetime, ...] = ()
    activity: Activity = field(default_factory=Activity)
    highs: dict[str, Decimal] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)
    asked_state: TradingState | None = None
    state_changed: StateChange | None = None
    released_at: datetime | None = None
    flatten_since: datetime | None = None

    def on_day_of(self, now: datetime) -> RiskBook:
        """The book on the market day of `now`: the first look at a day sets what it began with.

        A day before the book's is none: the clock was set back, and no loss is forgotten for that.
        """
        day = market_day(now)
        if day <= self.day:
            return self
        return replace(self, day=day, day_start_equity=self.equity, told=())

    def set_back(self, now: datetime) -> RiskBook:
        """The book once an admin accepts that market time is `now`, earlier than it was."""
        recent = tuple(at for at in self.recent_orders if at <= now)
        return replace(self, as_of=now, day="", recent_orders=recent).on_day_of(now)

    def with_order(self, client_order_id: str, reservation: Reservation, at: datetime) -> RiskBook:
        """The book with an approved order: its reservation, and its place in the last minute's orders."""
        recent = (*orders_within(self.recent_orders, at), at)
        reservations = {**self.reservations, client_order_id: reservation}
        return replace(self, reservations=reservations, recent_orders=recent)

    def without_reservation(self, client_order_id: str) -> RiskBook:
        """The book without this order's reservation; the same book when it has none."""
        if client_order_id not in self.reservations:
            return self
        kept = {key: value for key, value in self.reservations.items() if key != client_order_id}
        return replace(self, reservations=kept)

    def next_version(self) -> RiskBook:
        """The same content as the version after this one, ready to be stored."""
        return replace(self, version=self.version + 1)

    def holds_as(self, other: RiskBook) -> bool:
        """Whether cash and shares are the same as in `other`, whatever the shares are worth."""
        ours, theirs = ({s: p.quantity for s, p in book.positions.items()} for book in (self, other))
        return self.cash == other.cash and ours == theirs

    def held_quantity(self, symbol: str) -> Decimal:
        """Shares held, 0 when none."""
        held = self.positions.get(symbol)
        return held.quantity if held else Decimal(0)

    def free_quantity(self, symbol: str, *, forced: bool = False) -> Decimal:
        """Shares held that no exit under way has promised to sell; never below 0.

        A `forced` exit ends the others, so only those that are forced themselves count against it.
        """
        exits = [r for r in self._reserved(_EXIT, symbol) if r.side is Side.SELL]
        promised = sum((r.quantity for r in exits if r.forced or not forced), Decimal(0))
        return max(self.held_quantity(symbol) - promised, Decimal(0))

    def pending_entry(self, symbol: str) -> bool:
        """Whether an entry in this symbol has not ended."""
        return bool(self._reserved(_ENTRY, symbol))

    @property
    def reserved_cash(self) -> Decimal:
        """Dollars promised to entries that have not ended."""
        if not self.reservations:
            return _ZERO
        return sum([r.notional for r in self.reservations.values() if r.purpose is _ENTRY], _ZERO)

    @property
    def exposure(self) -> Decimal:
        """Dollars in positions, long or short, and in entries that have not ended."""
        return sum([abs(held.market_value) for held in self.positions.values()], self.reserved_cash)

    @property
    def undeducted_cash(self) -> Decimal:
        """Dollars promised to entries that the broker's buying power does not count yet."""
        if not self.reservations:
            return _ZERO
        deducted, reserved = self.deducted, self.reservations.items()
        return sum([r.notional for i, r in reserved if r.purpose is _ENTRY and i not in deducted], _ZERO)

    @property
    def symbols(self) -> set[str]:
        """The symbols that are held or have an order under way."""
        return self.positions.keys() | {r.symbol for r in self.reservations.values()}

    def exiting(self, symbol: str) -> bool:
        """Whether an exit of this symbol has not ended."""
        return bool(self._reserved(_EXIT, symbol))

    def symbol_exposure(self, symbol: str) -> Decimal:
        """Dollars in one symbol, held and reserved."""
        held, reserved = self.positions.get(symbol), _ZERO
        if self.reservations:
            reserved = sum([r.notional for r in self._reserved(_ENTRY, symbol)], _ZERO)
        return reserved + abs(held.market_value) if held else reserved

    def _reserved(self, purpose: Purpose, symbol: str | None = None) -> list[Reservation]:
        if not self.reservations:
            return []
        reserved = self.reservations.values()
        return [r for r in reserved if r.purpose is purpose and (symbol is None or r.symbol == symbol)]


@lru_cache(maxsize=4096)
def market_day(at: datetime) -> str:
    """The date in New York, as ISO 8601."""
    return at.astimezone(NEW_YORK).date().isoformat()
