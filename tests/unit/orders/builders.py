"""Orders, intents and fills with everything filled in, for tests that care about one thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from alpaquero.orders.identity import manual_key
from alpaquero.orders.intent import Intent, Origin, Purpose, Side
from alpaquero.orders.order import Fill, Order, OrderOrigin, OrderPurpose

NOON = datetime(2012, 7, 2, 16, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def an_intent(**changes: Any) -> Intent:
    """A buy of AAPL at market, sized by risk."""
    given = {
        "account": "paper",
        "origin": Origin.SIGNAL,
        "purpose": Purpose.ENTRY,
        "symbol": "AAPL",
        "side": Side.BUY,
        "key": manual_key("paper", "test"),
        "reference_price": Decimal(100),
    }
    return Intent(**{**given, **changes})


def an_exit(**changes: Any) -> Intent:
    """A sale of the whole AAPL position."""
    return an_intent(**{"purpose": Purpose.EXIT, "side": Side.SELL, **changes})


def an_order(**changes: Any) -> Order:
    """A buy of ten AAPL, intended at noon."""
    given = {
        "account": "paper",
        "client_order_id": "aq1-sig-AAPL-aaaaaaaaaaaaaaaaaaaa-0",
        "symbol": "AAPL",
        "side": Side.BUY,
        "origin": OrderOrigin.SIGNAL,
        "purpose": OrderPurpose.ENTRY,
        "status": "intended",
        "created_at": NOON,
        "updated_at": NOON,
        "wall_created_at": NOON,
        "quantity": Decimal(10),
    }
    return Order(**{**given, **changes})


def a_fill(
    number: int,
    side: str,
    quantity: str,
    price: str,
    *,
    minutes: float | None = None,
    symbol: str = "AAPL",
    order: str | None = None,
) -> Fill:
    """Fill `number`, by default so many minutes after noon."""
    return Fill(
        id=f"f{number:04d}",
        account="paper",
        client_order_id=order,
        broker_order_id="b1",
        symbol=symbol,
        side=Side(side),
        quantity=Decimal(quantity),
        price=Decimal(price),
        at=at(number if minutes is None else minutes),
    )
