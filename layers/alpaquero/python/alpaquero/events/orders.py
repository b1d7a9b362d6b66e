"""The events that tell of a change of an order: whoever writes the change puts them in the outbox with it."""

from __future__ import annotations

from decimal import Decimal

from alpaquero.events.bus import EncodedEvent, encoded
from alpaquero.events.schemas import OrderFilled, OrderSubmitted, OrderUpdated
from alpaquero.orders.kinds import OrderType
from alpaquero.orders.lifecycle import Phase, phase_of
from alpaquero.orders.order import Fill, LegRole, Order


def order_changed(before: Order | None, after: Order) -> EncodedEvent:
    """`OrderSubmitted` when the broker has just taken the order, else `OrderUpdated`."""
    previous = before.status if before else ""
    unheard = before is None or phase_of(before.status) < Phase.LIVE
    kind = OrderSubmitted if unheard and phase_of(after.status) is Phase.LIVE else OrderUpdated
    last = after.history[-1] if after.history else None
    event = kind(
        id=f"order:{after.client_order_id}:{after.version}",
        occurred_at=after.updated_at,
        account=after.account,
        correlation_id=after.correlation_id,
        causation_id=after.run_id or "",
        client_order_id=after.client_order_id,
        version=after.version,
        symbol=after.symbol,
        side=after.side,
        purpose=after.purpose,
        role=after.role,
        status=after.status,
        previous_status=previous,
        quantity=after.quantity,
        filled_quantity=after.filled_quantity,
        filled_average_price=after.filled_average_price,
        message=(last.answer or last.why) if last else "",
    )
    return encoded(event, "trading")


def order_filled(fill: Fill, order: Order | None) -> EncodedEvent:
    """`OrderFilled` for one fill; `order` is None only for a fill whose order we cannot see."""
    reason = "filled outside of Alpaquero"
    if order is not None:
        reason = order.role.value.replace("_", " ") if order.role else order.reason
    event = OrderFilled(
        id=f"fill:{fill.id}",
        occurred_at=fill.at,
        account=fill.account,
        correlation_id=order.correlation_id if order else "",
        causation_id=f"order:{fill.client_order_id}",
        fill_id=fill.id,
        client_order_id=fill.client_order_id or "",
        symbol=fill.symbol,
        side=fill.side,
        purpose=order.purpose if order else "unknown",
        role=order.role if order else None,
        quantity=fill.quantity,
        price=fill.price,
        reason=reason,
        strategy=(order.strategy or "") if order else "",
        arrival_price=arrival_price_of(order) if order else None,
    )
    return encoded(event, "trading")


def arrival_price_of(order: Order) -> Decimal | None:
    """What its fills are measured by, in dollars a share; None where nothing tells it.

    A stop reaches the market at its stop price. A target waits there for its own price, so it cannot
    slip. Any other order has what the market stood at as it was decided, else its signal's price.
    """
    if order.order_type in {OrderType.STOP, OrderType.STOP_LIMIT}:
        return order.stop_price
    if order.role is LegRole.TAKE_PROFIT or order.order_type is OrderType.TRAILING_STOP:
        return None
    return order.arrival_price or order.reference_price
