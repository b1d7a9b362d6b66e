"""The Health table: what the last probe of each service found, and when each last did its work.

`health_monitor/probe` writes the probes, a worker that is watched calls `record_work`; the health
routes read both. Rows expire, so a service that is gone disappears by itself.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.models import Model

from alpaquero.store.tables import REGION, from_body, table_name, to_body

SERVICE, WORK = "SERVICE", "WORK"
KEEP_SECONDS = 30 * 86_400


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe of one service found (wall time); `status` is ok or degraded."""

    service: str
    status: str
    message: str
    checked_at: datetime
    latency_ms: float


class WorkDone(msgspec.Struct, frozen=True, kw_only=True):
    """When a service last did its work (wall time), and which: a run's id, a reason."""

    service: str
    at: datetime
    detail: str = ""


class HealthItem(Model):
    """One item of the Health table."""

    class Meta:
        table_name = table_name("HEALTH_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    expires_at = NumberAttribute()


def _save(pk: str, sk: str, value: Any) -> None:
    HealthItem(pk, sk, body=to_body(value), expires_at=int(time.time()) + KEEP_SECONDS).save()


def last_probe(service: str) -> Probe | None:
    """What the last probe of `service` found, or None before the first."""
    try:
        return from_body(HealthItem.get(SERVICE, service, consistent_read=True).body, Probe)
    except DoesNotExist:
        return None


def probes() -> list[Probe]:
    """The last probe of every service, by name."""
    return [from_body(item.body, Probe) for item in HealthItem.query(SERVICE, consistent_read=True)]


def record_probe(probe: Probe) -> None:
    """Keeps `probe` as the last one of its service."""
    _save(SERVICE, probe.service, probe)


def record_work(service: str, *, detail: str = "") -> None:
    """Notes that `service` has just done its work."""
    _save(WORK, service, WorkDone(service=service, at=datetime.now(UTC), detail=detail))


def last_work() -> dict[str, WorkDone]:
    """When each service last did its work."""
    found = (from_body(item.body, WorkDone) for item in HealthItem.query(WORK, consistent_read=True))
    return {row.service: row for row in found}
