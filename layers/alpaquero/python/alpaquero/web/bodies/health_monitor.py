"""The bodies of probes, alerts, figures and the day's cost."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec


class OpenHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What anyone may know: whether all is well."""

    status: Literal["ok", "degraded"]


class ServiceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What the last probe found; `last_work` is what the service did last, null for one that only answers."""

    service: str
    status: str
    message: str
    checked_at: datetime
    latency_ms: float
    version: str | None = None
    memory_mb: float | None = None
    last_work_at: datetime | None = None
    last_work: str | None = None


class HealthAlert(msgspec.Struct, frozen=True, kw_only=True):
    """`since` (wall time) is when it was raised, or last cleared."""

    name: str
    service: str
    raised: bool
    since: datetime | None
    message: str


class BreakerState(msgspec.Struct, frozen=True, kw_only=True):
    """The circuit breaker of one API of the broker: closed, or open until it is tried again."""

    scope: str
    state: Literal["closed", "open"]
    failures: int
    tries_again_at: datetime | None


class RequestBudget(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a key's requests until `resets_at`; told only once it runs low."""

    scope: str
    limit: int
    remaining: int
    resets_at: datetime


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the stack began, depths and ages at `as_of`, some seconds ago at most.

    What nobody knows is null, and `missing` says why by the figure's name.
    """

    as_of: datetime
    runs: int
    orders: int
    fills: int
    unknown_orders: int
    outbox_depth: int
    queue_depths: dict[str, int]
    dead_letters: int
    last_run_at: datetime | None
    last_sync_at: datetime | None
    last_monitor_at: datetime | None
    sync_lag_seconds: float | None
    drift: dict[str, Decimal]
    drift_since: datetime | None
    runs_missing: int
    alerts_raised: int
    breakers: list[BreakerState] | None
    request_budgets: list[RequestBudget]
    missing: dict[str, str]


class FunctionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """`memory_mb` is the most that a process of it used; null where it has told nothing."""

    function: str
    invocations: int
    errors: int
    throttles: int
    average_ms: float | None
    memory_mb: float | None = None
    memory_limit_mb: int | None = None


class TableUsage(msgspec.Struct, frozen=True, kw_only=True):
    table: str
    read_units: float
    write_units: float
    throttles: int


class CostLine(msgspec.Struct, frozen=True, kw_only=True):
    """`usd_per` dollars for `per` units at list price; `usd` is null when nobody counted."""

    what: str
    quantity: float | None
    unit: str
    usd_per: Decimal
    per: int
    usd: Decimal | None
    source: str
    priced_on: date | None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The day from midnight UTC as CloudWatch had counted it at `until`; `cost_usd` adds what is known."""

    since: datetime | None = None
    until: datetime | None = None
    functions: list[FunctionUsage] = []
    tables: list[TableUsage] = []
    cost: list[CostLine] = []
    cost_usd: Decimal | None = None
    missing: dict[str, str] = {}
