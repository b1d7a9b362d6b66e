"""A closed bar is planned once, however often and whenever the schedule fires."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from alpaquero.events.commands import ConcludeRun
from alpaquero.events.queues import MessagesNotSent
from alpaquero.events.schemas import Event, RunMissed, RunPlanned
from alpaquero.prices.bars import Timeframe
from alpaquero.store import runs
from alpaquero.strategy.planning import MOST_LATE_BARS
from alpaquero.strategy.run import run_id
from alpaquero.strategy.settings import StrategySettings
from functions.signal import conclude, plan
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


def planned_closes(answer: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(run["run_id"], run["late"]) for run in answer["runs"]]


def test_a_bar_that_no_tick_saw_is_caught_up_once_and_late(broker: FakeBroker, queues: FakeQueues) -> None:
    """After a day without a tick the bar before the newest gets its run too, which says that it is late."""
    save_settings()
    broker.now = CLOSE - timedelta(days=2) + timedelta(minutes=30)
    plan.handler(JOB, None)
    broker.now = CLOSE + timedelta(minutes=30)
    missed, newest = run_id("1Day", CLOSE - timedelta(days=1)), run_id("1Day", CLOSE)
    assert [(missed, True), (newest, False)] == planned_closes(plan.handler(JOB, None))
    assert [(newest, False)] == planned_closes(plan.handler(JOB, None))
    assert 3 == len(queues.bodies("shard-queue"))
    run = runs.get("paper", missed)
    assert (True, 0) == ((run.late, run.missed) if run else None)


def test_too_many_missed_bars_are_told_and_not_judged(broker: FakeBroker, published: list[Event]) -> None:
    """The oldest run after the gap carries how many there were, and its conclusion tells it."""
    save_settings(strategies={"fast": StrategySettings(timeframe=Timeframe.FIVE_MINUTES)})
    broker.now = CLOSE - timedelta(hours=3) + timedelta(seconds=30)
    plan.handler(JOB, None)
    broker.now = CLOSE + timedelta(seconds=30)
    answer = plan.handler(JOB, None)
    assert [True] * MOST_LATE_BARS + [False] == [run["late"] for run in answer["runs"]]
    first = runs.get("paper", answer["runs"][0]["run_id"])
    assert first is not None
    since = CLOSE - timedelta(hours=3) + timedelta(minutes=5)
    assert (36 - MOST_LATE_BARS - 1, since) == (first.missed, first.missed_since)
    conclude.conclude(ConcludeRun(run_id=first.id, reason="reported", correlation_id="c"))
    assert [since] == [event.bar_close for event in published if isinstance(event, RunMissed)]


def test_every_bar_since_the_last_run_is_missed_however_long_ago(broker: FakeBroker) -> None:
    """A stack that was down for a month tells all of its sessions, not those of the last ten days."""
    save_settings()
    broker.now = CLOSE - timedelta(days=31) + timedelta(hours=1)  # 2023-12-05
    plan.handler(JOB, None)
    broker.now = CLOSE + timedelta(hours=1)
    first = runs.get("paper", plan.handler(JOB, None)["runs"][0]["run_id"])
    assert first is not None
    since = datetime(2023, 12, 6, 21, tzinfo=UTC)
    sessions = len(broker.sessions(date(2023, 12, 6), date(2024, 1, 5)))
    assert (sessions - MOST_LATE_BARS - 1, since) == (first.missed, first.missed_since)


def test_bars_that_no_strategy_wanted_are_not_missed(broker: FakeBroker) -> None:
    """A timeframe that the settings left out for hours begins anew, as if it had never been there."""
    fast = {"fast": StrategySettings(timeframe=Timeframe.FIVE_MINUTES)}
    save_settings(strategies=fast)
    broker.now = CLOSE - timedelta(hours=3) + timedelta(seconds=30)
    plan.handler(JOB, None)
    save_settings(strategies={"slow": StrategySettings()})
    save_settings(strategies=fast)
    broker.now = CLOSE + timedelta(seconds=30)
    answer = plan.handler(JOB, None)
    assert [(run_id("5Min", CLOSE), False)] == planned_closes(answer)
    run = runs.get("paper", answer["run_id"])
    assert (False, 0) == ((run.late, run.missed) if run else None)


def test_each_timeframe_has_runs_of_its_own(broker: FakeBroker, queues: FakeQueues) -> None:
    """A run of its newest bar, of its strategies' symbols, valid as long as each strategy says."""
    save_settings(
        strategies={
            "daily": StrategySettings(),
            "own": StrategySettings(symbols=("IBM",), signal_validity_bars=1),
            "hourly": StrategySettings(timeframe=Timeframe.HOUR, symbols=("MSFT",)),
        }
    )
    answer = plan.handler(JOB, None)
    assert [run_id("1Hour", CLOSE), run_id("1Day", CLOSE)] == [run["run_id"] for run in answer["runs"]]
    assert [["MSFT"], ["AAPL", "IBM"]] == [body["symbols"] for body in queues.bodies("shard-queue")]
    run = runs.get("paper", answer["run_id"])
    assert {
        "daily": datetime(2024, 1, 10, 21, tzinfo=UTC),
        "own": datetime(2024, 1, 8, 21, tzinfo=UTC),
    } == (run.valid_until if run else None)


def test_a_bar_of_minutes_settles_in_seconds(broker: FakeBroker) -> None:
    """It is judged while its signals are valid, not after a daily bar's quarter of an hour."""
    save_settings(strategies={"fast": StrategySettings(timeframe=Timeframe.MINUTE)})
    broker.now = CLOSE - timedelta(hours=1) + timedelta(seconds=10)
    assert run_id("1Min", CLOSE - timedelta(hours=1)) == plan.handler(JOB, None)["run_id"]
    broker.now += timedelta(seconds=59)
    assert not plan.handler(JOB, None)["new"]
    broker.now += timedelta(seconds=1)
    assert plan.handler(JOB, None)["new"]


def test_many_shards_are_sent_ten_a_call(
    broker: FakeBroker, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long watchlist costs a tenth of the requests, and the run's own item stays small."""
    calls: list[int] = []
    send = queues.send_message_batch

    def counted(**call: Any) -> dict[str, Any]:
        calls.append(len(call["Entries"]))
        return send(**call)

    monkeypatch.setattr(queues, "send_message_batch", counted)
    save_settings(watchlist=tuple(f"A{n}" for n in range(1, 231)), shard_size_symbols=10)
    answer = plan.handler(JOB, None)
    assert ([10, 10, 3], 23) == (calls, len(queues.bodies("shard-queue")))
    item = runs.RunItem.get("paper", f"RUN#{answer['run_id']}")
    assert len(item.body or "") < 1000


def test_a_refused_shard_fails_the_tick(
    broker: FakeBroker, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQS may refuse a part of a batch; the next tick sends what has not reported."""
    save_settings()
    monkeypatch.setattr(queues, "send_message_batch", lambda **call: {"Failed": [{"Id": "0"}]})
    with pytest.raises(MessagesNotSent, match="send them again"):
        plan.handler(JOB, None)
