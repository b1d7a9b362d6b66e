"""Each queue: its messages reach the right function, and a poisonous one ends visibly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest

from alpaquero.events.commands import ConcludeRun, EvaluateShard, PlaceOrder, SyncBooks
from alpaquero.events.orders import order_filled
from alpaquero.events.schemas import EquityMarked, Event, ServiceDegraded, decode, encode
from alpaquero.orders.intent import Intent, Origin, Purpose, Side
from alpaquero.orders.order import Fill
from alpaquero.store.tables import to_body
from laptop.engine import sent_mail
from laptop.quiescence import AFTER_OUTBOX, APART, BEFORE_OUTBOX
from laptop.stack import LaptopCloud
from laptop.template import functions, template
from tests.integration.asking import Caller
from tests.integration.dashboards import dashboard, ticket
from tests.integration.reading import BusTap, Traded, delete, depth, item, items, put
from tests.waiting import wait_for

CONSUMERS = {
    "ShardQueue": "SignalEvaluate",
    "ConcludeQueue": "SignalConclude",
    "OrderQueue": "TradingExecute",
    "SyncQueue": "TradingSync",
    "PositionQueue": "PositionProject",
    "AnalyticsQueue": "AnalyticsProject",
    "PushQueue": "GatewayPush",
    "FeedQueue": "MarketDataFeed",
    "IngestQueue": "HistoricalDataIngest",
    "NotificationQueue": "NotificationDeliver",
    "BacktestQueue": "AnalyticsBacktest",
}
QUEUES = sorted(CONSUMERS)
# A sync request has no content that could be wrong, so nothing put on its queue is poisonous.
POISONABLE = [queue for queue in QUEUES if queue != "SyncQueue"]
# A command that cannot be carried out is told of and dropped, so that it holds up no other.
ENDS_DEAD = [queue for queue in POISONABLE if queue != "OrderQueue"]
POISON = '{"this": "is no message of ours"}'
RETRY_SECONDS = 1
AT = datetime(2012, 4, 2, 14, 30, tzinfo=UTC)
_numbers = count(1)


def _send(cloud: LaptopCloud, queue: str, body: str, group: str = "paper") -> str:
    """Puts a message on a queue; answers its id."""
    fifo = {"MessageGroupId": group, "MessageDeduplicationId": f"test-{next(_numbers)}"}
    more = fifo if queue == "OrderQueue" else {}
    sent = cloud.client("sqs").send_message(QueueUrl=cloud.outputs[queue], MessageBody=body, **more)
    return str(sent["MessageId"])


def _delivered(event: Event) -> str:
    """An event as EventBridge delivers it."""
    envelope = {
        "detail-type": type(event).__name__,
        "source": "alpaquero.test",
        "detail": json.loads(encode(event)),
    }
    return json.dumps(envelope)


def _command(command: Any) -> str:
    return to_body(command)


def _run_copy(cloud: LaptopCloud, traded: Traded) -> Iterator[str]:
    """A planned run of which nothing has reported: a copy of the first one under another id.

    What the copy says of FB goes in the place of the first one's word, which is put back at the end.
    """
    tables, of_fb = cloud.client("dynamodb"), {":fb": {"S": "SYMBOL#FB"}}
    table = cloud.outputs["Runs"]
    said = tables.query(TableName=table, KeyConditionExpression="pk = :fb", ExpressionAttributeValues=of_fb)
    first = min(traded.runs, key=lambda run: str(run["sk"]))["body"]
    identifier = f"0-copy-{next(_numbers)}"
    body = first | {"id": identifier, "state": "planned", "shards": 1}
    put(
        cloud,
        "Runs",
        "paper",
        f"RUN#{identifier}",
        json.dumps(body),
        state={"S": "planned"},
        expires_at={"N": "99999999999"},
    )
    yield identifier
    for row in items(cloud, "Runs"):
        if identifier in row["sk"] or identifier in row["pk"]:
            delete(cloud, "Runs", row["pk"], row["sk"])
    for row in said["Items"]:
        tables.put_item(TableName=table, Item=row)


run_copy = pytest.fixture(_run_copy)


def _mark() -> EquityMarked:
    amount = Decimal(100_000)
    return EquityMarked(
        id=f"queue:{next(_numbers)}",
        occurred_at=AT,
        account="paper",
        equity=amount,
        cash=amount,
        peak_equity=amount,
        drawdown_percent=Decimal(0),
    )


def _degraded() -> ServiceDegraded:
    number = next(_numbers)  # in its words too: the same news twice is told once
    return ServiceDegraded(
        id=f"queue:{number}", occurred_at=AT, account="paper", service="queue-test", message=f"m{number}"
    )


def _mailed(cloud: LaptopCloud, event: Event) -> bool:
    return any(f"Event {event.id}," in mail["body"] for mail in sent_mail(cloud.endpoint))


def test_every_queue_of_the_template_is_here() -> None:
    """A new queue without its tests here fails, and none lacks its dead letters."""
    resources = template()["Resources"]
    queues = {name for name, resource in resources.items() if resource["Type"] == "AWS::SQS::Queue"}
    assert queues == set(QUEUES) | {f"{queue}DeadLetters" for queue in QUEUES}
    assert set(QUEUES) == {*BEFORE_OUTBOX, *AFTER_OUTBOX, *APART}


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_feeds_its_function_alone(cloud: LaptopCloud, queue: str) -> None:
    """The queue has one consumer, which reports failures one by one, and gives up after five tries."""
    attributes = cloud.client("sqs").get_queue_attributes(
        QueueUrl=cloud.outputs[queue], AttributeNames=["QueueArn", "RedrivePolicy"]
    )["Attributes"]
    mappings = cloud.client("lambda").list_event_source_mappings(EventSourceArn=attributes["QueueArn"])
    (mapping,) = mappings["EventSourceMappings"]
    assert mapping["FunctionArn"].endswith(f":function:{cloud.physical(CONSUMERS[queue])}")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    redrive = json.loads(attributes["RedrivePolicy"])
    assert int(redrive["maxReceiveCount"]) == 5
    name = cloud.outputs[f"{queue}DeadLetters"].rsplit("/", 1)[1]
    assert redrive["deadLetterTargetArn"].endswith(f":{name}")


@pytest.mark.parametrize("queue", QUEUES)
def test_a_function_has_time_before_its_message_comes_again(queue: str) -> None:
    """A message stays hidden for six times its function's timeout, as AWS asks."""
    hidden = template()["Resources"][queue]["Properties"]["VisibilityTimeout"]
    assert hidden >= 6 * functions()[CONSUMERS[queue]].get("Timeout", 30)


def test_a_shard_is_judged_and_its_run_concluded(cloud: LaptopCloud, run_copy: str) -> None:
    """A shard put on ShardQueue is reported; being the last, it has its run concluded."""
    shard = EvaluateShard(run_id=run_copy, shard=0, symbols=("FB",), correlation_id="queue-test")
    _send(cloud, "ShardQueue", _command(shard))
    report = wait_for(
        lambda: item(cloud, "Runs", f"RUN#{run_copy}", "SHARD#00000"), what="the shard's report"
    )
    assert [w["symbol"] for w in report["body"]["withheld"]] == ["FB"]
    wait_for(lambda: _state(cloud, run_copy) == "concluded", what="the run to be concluded")


def test_a_conclusion_is_drawn_without_the_missing(cloud: LaptopCloud, run_copy: str, bus: BusTap) -> None:
    """A run that ConcludeQueue names is concluded, and tells which shards never reported."""
    _send(
        cloud,
        "ConcludeQueue",
        _command(ConcludeRun(run_id=run_copy, reason="reported", correlation_id="queue-test")),
    )
    wait_for(lambda: _state(cloud, run_copy) == "concluded", what="the run to be concluded")
    told = wait_for(lambda: bus.find(f"concluded:{run_copy}"), what="the conclusion on the bus")
    assert told["detail"]["missing_shards"] == 1


def _state(cloud: LaptopCloud, run: str) -> str:
    found = item(cloud, "Runs", "paper", f"RUN#{run}")
    return str(found["state"]) if found else ""


def _refused_intent() -> Intent:
    """What risk must refuse: selling what nobody holds."""
    number = next(_numbers)
    return Intent(
        account="paper",
        origin=Origin.MANUAL,
        purpose=Purpose.EXIT,
        symbol="GOOG",
        side=Side.SELL,
        key="queuetestqueuetestq" + "abcdefghijklmnopqrstuvwxyz"[number % 26],
        quantity=Decimal(1),
        reason="the queue's test",
    )


def test_an_order_command_is_judged(cloud: LaptopCloud, bus: BusTap) -> None:
    """An intent on OrderQueue gets its verdict; what risk refuses is told with the rule that did."""
    intent = _refused_intent()
    _send(cloud, "OrderQueue", _command(PlaceOrder(intent=intent)))
    refused = wait_for(lambda: bus.find(f"refused:{intent.client_order_id}"), what="the refusal on the bus")
    assert refused["detail"]["codes"] == ["nothing_to_sell"]


def test_a_sync_request_is_served(cloud: LaptopCloud) -> None:
    """A request on SyncQueue brings the books level."""
    before = datetime.now(UTC)
    _send(cloud, "SyncQueue", _command(SyncBooks(reason="the queue's test", correlation_id="queue-test")))

    def worked() -> bool:
        found = item(cloud, "Health", "WORK", "trading")
        return found is not None and datetime.fromisoformat(found["body"]["at"]) > before

    wait_for(worked, what="a sync")


def test_a_fill_comes_again_and_mends_the_position(cloud: LaptopCloud, traded: Traded) -> None:
    """A repeated fill on PositionQueue folds the same position again, also when it was lost."""
    stored = next(
        f["body"] for f in traded.fills if (f["body"]["symbol"], f["body"]["side"]) == ("GOOG", "sell")
    )
    fill = msgspec.json.decode(json.dumps(stored), type=Fill, strict=False)
    event = decode("OrderFilled", order_filled(fill, None).detail)
    before = next(p for p in traded.positions if p["body"]["symbol"] == "GOOG")
    delete(cloud, "Positions", before["pk"], before["sk"])
    _send(cloud, "PositionQueue", _delivered(event))
    after = wait_for(lambda: item(cloud, "Positions", before["pk"], before["sk"]), what="the position")
    assert after["body"] == before["body"]


def test_a_mark_is_kept(cloud: LaptopCloud) -> None:
    """A mark on AnalyticsQueue becomes a point of the equity curve."""
    _send(cloud, "AnalyticsQueue", _delivered(_mark()))
    kept = wait_for(
        lambda: next((m for m in items(cloud, "Analytics", "MARK#2012-04-02")), None), what="the mark"
    )
    delete(cloud, "Analytics", kept["pk"], kept["sk"])


def test_an_event_is_mailed(cloud: LaptopCloud) -> None:
    """An event on NotificationQueue is mailed."""
    event = _degraded()
    _send(cloud, "NotificationQueue", _delivered(event))
    wait_for(lambda: _mailed(cloud, event), what="the mail")


def test_an_event_is_pushed(cloud: LaptopCloud, admin: Caller) -> None:
    """An event on PushQueue reaches an open dashboard."""
    event = _mark()
    with dashboard(admin.port, ticket(admin)) as watching:
        _send(cloud, "PushQueue", _delivered(event))
        wait_for(lambda: watching.find(event.id), what="the frame")


@pytest.fixture(scope="module")
def poisoned(cloud: LaptopCloud, admin: Caller) -> Iterator[dict[str, Callable[[], object]]]:
    """Every queue with a poisonous message and a good one behind it; answers what each good one shows.

    Messages come again after a second here, and an open dashboard makes the push function read them.
    """
    sqs = cloud.client("sqs")
    hidden = {
        queue: sqs.get_queue_attributes(QueueUrl=cloud.outputs[queue], AttributeNames=["VisibilityTimeout"])[
            "Attributes"
        ]
        for queue in POISONABLE
    }
    tap, poison = BusTap(cloud), dict[str, str]()
    with ExitStack() as undo:
        watching = undo.enter_context(dashboard(admin.port, ticket(admin)))
        for queue, attributes in hidden.items():
            undo.callback(sqs.set_queue_attributes, QueueUrl=cloud.outputs[queue], Attributes=attributes)
            undo.callback(sqs.purge_queue, QueueUrl=cloud.outputs[f"{queue}DeadLetters"])
            quick = {"VisibilityTimeout": str(RETRY_SECONDS)}
            sqs.set_queue_attributes(QueueUrl=cloud.outputs[queue], Attributes=quick)
            poison[queue] = _send(cloud, queue, POISON, group="poison")
        mark, mail, push, intent = _mark(), _degraded(), _mark(), _refused_intent()
        _send(cloud, "AnalyticsQueue", _delivered(mark))
        _send(cloud, "NotificationQueue", _delivered(mail))
        _send(cloud, "PushQueue", _delivered(push))
        _send(cloud, "OrderQueue", _command(PlaceOrder(intent=intent)))
        yield {
            "AnalyticsQueue": lambda: items(cloud, "Analytics", "MARK#2012-04-02"),
            "NotificationQueue": lambda: _mailed(cloud, mail),
            "PushQueue": lambda: watching.find(push.id),
            "OrderQueue": lambda: tap.find(f"refused:{intent.client_order_id}"),
            "the poison of OrderQueue": lambda: tap.find(f"given_up:{poison['OrderQueue']}"),
        }
        for row in items(cloud, "Analytics", "MARK#2012-04-02"):
            delete(cloud, "Analytics", row["pk"], row["sk"])


@pytest.mark.parametrize("queue", ["AnalyticsQueue", "NotificationQueue", "OrderQueue", "PushQueue"])
def test_poison_blocks_nobody(poisoned: dict[str, Callable[[], object]], queue: str) -> None:
    """A good message behind a poisonous one is worked on; on the FIFO queue, that of another group."""
    wait_for(poisoned[queue], what=f"the good message of {queue}")


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("queue", ENDS_DEAD)
def test_poison_ends_with_the_dead_letters(cloud: LaptopCloud, queue: str) -> None:
    """A message that fails five times is given up, whole, and its queue is empty."""
    wait_for(lambda: depth(cloud, f"{queue}DeadLetters") == 1, what=f"the dead letter of {queue}")
    wait_for(lambda: depth(cloud, queue) == 0, what=f"{queue} to be empty")
    given_up = cloud.client("sqs").receive_message(
        QueueUrl=cloud.outputs[f"{queue}DeadLetters"], VisibilityTimeout=0
    )["Messages"]
    assert [message["Body"] for message in given_up] == [POISON]


def test_a_poisonous_command_is_told_of_and_dropped(
    cloud: LaptopCloud, poisoned: dict[str, Callable[[], object]]
) -> None:
    """What `execute` cannot read ends as a rejection that everyone hears of, and leaves its queue."""
    wait_for(poisoned["the poison of OrderQueue"], what="the rejection of the command")
    wait_for(lambda: depth(cloud, "OrderQueue") == 0, what="OrderQueue to be empty")
    assert depth(cloud, "OrderQueueDeadLetters") == 0


def test_a_sync_that_keeps_failing_is_given_up(cloud: LaptopCloud) -> None:
    """A request that was received five times and never done goes to SyncQueue's dead letters."""
    sqs, client = cloud.client("sqs"), cloud.client("lambda")
    (mapping,) = client.list_event_source_mappings(FunctionName=cloud.physical("TradingSync"))[
        "EventSourceMappings"
    ]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        _send(cloud, "SyncQueue", _command(SyncBooks(reason="never done", correlation_id="queue-test")))

        def given_up() -> bool:
            sqs.receive_message(
                QueueUrl=cloud.outputs["SyncQueue"], VisibilityTimeout=0, MaxNumberOfMessages=10
            )
            return depth(cloud, "SyncQueueDeadLetters") == 1

        wait_for(given_up, what="the dead letter")
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
        sqs.purge_queue(QueueUrl=cloud.outputs["SyncQueueDeadLetters"])
