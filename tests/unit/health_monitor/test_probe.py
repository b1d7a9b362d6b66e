"""The probe stores how every service is, answers in time whatever happens, and tells of turns alone."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Event as Flag

import msgspec
import pytest

from alpaquero.events.schemas import Event, ServiceDegraded, ServiceRecovered
from alpaquero.monitoring.settings import MonitoringSettings
from alpaquero.store import health
from alpaquero.store.usage import MemoryUse
from functions.health_monitor import probe
from tests.fakes.http_server import Reply, scripted_server

GOOD = (200, b'{"status": "ok", "service": "risk", "version": "1.2.3", "memory_mb": 71.5}')
BAD = (200, b'{"status": "degraded", "dependencies": {"books": "failed: Timeout", "settings": "ok"}}')
LIMITS = MonitoringSettings(raise_after_probes=2, clear_after_probes=2)


def mute(path: str, seconds: float) -> probe.Answer:
    raise TimeoutError("timed out")


def always(answer: probe.Answer) -> probe.Ask:
    return lambda path, seconds: answer


def looked(service: str, ask: probe.Ask) -> health.Probe:
    return probe.probe(service, ask, time.monotonic() + 10)


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (GOOD, "ok", ""),
        (BAD, "degraded", "books: failed: Timeout"),
        ((200, b'{"status": "degraded"}'), "degraded", "it says degraded"),
        ((403, b'{"message": "Forbidden"}'), "degraded", "it answered 403"),
        ((200, b"<html>"), "degraded", "not a health body"),
    ],
)
def test_a_service_is_what_it_answers(answer: probe.Answer, status: str, says: str) -> None:
    """Only a sound body that says ok is ok; anything else is told with what was wrong."""
    asked = []

    def ask(path: str, seconds: float) -> probe.Answer:
        asked.append(path)
        return answer

    found = looked("risk", ask)
    assert (found.service, found.status, asked) == ("risk", status, ["/risk/health"])
    assert says in found.message


def test_a_probe_keeps_what_the_service_says_of_itself() -> None:
    """Version and memory come from the answer; nothing is made up for a service that is mute."""
    found = looked("risk", lambda path, seconds: GOOD)
    assert (found.version, found.memory_mb) == ("1.2.3", 71.5)
    assert looked("risk", mute).memory_mb is None


def test_a_probe_keeps_what_the_service_did_last() -> None:
    """When and what, as the service tells it; a service that only answers has done nothing to tell of."""
    told = (
        b'{"status": "ok", "service": "risk", "version": "1", '
        b'"last_work_at": "2026-11-20T15:00:00Z", "last_work": "3 rules"}'
    )
    found = looked("risk", lambda path, seconds: (200, told))
    assert (found.last_work_at, found.last_work) == (datetime(2026, 11, 20, 15, tzinfo=UTC), "3 rules")
    assert looked("risk", lambda path, seconds: GOOD).last_work_at is None


def test_a_connection_that_breaks_is_tried_again() -> None:
    """The second answer counts."""
    asked: list[str] = []

    def broken(path: str, seconds: float) -> probe.Answer:
        asked.append(path)
        if len(asked) == 1:
            raise ConnectionResetError("reset")
        return GOOD

    assert looked("risk", broken).status == "ok"


def test_a_mute_service_is_asked_once() -> None:
    """Asking again would wake a second copy of a function that is still starting."""
    asked: list[str] = []

    def count(path: str, seconds: float) -> probe.Answer:
        asked.append(path)
        return mute(path, seconds)

    found = looked("risk", count)
    assert (found.status, len(asked)) == ("degraded", 1)
    assert "alpaquero logs risk" in found.message


def test_a_look_ends_in_time_and_answers_what_it_has() -> None:
    """One service that hangs costs neither the answers of the others nor the probe: it has no answer."""
    over = Flag()

    def ask(path: str, seconds: float) -> probe.Answer:
        if path == "/risk/health":
            over.wait(10)
        return GOOD

    started = time.monotonic()
    found, unasked = probe.look(["risk", "signal", "trading", "position"], ask, 0.3)
    took = time.monotonic() - started
    over.set()
    assert {one.service: one.status for one in found} == {
        "risk": "degraded",
        "signal": "ok",
        "trading": "ok",
        "position": "ok",
    }
    assert (unasked, took < 5) == ([], True)
    assert "no answer" in found[0].message


def test_who_was_not_asked_is_neither_well_nor_bad() -> None:
    """When those at once all hang, the rest is named as not asked and nothing is said of it."""
    over = Flag()

    def hang(path: str, seconds: float) -> probe.Answer:
        over.wait(10)
        return GOOD

    found, unasked = probe.look(["a", "b", "c", "d", "e"], hang, 0.2)
    over.set()
    assert ([one.service for one in found], unasked) == (["a", "b", "c"], ["d", "e"])


def test_a_look_without_time_asks_nobody() -> None:
    """An invocation that is nearly over says nothing good or bad of those it had no time for."""
    asked: list[str] = []

    def ask(path: str, seconds: float) -> probe.Answer:
        asked.append(path)
        return GOOD

    found, _ = probe.look(["a", "b", "c", "d", "e"], ask, 0)
    assert (asked, [one for one in found if one.status == "ok"]) == ([], [])


def test_turns_are_told_once_and_only_after_some_looks(published: list[Event]) -> None:
    """One bad look raises nothing; two do, once; one good look clears nothing; two do, once."""
    for answer in (BAD, GOOD, BAD, BAD, BAD, GOOD, BAD, GOOD, GOOD, GOOD):
        found = looked("risk", always(answer))
        probe.keep([probe.finding_of(found)], LIMITS)
    assert [type(event) for event in published] == [ServiceDegraded, ServiceRecovered]
    degraded, recovered = published
    assert isinstance(degraded, ServiceDegraded)
    assert isinstance(recovered, ServiceRecovered)
    assert (degraded.service, degraded.check, degraded.message) == (
        "risk",
        "probe:risk",
        "books: failed: Timeout",
    )
    assert recovered.degraded_since is not None
    assert degraded.id.endswith(recovered.degraded_since.isoformat())
    assert not health.alerts()["probe:risk"].raised


def test_a_turn_that_the_bus_refused_is_told_next_time(
    published: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alert is stored after the event went out, so a failure in between repeats it with its id."""
    bad = [probe.finding_of(looked("risk", mute))]
    probe.keep(bad, LIMITS)
    tried: list[str] = []

    def away(events: list[object], bus: str) -> None:
        tried.extend(event.id for event in events)  # type: ignore[attr-defined]
        raise ConnectionError("the bus is away")

    with monkeypatch.context() as patch:
        patch.setattr(probe, "publish", away)
        with pytest.raises(ConnectionError):
            probe.keep(bad, LIMITS)
    assert probe.keep(bad, LIMITS)[1] == ["probe:risk"]
    assert [event.id for event in published] == tried


@pytest.mark.usefixtures("published")
def test_every_service_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run asks all services and answers which are bad and, after three, what is raised."""
    monkeypatch.setattr(probe, "ask", lambda path, seconds: BAD if path == "/risk/health" else GOOD)
    first, _, third = (probe.handler({"job": "probe"}, None) for _ in range(3))
    assert first == {"bad": ["probe:risk"], "unasked": [], "raised": [], "turned": []}
    assert (third["raised"], third["turned"]) == (["probe:risk"], ["probe:risk"])
    assert sorted(probe.SERVICES) == [found.service for found in health.probes()]


@pytest.mark.usefixtures("published")
def test_who_was_left_out_comes_first_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services are asked in the order of their last probe, oldest first, so that none is forgotten."""
    late = datetime(2026, 11, 20, 15, tzinfo=UTC)
    kept = [
        health.Probe(service=name, status="ok", message="", checked_at=late, latency_ms=1.0)
        for name in probe.SERVICES
        if name != "signal"
    ]
    health.record_probes(kept)
    asked: list[str] = []

    def look(services: list[str], _ask: probe.Ask) -> tuple[list[health.Probe], list[str]]:
        asked.extend(services)
        return [], []

    monkeypatch.setattr(probe, "look", look)
    probe.handler({"job": "probe"}, None)
    assert (asked[0], len(asked)) == ("signal", len(probe.SERVICES))


@pytest.mark.usefixtures("tables")
def test_the_request_is_signed_for_the_whole_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe asks for stage, folder and health, with a signature for execute-api."""
    with scripted_server() as server:
        server.script = [Reply(*GOOD)]
        settings = msgspec.structs.replace(probe.SETTINGS, services_api_url=f"{server.url}/v1")
        monkeypatch.setattr(probe, "SETTINGS", settings)
        assert looked("risk", probe.ask).status == "ok"
    [asked] = server.asked
    signature = asked.headers["Authorization"]
    assert asked.path == "/v1/risk/health"
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=")
    assert "/us-east-1/execute-api/aws4_request" in signature


@pytest.mark.usefixtures("tables")
def test_memory_is_that_of_the_days_workers_and_of_the_apis_last_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers by their logical name with the limit they told; an API that is mute has none."""
    monkeypatch.setattr(probe, "SETTINGS", msgspec.structs.replace(probe.SETTINGS, stack="bot"))
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    for day, used in ((19, 400.0), (20, 90.5)):
        health.record_peak(
            health.Peak(
                function="bot-SignalPlan-AB12CD34EF56",
                day=now.date().replace(day=day),
                memory_mb=used,
                limit_mb=1024,
            )
        )
    health.record_probes([looked("market_data", lambda path, seconds: GOOD), looked("risk", mute)])
    assert probe.memory_used(now) == {
        "SignalPlan": MemoryUse(90.5, 1024),
        "MarketDataApi": MemoryUse(71.5, probe.MEMORY.api),
    }
