"""An AWS in memory: DynamoDB, SQS and EventBridge below botocore, for the fault campaign.

`MemoryAws.installed()` takes the place of the one method through which boto3 and pynamodb make every
call. Nothing is delivered by itself: the campaign takes batches off queues and streams and gives
them to the functions, so that it decides about order, repeats and loss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import RLock
from typing import Any, Protocol, TypeVar

import msgspec
from botocore.client import BaseClient

from alpaquero import wall
from tests.faults.memory_dynamodb import Item, MemoryDynamoDB

DEDUPLICATION_SECONDS = 300
MAX_RECEIVE_COUNT = 5
BATCH = 10
SECRET = '{"key_id":"key","secret_key":"secret"}'

# Which events go to which queue; the rules of the template, held to it by a test.
_PROJECTIONS = ("position-queue", "analytics-queue")
SUBSCRIBERS = {
    "OrderFilled": _PROJECTIONS,
    "PositionSplit": _PROJECTIONS,
    "SharesMoved": _PROJECTIONS,
    "BooksRebuilt": _PROJECTIONS,
    "EquityMarked": ("analytics-queue",),
}

Answer = TypeVar("Answer")


class Around(Protocol):
    """Called around every call with what it is and a function that makes it; answers what that answers."""

    def __call__(self, what: str, make: Callable[[], Answer], /) -> Answer: ...


def unhindered(_: str, make: Callable[[], Answer], /) -> Answer:
    """Just makes the call."""
    return make()


@dataclass(slots=True)
class Message:
    """One SQS message."""

    id: str
    body: str
    group: str | None = None
    received: int = 0


@dataclass
class Queue:
    """A queue: what waits, what a consumer has in hand, what was given up."""

    waiting: list[Message] = field(default_factory=list)
    in_hand: dict[str, Message] = field(default_factory=dict)
    dead: list[Message] = field(default_factory=list)
    deduplicated: dict[str, float] = field(default_factory=dict)

    def take(self, most: int = BATCH) -> list[dict[str, Any]]:
        """A batch as the records of a Lambda event; a FIFO group in hand is not given out again."""
        busy = {message.group for message in self.in_hand.values() if message.group is not None}
        batch = [m for m in self.waiting if m.group is None or m.group not in busy][:most]
        for message in batch:
            message.received += 1
            self.waiting.remove(message)
            self.in_hand[message.id] = message
        return [
            {
                "messageId": m.id,
                "body": m.body,
                "attributes": {"ApproximateReceiveCount": str(m.received)},
                "eventSourceARN": "memory",
            }
            for m in batch
        ]

    def settle(self, batch: list[dict[str, Any]], failed: set[str]) -> None:
        """Ends a delivery: what failed comes again, in its old place, or is given up after five times."""
        back: list[Message] = []
        for record in batch:
            message = self.in_hand.pop(record["messageId"])
            if message.id not in failed:
                continue
            (self.dead if message.received >= MAX_RECEIVE_COUNT else back).append(message)
        self.waiting[:0] = back


class MemoryAws:
    """One account's AWS, and the door through which every call of it goes."""

    def __init__(self) -> None:
        self.database = MemoryDynamoDB(self._inserted)
        self.queues: dict[str, Queue] = defaultdict(Queue)
        self.stream: list[Item] = []  # the inserts of outbox items, as the stream of Books carries them
        self.bus_refuses: Callable[[], bool] = lambda: False
        self.around: Around = unhindered
        self.on_event: Callable[[str, dict[str, Any]], None] = lambda name, detail: None
        self._numbers = count(1)
        self._one_at_a_time = RLock()

    @contextmanager
    def installed(self) -> Iterator[MemoryAws]:
        """Every boto3 and pynamodb client of this process calls this AWS."""
        door = BaseClient._make_api_call  # type: ignore[attr-defined]

        def call(client: Any, operation: str, request: dict[str, Any]) -> dict[str, Any]:
            service = client._service_model.service_name
            return self.around(f"{service}.{operation}", lambda: self._call(service, operation, request))

        BaseClient._make_api_call = call  # type: ignore[attr-defined]
        try:
            yield self
        finally:
            BaseClient._make_api_call = door  # type: ignore[attr-defined]

    def _call(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        with self._one_at_a_time:
            return self._answer(service, operation, request)

    def _answer(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if service == "dynamodb":
            return self.database.call(operation, request)
        if (service, operation) == ("secretsmanager", "GetSecretValue"):
            return {"SecretString": SECRET}
        if (service, operation) == ("sqs", "SendMessage"):
            return self._send_message(request)
        if (service, operation) == ("events", "PutEvents"):
            return self._put_events(request)
        raise LookupError(f"{service}.{operation} is not part of the memory AWS")

    def _inserted(self, table: str, item: Item) -> None:
        if item["sk"]["S"].startswith("OUTBOX#"):
            self.stream.append(item)

    def _send_message(self, request: dict[str, Any]) -> dict[str, Any]:
        queue = self.queues[request["QueueUrl"]]
        repeat = request.get("MessageDeduplicationId")
        if repeat is not None:
            now = wall.seconds()
            if now - queue.deduplicated.get(repeat, -DEDUPLICATION_SECONDS) < DEDUPLICATION_SECONDS:
                return {"MessageId": "repeat"}
            queue.deduplicated[repeat] = now
        queue.waiting.append(self._message(request["MessageBody"], request.get("MessageGroupId")))
        return {"MessageId": queue.waiting[-1].id}

    def _message(self, body: str, group: str | None = None) -> Message:
        return Message(str(next(self._numbers)), body, group)

    def repeat(self, name: str, place: int) -> None:
        """Puts a copy of a waiting message behind it."""
        message = self.queues[name].waiting[place]
        self.queues[name].waiting.insert(place + 1, self._message(message.body, message.group))

    def _put_events(self, request: dict[str, Any]) -> dict[str, Any]:
        answers: list[dict[str, str]] = []
        for entry in request["Entries"]:
            if self.bus_refuses():
                answers.append({"ErrorCode": "ThrottlingException"})
                continue
            answers.append({"EventId": str(next(self._numbers))})
            self.on_event(entry["DetailType"], msgspec.json.decode(entry["Detail"]))
            envelope = {
                "detail-type": entry["DetailType"],
                "source": entry["Source"],
                "detail": msgspec.Raw(entry["Detail"].encode()),
            }
            for name in SUBSCRIBERS.get(entry["DetailType"], ()):
                self.queues[name].waiting.append(self._message(msgspec.json.encode(envelope).decode()))
        failed = sum("ErrorCode" in answer for answer in answers)
        return {"FailedEntryCount": failed, "Entries": answers}
