"""What we ask of a broker: the roles, and the plain values that cross the seam.

Handlers and rules use these alone; `alpaquero.broker.alpaca` and the tests' in-memory fake
implement them. Money, prices and quantities are Decimal, times aware UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol

from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import Session
from alpaquero.quickly_made import dataclass

Adjustment = Literal["raw", "split", "dividend", "all"]
OrderFilter = Literal["open", "closed", "all"]

# The states an order never leaves. A state we do not know is not terminal.
TERMINAL = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """The account in USD; `multiplier` is the margin multiplier.

    `blocks` names what keeps it from trading, in the broker's words: `trading_blocked`, `account_blocked`,
    `trade_suspended_by_user`. `last_equity` is that of the last close; a figure that the broker leaves out is
    None.
    """

    account_number: str
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    multiplier: Decimal
    blocks: tuple[str, ...] = ()
    shorting_enabled: bool = False
    last_equity: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    regt_buying_power: Decimal | None = None
    non_marginable_buying_power: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BrokerClock:
    """Market time and the next edges of the session."""

    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


@dataclass(frozen=True, slots=True)
class BrokerAsset:
    """What the broker says of a symbol; `tradable` only while it is listed as active."""

    symbol: str
    tradable: bool
    fractionable: bool
    shortable: bool


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
    empty for a simple order; `legs` are the orders of a bracket, oco or oto below their parent. An
    order of a class we do not model (`mleg`) may have neither symbol nor side: both are empty then.
    A trailing stop follows `high_water_mark` at `trail_price` dollars or `trail_percent`.
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
    replaces: str | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    high_water_mark: Decimal | None = None
    extended_hours: bool = False
    asset_class: str = "us_equity"
    expires_at: datetime | None = None

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
class BrokerActivity:
    """What happened to the account without a trade, `kind` in the broker's word: FEE, DIV, CSD, JNLS.

    `amount` is the cash that came, negative when it went; `quantity` the shares that came, or, of a
    dividend, those that it was paid for. `day` is the date in New York that the broker books it on.
    """

    id: str
    kind: str
    day: date
    amount: Decimal = Decimal(0)
    symbol: str | None = None
    quantity: Decimal | None = None
    description: str = ""


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
class CorporateAction:
    """What a company does to its shares; `kind` is the broker's word in the singular, `forward_split`.

    From `ex_date` on (New York) each share held is `share_ratio` shares, where that is known, under
    `new_symbol` when the ticker changes. `cash` is what each share pays, in USD.
    """

    id: str
    kind: str
    symbol: str
    ex_date: date | None
    share_ratio: Decimal | None = None
    new_symbol: str | None = None
    cash: Decimal | None = None


OrderKind = Literal["market", "limit", "stop", "stop_limit", "trailing_stop"]
OrderGroup = Literal["simple", "bracket", "oco", "oto"]
Validity = Literal["day", "gtc", "opg", "cls", "ioc", "fok"]

_PRICES: dict[OrderKind, frozenset[str]] = {
    "market": frozenset(),
    "limit": frozenset({"limit_price"}),
    "stop": frozenset({"stop_price"}),
    "stop_limit": frozenset({"limit_price", "stop_price"}),
    "trailing_stop": frozenset(),
}
_EXITS: dict[OrderGroup, tuple[frozenset[str], ...]] = {
    "simple": (frozenset(),),
    "bracket": (frozenset({"take_profit_price", "stop_loss_price"}),),
    "oco": (frozenset({"take_profit_price", "stop_loss_price"}),),
    "oto": (frozenset({"take_profit_price"}), frozenset({"stop_loss_price"})),
}


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order to place. `client_order_id` (at most 48 characters) makes it ours and unique.

    It is for `quantity` shares or for `notional` dollars. Prices are dollars a share: those that the
    type needs and no others; a trailing stop has one of `trail_price` and `trail_percent`. A bracket
    and an oco have both exits, an oto one; an oco is of type limit, its target being that limit.
    `stop_loss_limit_price` makes the stop of an exit a stop limit. Raises `ValueError` for a request
    that cannot be written down; what the broker allows of the rest is the broker's to say.
    """

    client_order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: Decimal | None = None
    order_type: OrderKind = "market"
    order_class: OrderGroup = "simple"
    time_in_force: Validity = "day"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    notional: Decimal | None = None
    extended_hours: bool = False

    def __post_init__(self) -> None:
        _check_client_order_id(self.client_order_id)
        if (self.quantity is None) == (self.notional is None):
            raise ValueError("an order is for a quantity or for a notional amount; give one of them")
        _check_numbers(self)
        if self.notional is not None and self.order_class != "simple":
            raise ValueError("an order for a notional amount is a simple one; give a quantity for the rest")
        self._check_prices()

    def _check_prices(self) -> None:
        given = self._given("limit_price", "stop_price")
        needed = frozenset[str]() if self.order_class == "oco" else _PRICES[self.order_type]
        if self.order_class == "oco" and self.order_type != "limit":
            raise ValueError("an oco is of the type limit; its target is the take_profit_price")
        if given != needed:
            raise ValueError(f"a {self.order_type} order needs {_listed(needed)}, not {_listed(given)}")
        if len(self._given("trail_price", "trail_percent")) != (self.order_type == "trailing_stop"):
            raise ValueError("trail_price or trail_percent goes with a trailing_stop, one of them")
        exits = self._given("take_profit_price", "stop_loss_price")
        if exits not in _EXITS[self.order_class]:
            raise ValueError(f"a {self.order_class} order cannot have {_listed(exits)} as its exits")
        if self.stop_loss_limit_price is not None and self.stop_loss_price is None:
            raise ValueError("stop_loss_limit_price goes with stop_loss_price")

    def _given(self, *names: str) -> frozenset[str]:
        return frozenset(name for name in names if getattr(self, name) is not None)


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What to change of an open order; what is None stays.

    The order that takes its place gets `client_order_id`, by which it is looked up when the answer
    is lost. `trail` is in dollars or percent, as the order's own was. Raises `ValueError`.
    """

    client_order_id: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: Validity | None = None

    def __post_init__(self) -> None:
        _check_client_order_id(self.client_order_id)
        _check_numbers(self)
        changes = (self.quantity, self.limit_price, self.stop_price, self.trail, self.time_in_force)
        if all(change is None for change in changes):
            raise ValueError("the change changes nothing; give a quantity, price, trail or time in force")


def _check_client_order_id(identifier: str) -> None:
    if not 1 <= len(identifier) <= 48:
        raise ValueError("client_order_id must have 1 to 48 characters; derive it from the intent")


def _check_numbers(request: OrderRequest | OrderChange) -> None:
    for name in request.__dataclass_fields__:
        value = getattr(request, name)
        if isinstance(value, Decimal) and not (value.is_finite() and value > 0):
            raise ValueError(f"{name} must be a number above zero, not {value}")


def _listed(names: frozenset[str]) -> str:
    return " and ".join(sorted(names)) or "no price"


def with_legs(orders: Iterable[BrokerOrder]) -> Iterator[BrokerOrder]:
    """Each order followed by its legs, so that a caller sees all of them in one row."""
    for order in orders:
        yield order
        yield from with_legs(order.legs)


class ClockReader(Protocol):
    """Market time and what may be traded: the same for every account. Errors as in `OrderReader`."""

    def clock(self) -> BrokerClock:
        """Market time now; never cached."""

    def sessions(self, start: date, end: date) -> list[Session]:
        """The trading sessions from `start` to `end`, both included, oldest first."""

    def asset(self, symbol: str) -> BrokerAsset | None:
        """What may be done with `symbol`, None for one that the broker does not know."""


class OrderReader(ClockReader, Protocol):
    """What sync may do: look, never trade.

    Every method raises `BrokerUnavailable`, or `BrokerUnclear` for an answer that makes no sense,
    when a few tries within the time budget have failed, and `BrokerRejected` when the broker
    refuses (`KeysRefused` for a 401).
    """

    def account(self) -> BrokerAccount:
        """The account's figures now."""

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

    def activities(self, since: date) -> list[BrokerActivity]:
        """What happened without a trade on `since` (New York) or later, but for what was cancelled."""


class OrderSubmitter(OrderReader, Protocol):
    """What execute and the exits may do besides: place, replace and cancel.

    A position is closed by an order: closing it by its symbol takes no client order id, so a repeat
    could sell twice.
    """

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Places the order once, or returns the order that already has its client order id.

        Raises `BrokerRejected` (nothing was placed), `BrokerUnavailable` (nothing was sent, try
        again with the same id) or `BrokerUnclear` (look it up by its client order id).
        """

    def cancel(self, broker_order_id: str) -> None:
        """Asks for the order to be cancelled; one that is terminal already is left as it is.

        The cancel is confirmed only when the order's state says so. Raises `OrderNotFound`.
        """

    def replace(self, broker_order_id: str, change: OrderChange) -> BrokerOrder:
        """Puts a changed order in the place of an open one, and answers the new one.

        Done once: the order that already has the change's client order id is the answer. The broker
        may still fill the old one first; `replaced_by` says what became of it. Raises
        `OrderNotFound`, `BrokerRejected` (nothing was changed), `BrokerUnavailable` (nothing was
        sent) or `BrokerUnclear` (look it up by the new client order id).
        """


class MarketDataReader(Protocol):
    """Prices. Errors as in `OrderReader`. A symbol without data is absent from the answer."""

    def daily_bars(
        self, symbols: Sequence[str], start: datetime, end: datetime, adjustment: Adjustment = "split"
    ) -> dict[str, list[Bar]]:
        """Daily bars stamped from `start` to `end`, oldest first. The last one may still be forming."""

    def bars(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        adjustment: Adjustment = "split",
    ) -> dict[str, Columns]:
        """Bars stamped from `start` to `end`, as columns; those outside of regular hours too.

        The last one may still be forming. Every page is read before it answers.
        """

    def latest_bars(self, symbols: Sequence[str]) -> dict[str, Bar]:
        """The newest minute bar of each symbol."""

    def latest_quotes(self, symbols: Sequence[str]) -> dict[str, BrokerQuote]:
        """The newest bid and ask of each symbol."""

    def latest_trades(self, symbols: Sequence[str]) -> dict[str, BrokerTrade]:
        """The newest trade of each symbol."""

    def corporate_actions(self, symbols: Sequence[str], start: date, end: date) -> list[CorporateAction]:
        """Splits, dividends, mergers and renames of `symbols` from `start` to `end`, by ex-date."""
