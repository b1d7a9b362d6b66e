"""The Health table keeps the last probe of each service and the last time of each work."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pynamodb.exceptions import PutError

from alpaquero import wall
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


@pytest.fixture
def not_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has noted no work yet."""
    monkeypatch.setattr(health, "_noted", {})


@pytest.mark.usefixtures("not_noted")
def test_work_of_which_all_failed_is_not_noted() -> None:
    """One record that was done is work; the answer to the queue comes back as it was."""
    event = {"Records": [{}, {}]}
    failed = {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}
    assert health.worked_through("position", event, failed, detail="project") is failed
    assert health.last_work_of("position") is None
    half = {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert health.worked_through("position", event, half, detail="project") is half
    noted = health.last_work_of("position")
    assert noted is not None
    assert noted.detail == "project"


@pytest.mark.usefixtures("not_noted")
def test_work_that_events_bring_is_noted_twice_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy worker does not write for each message."""
    kept = []
    for after, detail in ((0, "first"), (29, "second"), (30, "third")):
        monkeypatch.setattr(wall, "seconds", lambda at=1_000_000.0 + after: at)
        health.note_work("gateway", detail=detail)
        kept.append(getattr(health.last_work_of("gateway"), "detail", None))
    assert kept == ["first", "first", "third"]


@pytest.mark.usefixtures("not_noted")
def test_a_health_table_that_is_away_does_not_fail_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done is done, whether or not it is noted when."""

    def away(*_: object, **__: object) -> None:
        raise PutError("the table is away")

    monkeypatch.setattr(health.HealthItem, "save", away)
    health.note_work("gateway", detail="push")
