"""What a request to place or replace an order asks for, each field checked alone, with Alpaca's errors.

Admission and replacement turn a body into Terms here before they look at the account. Fields that
Alpaca does not know are passed over, as Alpaca does. Sources of the rules: Alpaca's pages on placing
orders, fractional trading and user protection; messages as its API answers them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

import msgspec

from alpaquero.prices import tick_size
from alpaquero.simulation import OrderType, Side, TimeInForce
from laptop.exchange.book import Intent, OrderClass
from laptop.exchange.errors import RefusedError, forbidden, invalid, malformed

_LONGEST_CLIENT_ID = 128
_LARGEST_EXPONENT = 11
_NINE_PLACES = Decimal("1e-9")
_LEAST_NOTIONAL = Decimal(1)
_LEAST_TRAIL_PERCENT = Decimal("0.1")
_MOST_TRAIL_PERCENT = Decimal(100)
WAITING = frozenset({TimeInForce.DAY, TimeInForce.GTC})
_Choice = TypeVar("_Choice", bound=StrEnum)


class TakeProfit(msgspec.Struct, frozen=True):
    """The target of a bracket, an OCO or an OTO."""

    limit_price: Decimal | None = None


class StopLoss(msgspec.Struct, frozen=True):
    """The stop of a bracket, an OCO or an OTO."""

    stop_price: Decimal | None = None
    limit_price: Decimal | None = None


class OrderRequest(msgspec.Struct, frozen=True):
    """The body of POST /v2/orders. Numbers may be JSON numbers or strings, as Alpaca takes both."""

    symbol: str | None = None
    qty: Decimal | None = None
    notional: Decimal | None = None
    side: str | None = None
    type: str | None = None
    time_in_force: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool | None = None
    client_order_id: str | None = None
    order_class: str | None = None
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None
    position_intent: str | None = None


class ReplaceRequest(msgspec.Struct, frozen=True):
    """The body of PATCH /v2/orders/{id}; what is left out or null stays."""

    qty: Decimal | None = None
    notional: Decimal | None = None
    time_in_force: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """An order as asked for: either `quantity` or `notional`; `target` and `stop` are of its legs."""

    symbol: str
    quantity: Decimal | None
    notional: Decimal | None
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    order_class: OrderClass
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    extended_hours: bool
    intent: Intent | None
    target: Decimal | None
    stop: Decimal | None
    stop_limit: Decimal | None

    @property
    def fractional(self) -> bool:
        """Whether it may trade a part of a share."""
        return self.quantity is None or self.quantity != self.quantity.to_integral_value()


def terms_of(request: OrderRequest) -> Terms:
    """The terms of a new order. Raises RefusedError."""
    if not request.symbol:
        raise malformed("symbol is required")
    order_class = _order_class(request.order_class)
    oco = order_class is OrderClass.OCO
    target = request.take_profit.limit_price if request.take_profit else None
    type_ = _choice(OrderType, "order type", "type", request.type or ("limit" if oco else None))
    intent = request.position_intent
    terms = Terms(
        symbol=request.symbol.upper(),
        quantity=request.qty,
        notional=request.notional,
        side=_choice(Side, "side", "side", request.side),
        type=type_,
        time_in_force=_choice(TimeInForce, "time_in_force", "time_in_force", request.time_in_force),
        order_class=order_class,
        limit_price=target if oco else request.limit_price,
        stop_price=request.stop_price,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        extended_hours=bool(request.extended_hours),
        intent=_choice(Intent, "position_intent", "position_intent", intent) if intent else None,
        target=target,
        stop=request.stop_loss.stop_price if request.stop_loss else None,
        stop_limit=request.stop_loss.limit_price if request.stop_loss else None,
    )
    check(terms)
    return terms


def check(terms: Terms) -> None:
    """Whether the terms make an order at all, whatever the account. Raises RefusedError."""
    _check_size(terms)
    _check_prices(terms)
    _check_class(terms)
    _check_time(terms)
    _check_steps(terms)


def checked_client_order_id(given: str) -> str:
    """A client order id of a length that Alpaca takes."""
    if len(given) > _LONGEST_CLIENT_ID:
        raise malformed(f"client_order_id must be no more than {_LONGEST_CLIENT_ID} characters")
    return given


def time_in_force_of(value: str) -> TimeInForce:
    """A time in force by its name."""
    return _choice(TimeInForce, "time_in_force", "time_in_force", value)


def _order_class(value: str | None) -> OrderClass:
    if not value or value == "simple":
        return OrderClass.SIMPLE
    return _choice(OrderClass, "order_class", "order_class", value)


def _choice(kind: type[_Choice], shown: str, field: str, value: str | None) -> _Choice:
    if value is None:
        raise malformed(f"{field} is required")
    try:
        return kind(value)
    except ValueError:
        raise malformed(f"invalid {shown}") from None


def _check_size(terms: Terms) -> None:
    """Shares or dollars, above zero, to nine decimals."""
    if terms.quantity is None and terms.notional is None:
        raise malformed("qty or notional is required")
    if terms.quantity is not None and terms.notional is not None:
        raise malformed("only one of qty or notional is accepted")
    for name, size in (("qty", terms.quantity), ("notional", terms.notional)):
        if size is None:
            continue
        _check_number(name, size)
        if size.quantize(_NINE_PLACES) != size:
            raise invalid(f"{name} must have at most 9 decimal places")
    if terms.notional is not None and terms.notional < _LEAST_NOTIONAL:
        raise invalid("notional must be >= 1.00")


def _check_number(name: str, value: Decimal) -> None:
    if not value.is_finite() or value <= 0:
        raise malformed(f"{name} must be > 0")
    if value.adjusted() > _LARGEST_EXPONENT:
        raise malformed(f"{name} is too large")


def _check_prices(terms: Terms) -> None:
    """The prices that the type needs are there, and no other."""
    needs_limit = terms.type in {OrderType.LIMIT, OrderType.STOP_LIMIT}
    needs_stop = terms.type in {OrderType.STOP, OrderType.STOP_LIMIT}
    lacks = needs_limit and terms.limit_price is None, needs_stop and terms.stop_price is None
    if any(lacks):
        raise malformed(_needed(terms.type))
    if terms.type in {OrderType.MARKET, OrderType.TRAILING_STOP} and (terms.limit_price or terms.stop_price):
        raise malformed(f"{_shown(terms.type)} orders require no stop or limit price")
    if terms.stop_price is not None and not needs_stop:
        raise malformed(f"{_shown(terms.type)} orders require no stop price")
    if terms.limit_price is not None and not needs_limit:
        raise malformed(f"{_shown(terms.type)} orders require no limit price")
    _check_trail(terms)


def _needed(type_: OrderType) -> str:
    if type_ is OrderType.STOP_LIMIT:
        return "stop limit orders require both stop and limit price"
    return f"{type_} orders require a {type_} price"


def _shown(type_: OrderType) -> str:
    return type_.replace("_", " ")


def _check_trail(terms: Terms) -> None:
    trails = terms.trail_price, terms.trail_percent
    if terms.type is not OrderType.TRAILING_STOP:
        for name, given in zip(("trail_price", "trail_percent"), trails, strict=True):
            if given is not None:
                raise malformed(f"{_shown(terms.type)} orders must not have {name}")
        return
    if trails.count(None) != 1:
        raise malformed("trailing stop orders must specify one of trail_price or trail_percent")
    if terms.trail_price is not None:
        _check_number("trail_price", terms.trail_price)
    if terms.trail_percent is not None:
        _check_number("trail_percent", terms.trail_percent)
        if terms.trail_percent < _LEAST_TRAIL_PERCENT:
            raise malformed("trail_percent must be greater than or equal to 0.1")
        if terms.trail_percent >= _MOST_TRAIL_PERCENT:
            raise malformed("trail_percent must be less than 100")


def _check_class(terms: Terms) -> None:
    """Each class has the legs it needs and a type that it takes."""
    kind = terms.order_class
    legs = terms.target is not None, terms.stop is not None
    if terms.stop_limit is not None and terms.stop is None:
        raise invalid("stop_loss.stop_price is required")
    if kind is OrderClass.SIMPLE:
        if any(legs):
            raise invalid("take_profit and stop_loss need order_class bracket, oco or oto")
        return
    if terms.fractional:
        raise _fractional(terms)
    if kind is OrderClass.OTO and sum(legs) != 1:
        raise invalid("oto orders require either take_profit.limit_price or stop_loss.stop_price")
    if kind is not OrderClass.OTO and not legs[0]:
        raise invalid(f"{kind} orders require take_profit.limit_price")
    if kind is not OrderClass.OTO and not legs[1]:
        raise invalid(f"{kind} orders require stop_loss.stop_price")
    if kind is OrderClass.OCO and terms.type is not OrderType.LIMIT:
        raise invalid("oco orders must be limit orders")
    if terms.type is OrderType.TRAILING_STOP:
        raise invalid("trailing stop orders must be simple orders")
    if terms.time_in_force not in WAITING:
        raise invalid(f"{kind} orders must be DAY or GTC orders")


def _fractional(terms: Terms) -> RefusedError:
    """What Alpaca says of a fractional order that it cannot take: the time in force comes first."""
    if terms.time_in_force is not TimeInForce.DAY:
        return invalid("fractional orders must be DAY orders")
    return invalid("fractional orders must be simple orders")


def _check_time(terms: Terms) -> None:
    """The time in force fits the type, and extended hours fit both."""
    if terms.extended_hours and not (
        terms.type is OrderType.LIMIT
        and terms.time_in_force in WAITING
        and terms.order_class is OrderClass.SIMPLE
    ):
        raise invalid("extended hours order must be DAY or GTC limit orders")
    if terms.fractional and terms.time_in_force is not TimeInForce.DAY:
        raise _fractional(terms)
    if terms.fractional and terms.type is OrderType.TRAILING_STOP:
        raise invalid("trailing stop orders must have a whole qty")
    if terms.notional is not None and terms.type is not OrderType.MARKET:
        raise invalid("notional orders must be market orders")
    if terms.type in {OrderType.MARKET, OrderType.LIMIT} or terms.time_in_force in WAITING:
        return
    if terms.type is OrderType.TRAILING_STOP:
        raise invalid("trailing stop orders must be DAY or GTC orders")
    raise invalid(f"{terms.time_in_force} orders must be market or limit orders")


def _check_steps(terms: Terms) -> None:
    """Prices are positive and on their step."""
    prices = {
        "limit_price": terms.limit_price,
        "stop_price": terms.stop_price,
        "take_profit.limit_price": terms.target,
        "stop_loss.stop_price": terms.stop,
        "stop_loss.limit_price": terms.stop_limit,
    }
    for name, price in prices.items():
        if price is None:
            continue
        _check_number(name.replace("_price", " price") if "." not in name else name, price)
        if price % tick_size(price):
            raise invalid(
                f"invalid {name} {price}. sub-penny increment does not fulfill minimum pricing criteria"
            )


def check_configured(terms: Terms, *, fractional_trading: bool) -> None:
    """Whether the account's owner lets it trade parts of shares."""
    if terms.fractional and not fractional_trading:
        raise forbidden("fractional trading is disabled for this account")
