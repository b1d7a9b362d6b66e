"""Turns orders of the books into what the broker is asked; used by `trading/execute`."""

from __future__ import annotations

from alpaquero.broker.protocol import OrderChange, OrderRequest
from alpaquero.orders.order import Order


def request_of(order: Order) -> OrderRequest:
    """The broker's request for an order of our books."""
    return OrderRequest(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side.value,
        quantity=order.quantity,
        notional=order.notional,
        order_type=order.order_type.value,
        order_class=order.order_class.value,
        time_in_force=order.time_in_force.value,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_price=order.trail_price,
        trail_percent=order.trail_percent,
        take_profit_price=order.take_profit_price,
        stop_loss_price=order.stop_loss_price,
        stop_loss_limit_price=order.stop_loss_limit_price,
        extended_hours=order.extended_hours,
    )


def change_of(new: Order, old: Order) -> OrderChange:
    """The broker's request to put `new` in the place of `old`."""
    trails = [
        getattr(new, name)
        for name in ("trail_price", "trail_percent")
        if getattr(new, name) != getattr(old, name)
    ]
    return OrderChange(
        client_order_id=new.client_order_id,
        quantity=new.asked_quantity,
        limit_price=new.limit_price if new.limit_price != old.limit_price else None,
        stop_price=new.stop_price if new.stop_price != old.stop_price else None,
        trail=trails[0] if trails else None,
        time_in_force=new.time_in_force.value if new.time_in_force is not old.time_in_force else None,
    )
