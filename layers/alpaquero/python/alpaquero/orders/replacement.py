"""Replacing an open order: what may be changed, and the record of the order that takes its place.

Called by `PATCH /api/orders/{id}` before it queues, and by `trading/execute`. The new order is the
next revision of the old one's id, so the same order is replaced once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from alpaquero.orders.identity import successor_id
from alpaquero.orders.intent import Intent, OrderType, Origin, Purpose, TimeInForce
from alpaquero.orders.kinds import OrderClass, Side
from alpaquero.orders.lifecycle import OrderStatus, Phase, is_terminal, phase_in
from alpaquero.orders.order import ExitStep, Order, OrderEvent, OrderOrigin, OrderPurpose
from alpaquero.orders.terms import NEEDS_LIMIT, NEEDS_STOP, WAITS, TermsError, check_number, is_whole
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.quickly_made import dataclass
from alpaquero.risk.verdict import RuleResult

_NUMBERS = ("quantity", "limit_price", "stop_price", "trail")
_ORIGINS = {OrderOrigin(origin): origin for origin in Origin}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What to change of an order; None stays. `quantity` counts what is filled already, `trail` is in
    dollars or percent as the order's own. Raises `TermsError` for a number that is none.
    """

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce | None = None

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            value: Decimal | None = getattr(self, name)
            if value is not None:
                check_number(name, value)
        if self.time_in_force is None and all(getattr(self, name) is None for name in _NUMBERS):
            raise TermsError(
                "quantity",
                "nothing is changed; give quantity, limit_price, stop_price, trail or time_in_force",
            )


def free_successor(
    order: Order, change: Change, look_up: Callable[[str], Order | None]
) -> tuple[str, Order | None]:
    """The id for the order that takes the place of `order`, and its record when this very change was
    written already.

    A replacement that came to nothing leaves its id used up. Raises `TermsError` when the order is
    replaced by another change.
    """
    identifier = order.client_order_id
    while True:
        identifier = successor_id(order.account, identifier, order.symbol)
        found = look_up(identifier)
        if found is None:
            return identifier, None
        if phase_in(found) is Phase.GIVEN_UP:
            continue
        if _comes_of(found, order, change):
            return identifier, found
        raise TermsError("id", f"the order is being replaced by {identifier} already; change that one")


def _comes_of(new: Order, order: Order, change: Change) -> bool:
    """Whether `new` is what `change` makes of `order`."""
    wanted = {name: value for name, value in _priced(order, change).items() if value is not None}
    told = (new.asked_quantity, change.time_in_force or new.time_in_force)
    return told == (change.quantity, new.time_in_force) and all(
        getattr(new, name) == value for name, value in wanted.items()
    )


def _priced(order: Order, change: Change) -> dict[str, Decimal | None]:
    """The prices a change sets, on their step: a purchase pays no more, a sale gets no less."""
    direction = Direction.DOWN if order.side is Side.BUY else Direction.UP
    limit, stop, trail = change.limit_price, change.stop_price, change.trail
    by_price = order.trail_price is not None
    return {
        "limit_price": None if limit is None else round_price(limit, direction),
        "stop_price": None if stop is None else round_price(stop, direction),
        "trail_price": round_price(trail, Direction.DOWN) if trail and by_price else None,
        "trail_percent": None if by_price else trail,
    }


def changed_terms(order: Order, change: Change) -> dict[str, Any]:
    """The fields of `order` that the change sets, prices on their step: a purchase pays no more, a sale
    gets no less. Raises `TermsError` for a change that this order cannot take.
    """
    _check_open(order)
    terms: dict[str, Any] = {}
    if change.quantity is not None:
        terms["quantity"] = _quantity(order, change.quantity)
    for name, types in (("limit_price", NEEDS_LIMIT), ("stop_price", NEEDS_STOP)):
        if getattr(change, name) is not None and order.order_type not in types:
            raise TermsError(name, f"a {order.order_type} order has no {name} to change")
    if change.trail is not None and order.order_type is not OrderType.TRAILING_STOP:
        raise TermsError("trail", "trail is changed of a trailing_stop alone")
    terms |= {name: price for name, price in _priced(order, change).items() if price is not None}
    if change.time_in_force is not None:
        terms["time_in_force"] = _time_in_force(order, change.time_in_force)
    left = {name: value for name, value in terms.items() if value != getattr(order, name)}
    if not left:
        raise TermsError(next(iter(terms)), "the order is so already; give something that changes it")
    return left


def grows(order: Order, terms: dict[str, Any]) -> bool:
    """Whether the new order could take more than the old one: more shares, or dearer ones."""
    more = "quantity" in terms and terms["quantity"] > (order.quantity or Decimal(0))
    dearer = order.side is Side.BUY and any(
        terms[name] > (getattr(order, name) or Decimal(0))
        for name in ("limit_price", "stop_price", "trail_price", "trail_percent")
        if name in terms
    )
    return more or dearer


def successor(
    order: Order,
    terms: dict[str, Any],
    identifier: str,
    *,
    at: datetime,
    wall_at: datetime,
    requested_by: str,
    reason: str,
    correlation_id: str,
    verdict: tuple[RuleResult, ...],
) -> Order:
    """The order that takes the place of `order`, written and not sent.

    Its quantity is what was asked for less what the old one has filled. An exit's goes on with the
    exit's steps. `at` is market time, `wall_at` wall time.
    """
    quantity = terms.get("quantity", order.quantity)
    return replace(
        order,
        **(terms | {"quantity": None if quantity is None else quantity - order.filled_quantity}),
        client_order_id=identifier,
        replaces=order.client_order_id,
        asked_quantity=terms.get("quantity"),
        replaced_by=None,
        status=OrderStatus.INTENDED,
        broker_order_id=None,
        filled_quantity=Decimal(0),
        filled_average_price=None,
        asked_at=order.asked_at or order.created_at,
        asked_limit_price=order.asked_limit_price or order.limit_price,
        created_at=at,
        updated_at=at,
        wall_created_at=wall_at,
        wall_sent_at=None,
        times_unclear=0,
        broker_updated_at=None,
        exit_step=ExitStep.SELL if order.exit_step is not None else None,
        requested_by=requested_by,
        reason=reason,
        correlation_id=correlation_id,
        verdict=verdict,
        version=1,
        history=(OrderEvent(at=at, status=OrderStatus.INTENDED, why=reason),),
    )


def intent_of(
    order: Order,
    terms: dict[str, Any],
    identifier: str,
    *,
    requested_by: str,
    correlation_id: str,
    asked_at: datetime | None = None,
) -> Intent:
    """What risk judges when an order grows: the new order as an intent."""
    key, revision = identifier.rsplit("-", 2)[1:]
    entry = order.purpose is OrderPurpose.ENTRY
    named = ("order_type", "time_in_force", "limit_price", "stop_price", "trail_price", "trail_percent")
    given = {name: terms.get(name, getattr(order, name)) for name in named}
    own = {} if order.order_class is OrderClass.SIMPLE or not entry else _own_exits(order)
    return Intent(
        account=order.account,
        origin=_ORIGINS.get(order.origin, Origin.MANUAL),
        purpose=Purpose.ENTRY if entry else Purpose.EXIT,
        symbol=order.symbol,
        side=order.side,
        key=key,
        revision=int(revision),
        order_class=order.order_class if entry else OrderClass.SIMPLE,
        quantity=terms.get("quantity", order.quantity or Decimal(0)) - order.filled_quantity,
        extended_hours=order.extended_hours,
        valid_until=order.valid_until,
        bar_close=order.bar_close,
        asked_at=asked_at,
        requested_by=requested_by,
        correlation_id=correlation_id,
        **given,
        **own,
    )


def _own_exits(order: Order) -> dict[str, Any]:
    return {"take_profit_price": order.take_profit_price, "stop_loss_price": order.stop_loss_price}


def _check_open(order: Order) -> None:
    if is_terminal(order.status):
        raise TermsError("id", f"the order is {order.status} already; there is nothing to replace")
    if order.notional is not None:
        raise TermsError("id", "an order for dollars cannot be replaced; cancel it and place another")


def _quantity(order: Order, quantity: Decimal) -> Decimal:
    if order.order_class is not OrderClass.SIMPLE or order.purpose is OrderPurpose.LEG:
        raise TermsError(
            "quantity", "the quantity of a bracket, oco or oto cannot be changed; cancel it and place another"
        )
    if not is_whole(quantity) or not is_whole(order.quantity):
        raise TermsError("quantity", "quantity is changed in whole shares alone; cancel it and place another")
    if quantity <= order.filled_quantity:
        raise TermsError(
            "quantity", f"{order.filled_quantity} are filled already; give more, or cancel the rest"
        )
    return quantity


def _time_in_force(order: Order, force: TimeInForce) -> TimeInForce:
    must_wait = order.order_class is not OrderClass.SIMPLE or order.extended_hours or order.parent
    if force not in WAITS and (must_wait or order.order_type not in {OrderType.MARKET, OrderType.LIMIT}):
        raise TermsError("time_in_force", "this order can be day or gtc")
    if not is_whole(order.quantity) and force is not TimeInForce.DAY:
        raise TermsError("time_in_force", "an order for a fraction is a day order")
    return force
