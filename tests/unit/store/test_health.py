"""The Health table keeps the last probe of each service and the last time of each work."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alpaquero.monitoring.alerts import Alert
from alpaquero.monitoring.missed_runs import MissingRun
from alpaquero.store import health

AT = datetime(2026, 11, 20, 15, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def probe(service: str, status: str, message: str = "") -> health.Probe:
    return health.Probe(service=service, status=status, message=message, checked_at=AT, latency_ms=3.5)


def test_the_last_probe_of_a_service_is_kept() -> None:
    """A new probe takes the place of the one before; other services are untouched."""
    health.record_probes([probe("risk", "ok"), probe("analytics", "ok")])
    health.record_probes([probe("risk", "degraded", "no answer")])
    assert [probe("analytics", "ok"), probe("risk", "degraded", "no answer")] == health.probes()


def test_alerts_and_missing_runs_are_kept_as_they_stand() -> None:
    """Before the first probe there is neither; what is kept comes back the same."""
    assert (health.alerts(), health.missing_runs()) == ({}, [])
    alert = Alert(name="probe:risk", service="risk", raised=True, since=AT, message="mute")
    missing = MissingRun(run_id="1Day-x", timeframe="1Day", bar_close=AT, seen_at=AT)
    health.record_alerts([alert])
    health.record_missing_runs([missing])
    assert (health.alerts(), health.missing_runs()) == ({"probe:risk": alert}, [missing])


def test_the_last_work_of_each_service_is_kept() -> None:
    """Work done is remembered by its service, the newest with its detail."""
    before = datetime.now(UTC)
    health.record_work("trading", detail="first")
    health.record_work("trading", detail="second")
    health.record_work("signal")
    found = health.last_work()
    assert {name: work.detail for name, work in found.items()} == {"signal": "", "trading": "second"}
    assert before <= found["trading"].at <= datetime.now(UTC)
    assert health.last_work_of("trading") == found["trading"]
    assert health.last_work_of("analytics") is None
