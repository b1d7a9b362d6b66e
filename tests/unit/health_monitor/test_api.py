"""Health is open and says little; services and metrics are for those signed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import msgspec
import pytest

from alpaquero import lately
from alpaquero.events.queues import Held
from alpaquero.monitoring.alerts import Alert
from alpaquero.store import health
from functions.health_monitor import api
from tests.unit.conftest import AN_HOUR_LATER

Call = Callable[..., tuple[int, Any]]
AT = datetime(2026, 11, 20, 15, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def probed(service: str, status: str, at: datetime = AT) -> None:
    found = health.Probe(service=service, status=status, message="why", checked_at=at, latency_ms=2.5)
    health.record_probes([found])


@pytest.mark.parametrize(
    ("raised", "whole"), [([], "ok"), ([False, False], "ok"), ([False, True], "degraded")]
)
def test_the_open_health_answers_its_status_alone(call: Call, raised: list[bool], whole: str) -> None:
    """Anyone may ask whether all is well, and learns nothing else; one bad look is no alert yet."""
    probed("risk", "degraded", datetime.now(UTC))
    health.record_alerts(
        Alert(name=f"alert-{number}", service="risk", raised=is_raised)
        for number, is_raised in enumerate(raised)
    )
    status, answer = call(api.app, "/health", role=None)
    assert (status, answer) == (200, {"status": whole})


@pytest.mark.parametrize(
    ("minutes", "schedules", "whole"),
    [(5, "ENABLED", "ok"), (11, "ENABLED", "degraded"), (11, "DISABLED", "ok")],
)
def test_a_probe_that_went_silent_is_no_good_news(
    call: Call, monkeypatch: pytest.MonkeyPatch, minutes: int, schedules: str, whole: str
) -> None:
    """Where the schedules fire, a health that nobody has looked at for ten minutes is degraded."""
    probed("risk", "ok", datetime.now(UTC) - timedelta(minutes=minutes))
    monkeypatch.setattr(api, "SETTINGS", msgspec.structs.replace(api.SETTINGS, schedules=schedules))
    assert call(api.app, "/health", role=None)[1] == {"status": whole}


def test_the_services_are_listed_with_their_last_probe(call: Call) -> None:
    """Each service comes with what the probe found and when."""
    probed("risk", "degraded")
    status, page = call(api.app, "/api/monitoring/services")
    assert (status, page["items"]) == (
        200,
        [
            {
                "service": "risk",
                "status": "degraded",
                "message": "why",
                "checked_at": "2026-11-20T15:00:00Z",
                "latency_ms": 2.5,
                "version": None,
                "memory_mb": None,
                "last_work_at": None,
                "last_work": None,
            }
        ],
    )


@pytest.mark.parametrize("route", ["/api/monitoring/services", "/api/monitoring/metrics"])
def test_the_rest_needs_a_sign_in(call: Call, route: str) -> None:
    """Without a caller the answer is 401."""
    assert call(api.app, route, role=None)[0] == 401


def test_the_metrics_count_queues_and_dead_letters(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each queue tells what waits, what is being worked on and what was given up; dead letters are summed."""
    sqs = boto3.client("sqs", region_name="us-east-1")
    urls = {
        name: sqs.create_queue(QueueName=name)["QueueUrl"]
        for name in ("work", "idle", "work-dlq", "idle-dlq")
    }
    for name in ("work", "work", "work", "work-dlq", "idle-dlq"):
        sqs.send_message(QueueUrl=urls[name], MessageBody="x")
    sqs.receive_message(QueueUrl=urls["work"], MaxNumberOfMessages=1)
    monkeypatch.setattr("alpaquero.events.queues._client", lambda: sqs)
    monkeypatch.setattr(api, "QUEUES", {"WorkQueue": urls["work"], "IdleQueue": urls["idle"]})
    letters = {"WorkQueue": urls["work-dlq"], "IdleQueue": urls["idle-dlq"]}
    monkeypatch.setattr(api, "DEAD_LETTER_QUEUES", letters)
    health.record_work("trading", detail="sync")
    status, metrics = call(api.app, "/health_monitor/metrics")
    assert (status, metrics["dead_letters"]) == (200, 2)
    assert metrics["queue_depths"] == {"WorkQueue": 3, "IdleQueue": 0}
    assert metrics["queues"] == [
        {"queue": "WorkQueue", "waiting": 2, "in_flight": 1, "dead_letters": 1},
        {"queue": "IdleQueue", "waiting": 0, "in_flight": 0, "dead_letters": 1},
    ]
    assert (metrics["runs"], metrics["orders"], metrics["fills"], metrics["unknown_orders"]) == (0, 0, 0, 0)
    assert metrics["last_run_at"] is None
    assert metrics["last_sync_at"] is not None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds since the test began, as the answers that are kept see them; the test moves them."""
    began, seconds = AN_HOUR_LATER(), [0.0]
    monkeypatch.setattr(lately, "lapsed", lambda: began + seconds[0])
    return seconds


def test_the_metrics_ask_the_queues_once_in_ten_seconds(
    call: Call, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two looks within ten seconds ask SQS once; the next ten seconds ask again."""
    asked: list[float] = []

    def held(_urls: object, _client: object = None) -> dict[str, Held]:
        asked.append(clock[0])
        return {"A": Held(1, 0)}

    monkeypatch.setattr("alpaquero.events.queues.held", held)
    for clock[0] in (0.0, 9.9, 15.0):
        status, metrics = call(api.app, "/health_monitor/metrics")
        assert (status, metrics["queue_depths"], metrics["dead_letters"]) == (200, {"A": 1}, 1)
    assert asked == [0.0, 0.0, 15.0, 15.0]


def test_the_metrics_say_of_when_they_are(
    call: Call, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within some seconds an answer comes again as it was, with the time it was gathered."""
    monkeypatch.setattr("alpaquero.events.queues.held", lambda *_: {})
    told = []
    for clock[0] in (0.0, lately.A_WHILE - 0.1, lately.A_WHILE + 0.1):
        told.append(call(api.app, "/health_monitor/metrics")[1]["as_of"])
    assert told[0] == told[1] < told[2]
