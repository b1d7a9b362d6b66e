"""Whether Alpaca would take an order: the checks of POST /v2/orders against account and market.

The venue calls `admit` with the request, the book and the market; it answers the orders to put in
the book, a parent with its legs, or raises RefusedError. `laptop.exchange.terms` has checked the body.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from alpaquero.prices import tick_size
from alpaquero.simulation import OrderType, Side, trailing_stop_price
from alpaquero.simulation.identity import derived_id, leg_client_order_id
from alpaquero.simulation.identity import order_id as order_id_of
from alpaquero.simulation.matching import Role, Status
from laptop.exchange.book import Book, Intent, Order, OrderClass
from laptop.exchange.errors import RefusedError, forbidden, invalid, malformed, not_found
from laptop.exchange.hours import check_window, expiry, is_working_time
from laptop.exchange.margin import Standing, may_short, power_left
from laptop.exchange.market import Market
from laptop.exchange.terms import (
    OrderRequest,
    Terms,
    check_configured,
    checked_client_order_id,
    terms_of,
)
from laptop.exchange.wire import text

_SHORT_MARKUP = Decimal("1.03")
_NINE_PLACES = Decimal("1e-9")
_NONE = Decimal(0)
_ENTRIES = frozenset({OrderClass.BRACKET, OrderClass.OTO})


@dataclass(frozen=True, slots=True)
class Setting:
    """What an order is judged against: the account and the market at one moment of market time."""

    book: Book
    market: Market
    seed: int
    now: datetime
    standing: Standing


def admit(request: OrderRequest, setting: Setting) -> list[Order]:
    """The orders that the request makes: one, or a parent and its legs. Raises RefusedError."""
    configuration = setting.book.configuration
    if configuration.suspend_trade:
        raise forbidden("new orders are rejected by user request")
    terms = terms_of(request)
    check_configured(terms, fractional_trading=configuration.fractional_trading)
    price = market_price(terms.symbol, setting)
    client_order_id = new_client_order_id(request.client_order_id, setting)
    check_exit_prices(terms, price)
    check_window(terms.time_in_force, setting.market, setting.now)
    intent = _intent(terms, setting.book)
    worth = share_worth(terms, intent, setting)
    check_account(terms, intent, worth, setting, freed=_NONE)
    parent = _parent(terms, intent, client_order_id, worth, setting)
    if terms.type is OrderType.TRAILING_STOP:
        parent = replace(parent, high_water_mark=price)
    return [parent, *_legs(parent, terms, setting.seed)]


def market_price(symbol: str, setting: Setting) -> Decimal:
    """The last price of an asset that trades. Raises RefusedError."""
    if symbol not in setting.market.history.symbols:
        raise invalid(f'asset "{symbol}" not found')
    trade = setting.market.last_trade(symbol, setting.now)
    if trade is None:
        raise invalid(f'asset "{symbol}" is not tradable')
    return trade.price


def new_client_order_id(given: str | None, setting: Setting) -> str:
    """The client order id of a new order, made up when none is given. Raises RefusedError."""
    if not given:
        return derived_id(setting.seed, "client order id", str(len(setting.book.orders)))
    if checked_client_order_id(given) in setting.book.by_client_id:
        raise malformed("client_order_id must be unique")
    return given


def order_of(order_id: str, book: Book) -> Order:
    """An order by id. Raises RefusedError when there is none."""
    if order_id not in book.orders:
        raise not_found(f"order not found for {order_id}")
    return book.orders[order_id]


def check_exit_prices(terms: Terms, market_price: Decimal) -> None:
    """Stops and targets lie on their side of the price that the position is entered or held at."""
    if terms.stop_price is not None:
        _check_stop_side(terms.side, terms.stop_price, market_price)
    if terms.type is OrderType.TRAILING_STOP:
        stop = trailing_stop_price(terms.side, market_price, terms.trail_price, terms.trail_percent)
        if stop <= 0:
            raise invalid("trail_price must be less than current price", market_price=text(market_price))
    if terms.order_class is OrderClass.OCO and terms.target is not None and terms.stop is not None:
        _check_spread(terms.side, terms.target, terms.stop)
        _check_stop_side(terms.side, terms.stop, market_price)
    elif terms.order_class in _ENTRIES:
        _check_legs(terms, terms.limit_price or terms.stop_price or market_price)


def _check_legs(terms: Terms, base: Decimal) -> None:
    """The exits of an entry lie a step or more on either side of what it pays."""
    step = tick_size(base)
    sign, above, below = (1, ">=", "<=") if terms.side is Side.BUY else (-1, "<=", ">=")
    plus, minus = ("+", "-") if sign > 0 else ("-", "+")
    if terms.target is not None and sign * (terms.target - base) < step:
        raise invalid(
            f"take_profit.limit_price must be {above} base_price {plus} {step}", base_price=text(base)
        )
    if terms.stop is not None and sign * (base - terms.stop) < step:
        raise invalid(
            f"stop_loss.stop_price must be {below} base_price {minus} {step}", base_price=text(base)
        )


def _check_spread(side: Side, target: Decimal, stop: Decimal) -> None:
    """The target of a sale lies above its stop, that of a purchase below."""
    if side is Side.SELL and target <= stop:
        raise invalid("take_profit.limit_price must be > stop_loss.stop_price")
    if side is Side.BUY and target >= stop:
        raise invalid("take_profit.limit_price must be < stop_loss.stop_price")


def _check_stop_side(side: Side, stop: Decimal, market_price: Decimal) -> None:
    if side is Side.SELL and stop >= market_price:
        raise invalid("stop price must be less than current price", market_price=text(market_price))
    if side is Side.BUY and stop <= market_price:
        raise invalid("stop price must be greater than current price", market_price=text(market_price))


def _intent(terms: Terms, book: Book) -> Intent:
    """What the order does to the position as it is. Raises RefusedError."""
    position = book.positions.get(terms.symbol)
    owned = position.quantity if position else _NONE
    if terms.side is Side.BUY:
        inferred = Intent.BUY_TO_CLOSE if owned < 0 else Intent.BUY_TO_OPEN
    else:
        inferred = Intent.SELL_TO_CLOSE if owned > 0 else Intent.SELL_TO_OPEN
    if terms.intent not in {None, inferred}:
        raise invalid(f"position intent mismatch, inferred: {inferred}, specified: {terms.intent}")
    if terms.order_class is OrderClass.OCO and not inferred.closes:
        raise invalid("oco orders must be exit orders")
    if terms.order_class in _ENTRIES and owned:
        raise invalid(f"{terms.order_class} orders must be entry orders")
    return inferred


def share_worth(terms: Terms, intent: Intent, setting: Setting) -> Decimal:
    """What a share counts for: its own price, else what a buy pays or a sale gets; a short sale 3 % more."""
    own = terms.limit_price or terms.stop_price
    if own is not None and intent is not Intent.SELL_TO_OPEN:
        return own
    quoted = setting.market.quote(terms.symbol, setting.now)
    if quoted is None:
        raise invalid(f'asset "{terms.symbol}" is not tradable')
    if intent is Intent.SELL_TO_CLOSE:
        return quoted[0].bid
    ask = quoted[0].ask
    return ask if intent is not Intent.SELL_TO_OPEN else max(terms.limit_price or _NONE, ask * _SHORT_MARKUP)


def check_account(terms: Terms, intent: Intent, worth: Decimal, setting: Setting, *, freed: Decimal) -> None:
    """Whether the account may place the order now.

    `freed` is what an order that this one replaces gives back: shares for an exit, else dollars.
    """
    _check_wash_trade(terms, setting.book)
    if intent.closes:
        _check_shares(terms, setting.book, estimated_quantity(terms, worth), freed)
        return
    _check_opposite_entry(terms, setting.book)
    if intent is Intent.SELL_TO_OPEN:
        _check_short(terms, setting)
    power = power_left(setting.book, setting.standing) + freed
    cost = terms.notional if terms.quantity is None else terms.quantity * worth
    if cost is not None and cost > power:
        raise forbidden("insufficient buying power", buying_power=text(power), cost_basis=text(cost))


def estimated_quantity(terms: Terms, price: Decimal) -> Decimal:
    """The shares of an order; of one for dollars, what they buy at `price`."""
    if terms.quantity is not None:
        return terms.quantity
    return ((terms.notional or _NONE) / price).quantize(_NINE_PLACES)


def _check_wash_trade(terms: Terms, book: Book) -> None:
    """No order may trade against another of the account; complex orders and trailing stops are exempt.

    The table is Alpaca's, on its page on user protection: orders without a limit always could, two
    limits when they cross.
    """
    if terms.order_class is not OrderClass.SIMPLE or terms.type is OrderType.TRAILING_STOP:
        return
    opposite = book.resting(terms.symbol, terms.side.other)
    taker = opposite.taker()
    if taker is not None:
        raise _wash_trade(taker, "opposite side market/stop order exists")
    best = opposite.best()
    if best is None:
        return
    order_id, price = best
    limit = terms.limit_price
    crossing = limit is None or (price <= limit if terms.side is Side.BUY else price >= limit)
    if crossing:
        raise _wash_trade(order_id, "opposite side limit order exists. use complex/limit/stop_limit orders")


def _wash_trade(order_id: str, reason: str) -> RefusedError:
    message = "potential wash trade detected. use complex orders"
    return forbidden(message, existing_order_id=order_id, reject_reason=reason)


def _check_shares(terms: Terms, book: Book, quantity: Decimal, freed: Decimal) -> None:
    """No more shares may be closed than are there and not held by another exit."""
    existing = abs(book.positions[terms.symbol].quantity)
    held = book.held(terms.symbol) - freed
    available = existing - held
    if quantity > available:
        raise forbidden(
            f"insufficient qty available for order "
            f"(requested: {text(quantity)}, available: {text(available)})",
            available=text(available),
            existing_qty=text(existing),
            held_for_orders=text(held),
            symbol=terms.symbol,
        )


def _check_opposite_entry(terms: Terms, book: Book) -> None:
    """An account is never on its way to be long and short of one symbol at once."""
    if not book.opening.get((terms.symbol, terms.side.other)):
        return
    if terms.side is Side.SELL:
        raise forbidden("cannot open a short sell while a long buy order is open")
    raise forbidden("cannot open a long buy while a short sell order is open")


def _check_short(terms: Terms, setting: Setting) -> None:
    if not may_short(setting.book, setting.standing):
        raise forbidden("account is not allowed to short")
    if terms.fractional:
        raise invalid("fractional orders cannot be sold short")


def _parent(terms: Terms, intent: Intent, client_order_id: str, worth: Decimal, setting: Setting) -> Order:
    """The order itself. Every id follows from seed and client order id."""
    roles = {OrderClass.SIMPLE: Role.ALONE, OrderClass.OCO: Role.TARGET}
    order_id = order_id_of(setting.seed, client_order_id)
    working = is_working_time(setting.market, setting.now, extended=terms.extended_hours)
    return Order(
        id=order_id,
        client_order_id=client_order_id,
        number=len(setting.book.orders),
        symbol=terms.symbol,
        side=terms.side,
        type=terms.type,
        order_class=terms.order_class,
        role=roles.get(terms.order_class, Role.ENTRY),
        group=order_id,
        intent=intent,
        time_in_force=terms.time_in_force,
        quantity=estimated_quantity(terms, worth),
        status=Status.NEW if working else Status.ACCEPTED,
        submitted_at=setting.now,
        updated_at=setting.now,
        expires_at=expiry(terms.time_in_force, setting.market, setting.now, extended=terms.extended_hours),
        worth=worth,
        notional=terms.notional,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        trail_price=terms.trail_price,
        trail_percent=terms.trail_percent,
        extended_hours=terms.extended_hours,
    )


def _legs(parent: Order, terms: Terms, seed: int) -> list[Order]:
    """The exits that the order's class has, the target first."""
    exits = [Role.TARGET] if terms.target is not None and terms.order_class in _ENTRIES else []
    exits += [Role.STOP] if terms.stop is not None else []
    return [_leg(parent, role, place, seed, terms) for place, role in enumerate(exits, 1)]


def _leg(parent: Order, role: Role, place: int, seed: int, terms: Terms) -> Order:
    """A waiting exit of the parent's quantity, on the other side of an entry, on the same side of an OCO."""
    type_ = OrderType.LIMIT
    if role is Role.STOP:
        type_ = OrderType.STOP if terms.stop_limit is None else OrderType.STOP_LIMIT
    side = parent.side if parent.order_class is OrderClass.OCO else parent.side.other
    limit_price = terms.target if role is Role.TARGET else terms.stop_limit
    return Order(
        id=order_id_of(seed, parent.client_order_id, role),
        client_order_id=leg_client_order_id(seed, parent.client_order_id, role),
        number=parent.number + place,
        symbol=parent.symbol,
        side=side,
        type=type_,
        order_class=parent.order_class,
        role=role,
        group=parent.group,
        intent=Intent.SELL_TO_CLOSE if side is Side.SELL else Intent.BUY_TO_CLOSE,
        time_in_force=parent.time_in_force,
        quantity=parent.quantity,
        status=Status.HELD,
        submitted_at=parent.submitted_at,
        updated_at=parent.updated_at,
        expires_at=parent.expires_at,
        worth=parent.worth,
        parent=parent.id,
        limit_price=limit_price,
        stop_price=terms.stop if role is Role.STOP else None,
    )
