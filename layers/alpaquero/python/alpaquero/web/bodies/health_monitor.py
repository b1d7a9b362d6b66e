"""The bodies of probes, alerts, figures and the day's cost."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


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


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A queue's messages: those that wait, those a worker has, and those given up, in its dead letters."""

    queue: str
    waiting: int
    in_flight: int
    dead_letters: int


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
    queues: list[QueueFigures]
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


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the laptop's paper exchange: what goes wrong on purpose (`kind`), and for whom (`route`).

    `route` is a group such as `orders`, or a pattern such as `GET /v2/orders/*`; empty is every request, or
    every message for a stream's kind. `probability` of each that it meets, `times` at most; `milliseconds` to
    `most_milliseconds` serve latency, `retry_after` (seconds) 429, `status` html, `age_seconds` stale_clock,
    `event` (the type of message) the streams.
    """

    id: str
    kind: str
    route: str
    probability: float
    times: int | None
    seed: int
    milliseconds: int
    most_milliseconds: int | None
    retry_after: int
    status: int
    age_seconds: float
    event: str


class FaultInForce(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, how many requests or messages it met, and how many of them it spoilt."""

    rule: Fault
    matched: int
    injected: int


class FaultMix(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that are put in force together, by one name."""

    name: str
    rules: list[Fault]


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What the paper exchange spoils on purpose, and what there is to choose from.

    `injected` counts by kind since the exchange began, rules that are gone included; `routes` are the groups
    that a rule may name.
    """

    rules: list[FaultInForce]
    injected: dict[str, int]
    mixes: list[FaultMix]
    kinds: list[str]
    routes: list[str]


class FaultRules(msgspec.Struct, frozen=True, kw_only=True):
    """Rules in force: those that were added, or those that are left."""

    rules: list[FaultInForce]


MOST_WAIT_MS = 60_000  # of latency; every call of ours gives up before
Milliseconds = Annotated[int, Meta(ge=0, le=MOST_WAIT_MS)]
FaultId = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,40}$", description="To take it away by.")]


class NewFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule as `Fault` has it; what is left out is the exchange's to say."""

    kind: Annotated[str, Meta(min_length=1, max_length=40, description="One of `kinds`.")]
    id: FaultId | None = None
    route: Annotated[str, Meta(max_length=100)] | None = None
    probability: Annotated[float, Meta(gt=0, le=1)] | None = None
    times: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    seed: Annotated[int, Meta(ge=0, le=2**31)] | None = None
    milliseconds: Milliseconds | None = None
    most_milliseconds: Milliseconds | None = None
    retry_after: Annotated[int, Meta(ge=0, le=3600)] | None = None
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    age_seconds: Annotated[float, Meta(ge=0, le=31_536_000)] | None = None
    event: Annotated[str, Meta(max_length=40)] | None = None


class AddFaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either a mix by its name, with the seed of its draws, or a rule of one's own."""

    mix: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    seed: Annotated[int, Meta(ge=0, le=2**31)] = 0
    rule: NewFault | None = None
