"""How orders and their fills look in Alpaca's JSON."""

from __future__ import annotations

from decimal import Decimal

from alpaquero.simulation import trailing_stop_price
from alpaquero.simulation.matching import Role, Status
from laptop.exchange.book import Book, Order, Trade
from laptop.exchange.wire import Json, asset_id, stamp, text


def order_body(order: Order, book: Book, seed: int, *, nested: bool, status: str | None = None) -> Json:
    """An order. `status` overrides the book's, for the answer to a submission."""
    legs = book.legs_of(order) if nested else []
    body: Json = {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": stamp(order.submitted_at),
        "updated_at": stamp(order.updated_at),
        "submitted_at": stamp(order.submitted_at),
        "filled_at": stamp(order.filled_at),
        "expired_at": stamp(order.expired_at),
        "expires_at": stamp(order.expires_at),
        "canceled_at": stamp(order.canceled_at),
        "failed_at": None,
        "replaced_at": stamp(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(order.symbol, seed),
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": _number(order.notional),
        "qty": text(order.quantity) if order.notional is None else None,
        "filled_qty": text(order.filled_quantity),
        "filled_avg_price": _average(order),
        "order_class": str(order.order_class),
        "order_type": str(order.type),
        "type": str(order.type),
        "side": str(order.side),
        "position_intent": str(order.intent),
        "time_in_force": str(order.time_in_force),
        "limit_price": _number(order.limit_price),
        "stop_price": _number(_stop_price(order)),
        "status": status or str(order.status),
        "extended_hours": order.extended_hours,
        "legs": [order_body(leg, book, seed, nested=False) for leg in legs] or None,
        "trail_percent": _number(order.trail_percent),
        "trail_price": _number(order.trail_price),
        "hwm": _number(order.high_water_mark),
        "subtag": None,
        "source": None,
    }
    if order.role is not Role.ALONE:
        body |= {"group_id": order.group, "group_role": str(order.role)}
    return body


def _number(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def _stop_price(order: Order) -> Decimal | None:
    """The stop; of a trailing stop where it stands now."""
    if order.high_water_mark is None:
        return order.stop_price
    return trailing_stop_price(order.side, order.high_water_mark, order.trail_price, order.trail_percent)


def submitted_status(order: Order) -> str:
    """What the answer to a submission says: the order is on its way, or queued while the market is closed."""
    return "pending_new" if order.status is Status.NEW else str(order.status)


def _average(order: Order) -> str | None:
    if not order.filled_quantity:
        return None
    return text((order.filled_value / order.filled_quantity).quantize(Decimal("0.000001")))


def activity_body(trade: Trade) -> Json:
    """A fill as an account activity."""
    return {
        "id": trade.id,
        "activity_type": "FILL",
        "transaction_time": stamp(trade.at),
        "type": "partial_fill" if trade.leaves else "fill",
        "price": text(trade.price),
        "qty": text(trade.quantity),
        "side": str(trade.side),
        "symbol": trade.symbol,
        "leaves_qty": text(trade.leaves),
        "order_id": trade.order_id,
        "cum_qty": text(trade.cumulative),
        "order_status": str(trade.order_status),
    }
