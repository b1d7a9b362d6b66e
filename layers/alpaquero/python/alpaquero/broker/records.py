"""Turns what the broker answers into the books' own records; used by `trading/execute` and `trading/sync`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from alpaquero.broker.protocol import BrokerFill, BrokerOrder
from alpaquero.errors import BrokerRejected
from alpaquero.orders.identity import is_ours
from alpaquero.orders.intent import OrderClass, OrderType, Side, TimeInForce
from alpaquero.orders.lifecycle import BrokerUpdate, advance, amended, is_terminal
from alpaquero.orders.order import Fill, LegRole, Order, OrderEvent, OrderOrigin, OrderPurpose
from alpaquero.quickly_made import dataclass


@dataclass(frozen=True, slots=True)
class UnmodelledOrder:
    """An order at the broker that our books have no form for, and why; sync says so and passes on.

    Someone else placed it: an options spread (`mleg`), say. Its fills are recorded like any other.
    """

    id: str
    client_order_id: str
    why: str


def told_by(refusal: BrokerRejected) -> str:
    """The broker's refusal as the order's history keeps it."""
    return f"{refusal.status} {refusal.code or ''} {refusal.body or refusal.message}".replace("  ", " ")


def update_of(order: BrokerOrder, why: str) -> BrokerUpdate:
    """The broker's present state of an order, as news for `lifecycle.advance`."""
    return BrokerUpdate(
        status=order.status,
        at=order.updated_at,
        filled_quantity=order.filled_quantity,
        filled_average_price=order.filled_average_price,
        broker_order_id=order.id,
        replaced_by=order.replaced_by,
        why=why,
    )


def followed(order: Order, theirs: BrokerOrder, why: str) -> Order:
    """The order after the broker's news: its state, and the shares and prices it is for now.

    Those change when the company splits its shares. A trailing stop's price follows the market, so it
    is no news. The same object when nothing changed; else one version on.
    """
    is_older = order.broker_updated_at is not None and theirs.updated_at < order.broker_updated_at
    terms = {} if is_older or is_terminal(order.status) else _changed_terms(order, theirs)
    after = advance(order, update_of(theirs, why))
    if not terms:
        return after
    said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in terms.items())
    changed = amended(after, at=theirs.updated_at, why=f"at the broker it has {said}", **terms)
    return replace(changed, version=order.version + 1)


def _changed_terms(order: Order, theirs: BrokerOrder) -> dict[str, Decimal]:
    names = ["quantity", "limit_price", "stop_price"]
    if order.order_type is OrderType.TRAILING_STOP:
        names.remove("stop_price")
    told = {name: getattr(theirs, name) for name in names}
    return {
        name: value for name, value in told.items() if value and getattr(order, name) not in {None, value}
    }


def successor_of(before: Order, theirs: BrokerOrder, wall_at: datetime) -> Order | UnmodelledOrder:
    """The record of the order that took the place of `before`, whoever asked for that.

    It inherits what the first one was for: an entry's stays an entry, a stop stays a stop.
    """
    record = adopted(theirs, before.account, wall_at)
    if isinstance(record, UnmodelledOrder):
        return record
    why = f"takes the place of {before.client_order_id}"
    return replace(
        record,
        origin=before.origin,
        purpose=before.purpose,
        parent=before.parent,
        role=before.role,
        take_profit_price=before.take_profit_price,
        stop_loss_price=before.stop_loss_price,
        strategy=before.strategy,
        timeframe=before.timeframe,
        bar_close=before.bar_close,
        valid_until=before.valid_until,
        reference_price=before.reference_price,
        arrival_price=before.arrival_price,
        reason=before.reason,
        requested_by=before.requested_by,
        replaces=before.client_order_id,
        asked_at=before.asked_at or before.created_at,
        asked_limit_price=before.asked_limit_price or before.limit_price,
        run_id=before.run_id,
        correlation_id=before.correlation_id,
        verdict=before.verdict,
        history=tuple(replace(event, why=why) for event in record.history),
    )


def leg_of(parent: Order, leg: BrokerOrder, wall_at: datetime) -> Order:
    """The record of a bracket's leg; it inherits what its parent was for, but not the parent's verdict."""
    role = LegRole.STOP_LOSS if leg.stop_price is not None else LegRole.TAKE_PROFIT
    return _record(
        leg,
        parent.account,
        wall_at,
        origin=parent.origin,
        purpose=OrderPurpose.LEG,
        why=f"{role.value.replace('_', ' ')} of {parent.client_order_id}",
        parent=parent,
        role=role,
    )


def adopted(order: BrokerOrder, account: str, wall_at: datetime) -> Order | UnmodelledOrder:
    """The record of an order the books did not have: `recovered` when its id is ours, else `external`."""
    ours = is_ours(order.client_order_id)
    try:
        return _record(
            order,
            account,
            wall_at,
            origin=OrderOrigin.RECOVERED if ours else OrderOrigin.EXTERNAL,
            purpose=OrderPurpose.UNKNOWN,
            why="our prefix, but no intent in our books" if ours else "placed outside of Alpaquero",
        )
    except ValueError as error:  # a class, type, side or time in force that the books do not know
        return UnmodelledOrder(order.id, order.client_order_id, str(error))


def fill_of(fill: BrokerFill, account: str, order: Order | None) -> Fill:
    """The record of one fill."""
    return Fill(
        id=fill.id,
        account=account,
        client_order_id=order.client_order_id if order else None,
        broker_order_id=fill.order_id,
        symbol=fill.symbol,
        side=Side(fill.side),
        quantity=fill.quantity,
        price=fill.price,
        at=fill.at,
    )


def _record(
    order: BrokerOrder,
    account: str,
    wall_at: datetime,
    *,
    origin: OrderOrigin,
    purpose: OrderPurpose,
    why: str,
    parent: Order | None = None,
    role: LegRole | None = None,
) -> Order:
    return Order(
        account=account,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=Side(order.side),
        origin=origin,
        purpose=purpose,
        status=order.status,
        created_at=order.submitted_at,
        updated_at=order.updated_at,
        wall_created_at=wall_at,
        broker_order_id=order.id,
        parent=parent.client_order_id if parent else None,
        role=role,
        order_type=OrderType(order.order_type),
        order_class=OrderClass(order.order_class or OrderClass.SIMPLE),
        time_in_force=TimeInForce(order.time_in_force),
        quantity=order.quantity,
        notional=order.notional,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        filled_quantity=order.filled_quantity,
        filled_average_price=order.filled_average_price,
        strategy=parent.strategy if parent else None,
        timeframe=parent.timeframe if parent else None,
        bar_close=parent.bar_close if parent else None,
        reason=why,
        requested_by=parent.requested_by if parent else "",
        run_id=parent.run_id if parent else None,
        correlation_id=parent.correlation_id if parent else "",
        broker_updated_at=order.updated_at,
        history=(OrderEvent(at=order.updated_at, status=order.status, why=why),),
    )
