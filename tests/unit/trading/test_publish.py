"""The outbox reaches the bus, and what the bus refuses stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alpaquero.events.bus import EncodedEvent
from alpaquero.store.books import Books
from alpaquero.store.tables import to_body
from functions.trading import publish

BOOKS = Books("paper")
pytestmark = pytest.mark.usefixtures("tables")


class Bus:
    """EventBridge that refuses the events named in `refuses`."""

    def __init__(self, *refuses: str) -> None:
        self.refuses = set(refuses)
        self.taken: list[str] = []

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        answers = [
            {"ErrorCode": "ThrottlingException"} if entry["Detail"] in self.refuses else {"EventId": "1"}
            for entry in Entries
        ]
        self.taken += [e["Detail"] for e in Entries if e["Detail"] not in self.refuses]
        return {"FailedEntryCount": sum("ErrorCode" in a for a in answers), "Entries": answers}


def waiting(*names: str) -> dict[str, Any]:
    """Events in the outbox, and the stream records that their writing made."""
    events = [
        EncodedEvent(id=name, name="OrderUpdated", source="alpaquero.trading", detail=name) for name in names
    ]
    BOOKS.commit(events=events)
    return {
        "Records": [
            {"dynamodb": {"SequenceNumber": f"seq-{e.id}", "NewImage": {"body": {"S": to_body(e)}}}}
            for e in events
        ]
    }


def test_published_events_leave_the_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record of the batch is on the bus, in order, and deleted."""
    bus = Bus()
    monkeypatch.setattr("alpaquero.events.bus._client", lambda: bus)
    names = [f"e{number:02}" for number in range(12)]
    assert {"batchItemFailures": []} == publish.handler(waiting(*names), None)
    assert (names, []) == (bus.taken, BOOKS.outbox())


def test_what_the_bus_refuses_stays_and_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that partly failed reports those records alone; a repeat publishes them."""
    bus = Bus("b", "d")
    monkeypatch.setattr("alpaquero.events.bus._client", lambda: bus)
    batch = waiting("a", "b", "c", "d")
    failed = [{"itemIdentifier": "seq-b"}, {"itemIdentifier": "seq-d"}]
    assert {"batchItemFailures": failed} == publish.handler(batch, None)
    assert ["b", "d"] == [event.id for event in BOOKS.outbox()]
    bus.refuses.clear()
    assert {"batchItemFailures": []} == publish.handler(batch, None)
    assert [] == BOOKS.outbox()


def test_a_bus_that_cannot_be_reached_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The invocation fails, and every event is still in the outbox."""

    def unreachable() -> Any:
        raise ConnectionError("no bus")

    monkeypatch.setattr("alpaquero.events.bus._client", unreachable)
    with pytest.raises(ConnectionError):
        publish.handler(waiting("a", "b"), None)
    assert ["a", "b"] == [event.id for event in BOOKS.outbox()]


def test_what_was_told_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Orders, fills and refusals are counted, the last equity mark is the figure, the rest is left out."""
    told = [("OrderFilled", "{}"), ("OrderFilled", "{}"), ("TradeRejected", "{}"), ("OrderUpdated", "{}")]
    told += [("EquityMarked", '{"equity": "100.50"}'), ("EquityMarked", '{"equity": "101.25"}')]
    publish.measure(
        EncodedEvent(id=str(number), name=name, source="alpaquero.trading", detail=detail)
        for number, (name, detail) in enumerate(told)
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    figures = {
        metric["Name"]: line[metric["Name"]]
        for line in lines
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }
    assert figures == {"Fills": [2.0], "TradesRejected": [1.0], "EquityDollars": [101.25]}


def test_what_reached_the_bus_before_it_failed_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of an hour leaves in parts, so that no sweep begins at its first event again."""

    class Tires(Bus):
        """A bus that breaks off after 150 events."""

        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's own name
            if len(self.taken) >= 150:
                raise ConnectionError("no bus")
            return super().put_events(Entries)

    names = [f"e{number:03}" for number in range(160)]
    for start in range(0, len(names), 80):
        waiting(*names[start : start + 80])
    bus = Tires()
    monkeypatch.setattr("alpaquero.events.bus._client", lambda: bus)
    with pytest.raises(ConnectionError):
        BOOKS.publish(BOOKS.outbox(), "bus")
    assert names[100:] == [event.id for event in BOOKS.outbox()]
