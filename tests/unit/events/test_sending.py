"""Commands and facts on their way: what the bus refuses is known, order is kept, nothing is lost."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import boto3
import msgspec
import pytest

from alpaquero.events import bus, queues
from alpaquero.events.bus import EncodedEvent, EventsNotPublished
from alpaquero.events.commands import CancelOrder, OrderCommand, PlaceOrder, ResumeOrder
from alpaquero.events.orders import order_changed, order_filled
from alpaquero.events.schemas import OrderFilled, OrderSubmitted, OrderUpdated, decode
from alpaquero.orders.intent import OrderType
from alpaquero.orders.order import LegRole
from tests.unit.orders.builders import a_fill, an_intent, an_order


class Bus:
    """EventBridge that refuses some calls' entries."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.calls: list[list[str]] = []

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        self.calls.append([entry["Detail"] for entry in Entries])
        entries = [{"ErrorCode": "Throttled"} if e["Detail"] in self.refused else {} for e in Entries]
        return {"FailedEntryCount": sum(map(len, entries)), "Entries": entries}


def events(count: int) -> list[EncodedEvent]:
    return [EncodedEvent(id=f"e{n}", name="N", source="s", detail=f"e{n}") for n in range(count)]


def test_events_go_ten_a_call_in_order() -> None:
    """EventBridge takes no more in one call."""
    client = Bus()
    bus.publish(events(23), "bus", client)
    assert [10, 10, 3] == [len(call) for call in client.calls]
    assert [f"e{n}" for n in range(23)] == [detail for call in client.calls for detail in call]


def test_refused_events_are_named_after_all_were_tried() -> None:
    """One refusal does not keep the later ones back."""
    client = Bus("e3", "e15")
    with pytest.raises(EventsNotPublished) as refusal:
        bus.publish(events(23), "bus", client)
    assert (("e3", "e15"), 3) == (refusal.value.failed, len(client.calls))


def test_nothing_to_publish_makes_no_call() -> None:
    """An empty outbox costs nothing."""
    client = Bus()
    bus.publish([], "bus", client)
    assert [] == client.calls


def test_an_event_is_read_as_it_was_told() -> None:
    """From the books through the bus's envelope, money unchanged."""
    told = order_filled(a_fill(1, "buy", "3", "101.10", order="aq1"), an_order())
    envelope = {"detail-type": told.name, "source": told.source, "detail": json.loads(told.detail)}
    event = bus.received(json.dumps(envelope))
    assert isinstance(event, OrderFilled)
    assert (Decimal("101.10"), "fill:f0001") == (event.price, event.id)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, "new", OrderSubmitted),
        ("intended", "accepted", OrderSubmitted),
        ("unknown", "new", OrderSubmitted),
        ("intended", "rejected", OrderUpdated),
        ("new", "partially_filled", OrderUpdated),
        ("new", "filled", OrderUpdated),
    ],
)
def test_a_change_is_told_as_what_it_is(before: str | None, after: str, kind: type) -> None:
    """Submitted is told when the broker has just taken the order; one id a version."""
    earlier = an_order(status=before) if before else None
    told = order_changed(earlier, an_order(status=after, version=7))
    event = decode(told.name, told.detail)
    assert isinstance(event, OrderUpdated)
    assert type(event) is kind
    assert (f"order:{an_order().client_order_id}:7", after) == (event.id, event.status)


def test_a_legs_fill_says_what_the_leg_was_for() -> None:
    """Stop or target, in words that a message can use."""
    told = order_filled(a_fill(1, "sell", "3", "97"), an_order(role=LegRole.STOP_LOSS))
    event = decode(told.name, told.detail)
    assert isinstance(event, OrderFilled)
    assert ("stop loss", "stop_loss") == (event.reason, event.role)


@pytest.mark.parametrize(
    "command",
    [
        PlaceOrder(intent=an_intent(quantity=Decimal("150.00"))),
        ResumeOrder(client_order_id="aq1", correlation_id="c"),
        CancelOrder(client_order_id="aq1", requested_by="ana", correlation_id="c"),
    ],
)
def test_a_command_travels_through_sqs_unchanged(tables: None, command: Any) -> None:
    """A FIFO queue delivers it once, though it was sent twice, told apart by its tag."""
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for _ in range(2):
        queues.send_in_order(url, command, group="paper", deduplication_id="d1", client=sqs)
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [command] == [msgspec.json.decode(m["Body"], type=OrderCommand, strict=False) for m in messages]


def test_a_batch_reports_only_what_failed() -> None:
    """On a standard queue the others are done."""
    seen: list[str] = []
    answer = queues.work_through(batch("a", "b", "c"), fails_on("b", seen), lambda record, error: None)
    assert (["a", "c"], [{"itemIdentifier": "b"}]) == (seen, answer["batchItemFailures"])


def test_a_batch_in_order_stops_at_the_first_failure() -> None:
    """On a FIFO queue everything behind it comes again, in its order."""
    seen: list[str] = []
    answer = queues.work_through(
        batch("a", "b", "c"), fails_on("b", seen), lambda record, error: None, in_order=True
    )
    assert ["a"] == seen
    assert [{"itemIdentifier": "b"}, {"itemIdentifier": "c"}] == answer["batchItemFailures"]


def batch(*names: str) -> dict[str, Any]:
    return {"Records": [{"messageId": name, "body": name} for name in names]}


def fails_on(name: str, seen: list[str]) -> Any:
    def handle(record: dict[str, Any]) -> None:
        if record["body"] == name:
            raise ValueError(name)
        seen.append(record["body"])

    return handle


@pytest.mark.parametrize(
    ("order", "arrival"),
    [
        ({"reference_price": "100"}, "100"),
        ({"reference_price": "100", "arrival_price": "101.5"}, "101.5"),
        ({"order_type": "stop", "stop_price": "95", "arrival_price": "99"}, "95"),
        ({"order_type": "limit", "limit_price": "120", "role": "take_profit", "arrival_price": "99"}, None),
        ({"order_type": "trailing_stop", "arrival_price": "99"}, None),
        ({}, None),
    ],
)
def test_a_fill_tells_its_strategy_and_what_it_met_at_arrival(
    order: dict[str, str], arrival: str | None
) -> None:
    """A stop arrives at its price, a target waits for its own; else the market as the order was decided."""
    prices = {name: Decimal(value) for name, value in order.items() if name.endswith("price")}
    given = {**prices, "strategy": "dips", "order_type": OrderType(order.get("order_type", "market"))}
    given |= {"role": LegRole(order["role"])} if "role" in order else {}
    told = decode("OrderFilled", order_filled(a_fill(1, "buy", "3", "97"), an_order(**given)).detail)
    assert isinstance(told, OrderFilled)
    assert (told.strategy, told.arrival_price, told.schema) == ("dips", arrival and Decimal(arrival), 2)


def test_a_fill_told_before_strategies_were_is_read_still() -> None:
    """A fact of schema 1 has no strategy and no arrival price, and says that it is one."""
    new = order_filled(a_fill(1, "buy", "3", "97", order="aq1"), an_order(strategy="dips")).detail
    old = {
        name: value for name, value in json.loads(new).items() if name not in {"strategy", "arrival_price"}
    }
    told = decode("OrderFilled", {**old, "schema": 1})
    assert isinstance(told, OrderFilled)
    assert (told.strategy, told.arrival_price, told.schema) == ("", None, 1)
