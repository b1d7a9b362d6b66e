"""What we ask of a broker: the roles, and the plain values that cross the seam.

Handlers and rules use these alone; `alpaquero.broker.alpaca` and the tests' in-memory fake
implement them. Money, prices and quantities are Decimal, times aware UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol

from alpaquero.prices.bars import Bar
from alpaquero.prices.sessions import Session

Adjustment = Literal["raw", "split", "dividend", "all"]
OrderFilter = Literal["open", "closed", "all"]

# The states an order never leaves. A state we do not know is not terminal.
TERMINAL = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """The account in USD; `multiplier` is the margin multiplier, `status` the broker's own word."""

    account_number: str
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    multiplier: Decimal
    status: str
    trading_blocked: bool


@dataclass(frozen=True, slots=True)
class BrokerClock:
    """Market time and the next edges of the session."""

    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """A holding; `quantity` is negative when short, `available` is what no open order holds."""

    symbol: str
    quantity: Decimal
    available: Decimal
    average_entry_price: Decimal
    market_value: Decimal
    current_price: Decimal


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker has it.

    `status` is kept as it came, known or not. `filled_quantity` is cumulative. `order_class` is
    empty for a simple order; `legs` are the orders of a bracket, oco or oto below their parent.
    """

    id: str
    client_order_id: str
    symbol: str
    side: str
    order_type: str
    order_class: str
    time_in_force: str
    quantity: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    status: str
    filled_quantity: Decimal
    filled_average_price: Decimal | None
    submitted_at: datetime
    updated_at: datetime
    replaced_by: str | None = None
    legs: tuple[BrokerOrder, ...] = ()

    @property
    def is_terminal(self) -> bool:
        """Whether the order can change no more."""
        return self.status in TERMINAL


@dataclass(frozen=True, slots=True)
class BrokerFill:
    """One execution, `id` being the broker's activity id; `quantity` is of this fill alone."""

    id: str
    order_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class BrokerQuote:
    """The best bid and ask, in USD a share."""

    symbol: str
    bid: Decimal
    ask: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class BrokerTrade:
    """The last trade on the tape, in USD a share."""

    symbol: str
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order to place. `client_order_id` (at most 48 characters) makes it ours and unique."""

    client_order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: Decimal
    order_type: Literal["market", "limit", "stop", "stop_limit"] = "market"
    order_class: Literal["simple", "bracket", "oco", "oto"] = "simple"
    time_in_force: Literal["day", "gtc", "opg", "cls", "ioc", "fok"] = "day"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.client_order_id) <= 48:
            raise ValueError("client_order_id must have 1 to 48 characters; derive it from the intent")
        if not self.quantity > 0:
            raise ValueError(f"quantity must be above zero, not {self.quantity}")


def with_legs(orders: Iterable[BrokerOrder]) -> Iterator[BrokerOrder]:
    """Each order followed by its legs, so that a caller sees all of them in one row."""
    for order in orders:
        yield order
        yield from with_legs(order.legs)


class OrderReader(Protocol):
    """What sync and the read APIs may do: look, never trade.

    Every method raises `BrokerUnavailable`, or `BrokerUnclear` for an answer that makes no sense,
    when a few tries within the time budget have failed, and `BrokerRejected` when the broker
    refuses (a 401, say).
    """

    def account(self) -> BrokerAccount:
        """The account's figures now."""

    def clock(self) -> BrokerClock:
        """Market time now; never cached."""

    def sessions(self, start: date, end: date) -> list[Session]:
        """The trading sessions from `start` to `end`, both included, oldest first."""

    def positions(self) -> list[BrokerPosition]:
        """Every holding."""

    def position(self, symbol: str) -> BrokerPosition | None:
        """The holding in `symbol`, None when there is none."""

    def open_orders(self, nested: bool = True) -> list[BrokerOrder]:
        """Every order that is not terminal, oldest first, legs below their parents when `nested`."""

    def orders(
        self,
        status: OrderFilter = "all",
        after: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[BrokerOrder]:
        """Orders submitted after `after` and before `until`, oldest first, nested, through all pages."""

    def order(self, broker_order_id: str) -> BrokerOrder:
        """The order, with its legs. Raises `OrderNotFound`."""

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """The order with that client order id, None only when the broker says it has none."""

    def fills(self, after_id: str | None = None) -> list[BrokerFill]:
        """Every fill reported after the one with `after_id` (all of them by default), oldest first."""


class OrderSubmitter(OrderReader, Protocol):
    """What execute and the exits may do besides: place and cancel."""

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Places the order once, or returns the order that already has its client order id.

        Raises `BrokerRejected` (nothing was placed), `BrokerUnavailable` (nothing was sent, try
        again with the same id) or `BrokerUnclear` (look it up by its client order id).
        """

    def cancel(self, broker_order_id: str) -> None:
        """Asks for the order to be cancelled; one that is terminal already is left as it is.

        The cancel is confirmed only when the order's state says so. Raises `OrderNotFound`.
        """


class MarketDataReader(Protocol):
    """Prices. Errors as in `OrderReader`. A symbol without data is absent from the answer."""

    def daily_bars(
        self, symbols: Sequence[str], start: datetime, end: datetime, adjustment: Adjustment = "split"
    ) -> dict[str, list[Bar]]:
        """Daily bars stamped from `start` to `end`, oldest first. The last one may still be forming."""

    def latest_bars(self, symbols: Sequence[str]) -> dict[str, Bar]:
        """The newest minute bar of each symbol."""

    def latest_quotes(self, symbols: Sequence[str]) -> dict[str, BrokerQuote]:
        """The newest bid and ask of each symbol."""

    def latest_trades(self, symbols: Sequence[str]) -> dict[str, BrokerTrade]:
        """The newest trade of each symbol."""
