"""The account's book: orders, fills, positions and cash, folded from a list of changes.

Nothing writes to the book but `apply`: the venue records a change, the ledger stores it, and after a
restart the same changes in the same order give the same book.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from alpaquero.simulation import OrderType, Side, TimeInForce, WorkingOrder
from alpaquero.simulation.matching import EXITS, TERMINAL, Role, Status
from laptop.exchange.preferences import (
    Configuration,
    Configured,
    Watchlist,
    WatchlistDeleted,
    WatchlistKept,
)
from laptop.exchange.resting import RestingSide

OPENING_CASH = Decimal(100_000)
_NOTHING = Decimal(0)


class OrderClass(StrEnum):
    """Alpaca's order classes; a simple order has an empty one."""

    SIMPLE = ""
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class Intent(StrEnum):
    """What an order does to the position: opens or adds to it, or closes some of it."""

    BUY_TO_OPEN = "buy_to_open"
    BUY_TO_CLOSE = "buy_to_close"
    SELL_TO_OPEN = "sell_to_open"
    SELL_TO_CLOSE = "sell_to_close"

    @property
    def closes(self) -> bool:
        """Whether it makes a position smaller."""
        return self in _CLOSING


_CLOSING = frozenset({Intent.BUY_TO_CLOSE, Intent.SELL_TO_CLOSE})


@dataclass(frozen=True, slots=True)
class Order:
    """One order. Times are market time, aware UTC.

    `parent` is the id of the order it is a leg of. `group` is what a bracket's, an OCO's or an OTO's
    orders have in common, and an order with those that replaced it. `worth` is the price at which a
    waiting share counts against buying power. An order with a `notional` is for that many dollars; its
    `quantity` is an estimate until it fills.
    """

    id: str
    client_order_id: str
    number: int
    symbol: str
    side: Side
    type: OrderType
    order_class: OrderClass
    role: Role
    group: str
    intent: Intent
    time_in_force: TimeInForce
    quantity: Decimal
    status: Status
    submitted_at: datetime
    updated_at: datetime
    expires_at: datetime
    worth: Decimal
    parent: str | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    high_water_mark: Decimal | None = None
    extended_hours: bool = False
    triggered: bool = False
    filled_quantity: Decimal = Decimal(0)
    filled_value: Decimal = Decimal(0)
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None

    @property
    def working(self) -> bool:
        """Whether it can still change."""
        return self.status not in TERMINAL

    @property
    def remaining(self) -> Decimal:
        """Shares not filled."""
        return self.quantity - self.filled_quantity

    @property
    def reserved(self) -> Decimal:
        """Dollars of buying power that it holds while it works: exits hold none."""
        if self.intent.closes or not self.working:
            return _NOTHING
        return self.remaining * self.worth if self.notional is None else self.notional

    @property
    def rests(self) -> bool:
        """Whether Alpaca's wash-trade check counts it: no part of a complex order, no trailing stop."""
        return self.role is Role.ALONE and self.type is not OrderType.TRAILING_STOP and self.working

    def for_matching(self) -> WorkingOrder:
        """The order as the matcher wants it."""
        return WorkingOrder(
            client_order_id=self.client_order_id,
            side=self.side,
            type=self.type,
            quantity=self.quantity,
            filled_quantity=self.filled_quantity,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            triggered=self.triggered,
            time_in_force=self.time_in_force,
            notional=self.notional,
            trail_price=self.trail_price,
            trail_percent=self.trail_percent,
            high_water_mark=self.high_water_mark,
        )


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill of an order: what Alpaca lists as an account activity."""

    id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    at: datetime
    cumulative: Decimal
    leaves: Decimal
    order_status: Status


@dataclass(frozen=True, slots=True)
class Position:
    """Shares held of a symbol and what they cost; both negative when sold short."""

    quantity: Decimal
    cost: Decimal


class Accepted(msgspec.Struct, tag=True, frozen=True):
    """Orders taken in together: one, or a parent with its legs."""

    orders: list[Order]


class Changed(msgspec.Struct, tag=True, frozen=True):
    """An order in a new state, without a trade."""

    order: Order


class Traded(msgspec.Struct, tag=True, frozen=True):
    """A fill, and the order after it."""

    trade: Trade
    order: Order


class SharesSplit(msgspec.Struct, tag=True, frozen=True):
    """A position after a split: each share became `ratio` shares; a broken share was paid in `cash`."""

    symbol: str
    ratio: Decimal
    cash: Decimal = _NOTHING

    def shares_of(self, quantity: Decimal) -> Decimal:
        """What `quantity` shares became: where a broken share was paid out, whole ones are left."""
        return Decimal(int(quantity * self.ratio)) if self.cash else quantity * self.ratio


class SessionClosed(msgspec.Struct, tag=True, frozen=True):
    """A session ended with this equity."""

    date: date
    equity: Decimal


Change = (
    Accepted | Changed | Traded | SharesSplit | SessionClosed | Configured | WatchlistKept | WatchlistDeleted
)


@dataclass
class Book:
    """The account as it stands. Read it freely; change it with `apply` only.

    `groups` has the orders in force of each group, its head first. `reserved`, `held_shares` and
    `opening` are sums over the working orders, kept up to date change by change, so that no request
    walks through all orders.
    """

    cash: Decimal = OPENING_CASH
    last_equity: Decimal = OPENING_CASH
    orders: dict[str, Order] = field(default_factory=dict)
    by_client_id: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    working: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    trades: list[Trade] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    closings: list[SessionClosed] = field(default_factory=list)
    positions_at_close: dict[str, Position] = field(default_factory=dict)
    splits: list[SharesSplit] = field(default_factory=list)
    configuration: Configuration = field(default_factory=Configuration)
    watchlists: dict[str, Watchlist] = field(default_factory=dict)
    watchlists_made: int = 0
    reserved: Decimal = _NOTHING
    held_shares: dict[str, Decimal] = field(default_factory=dict)
    opening: dict[tuple[str, Side], int] = field(default_factory=lambda: defaultdict(int))
    extended: set[str] = field(default_factory=set)
    _holds: dict[str, Decimal] = field(default_factory=dict)
    _resting: dict[tuple[str, Side], RestingSide] = field(default_factory=dict, compare=False)

    def apply(self, change: Change) -> None:
        """Take in one change."""
        match change:
            case Accepted(orders):
                for order in orders:
                    self.by_client_id[order.client_order_id] = order.id
                    self._join(order)
                    self._put(order)
            case Changed(order):
                self._put(order)
            case Traded(trade, order):
                self._put(order)
                self._settle(trade)
            case SharesSplit():
                self.splits.append(change)
                self._split(change)
            case SessionClosed(_, equity):
                self.last_equity = equity
                self.closings.append(change)
                self.positions_at_close = dict(self.positions)
            case Configured(configuration):
                self.configuration = configuration
            case WatchlistKept(watchlist):
                self.watchlists_made += watchlist.id not in self.watchlists
                self.watchlists[watchlist.id] = watchlist
            case WatchlistDeleted(watchlist_id):
                del self.watchlists[watchlist_id]

    def open_orders(self, symbol: str) -> list[Order]:
        """The working orders of a symbol, by client order id: never by order of arrival."""
        orders = (self.orders[order_id] for order_id in self.working.get(symbol, ()))
        return sorted(orders, key=lambda order: order.client_order_id)

    def all_open_orders(self) -> Iterator[Order]:
        """Every working order, by symbol and client order id."""
        for symbol in sorted(symbol for symbol, ids in self.working.items() if ids):
            yield from self.open_orders(symbol)

    def held(self, symbol: str) -> Decimal:
        """Shares that working exits hold; the two exits of a pair hold theirs once."""
        return self.held_shares.get(symbol, _NOTHING)

    def resting(self, symbol: str, side: Side) -> RestingSide:
        """The plain orders that wait on one side of a symbol."""
        key = symbol, side
        if key not in self._resting:
            self._resting[key] = RestingSide(side)
        return self._resting[key]

    def live(self, order: Order) -> bool:
        """Whether a working order may trade: legs of a bracket or OTO wait for the full entry fill."""
        if not order.working:
            return False
        if order.role not in EXITS or order.order_class is OrderClass.OCO:
            return True
        return self.orders[self.groups[order.group][0]].status is Status.FILLED

    def legs_of(self, order: Order) -> list[Order]:
        """The legs in force of a group's head, the target first; none for any other order."""
        head, *legs = self.groups[order.group]
        return [self.orders[leg] for leg in legs] if order.id == head else []

    def pair(self, order: Order) -> list[Order]:
        """The exits of the order's group, stop first."""
        members = (self.orders[order_id] for order_id in self.groups[order.group])
        exits = [member for member in members if member.role in EXITS]
        return sorted(exits, key=lambda leg: leg.role is not Role.STOP)

    def _join(self, order: Order) -> None:
        """Put a new order among those of its group, in the place of the one that it replaces."""
        members = self.groups.setdefault(order.group, [])
        if order.replaces in members:
            members[members.index(order.replaces)] = order.id
        else:
            members.append(order.id)

    def _put(self, order: Order) -> None:
        before = self.orders.get(order.id)
        self.orders[order.id] = order
        if order.working:
            self.working[order.symbol].add(order.id)
        else:
            self.working[order.symbol].discard(order.id)
        self._count(before, order)
        self._hold(order)

    def _count(self, before: Order | None, order: Order) -> None:
        """Keep the sums over the working orders."""
        self.reserved += order.reserved - (before.reserved if before else _NOTHING)
        opens = not order.intent.closes
        was_working = before is not None and before.working
        if opens and was_working is not order.working:
            self.opening[order.symbol, order.side] += 1 if order.working else -1
        if order.extended_hours and order.working:
            self.extended.add(order.id)
        else:
            self.extended.discard(order.id)
        if order.rests:
            self.resting(order.symbol, order.side).put(order.id, order.limit_price)
        elif was_working:
            self.resting(order.symbol, order.side).drop(order.id)

    def _hold(self, order: Order) -> None:
        """Keep the shares that the exits of the order's group hold."""
        members = (self.orders[order_id] for order_id in self.groups[order.group])
        exits = (one for one in members if one.intent.closes and self.live(one))
        held = max((one.remaining for one in exits), default=_NOTHING)
        before = self._holds.pop(order.group, _NOTHING)
        if held:
            self._holds[order.group] = held
        self.held_shares[order.symbol] = self.held(order.symbol) + held - before

    def _settle(self, trade: Trade) -> None:
        """Move cash and shares. The average price of what is left does not change when some is closed."""
        self.trades.append(trade)
        quantity = trade.quantity if trade.side is Side.BUY else -trade.quantity
        value = quantity * trade.price
        self.cash -= value
        position = self.positions.get(trade.symbol, Position(_NOTHING, _NOTHING))
        left = position.quantity + quantity
        if position.quantity * quantity >= 0:
            self.positions[trade.symbol] = Position(left, position.cost + value)
        elif left == 0:
            del self.positions[trade.symbol]
        else:
            cost = position.cost * left / position.quantity
            self.positions[trade.symbol] = Position(left, cost)

    def _split(self, split: SharesSplit) -> None:
        """Multiply the shares of the position."""
        position = self.positions.pop(split.symbol)
        self.cash += split.cash
        quantity = split.shares_of(position.quantity)
        if quantity:
            self.positions[split.symbol] = replace(position, quantity=quantity)
