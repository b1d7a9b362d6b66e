"""The Health table keeps the last probe of each service and the last time of each work."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alpaquero.store import health

AT = datetime(2026, 11, 20, 15, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def probe(service: str, status: str, message: str = "") -> health.Probe:
    return health.Probe(service=service, status=status, message=message, checked_at=AT, latency_ms=3.5)


def test_the_last_probe_of_a_service_is_kept() -> None:
    """A new probe takes the place of the one before; other services are untouched."""
    health.record_probe(probe("risk", "ok"))
    health.record_probe(probe("risk", "degraded", "no answer"))
    health.record_probe(probe("analytics", "ok"))
    assert health.last_probe("risk") == probe("risk", "degraded", "no answer")
    assert [probe("analytics", "ok"), probe("risk", "degraded", "no answer")] == health.probes()


def test_a_service_that_was_never_probed_has_no_probe() -> None:
    """Nothing is made up before the first probe."""
    assert health.last_probe("risk") is None


def test_the_last_work_of_each_service_is_kept() -> None:
    """Work done is remembered by its service, the newest with its detail."""
    before = datetime.now(UTC)
    health.record_work("trading", detail="first")
    health.record_work("trading", detail="second")
    health.record_work("signal")
    found = health.last_work()
    assert {name: work.detail for name, work in found.items()} == {"signal": "", "trading": "second"}
    assert before <= found["trading"].at <= datetime.now(UTC)
