"""Whether Alpaca would take an order: the checks of POST /v2/orders, with its errors.

The venue calls `admit` with the request, the book and the market; it answers the orders to put in
the book, a parent with its legs, or raises RefusedError.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

import msgspec

from alpaquero.prices import next_session, tick_size
from alpaquero.simulation import OrderType, Side
from laptop.exchange.book import Book, Order, OrderClass, Role, Status, TimeInForce
from laptop.exchange.errors import forbidden, invalid, malformed
from laptop.exchange.identity import derived_id
from laptop.exchange.market import Market
from laptop.exchange.wire import text

GTC_LIFE = timedelta(days=90)
_LONGEST_CLIENT_ID = 128
_MARGIN_EQUITY = Decimal(2000)
_MARGIN_MULTIPLIER = Decimal(4)
_Choice = TypeVar("_Choice", bound=StrEnum)


class TakeProfit(msgspec.Struct, frozen=True):
    """The target of a bracket or an OCO."""

    limit_price: Decimal | None = None


class StopLoss(msgspec.Struct, frozen=True):
    """The stop of a bracket or an OCO."""

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


@dataclass(frozen=True, slots=True)
class Terms:
    """An order request whose fields are there and of a kind this exchange takes."""

    symbol: str
    quantity: Decimal
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    order_class: OrderClass
    client_order_id: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    target: Decimal | None
    stop: Decimal | None
    stop_limit: Decimal | None


def admit(request: OrderRequest, book: Book, market: Market, seed: int, now: datetime) -> list[Order]:
    """The orders that the request makes: one, or a parent and its legs. Raises RefusedError."""
    terms = _terms(request, book, market, seed)
    trade = market.last_trade(terms.symbol, now)
    if trade is None:
        raise invalid(f'asset "{terms.symbol}" is not tradable')
    _check_steps(terms)
    _check_exit_prices(terms, trade.price)
    if terms.side is Side.SELL:
        _check_shares(terms, book)
    else:
        _check_buying_power(terms, book, market, now)
    return _orders(terms, book, market, seed, now)


def multiplier(equity: Decimal) -> Decimal:
    """How many times its equity the account may buy: four, or one below 2,000 dollars."""
    return _MARGIN_MULTIPLIER if equity >= _MARGIN_EQUITY else Decimal(1)


def long_value(book: Book, market: Market, now: datetime) -> Decimal:
    """What all positions are worth at the last prices."""
    return sum((held_value(book, market, symbol, now) for symbol in book.positions), start=Decimal(0))


def held_value(book: Book, market: Market, symbol: str, now: datetime) -> Decimal:
    """What one position is worth at the last price."""
    trade = market.last_trade(symbol, now)
    if trade is None:
        return book.positions[symbol].cost
    return book.positions[symbol].quantity * trade.price


def buying_power(book: Book, market: Market, now: datetime) -> Decimal:
    """What may still be bought: equity times the multiplier, less positions and open buy orders."""
    held = long_value(book, market, now)
    equity = book.cash + held
    opened = (order for order in book.all_open_orders() if order.side is Side.BUY)
    waiting = sum((_cost(order, market, now) for order in opened), start=Decimal(0))
    power = equity * multiplier(equity) - held - waiting
    return max(power.quantize(Decimal("0.01")), Decimal(0))


def _cost(order: Order, market: Market, now: datetime) -> Decimal:
    price = order.limit_price or order.stop_price or _ask(order.symbol, market, now)
    return order.remaining * price


def _ask(symbol: str, market: Market, now: datetime) -> Decimal:
    quoted = market.quote(symbol, now)
    if quoted is None:
        raise invalid(f'asset "{symbol}" is not tradable')
    return quoted[0].ask


def _terms(request: OrderRequest, book: Book, market: Market, seed: int) -> Terms:
    """The request's fields, each checked alone."""
    symbol = (request.symbol or "").upper()
    if not symbol:
        raise malformed("symbol is required")
    if symbol not in market.history.symbols:
        raise invalid(f'asset "{symbol}" not found')
    order_class = _choice(OrderClass, "order_class", (request.order_class or "").replace("simple", ""))
    oco = order_class is OrderClass.OCO
    type_ = _choice(OrderType, "type", request.type or (OrderType.LIMIT if oco else None))
    target = request.take_profit.limit_price if request.take_profit else None
    if request.trail_price is not None or request.trail_percent is not None:
        raise invalid("trailing stop orders are not served by this exchange; give stop_price")
    if request.extended_hours:
        raise invalid("extended hours are not served by this exchange; leave extended_hours out")
    return Terms(
        symbol=symbol,
        quantity=_quantity(request, symbol),
        side=_choice(Side, "side", request.side),
        type=type_,
        time_in_force=_choice(TimeInForce, "time_in_force", request.time_in_force),
        order_class=order_class,
        client_order_id=_client_order_id(request, book, seed),
        limit_price=target if oco else _price("limit_price", request.limit_price, type_, "limit"),
        stop_price=None if oco else _price("stop_price", request.stop_price, type_, "stop"),
        target=target,
        stop=request.stop_loss.stop_price if request.stop_loss else None,
        stop_limit=request.stop_loss.limit_price if request.stop_loss else None,
    )


def _choice(kind: type[_Choice], name: str, value: str | None) -> _Choice:
    if value is None:
        raise malformed(f"{name} is required")
    try:
        return kind(value)
    except ValueError:
        raise invalid(f"invalid {name}: {value}") from None


def _quantity(request: OrderRequest, symbol: str) -> Decimal:
    if request.qty is None:
        if request.notional is None:
            raise malformed("qty or notional is required")
        raise forbidden(f'asset "{symbol}" is not fractionable')
    if not request.qty.is_finite() or request.qty <= 0:
        raise malformed("qty must be > 0")
    if request.qty != request.qty.to_integral_value():
        raise forbidden(f'asset "{symbol}" is not fractionable')
    return Decimal(int(request.qty))


def _client_order_id(request: OrderRequest, book: Book, seed: int) -> str:
    given = request.client_order_id
    if not given:
        return derived_id(seed, "client order id", str(len(book.orders)))
    if len(given) > _LONGEST_CLIENT_ID:
        raise malformed(f"client_order_id must be no more than {_LONGEST_CLIENT_ID} characters")
    if given in book.by_client_id:
        raise malformed("client_order_id must be unique")
    return given


def _price(name: str, given: Decimal | None, type_: OrderType, part: str) -> Decimal | None:
    """The price that the type needs; a price that it does not need is refused, as Alpaca does."""
    needed = part in type_.value.split("_")
    if needed and given is None:
        raise invalid(f"{type_} orders require a {name.replace('_', ' ')}")
    if given is not None and not needed:
        raise invalid(f"{type_} orders must not have a {name.replace('_', ' ')}")
    return given


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
        if not price.is_finite() or price <= 0:
            raise invalid(f"{name} must be > 0")
        if price % tick_size(price):
            raise invalid(
                f"invalid {name} {price}. sub-penny increment does not fulfill minimum pricing criteria"
            )


def _check_exit_prices(terms: Terms, market_price: Decimal) -> None:
    """Stops and targets lie on their side of the price that the position is entered or held at."""
    if terms.order_class is OrderClass.SIMPLE:
        if terms.target is not None or terms.stop is not None:
            raise invalid("take_profit and stop_loss need order_class bracket or oco")
        if terms.stop_price is not None:
            _check_stop_side(terms.side, terms.stop_price, market_price)
        return
    if terms.target is None:
        raise invalid(f"{terms.order_class} orders require take_profit.limit_price")
    if terms.stop is None:
        raise invalid(f"{terms.order_class} orders require stop_loss.stop_price")
    if terms.order_class is OrderClass.OCO:
        _check_oco(terms, terms.target, terms.stop, market_price)
        return
    if terms.side is Side.SELL or terms.type not in {OrderType.MARKET, OrderType.LIMIT}:
        raise invalid("bracket orders must be entry orders")
    base = terms.limit_price or market_price
    step = tick_size(base)
    if terms.target < base + step:
        raise invalid(f"take_profit.limit_price must be >= base_price + {step}", base_price=text(base))
    if terms.stop > base - step:
        raise invalid(f"stop_loss.stop_price must be <= base_price - {step}", base_price=text(base))


def _check_oco(terms: Terms, target: Decimal, stop: Decimal, market_price: Decimal) -> None:
    if terms.side is Side.BUY:
        raise invalid("oco orders must be exit orders")
    if terms.type is not OrderType.LIMIT:
        raise invalid("oco orders must be limit orders")
    if target <= stop:
        raise invalid("take_profit.limit_price must be greater than stop_loss.stop_price")
    _check_stop_side(terms.side, stop, market_price)


def _check_stop_side(side: Side, stop: Decimal, market_price: Decimal) -> None:
    if side is Side.SELL and stop >= market_price:
        raise invalid("stop price must be less than current price", market_price=text(market_price))
    if side is Side.BUY and stop <= market_price:
        raise invalid("stop price must be greater than current price", market_price=text(market_price))


def _check_shares(terms: Terms, book: Book) -> None:
    """No more shares may be sold than are owned and not held by another sell order."""
    position = book.positions.get(terms.symbol)
    if position is None:
        raise forbidden("account is not allowed to short")
    held = book.held(terms.symbol)
    available = position.quantity - held
    if terms.quantity > available:
        numbers = f"requested: {terms.quantity}, available: {text(available)}"
        raise forbidden(
            f"insufficient qty available for order ({numbers})",
            available=text(available),
            existing_qty=text(position.quantity),
            held_for_orders=text(held),
            symbol=terms.symbol,
        )


def _check_buying_power(terms: Terms, book: Book, market: Market, now: datetime) -> None:
    if terms.order_class is OrderClass.BRACKET and terms.symbol in book.positions:
        raise invalid("bracket orders must be entry orders")
    price = terms.limit_price or terms.stop_price or _ask(terms.symbol, market, now)
    power, cost = buying_power(book, market, now), terms.quantity * price
    if cost > power:
        raise forbidden("insufficient buying power", buying_power=text(power), cost_basis=text(cost))


def _orders(terms: Terms, book: Book, market: Market, seed: int, now: datetime) -> list[Order]:
    """The parent, and the legs that its class has. Every id follows from seed and client order id."""
    session = market.open_session(now)
    first = session or next_session(market.history.calendar, now)
    if first is None:
        raise invalid("the calendar ends here: no session is left to trade in")
    role = {OrderClass.SIMPLE: Role.ALONE, OrderClass.BRACKET: Role.ENTRY, OrderClass.OCO: Role.TARGET}
    number = len(book.orders)
    parent = Order(
        id=derived_id(seed, "order", terms.client_order_id, "parent"),
        client_order_id=terms.client_order_id,
        number=number,
        symbol=terms.symbol,
        side=terms.side,
        type=terms.type,
        order_class=terms.order_class,
        role=role[terms.order_class],
        time_in_force=terms.time_in_force,
        quantity=terms.quantity,
        status=Status.NEW if session else Status.ACCEPTED,
        submitted_at=now,
        updated_at=now,
        expires_at=first.close if terms.time_in_force is TimeInForce.DAY else now + GTC_LIFE,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
    )
    if terms.order_class is OrderClass.SIMPLE:
        return [parent]
    stop = _leg(parent, Role.STOP, seed, number + 1, terms)
    if terms.order_class is OrderClass.OCO:
        return [parent, stop]
    return [parent, _leg(parent, Role.TARGET, seed, number + 2, terms), stop]


def _leg(parent: Order, role: Role, seed: int, number: int, terms: Terms) -> Order:
    """A waiting exit of the parent's quantity on the other side of an entry, on the same side of an OCO."""
    type_ = OrderType.LIMIT
    if role is Role.STOP:
        type_ = OrderType.STOP if terms.stop_limit is None else OrderType.STOP_LIMIT
    return Order(
        id=derived_id(seed, "order", parent.client_order_id, role),
        client_order_id=derived_id(seed, "client order id", parent.client_order_id, role),
        number=number,
        symbol=parent.symbol,
        side=Side.SELL,
        type=type_,
        order_class=parent.order_class,
        role=role,
        time_in_force=parent.time_in_force,
        quantity=parent.quantity,
        status=Status.HELD,
        submitted_at=parent.submitted_at,
        updated_at=parent.updated_at,
        expires_at=parent.expires_at,
        parent=parent.id,
        limit_price=terms.target if role is Role.TARGET else terms.stop_limit,
        stop_price=terms.stop if role is Role.STOP else None,
    )
