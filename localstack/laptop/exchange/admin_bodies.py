"""What the exchange's admin routes answer: encoded by the server, decoded by the client."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec


class SessionTimes(msgspec.Struct, frozen=True):
    """A session: its date in New York, open and close in UTC."""

    date: date
    open: datetime
    close: datetime


class Status(msgspec.Struct, frozen=True):
    """Where the clock is. `session` is the open one, or the last one that closed; None before the first."""

    now: datetime
    is_open: bool
    session: SessionTimes | None
    next_open: datetime | None
    next_close: datetime | None
    mode: str
    seconds_per_session: float
    sessions_done: int
    sessions_total: int
    data_used_up: bool
    seed: int
    symbols: list[str]


class ReportedPosition(msgspec.Struct, frozen=True):
    """A position of the book."""

    symbol: str
    qty: Decimal
    market_value: Decimal


class ReportedOrder(msgspec.Struct, frozen=True):
    """An order of the book; legs are orders like any other, `parent_id` says whose."""

    client_order_id: str
    id: str
    status: str
    filled_qty: Decimal
    symbol: str
    side: str
    parent_id: str | None


class ReportedFill(msgspec.Struct, frozen=True):
    """A fill of the book."""

    id: str
    client_order_id: str
    order_id: str
    side: str
    symbol: str
    qty: Decimal
    price: Decimal
    at: datetime


class Report(msgspec.Struct, frozen=True):
    """The exchange's own truth. `orders_accepted` counts submissions: a bracket is one, its legs none."""

    cash: Decimal
    equity: Decimal
    positions: list[ReportedPosition]
    orders_accepted: int
    orders: list[ReportedOrder]
    fills: list[ReportedFill]


class ClockSetting(msgspec.Struct, frozen=True):
    """The body of POST /admin/clock; what is left out stays."""

    mode: str | None = None
    seconds_per_session: float | None = None


class CheckpointTarget(msgspec.Struct, frozen=True):
    """The body of POST /admin/checkpoint: where to write the copy."""

    path: str
