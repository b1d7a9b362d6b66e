"""How orders and their fills look in Alpaca's JSON."""

from __future__ import annotations

from decimal import Decimal

from laptop.exchange.book import Book, Order, OrderClass, Role, Status, Trade
from laptop.exchange.wire import Json, asset_id, stamp, text


def order_body(order: Order, book: Book, seed: int, *, nested: bool, status: str | None = None) -> Json:
    """An order. `status` overrides the book's, for the answer to a submission."""
    legs = [book.orders[leg] for leg in book.legs.get(order.id, ())] if nested else []
    return {
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
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_id": asset_id(order.symbol, seed),
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": None,
        "qty": text(order.quantity),
        "filled_qty": text(order.filled_quantity),
        "filled_avg_price": _average(order),
        "order_class": str(order.order_class),
        "order_type": str(order.type),
        "type": str(order.type),
        "side": str(order.side),
        "position_intent": _intent(order),
        "time_in_force": str(order.time_in_force),
        "limit_price": None if order.limit_price is None else text(order.limit_price),
        "stop_price": None if order.stop_price is None else text(order.stop_price),
        "status": status or str(order.status),
        "extended_hours": False,
        "legs": [order_body(leg, book, seed, nested=False) for leg in legs] or None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "subtag": None,
        "source": None,
    }


def submitted_status(order: Order) -> str:
    """What the answer to a submission says: the order is on its way, or queued while the market is closed."""
    return "pending_new" if order.status is Status.NEW else str(order.status)


def _average(order: Order) -> str | None:
    if not order.filled_quantity:
        return None
    return text((order.filled_value / order.filled_quantity).quantize(Decimal("0.000001")))


def _intent(order: Order) -> str:
    alone_sells = order.role is Role.ALONE or order.order_class is OrderClass.OCO
    exits = order.role in {Role.TARGET, Role.STOP} or alone_sells
    return "sell_to_close" if order.side.value == "sell" and exits else f"{order.side.value}_to_open"


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
