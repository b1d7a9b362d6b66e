"""The probe stores how every service is, and tells only when one turns bad."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import msgspec
import pytest

from alpaquero.events.schemas import Event, ServiceDegraded
from alpaquero.store import health
from functions.health_monitor import probe

GOOD = (200, b'{"status": "ok", "service": "risk", "dependencies": {"books": "ok"}}')
BAD = (200, b'{"status": "degraded", "dependencies": {"books": "failed: Timeout", "settings": "ok"}}')


def mute(path: str) -> probe.Answer:
    raise TimeoutError("timed out")


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

    def ask(path: str) -> probe.Answer:
        asked.append(path)
        return answer

    found = probe.probe("risk", ask)
    assert (found.service, found.status, asked) == ("risk", status, ["/risk/health"])
    assert says in found.message


def test_a_mute_service_is_asked_twice_before_it_counts_as_bad() -> None:
    """A cold start may eat the first time-out; the second answer counts."""
    asked: list[str] = []

    def cold(path: str) -> probe.Answer:
        asked.append(path)
        return GOOD if len(asked) == 2 else mute(path)

    assert probe.probe("risk", cold).status == "ok"
    found = probe.probe("risk", mute)
    assert found.status == "degraded"
    assert "alpaquero logs risk" in found.message


def test_only_the_turn_to_bad_is_told(published: list[Event]) -> None:
    """Bad, still bad, well again, bad again: two events, with ids of their own."""
    for answer in (GOOD, BAD, BAD, GOOD, BAD):
        probe.keep(probe.probe("risk", lambda path, answer=answer: answer))
    told = [event for event in published if isinstance(event, ServiceDegraded)]
    assert [(event.service, event.message) for event in told] == [("risk", "books: failed: Timeout")] * 2
    assert len({event.id for event in told}) == 2
    last = health.last_probe("risk")
    assert last is not None
    assert last.status == "degraded"


def test_a_service_that_is_bad_at_its_first_probe_is_told(published: list[Event]) -> None:
    """Nothing known before counts as well."""
    assert probe.keep(probe.probe("risk", mute))
    assert len(published) == 1


def test_a_turn_that_the_bus_refused_is_told_next_time(
    published: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe is stored after the event went out, so a failure in between repeats it."""
    with monkeypatch.context() as patch:
        patch.setattr(probe, "publish", lambda *_: (_ for _ in ()).throw(ConnectionError("the bus is away")))
        with pytest.raises(ConnectionError):
            probe.keep(probe.probe("risk", mute))
    assert probe.keep(probe.probe("risk", mute))
    assert [event.id for event in published] == ["degraded:risk:the beginning"]


@pytest.mark.usefixtures("published")
def test_every_service_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run asks all services and answers which are bad and which have just turned so."""
    monkeypatch.setattr(probe, "ask", lambda path: BAD if path == "/risk/health" else GOOD)
    assert probe.handler({"job": "probe"}, None) == {"degraded": ["risk"], "turned": ["risk"]}
    assert probe.handler({"job": "probe"}, None) == {"degraded": ["risk"], "turned": []}
    assert sorted(probe.SERVICES) == [found.service for found in health.probes()]


@pytest.fixture
def services_api(tables: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """A services' API on a free port; gives the paths and signatures it was asked with."""
    seen: list[tuple[str, str]] = []

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization", "")))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(GOOD[1])

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    monkeypatch.setattr(probe, "SETTINGS", msgspec.structs.replace(probe.SETTINGS, services_api_url=url))
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_request_is_signed_for_the_whole_path(services_api: list[tuple[str, str]]) -> None:
    """A probe asks for stage, folder and health, with a signature for execute-api."""
    assert probe.probe("risk", probe.ask).status == "ok"
    [(path, signature)] = services_api
    assert path == "/v1/risk/health"
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=")
    assert "/us-east-1/execute-api/aws4_request" in signature
