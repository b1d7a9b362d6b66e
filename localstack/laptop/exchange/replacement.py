"""Whether and how Alpaca would replace an order: the checks of PATCH /v2/orders/{id}.

The venue calls `amend`; it answers the changes to record. A replacement is a new order that names the
old one: its `qty` is what was asked for less what the old order filled, so no share is counted twice.
Source: Alpaca's reference of the route, and messages as its API answers them.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from alpaquero.simulation import OrderType
from alpaquero.simulation.identity import derived_id
from alpaquero.simulation.matching import EXITS, Role, Status
from laptop.exchange.admission import (
    Setting,
    check_account,
    check_exit_prices,
    market_price,
    new_client_order_id,
    share_worth,
)
from laptop.exchange.book import Accepted, Changed, Order, OrderClass
from laptop.exchange.errors import invalid
from laptop.exchange.hours import check_window, expiry, is_working_time
from laptop.exchange.terms import ReplaceRequest, Terms, check, time_in_force_of

_NONE = Decimal(0)


def amend(request: ReplaceRequest, order: Order, setting: Setting) -> tuple[Order, list[Changed | Accepted]]:
    """The new order, and the changes that put it in the old one's place. Raises RefusedError."""
    _check_state(order)
    terms = _terms(request, order, setting)
    check_window(terms.time_in_force, setting.market, setting.now)
    client_order_id = new_client_order_id(request.client_order_id, setting)
    worth = order.worth if order.intent.closes else share_worth(terms, order.intent, setting)
    _check_room(terms, order, worth, setting)
    new = _successor(order, terms, client_order_id, worth, setting)
    now = setting.now
    old = replace(order, status=Status.REPLACED, replaced_at=now, updated_at=now, replaced_by=new.id)
    moved = [Changed(replace(leg, parent=new.id)) for leg in setting.book.legs_of(order)]
    return new, [Changed(old), Accepted([new]), *moved]


def _check_state(order: Order) -> None:
    if order.status is Status.REPLACED:
        raise invalid("order already replaced")
    if not order.working or order.status is Status.ACCEPTED:
        raise invalid(f"cannot replace order in {order.status} status")
    if order.notional is not None:
        raise invalid("notional orders cannot be replaced")
    if order.type is OrderType.TRAILING_STOP and order.triggered:
        raise invalid("cannot replace a trailing stop order that is triggered")


def _terms(request: ReplaceRequest, order: Order, setting: Setting) -> Terms:
    """The order's terms with what the request changes; `quantity` is what is still to be filled."""
    if request.notional is not None:
        raise invalid("notional is only valid for IPO orders")
    old = _present_terms(order, setting)
    trail = request.trail
    if trail is not None and order.type is not OrderType.TRAILING_STOP:
        raise invalid("trail is only valid for trailing_stop orders")
    by_price = order.trail_price is not None
    new = replace(
        old,
        quantity=_quantity(request, order),
        time_in_force=time_in_force_of(request.time_in_force) if request.time_in_force else old.time_in_force,
        limit_price=_given(request.limit_price, old.limit_price),
        stop_price=_given(request.stop_price, old.stop_price),
        trail_price=_given(trail, old.trail_price) if by_price else None,
        trail_percent=None if by_price else _given(trail, old.trail_percent),
    )
    if new == old:
        raise invalid("order parameters are not changed")
    # A leg is checked as the order that it is alone; its class brings no legs of its own.
    alone = order.role in EXITS
    check(replace(new, order_class=OrderClass.SIMPLE) if alone else new)
    priced = _as_leg(new, order, setting) if alone else new
    if order.triggered and new.stop_price == old.stop_price:
        # The price has passed the stop: what is left is a limit order.
        priced = replace(priced, order_class=OrderClass.SIMPLE, stop_price=None)
    check_exit_prices(priced, market_price(order.symbol, setting))
    return new


def _given(new: Decimal | None, old: Decimal | None) -> Decimal | None:
    return old if new is None else new


def _present_terms(order: Order, setting: Setting) -> Terms:
    """What the order asks for now, with the prices of its legs when it is an entry."""
    legs = {leg.role: leg for leg in setting.book.legs_of(order)} if order.role is Role.ENTRY else {}
    target, stop = legs.get(Role.TARGET), legs.get(Role.STOP)
    return Terms(
        symbol=order.symbol,
        quantity=order.remaining,
        notional=None,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        order_class=order.order_class,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_price=order.trail_price,
        trail_percent=order.trail_percent,
        extended_hours=order.extended_hours,
        intent=order.intent,
        target=target.limit_price if target else None,
        stop=stop.stop_price if stop else None,
        stop_limit=stop.limit_price if stop else None,
    )


def _quantity(request: ReplaceRequest, order: Order) -> Decimal:
    """The shares still to fill: whole ones, of a simple order, more than it has filled."""
    if request.qty is None or request.qty == order.quantity:
        return order.remaining
    if order.order_class is not OrderClass.SIMPLE:
        raise invalid("qty cannot be changed for advanced orders")
    if not request.qty.is_finite() or request.qty != request.qty.to_integral_value():
        raise invalid("qty must be an integer")
    if order.quantity != order.quantity.to_integral_value():
        raise invalid("qty of fractional orders cannot be changed")
    if request.qty <= order.filled_quantity:
        raise invalid("qty must be > filled_qty")
    return request.qty - order.filled_quantity


def _as_leg(terms: Terms, order: Order, setting: Setting) -> Terms:
    """An exit's terms as an OCO with its sibling's price, for the checks of prices.

    The stop of an exit that waits for its entry is not judged by the price of today.
    """
    book = setting.book
    prices = {leg.role: leg.limit_price or leg.stop_price for leg in book.pair(order)}
    target = terms.limit_price if order.role is Role.TARGET else prices.get(Role.TARGET)
    stop = terms.stop_price if order.role is Role.STOP else prices.get(Role.STOP)
    if not book.live(order):
        return replace(terms, order_class=OrderClass.SIMPLE, stop_price=None)
    return replace(terms, order_class=OrderClass.OCO, target=target, stop=stop)


def _check_room(terms: Terms, order: Order, worth: Decimal, setting: Setting) -> None:
    """Shares or buying power for what the new order needs more than the old one gives back."""
    if order.intent.closes and terms.quantity is not None and terms.quantity <= order.remaining:
        return
    freed = order.remaining if order.intent.closes else order.reserved
    check_account(terms, order.intent, worth, setting, freed=freed)


def _successor(order: Order, terms: Terms, client_order_id: str, worth: Decimal, setting: Setting) -> Order:
    """The order that takes the place of `order`."""
    now, extended = setting.now, terms.extended_hours
    working = is_working_time(setting.market, now, extended=extended)
    status = Status.NEW if working else Status.ACCEPTED
    if order.role in EXITS and order.parent is not None:
        status = Status.NEW if order.status is Status.PARTIALLY_FILLED else order.status
    moved = (terms.stop_price, terms.trail_price) != (order.stop_price, order.trail_price)
    return replace(
        order,
        id=derived_id(setting.seed, "order", client_order_id, "parent"),
        client_order_id=client_order_id,
        number=len(setting.book.orders),
        time_in_force=terms.time_in_force,
        quantity=terms.quantity or order.remaining,
        status=status,
        submitted_at=now,
        updated_at=now,
        expires_at=expiry(terms.time_in_force, setting.market, now, extended=extended),
        worth=worth,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        trail_price=terms.trail_price,
        trail_percent=terms.trail_percent,
        triggered=order.triggered and not moved,
        filled_quantity=_NONE,
        filled_value=_NONE,
        replaces=order.id,
    )
