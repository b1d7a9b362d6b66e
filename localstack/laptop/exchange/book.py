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

from alpaquero.simulation import OrderType, Side, WorkingOrder
from laptop.exchange.preferences import (
    Configuration,
    Configured,
    Watchlist,
    WatchlistDeleted,
    WatchlistKept,
)

OPENING_CASH = Decimal(100_000)


class Status(StrEnum):
    """Alpaca's order states, as far as this exchange uses them."""

    ACCEPTED = "accepted"
    NEW = "new"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"


TERMINAL = frozenset({Status.FILLED, Status.CANCELED, Status.EXPIRED})


class OrderClass(StrEnum):
    """Alpaca's order classes; a simple order has an empty one."""

    SIMPLE = ""
    BRACKET = "bracket"
    OCO = "oco"


class Role(StrEnum):
    """What an order is for: alone, the entry of a bracket, or one of two exits."""

    ALONE = "alone"
    ENTRY = "entry"
    TARGET = "take_profit"
    STOP = "stop_loss"


EXITS = frozenset({Role.TARGET, Role.STOP})


class TimeInForce(StrEnum):
    """How long an order waits."""

    DAY = "day"
    GTC = "gtc"


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `parent` is the id of the order it is a leg of; times are market time, aware UTC."""

    id: str
    client_order_id: str
    number: int
    symbol: str
    side: Side
    type: OrderType
    order_class: OrderClass
    role: Role
    time_in_force: TimeInForce
    quantity: Decimal
    status: Status
    submitted_at: datetime
    updated_at: datetime
    expires_at: datetime
    parent: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    triggered: bool = False
    filled_quantity: Decimal = Decimal(0)
    filled_value: Decimal = Decimal(0)
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None

    @property
    def working(self) -> bool:
        """Whether it can still change."""
        return self.status not in TERMINAL

    @property
    def group(self) -> str:
        """The id that a bracket's or an OCO's orders have in common."""
        return self.parent or self.id

    @property
    def remaining(self) -> Decimal:
        """Shares not filled."""
        return self.quantity - self.filled_quantity

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
    """Shares held of a symbol, and what they cost."""

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
    """A position after a split: each share became `ratio` shares."""

    symbol: str
    ratio: Decimal


class SessionClosed(msgspec.Struct, tag=True, frozen=True):
    """A session ended with this equity."""

    date: date
    equity: Decimal


Change = (
    Accepted | Changed | Traded | SharesSplit | SessionClosed | Configured | WatchlistKept | WatchlistDeleted
)


@dataclass
class Book:
    """The account as it stands. Read it freely; change it with `apply` only."""

    cash: Decimal = OPENING_CASH
    last_equity: Decimal = OPENING_CASH
    orders: dict[str, Order] = field(default_factory=dict)
    by_client_id: dict[str, str] = field(default_factory=dict)
    legs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    working: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    trades: list[Trade] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    closings: list[SessionClosed] = field(default_factory=list)
    configuration: Configuration = field(default_factory=Configuration)
    watchlists: dict[str, Watchlist] = field(default_factory=dict)
    watchlists_made: int = 0

    def apply(self, change: Change) -> None:
        """Take in one change."""
        match change:
            case Accepted(orders):
                for order in orders:
                    self.by_client_id[order.client_order_id] = order.id
                    if order.parent is not None:
                        self.legs[order.parent].append(order.id)
                    self._put(order)
            case Changed(order):
                self._put(order)
            case Traded(trade, order):
                self._put(order)
                self._settle(trade)
            case SharesSplit(symbol, ratio):
                position = self.positions[symbol]
                self.positions[symbol] = replace(position, quantity=position.quantity * ratio)
            case SessionClosed(_, equity):
                self.last_equity = equity
                self.closings.append(change)
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
        """Shares that working sell orders hold; the two exits of a pair hold theirs once."""
        groups: dict[str, Decimal] = defaultdict(Decimal)
        for order in self.open_orders(symbol):
            if order.side is Side.SELL and self.live(order):
                groups[order.group] = max(groups[order.group], order.remaining)
        return sum(groups.values(), start=Decimal(0))

    def live(self, order: Order) -> bool:
        """Whether a working order may trade: legs of a bracket wait for the full entry fill."""
        if not order.working:
            return False
        if order.order_class is not OrderClass.BRACKET or order.role is Role.ENTRY:
            return True
        return self.orders[order.group].status is Status.FILLED

    def pair(self, order: Order) -> list[Order]:
        """The exits of the order's group, stop first."""
        ids = [order.group, *self.legs.get(order.group, ())]
        exits = [self.orders[order_id] for order_id in ids if self.orders[order_id].role in EXITS]
        return sorted(exits, key=lambda leg: leg.role is not Role.STOP)

    def _put(self, order: Order) -> None:
        self.orders[order.id] = order
        if order.working:
            self.working[order.symbol].add(order.id)
        else:
            self.working[order.symbol].discard(order.id)

    def _settle(self, trade: Trade) -> None:
        """Move cash and shares. The average price of what is left does not change with a sale."""
        self.trades.append(trade)
        value = trade.quantity * trade.price
        position = self.positions.get(trade.symbol, Position(Decimal(0), Decimal(0)))
        if trade.side is Side.BUY:
            self.cash -= value
            self.positions[trade.symbol] = Position(position.quantity + trade.quantity, position.cost + value)
            return
        self.cash += value
        left = position.quantity - trade.quantity
        if left == 0:
            del self.positions[trade.symbol]
        else:
            cost = position.cost * left / position.quantity
            self.positions[trade.symbol] = Position(left, cost)
