"""What the exchange's admin routes take and answer: encoded on one side, decoded on the other."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec

from laptop.exchange.faults import FaultRule, InjectedFault, RuleState
from laptop.exchange.ledger import RecordedChange, RecordedRequest


class SessionTimes(msgspec.Struct, frozen=True):
    """A session: its date in New York, open and close in UTC."""

    date: date
    open: datetime
    close: datetime


class Status(msgspec.Struct, frozen=True):
    """Where the clock is. `session` is the open one, or the last one that closed; None before the first.

    `mode` is `running`, `real` or `stepped`; `paused` says that a clock which would run stands still.
    """

    now: datetime
    is_open: bool
    session: SessionTimes | None
    next_open: datetime | None
    next_close: datetime | None
    mode: str
    paused: bool
    seconds_per_session: float
    sessions_done: int
    sessions_total: int
    data_used_up: bool
    seed: int
    symbols: list[str]


class ReportedPosition(msgspec.Struct, frozen=True):
    """A position of the book; `qty` and `market_value` are negative for a short one."""

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
    """The exchange's own truth. `orders_accepted` counts submissions: a bracket is one, its legs none.

    `open_orders` are the client order ids of those that may still trade. Equity is cash, plus
    `long_market_value`, plus `short_market_value`, which is negative or nothing.
    """

    cash: Decimal
    equity: Decimal
    long_market_value: Decimal
    short_market_value: Decimal
    positions: list[ReportedPosition]
    orders_accepted: int
    open_orders: list[str]
    orders: list[ReportedOrder]
    fills: list[ReportedFill]


class ClockSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /admin/clock; what is left out stays.

    `to` is where to jump, after all else: a date (its midnight in New York) or a time in RFC 3339.
    """

    mode: str | None = None
    seconds_per_session: float | None = None
    paused: bool | None = None
    to: str | None = None


class CheckpointTarget(msgspec.Struct, frozen=True):
    """The body of POST /admin/checkpoint: where to write the copy."""

    path: str


class FaultsInForce(msgspec.Struct, frozen=True):
    """The rules in force, in their order; a request meets the first that hits."""

    rules: list[RuleState]


class FaultMix(msgspec.Struct, frozen=True):
    """A mix by its name, and the rules it puts in force."""

    name: str
    rules: list[FaultRule]


class FaultBoard(msgspec.Struct, frozen=True):
    """The whole switchboard: what is in force, what was injected, and what can be put in force.

    `injected` counts by kind since the start, cleared rules included; `routes` are the names of groups.
    """

    rules: list[RuleState]
    injected: dict[str, int]
    mixes: list[FaultMix]
    kinds: list[str]
    routes: list[str]


class NewFaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /admin/faults: rules, or the name of a mix (`light`, `heavy`) and its seed."""

    rules: list[FaultRule] = []
    mix: str | None = None
    seed: int = 0


class InjectedFaults(msgspec.Struct, frozen=True):
    """How many faults of each kind were injected since the start, and a page of them, oldest first.

    `next` is the `after` of the following page, or null.
    """

    counts: dict[str, int]
    items: list[InjectedFault]
    next: int | None


class LedgerPage(msgspec.Struct, frozen=True):
    """Requests that changed something, oldest first; `next` is the `after` of the following page, or null."""

    items: list[RecordedRequest]
    next: int | None


class ChangesPage(msgspec.Struct, frozen=True):
    """Changes of the book, oldest first; `next` is the `after` of the following page, or null."""

    items: list[RecordedChange]
    next: int | None
