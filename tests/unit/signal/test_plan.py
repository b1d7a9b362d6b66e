"""A closed bar is planned once, however often and whenever the schedule fires."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alpaquero.events.schemas import Event, RunPlanned
from alpaquero.store import runs
from alpaquero.strategy.run import run_id
from functions.signal import plan
from tests.fakes.broker import FakeBroker
from tests.fakes.queues import FakeQueues
from tests.unit.signal.made import CLOSE, a_report, save_settings

JOB = {"job": "plan"}


@pytest.fixture
def broker(published: list[Event], queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    """The clock shows half an hour after Friday's close."""
    broker = FakeBroker(now=CLOSE + timedelta(minutes=30))
    monkeypatch.setattr(plan, "connect_clock", lambda settings: broker)
    monkeypatch.setattr(plan, "_calendars", {})
    return broker


def test_a_bar_is_planned_and_its_shards_are_sent_once(
    broker: FakeBroker, published: list[Event], queues: FakeQueues
) -> None:
    """Twice or late is one run, one message a shard, one deadline, one event."""
    save_settings(watchlist=("AAPL", "IBM", "MSFT"), shard_size_symbols=2)
    first = plan.handler(JOB, None)
    broker.now += timedelta(hours=20)
    second = plan.handler(JOB, None)
    assert (True, False) == (first["new"], second["new"])
    assert first["run_id"] == second["run_id"] == run_id("1Day", CLOSE)
    assert [["AAPL", "IBM"], ["MSFT"]] == [body["symbols"] for body in queues.bodies("shard-queue")]
    assert ["deadline"] == [body["reason"] for body in queues.bodies("conclude-queue")]
    assert [RunPlanned] == [type(event) for event in published]


def test_a_bar_that_has_not_settled_is_not_planned(broker: FakeBroker) -> None:
    """Before close and settling time the newest closed bar is the one before."""
    save_settings()
    broker.now = CLOSE + timedelta(minutes=14)
    assert run_id("1Day", CLOSE - timedelta(days=1)) == plan.handler(JOB, None)["run_id"]


def test_a_signal_is_valid_for_the_next_three_sessions(broker: FakeBroker) -> None:
    """Until the close of the third session after the bar, over the weekend."""
    save_settings()
    run = runs.get("paper", plan.handler(JOB, None)["run_id"])
    assert run is not None
    assert {"stochrsi_ema": datetime(2024, 1, 10, 21, tzinfo=UTC)} == run.valid_until


def test_a_crash_before_sending_is_made_good(
    broker: FakeBroker, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a minute later only the shards that have not reported are sent again."""
    save_settings(watchlist=("AAPL", "IBM", "MSFT"), shard_size_symbols=1)
    planned = plan.handler(JOB, None)["run_id"]
    runs.report("paper", planned, 1, a_report())
    queues.receive("shard-queue")
    plan.handler(JOB, None)
    assert [] == queues.bodies("shard-queue")
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 31)
    plan.handler(JOB, None)
    assert [0, 2] == [body["shard"] for body in queues.bodies("shard-queue")]


def test_a_concluded_run_is_left_alone(
    broker: FakeBroker, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent again for a bar that has been judged."""
    save_settings()
    run = runs.get("paper", plan.handler(JOB, None)["run_id"])
    assert run is not None
    runs.conclude(run, [])
    queues.receive("shard-queue")
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 600)
    assert "concluded" == plan.handler(JOB, None)["state"]
    assert [] == queues.bodies("shard-queue")


def test_an_empty_watchlist_plans_nothing(broker: FakeBroker, queues: FakeQueues) -> None:
    """The answer says why."""
    assert {"run_id": None, "reason": "the watchlist is empty"} == plan.handler(JOB, None)
    assert {} == queues.messages


def test_shards_are_sent_even_when_the_bus_is_down(
    broker: FakeBroker, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What must happen goes first, what happened is told after it."""
    save_settings()

    def unreachable() -> Any:
        raise ConnectionError("no bus")

    monkeypatch.setattr("alpaquero.events.bus._client", unreachable)
    with pytest.raises(ConnectionError):
        plan.handler(JOB, None)
    assert 1 == len(queues.bodies("shard-queue"))
