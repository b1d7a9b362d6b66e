"""Dead letters: what queues gave up, seen and sent back where it came from; for `alpaquero redrive`.

A message is sent to its queue first and deleted from the dead letters after, so a crash in between
leaves it in both: consumers drop repeats, and on the FIFO queue the second is dropped by its id.
(The engine has no `StartMessageMoveTask`, and on a FIFO queue that could meet the id of the first try.)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from laptop.errors import LaptopError
from laptop.stack import Stack

DEAD_LETTERS: Final = "DeadLetters"
SHOWN_SECONDS: Final = 300  # so long others leave alone what is shown, for the answer to the question
BATCH: Final = 10
BODY_MOST: Final = 300  # characters of a body that are shown


class UnknownQueueError(LaptopError):
    """There is no such queue; the message lists those there are."""


@dataclass(frozen=True)
class DeadLetter:
    """A message that its queue gave up."""

    queue: str
    id: str
    what: str
    sent_at: str
    received: int
    body: str
    raw: dict[str, Any]

    def shown(self) -> dict[str, Any]:
        """What people and programs are shown."""
        return {
            "queue": self.queue,
            "id": self.id,
            "what": self.what,
            "sent_at": self.sent_at,
            "received": self.received,
            "body": self.body,
        }


class DeadLetters:
    """The dead letters of one stack's queues, seen and sent back."""

    def __init__(self, stack: Stack) -> None:
        self._sqs = stack.client("sqs")
        self._urls = dict(stack.outputs)

    def queues(self, name: str | None) -> list[str]:
        """The queue named `name` (its dead-letter queue's name will do), or all that have dead letters.

        Raises `UnknownQueueError`.
        """
        known = sorted(n.removesuffix(DEAD_LETTERS) for n in self._urls if n.endswith(DEAD_LETTERS))
        if name is None:
            return known
        found = next((k for k in known if k.lower() == name.lower().removesuffix(DEAD_LETTERS.lower())), None)
        if found is None:
            raise UnknownQueueError(f"there is no queue {name}: name one of {', '.join(known)}")
        return [found]

    def depth(self, queue: str) -> int:
        """How many dead letters a queue has, those that are being shown included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._sqs.get_queue_attributes(QueueUrl=self._dead(queue), AttributeNames=names)
        return sum(int(count) for count in found["Attributes"].values())

    def take(self, queue: str) -> list[DeadLetter]:
        """The dead letters of a queue, for five minutes nobody else's; `put_down` lets go of them earlier.

        Of a FIFO queue at most ten a group are there at once: SQS holds the rest back behind them.
        """
        return [letter for batch in self._batches(queue) for letter in batch]

    def put_down(self, letters: list[DeadLetter]) -> None:
        """Leaves them as they were."""
        for letter in letters:
            self._sqs.change_message_visibility(
                QueueUrl=self._dead(letter.queue),
                ReceiptHandle=letter.raw["ReceiptHandle"],
                VisibilityTimeout=0,
            )

    def send_back(self, queue: str, letters: list[DeadLetter]) -> int:
        """Sends `letters` back, and those behind them, as many as there were at first; answers how many."""
        most, sent = max(self.depth(queue), len(letters)), 0
        while letters:
            for letter in letters:
                self._send_back(letter)
            sent += len(letters)
            letters = next(self._batches(queue), []) if sent < most else []
        return sent

    def _send_back(self, letter: DeadLetter) -> None:
        system = letter.raw.get("Attributes", {})
        more: dict[str, Any] = {}
        if "MessageGroupId" in system:
            more = {
                "MessageGroupId": system["MessageGroupId"],
                "MessageDeduplicationId": f"redrive-{letter.id}",
            }
        if letter.raw.get("MessageAttributes"):
            more["MessageAttributes"] = letter.raw["MessageAttributes"]
        self._sqs.send_message(QueueUrl=self._urls[letter.queue], MessageBody=letter.raw["Body"], **more)
        self._sqs.delete_message(QueueUrl=self._dead(letter.queue), ReceiptHandle=letter.raw["ReceiptHandle"])

    def _batches(self, queue: str) -> Iterator[list[DeadLetter]]:
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=self._dead(queue),
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=SHOWN_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            if not answer.get("Messages"):
                return
            yield [letter_of(queue, raw) for raw in answer["Messages"]]

    def _dead(self, queue: str) -> str:
        return self._urls[f"{queue}{DEAD_LETTERS}"]


def letter_of(queue: str, raw: dict[str, Any]) -> DeadLetter:
    """A message as SQS gives it, in words."""
    system, body = raw.get("Attributes", {}), raw["Body"]
    sent = int(system.get("SentTimestamp", 0)) / 1000
    return DeadLetter(
        queue=queue,
        id=raw["MessageId"],
        what=what_of(body),
        sent_at=datetime.fromtimestamp(sent, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        received=int(system.get("ApproximateReceiveCount", 0)),
        body=body if len(body) <= BODY_MOST else body[: BODY_MOST - 1] + "…",
        raw=raw,
    )


def what_of(body: str) -> str:
    """What a message is: an event by its name and id, a command by its type or what it names.

    >>> what_of('{"detail-type": "OrderFilled", "detail": {"id": "filled:1"}}')
    'OrderFilled filled:1'
    >>> what_of("no json")
    'not readable'
    """
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return "not readable"
    if "detail-type" in found:
        detail = found.get("detail")
        return f"{found['detail-type']} {detail.get('id', '') if isinstance(detail, dict) else ''}".strip()
    names = ("type", "client_order_id", "run_id", "id", "shard", "reason")
    said = [str(found[name]) for name in names if isinstance(found.get(name), str | int)]
    return " ".join(said) or "no message of ours"
