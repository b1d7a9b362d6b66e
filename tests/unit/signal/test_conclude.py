"""A run is concluded once: told, recorded, and turned into intents in the order of their rank."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from alpaquero.events.commands import ConcludeRun
from alpaquero.events.schemas import Event, RunConcluded, SignalRaised, SignalWithheld
from alpaquero.orders.intent import Side
from alpaquero.store import runs
from alpaquero.store.books import Books
from alpaquero.store.runs import RunItem
from alpaquero.strategy.run import RunState
from functions.signal import conclude
from tests.fakes.queues import FakeQueues
from tests.unit.risk.builders import a_book, entry, held
from tests.unit.signal.made import CLOSE, a_report, a_run, a_signal

pytestmark = pytest.mark.usefixtures("published", "queues")


def concluded(reason: str = "reported") -> dict[str, Any]:
    command = ConcludeRun(run_id=a_run().id, reason=reason, correlation_id="c")
    return conclude.handler(
        {"Records": [{"messageId": "m", "body": msgspec.json.encode(command).decode()}]}, None
    )


def reported(*signals: Any) -> None:
    runs.plan(a_run())
    runs.report("paper", a_run().id, 0, a_report(*signals))


def stored() -> dict[tuple[str, str], Any]:
    return {(item.pk, item.sk): item.body or item.packed for item in RunItem.scan()}


def test_a_signal_becomes_one_intent_with_all_that_execute_needs(queues: FakeQueues) -> None:
    """The intent carries the price and bar it was judged at and until when it may be traded."""
    reported(a_signal("AAPL"))
    assert {"batchItemFailures": []} == concluded()
    [command] = queues.bodies("order-queue")
    intent = command["intent"]
    assert ("PlaceOrder", "AAPL", "buy", "entry", "100", a_run().id) == (
        command["type"],
        intent["symbol"],
        intent["side"],
        intent["purpose"],
        intent["reference_price"],
        intent["run_id"],
    )
    assert (CLOSE + timedelta(days=5)).isoformat().replace("+00:00", "Z") == intent["valid_until"]


def test_exits_go_before_entries(queues: FakeQueues) -> None:
    """Then the stronger signal, then the symbol; the queue keeps that order."""
    Books("paper").commit(risk_book=a_book(positions={"IBM": held("10", "1000")}))
    reported(a_signal("MSFT", strength=75), a_signal("AAPL", strength=90), a_signal("IBM", Side.SELL, 75))
    runs.report("paper", a_run().id, 1, a_report(a_signal("FB", strength=75)))
    concluded()
    assert ["IBM", "AAPL", "FB", "MSFT"] == [c["intent"]["symbol"] for c in queues.bodies("order-queue")]


@pytest.mark.parametrize(
    ("signal", "book", "code"),
    [
        (a_signal("AAPL"), a_book(positions={"AAPL": held("10", "1000")}), "already_held"),
        (a_signal("AAPL"), a_book(reservations={"x": entry("AAPL", "1000")}), "already_held"),
        (a_signal("AAPL", Side.SELL), a_book(), "nothing_held"),
    ],
)
def test_a_signal_nobody_need_trade_on_is_told_and_withheld(
    signal: Any, book: Any, code: str, published: list[Event], queues: FakeQueues
) -> None:
    """The condition is told, why nothing follows too, and no intent is sent."""
    Books("paper").commit(risk_book=book)
    reported(signal)
    concluded()
    assert [SignalRaised, SignalWithheld, RunConcluded] == [type(event) for event in published]
    assert [code] == [event.code for event in published if isinstance(event, SignalWithheld)]
    assert [code] == [record.code for record in runs.newest_signals("AAPL", 9)]
    assert [] == queues.bodies("order-queue")


def test_concluding_twice_changes_nothing(published: list[Event], queues: FakeQueues) -> None:
    """The second call finds the run closed."""
    reported(a_signal("AAPL"))
    concluded()
    before, told = stored(), len(published)
    concluded()
    assert (before, told, 1) == (stored(), len(published), len(queues.bodies("order-queue")))
    run = runs.get("paper", a_run().id)
    assert run is not None
    assert (RunState.CONCLUDED, 1, 0, 1) == (run.state, run.raised, run.withheld, run.intents)


def test_a_conclusion_that_died_half_way_is_repeated_word_for_word(
    published: list[Event], queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry it ordered is under way by then, and a late shard has come: the decision stays."""
    Books("paper").commit(risk_book=a_book())
    reported(a_signal("AAPL"))

    def dies(*args: Any) -> None:
        raise RuntimeError("the function was killed")

    with monkeypatch.context() as killed:
        killed.setattr(runs, "conclude", dies)
        assert 1 == len(concluded()["batchItemFailures"])
    first = list(published)
    Books("paper").commit(
        risk_book=replace(a_book(), reservations={"x": entry("AAPL", "1000")}).next_version()
    )
    runs.report("paper", a_run().id, 1, a_report(a_signal("IBM")))
    concluded()
    assert first == published[len(first) :]
    assert ["AAPL"] == [command["intent"]["symbol"] for command in queues.bodies("order-queue")]
    assert ["raised"] == [record.outcome for record in runs.newest_signals("AAPL", 9)]


def test_at_the_deadline_the_missing_shards_are_named(published: list[Event], queues: FakeQueues) -> None:
    """What has reported is traded on; the event says how many did not."""
    reported(a_signal("AAPL"))
    concluded("deadline")
    assert [1] == [event.missing_shards for event in published if isinstance(event, RunConcluded)]
    assert 1 == len(queues.bodies("order-queue"))


def test_a_deadline_that_comes_early_concludes_nothing(queues: FakeQueues) -> None:
    """A message of an older plan must not cut a run short."""
    runs.plan(a_run(planned_at=time.time()))
    concluded("deadline")
    run = runs.get("paper", a_run().id)
    assert run is not None
    assert (RunState.PLANNED, {}) == (run.state, queues.messages)


def test_a_repeat_sends_the_same_ids(queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deduplication id and client order id come from the signal, so that SQS and execute drop a repeat."""
    reported(a_signal("AAPL"))
    monkeypatch.setattr(runs, "conclude", lambda run, records: True)
    concluded()
    concluded()
    [message] = queues.messages["order-queue"]
    assert message["MessageDeduplicationId"].startswith("aq1-sig-AAPL-")
    assert "paper" == message["MessageGroupId"]


def test_reference_prices_stay_exact() -> None:
    """Money travels as text, never as a float."""
    reported(replace(a_signal("AAPL"), reference_price=Decimal("101.10")))
    concluded()
    assert ["101.10"] == [record.reference_price for record in runs.newest_signals("AAPL", 9)]


def test_a_shadow_is_told_and_trades_nothing(published: list[Event], queues: FakeQueues) -> None:
    """Its signal is raised as any other, marked, with the reason why nothing follows."""
    reported(replace(a_signal("AAPL"), shadow=True))
    concluded()
    assert [True] == [event.shadow for event in published if isinstance(event, SignalRaised)]
    assert ["shadow"] == [event.code for event in published if isinstance(event, SignalWithheld)]
    assert [] == queues.bodies("order-queue")


def test_a_late_run_sends_exits_alone(published: list[Event], queues: FakeQueues) -> None:
    """The entry is withheld as late, and the conclusion says that the run was."""
    Books("paper").commit(risk_book=a_book(positions={"IBM": held("10", "1000")}))
    runs.plan(a_run(late=True))
    runs.report("paper", a_run().id, 0, a_report(a_signal("AAPL"), a_signal("IBM", Side.SELL)))
    concluded()
    assert ["IBM"] == [command["intent"]["symbol"] for command in queues.bodies("order-queue")]
    assert ["late"] == [event.code for event in published if isinstance(event, SignalWithheld)]
    assert [True] == [event.late for event in published if isinstance(event, RunConcluded)]


def test_the_books_are_not_asked_when_nothing_was_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet run costs no read of the risk book."""
    monkeypatch.setattr(Books, "risk_book", lambda self: pytest.fail("the risk book was read"))
    reported()
    assert {"batchItemFailures": []} == concluded()
