"""Turns our requests into the JSON the broker takes; used by `alpaquero.broker.alpaca`.

Quantities and prices go as decimal texts: alpaca-py's order models would send floats.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from alpaquero.broker.protocol import OrderChange, OrderRequest


def order_body(request: OrderRequest) -> dict[str, Any]:
    """The body of `POST /v2/orders`."""
    body: dict[str, Any] = {
        "client_order_id": request.client_order_id,
        "symbol": request.symbol,
        "side": request.side,
        "type": request.order_type,
        "time_in_force": request.time_in_force,
        **_texts(
            qty=request.quantity,
            notional=request.notional,
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            trail_price=request.trail_price,
            trail_percent=request.trail_percent,
        ),
    }
    if request.order_class != "simple":
        body["order_class"] = request.order_class
    if request.extended_hours:
        body["extended_hours"] = True
    if request.take_profit_price is not None:
        body["take_profit"] = _texts(limit_price=request.take_profit_price)
    if request.stop_loss_price is not None:
        body["stop_loss"] = _texts(
            stop_price=request.stop_loss_price, limit_price=request.stop_loss_limit_price
        )
    return body


def change_body(change: OrderChange) -> dict[str, Any]:
    """The body of `PATCH /v2/orders/{id}`."""
    body: dict[str, Any] = {
        "client_order_id": change.client_order_id,
        **_texts(
            qty=change.quantity,
            limit_price=change.limit_price,
            stop_price=change.stop_price,
            trail=change.trail,
        ),
    }
    if change.time_in_force is not None:
        body["time_in_force"] = change.time_in_force
    return body


def _texts(**numbers: Decimal | None) -> dict[str, str]:
    """The numbers there are, in digits, never with an exponent."""
    return {name: format(number, "f") for name, number in numbers.items() if number is not None}
