"""Answers as Alpaca gives them, for the adapter's tests; shapes from recorded paper accounts."""

from __future__ import annotations

from typing import Any

from tests.fakes.http_server import Reply

ACCOUNT = {
    "account_number": "PA3XYZ",
    "cash": "100000.10",
    "equity": "100250.35",
    "buying_power": "400000",
    "multiplier": "4",
    "status": "ACTIVE",
    "trading_blocked": False,
    "account_blocked": False,
}


def order(**changes: Any) -> dict[str, Any]:
    """A market order to buy 3 AAPL, just accepted."""
    return {
        "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "client_order_id": "aq1-sig-AAPL-k1-0",
        "created_at": "2026-01-05T14:30:00.123456789Z",
        "updated_at": "2026-01-05T14:30:01Z",
        "submitted_at": "2026-01-05T14:30:00.123456789Z",
        "symbol": "AAPL",
        "qty": "3",
        "notional": None,
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "order_type": "market",
        "type": "market",
        "side": "buy",
        "time_in_force": "day",
        "limit_price": None,
        "stop_price": None,
        "status": "pending_new",
        "replaced_by": None,
        "legs": None,
        "expires_at": "2026-01-05T21:00:00Z",
        **changes,
    }


def fill(number: int) -> dict[str, Any]:
    """The `number`-th fill activity."""
    return {
        "activity_type": "FILL",
        "id": f"20260105093000{number:03}::{number:08}",
        "order_id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "symbol": "AAPL",
        "side": "buy",
        "qty": "1.5",
        "cum_qty": "3",
        "price": "187.25",
        "transaction_time": "2026-01-05T14:30:01.5Z",
        "type": "partial_fill",
    }


def refusal(status: int, code: int | None, message: str, **more: Any) -> Reply:
    """An error answer; a 401 has no code."""
    body = {"message": message, **more}
    if code is not None:
        body["code"] = code
    return Reply(status, body)


NOT_FOUND = refusal(404, 40410000, "order not found for aq1-sig-AAPL-k1-0")
