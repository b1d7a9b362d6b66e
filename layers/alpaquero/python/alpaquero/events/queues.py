"""Sends commands to SQS and walks a batch that SQS delivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

import msgspec

from alpaquero import aws
from alpaquero.errors import AlpaqueroError
from alpaquero.quickly_made import dataclass

BATCH = 10  # SQS takes at most ten messages a call

_ENCODER = msgspec.json.Encoder(decimal_format="string")


class MessagesNotSent(AlpaqueroError):
    """The queue refused some messages of a batch; send all of them again."""


@lru_cache(maxsize=1)
def _client() -> Any:
    return aws.client("sqs")


def send(queue_url: str, body: Any, *, delay_seconds: int = 0, client: Any = None) -> None:
    """Puts `body` (a struct, dataclass or dict) on a standard queue as JSON."""
    (client or _client()).send_message(
        QueueUrl=queue_url, MessageBody=_ENCODER.encode(body).decode(), DelaySeconds=delay_seconds
    )


def send_all(queue_url: str, bodies: Sequence[Any], *, client: Any = None) -> None:
    """Puts each of `bodies` on a standard queue as JSON, ten a call.

    Raises `MessagesNotSent` when the queue refused any, once all were tried.
    """
    refused = 0
    for start in range(0, len(bodies), BATCH):
        entries = [
            {"Id": str(number), "MessageBody": _ENCODER.encode(body).decode()}
            for number, body in enumerate(bodies[start : start + BATCH])
        ]
        answer = (client or _client()).send_message_batch(QueueUrl=queue_url, Entries=entries)
        refused += len(answer.get("Failed", ()))
    if refused:
        raise MessagesNotSent(
            f"{refused} of {len(bodies)} messages were not taken by their queue; send them again"
        )


def send_in_order(
    queue_url: str, body: Any, *, group: str, deduplication_id: str, client: Any = None
) -> None:
    """Puts `body` on a FIFO queue; SQS drops a repeat of `deduplication_id` within five minutes."""
    (client or _client()).send_message(
        QueueUrl=queue_url,
        MessageBody=_ENCODER.encode(body).decode(),
        MessageGroupId=group,
        MessageDeduplicationId=deduplication_id,
    )


def deliver_again_after(
    queue_url: str, record: Mapping[str, Any], seconds: int, *, client: Any = None
) -> None:
    """Lets a record that goes back come again after `seconds`, not after the queue's own pause."""
    (client or _client()).change_message_visibility(
        QueueUrl=queue_url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=seconds
    )


def times_received(record: Mapping[str, Any]) -> int:
    """How often SQS has delivered the record, this time included."""
    return int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))


def work_through(
    event: Mapping[str, Any],
    handle: Callable[[dict[str, Any]], object],
    on_failure: Callable[[dict[str, Any], Exception], None],
    *,
    in_order: bool = False,
) -> dict[str, Any]:
    """Gives each record of an SQS batch to `handle` and answers the partial batch failure body.

    A failed record goes back to its queue. With `in_order` (FIFO) everything behind the first
    failure goes back too, so that order is kept.
    """
    failed: list[str] = []
    for record in event["Records"]:
        if failed and in_order:
            failed.append(record["messageId"])
            continue
        try:
            handle(record)
        except Exception as error:
            on_failure(record, error)
            failed.append(record["messageId"])
    return {"batchItemFailures": [{"itemIdentifier": m} for m in failed]}


@dataclass(frozen=True, slots=True)
class Held:
    """What a queue holds: messages that wait, and messages that a worker has and has not ended yet."""

    waiting: int
    in_flight: int

    @property
    def messages(self) -> int:
        """Both together."""
        return self.waiting + self.in_flight


def held(urls: Mapping[str, str], client: Any = None) -> dict[str, Held]:
    """What each queue holds, by SQS's own counts; delayed messages are not due yet and do not count."""
    asked = client or _client()  # made once, before the threads
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(urls, pool.map(partial(_held, asked), urls.values()), strict=True))


def depths(urls: Mapping[str, str], client: Any = None) -> dict[str, int]:
    """How many messages each queue holds, waiting or being worked on."""
    return {name: found.messages for name, found in held(urls, client).items()}


def _held(client: Any, url: str) -> Held:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return Held(*(int(attributes[name]) for name in names))
