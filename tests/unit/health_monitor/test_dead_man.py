"""The dead man: runs that should have been are told once, and an outside watchdog hears of every look."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import Mock

import msgspec
import pytest

from alpaquero.events.schemas import Event, RunMissed
from alpaquero.store import health, runs, trading_settings
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.strategy.run import run_id
from functions.health_monitor import probe
from tests.fakes.broker import FakeBroker
from tests.fakes.http_server import serving
from tests.unit.signal.made import CLOSE

SETTINGS = TradingSettings(watchlist=("AAPL",))
NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)


@pytest.fixture
def broker(published: list[Event], monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    """The clock shows half an hour after Friday's close."""
    broker = FakeBroker(now=CLOSE + timedelta(minutes=30))
    monkeypatch.setattr("alpaquero.broker.alpaca.connect_clock", lambda settings: broker)
    monkeypatch.setattr(probe, "_calendars", {})
    return broker


@pytest.mark.usefixtures("broker")
def test_a_bar_without_a_run_is_told_once_after_the_patience(published: list[Event]) -> None:
    """At first it is only due; a quarter of an hour later it is missed, and told that one time."""
    assert probe.overdue_runs(SETTINGS, NOW) == ""
    later = NOW + timedelta(minutes=15)
    assert run_id("1Day", CLOSE) in probe.overdue_runs(SETTINGS, later)
    assert run_id("1Day", CLOSE) in probe.overdue_runs(SETTINGS, later + timedelta(minutes=1))
    [event] = published
    assert isinstance(event, RunMissed)
    assert (event.bar_close, "catches up" in event.message) == (CLOSE, True)


@pytest.mark.usefixtures("published")
def test_a_bar_that_was_planned_is_not_missing(broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in time is no trouble; one that nobody ends within twice its deadline is."""
    from functions.signal import plan

    monkeypatch.setattr(plan, "connect_clock", lambda settings: broker)
    monkeypatch.setattr(plan, "_calendars", {})
    monkeypatch.setattr("alpaquero.events.queues._client", _Queues)
    trading_settings.save(SETTINGS, author="ana", reason="test", after_version=0, now=NOW)
    plan.handler({"job": "plan"}, None)
    now = datetime.fromtimestamp(time.time(), UTC)
    assert probe.missing_now(SETTINGS, now) == []
    stuck = now + timedelta(seconds=2 * SETTINGS.run_deadline_seconds + 5)
    assert [one.run_id for one in probe.missing_now(SETTINGS, stuck)] == [run_id("1Day", CLOSE)]
    assert runs.count("paper") == 1


@pytest.mark.usefixtures("broker")
def test_nothing_is_missing_without_a_watchlist() -> None:
    """A bot that watches nothing owes no run."""
    assert probe.missing_now(TradingSettings(), NOW) == []


def test_a_broker_that_is_away_makes_nothing_missing(published: list[Event], broker: FakeBroker) -> None:
    """Nobody can say which bars closed, so that look is neither good nor bad, and nothing is told."""
    broker.clock = Mock(side_effect=ConnectionError("away"))  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        probe.overdue_runs(SETTINGS, NOW)
    assert (health.missing_runs(), published) == ([], [])


class _Queues:
    def send_message(self, **_message: object) -> None:
        """Takes a message and forgets it."""

    def send_message_batch(self, **_messages: object) -> dict[str, object]:
        return {}


@pytest.fixture
def watchdog(published: list[Event], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An outside watchdog on this machine; gives the paths it was pinged at, with what was said."""
    pings: list[str] = []

    class Dog(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            pings.append(f"{self.path} {said}".strip())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    monkeypatch.setattr(probe, "SETTINGS", msgspec.structs.replace(probe.SETTINGS, watchdog_secret="dog"))
    monkeypatch.setattr(probe, "check", lambda settings: [])
    monkeypatch.setattr(probe, "read_usage", lambda limits: None)
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Dog)) as url:
        monkeypatch.setattr(probe, "watchdog_url", lambda: f"{url}/uuid/")
        yield pings


def test_the_watchdog_hears_the_start_and_the_end(
    watchdog: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look begins with /start and ends with success, or with /fail and what is raised."""
    monkeypatch.setattr(probe, "ask", lambda path, seconds: (200, b'{"status": "ok"}'))
    probe.handler({"job": "probe"}, None)
    assert watchdog == ["/uuid/start", "/uuid"]
    monkeypatch.setattr(probe, "ask", lambda path, seconds: (500, b""))
    for _ in range(3):
        probe.handler({"job": "probe"}, None)
    assert watchdog[-1].startswith("/uuid/fail ")
    assert "probe:risk" in watchdog[-1]


def test_a_watchdog_inside_our_own_network_is_never_asked(
    watchdog: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anywhere but on the laptop a loopback address is refused, which is an alert and no failure."""
    elsewhere = msgspec.structs.replace(probe.SETTINGS, environment="paper")
    monkeypatch.setattr(probe, "SETTINGS", elsewhere)
    monkeypatch.setattr(probe, "ask", lambda path, seconds: (200, b'{"status": "ok"}'))
    answers = [probe.handler({"job": "probe"}, None) for _ in range(3)]
    assert (watchdog, answers[-1]["raised"]) == ([], ["watchdog"])
    assert "https" in health.alerts()["watchdog"].message


def test_a_watchdog_that_is_away_is_an_alert_and_soon_left_alone(
    watchdog: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look says so; after five pings in vain it is not asked at each look."""
    asked: list[str] = []

    def away(url: str, **_: object) -> None:
        asked.append(url)
        raise TimeoutError

    monkeypatch.setattr(probe, "send", away)
    monkeypatch.setattr(probe, "ask", lambda path, seconds: (200, b'{"status": "ok"}'))
    answers = [probe.handler({"job": "probe"}, None) for _ in range(4)]
    assert [answer["bad"] for answer in answers] == [["watchdog"]] * 4
    assert answers[-1]["raised"] == ["watchdog"]
    assert len(asked) == 5
    assert "keeps failing and is left alone" in health.alerts()["watchdog"].message
