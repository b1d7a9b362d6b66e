"""The Health table: what probes find, alerts, when each service last did its work (wall times), memory used.

`health_monitor/probe` writes all but the work, which a worker that is watched notes with
`record_work` (or `alpaquero.last_work`), the memory, which every worker tells, and what
`notification/digest` gave up; the health routes read. Rows expire, so a service that is gone disappears
by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError
from pynamodb.models import Model

from alpaquero.monitoring.alerts import Alert
from alpaquero.monitoring.counts import Counts
from alpaquero.monitoring.missed_runs import MissingRun
from alpaquero.store.tables import REGION, from_body, kept_seconds, table_name, to_body

if TYPE_CHECKING:
    from alpaquero.store.usage import Usage

SERVICE, WORK, ALERT, STATE, MEMORY = "SERVICE", "WORK", "ALERT", "STATE", "MEMORY"
UNDELIVERED = "UNDELIVERED"
MISSING_RUNS, USAGE, COUNTS = "MISSING_RUNS", "USAGE", "COUNTS"
_CONFLICT = "ConditionalCheckFailedException"
KEEP_SECONDS = kept_seconds("HEALTH_KEPT_DAYS", 30)

T = TypeVar("T")


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe of one service found (wall time); `status` is ok or degraded.

    `version`, `memory_mb` (the most its process has used so far), `last_work_at` and `last_work` are as the
    service says.
    """

    service: str
    status: str
    message: str
    checked_at: datetime
    latency_ms: float
    version: str | None = None
    memory_mb: float | None = None
    last_work_at: datetime | None = None
    last_work: str | None = None


class WorkDone(msgspec.Struct, frozen=True, kw_only=True):
    """When a service last did its work (wall time), and which: a run's id, a reason."""

    service: str
    at: datetime
    detail: str = ""


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """The most memory that a process of a function (its physical name) used on a day (UTC), and its limit."""

    function: str
    day: date
    memory_mb: float
    limit_mb: int | None


class Undelivered(msgspec.Struct, frozen=True, kw_only=True):
    """A user's channel over which messages that had waited were given up, how many and when (wall time)."""

    user: str
    channel: str
    messages: int
    at: datetime


class HealthItem(Model):
    """One item of the Health table; `day` and `memory_mb` are those of a peak, for its condition."""

    class Meta:
        table_name = table_name("HEALTH_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    day = UnicodeAttribute(null=True)
    memory_mb = NumberAttribute(null=True)
    expires_at = NumberAttribute()


def _item(pk: str, sk: str, value: Any) -> HealthItem:
    return HealthItem(pk, sk, body=to_body(value), expires_at=int(time.time()) + KEEP_SECONDS)


def _one(pk: str, sk: str, kind: type[T]) -> T | None:
    try:
        return from_body(HealthItem.get(pk, sk, consistent_read=True).body, kind)
    except DoesNotExist:
        return None


def _all(pk: str, kind: type[T]) -> list[T]:
    return [from_body(item.body, kind) for item in HealthItem.query(pk, consistent_read=True)]


def probes() -> list[Probe]:
    """The last probe of every service, by name."""
    return _all(SERVICE, Probe)


def record_probes(found: Iterable[Probe]) -> None:
    """Keeps each probe as the last one of its service."""
    with HealthItem.batch_write() as batch:
        for probe in found:
            batch.save(_item(SERVICE, probe.service, probe))


def alerts() -> dict[str, Alert]:
    """Every alert by its name, raised or not."""
    return {alert.name: alert for alert in _all(ALERT, Alert)}


def record_alerts(changed: Iterable[Alert]) -> None:
    """Keeps the alerts as they stand now."""
    with HealthItem.batch_write() as batch:
        for alert in changed:
            batch.save(_item(ALERT, alert.name, alert))


def missing_runs() -> list[MissingRun]:
    """The runs that the last probe missed."""
    return _one(STATE, MISSING_RUNS, list[MissingRun]) or []


def record_missing_runs(missing: Iterable[MissingRun]) -> None:
    """Keeps the runs that are missing, for the next probe."""
    _item(STATE, MISSING_RUNS, list(missing)).save()


def usage() -> Usage | None:
    """What the last reading of CloudWatch brought; None before the first."""
    from alpaquero.store.usage import Usage  # with the prices of everything, for who asks

    return _one(STATE, USAGE, Usage)


def record_usage(found: Usage) -> None:
    """Keeps what CloudWatch has counted of the day so far."""
    _item(STATE, USAGE, found).save()


def counts() -> Counts | None:
    """The last count of runs, orders and fills; None before the first."""
    return _one(STATE, COUNTS, Counts)


def record_counts(found: Counts) -> None:
    """Keeps a count to go on from."""
    _item(STATE, COUNTS, found).save()


def record_peak(peak: Peak) -> None:
    """Keeps the peak of a function's day, unless a higher one of that day is kept already."""
    day, item = peak.day.isoformat(), _item(MEMORY, peak.function, peak)
    item.day, item.memory_mb = day, peak.memory_mb
    is_higher = (
        HealthItem.pk.does_not_exist() | (HealthItem.day < day) | (HealthItem.memory_mb < peak.memory_mb)
    )
    try:
        item.save(is_higher)
    except PutError as error:
        if error.cause_response_code != _CONFLICT:
            raise


def peaks(day: date) -> list[Peak]:
    """The peak of every function that worked on that day."""
    return [peak for peak in _all(MEMORY, Peak) if peak.day == day]


def record_undelivered(given_up: Undelivered) -> None:
    """Notes that messages of a channel were given up, in place of what was noted of it before."""
    _item(UNDELIVERED, f"{given_up.user}#{given_up.channel}", given_up).save()


def undelivered() -> list[Undelivered]:
    """The channels that messages were given up of, each with the last time."""
    return _all(UNDELIVERED, Undelivered)


def record_work(service: str, *, detail: str = "") -> None:
    """Notes that `service` has just done its work."""
    _item(WORK, service, WorkDone(service=service, at=datetime.now(UTC), detail=detail)).save()


def last_work() -> dict[str, WorkDone]:
    """When each service last did its work."""
    return {row.service: row for row in _all(WORK, WorkDone)}


def last_work_of(service: str) -> WorkDone | None:
    """When `service` last did its work; None when it has not, or has none that is watched."""
    return _one(WORK, service, WorkDone)
