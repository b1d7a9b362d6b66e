"""Knows when the laptop cloud has nothing left to do; the demo waits for it between two steps.

Work moves one way: shards, conclusions, orders, outbox, bus, projections and mail. A stage that is
empty after the stages before it were seen empty stays empty, so one clean look in that order is
enough. Messages that a queue still delays (a run's deadline, the sync after a submission) are not
waited for: they only make sure of what has happened already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from laptop.errors import LaptopError
from laptop.stack import Stack

BEFORE_OUTBOX: Final = ("SyncQueue", "ShardQueue", "ConcludeQueue", "OrderQueue")
AFTER_OUTBOX: Final = ("PositionQueue", "AnalyticsQueue", "NotificationQueue", "PushQueue")
# The price feed's message goes round for as long as somebody watches, an ingest or a backtest takes its
# time; none changes what is traded.
APART: Final = (
    "IngestQueue",
    "FeedQueue",
    "BacktestQueue",
)
PAUSE_SECONDS: Final = 0.01
_COUNTS: Final = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


class NotQuietError(LaptopError):
    """Something did not come to an end in its time; the message names what."""


class Quiescence:
    """Looks at one stack's queues and outbox."""

    def __init__(self, stack: Stack, account: str) -> None:
        self._sqs = stack.client("sqs")
        self._dynamodb = stack.client("dynamodb")
        self._stack = stack
        self._account = account
        before = {queue: partial(self._depth, queue) for queue in BEFORE_OUTBOX}
        after = {queue: partial(self._depth, queue) for queue in AFTER_OUTBOX}
        self._stages: dict[str, Callable[[], int]] = {**before, "the outbox": self._outbox, **after}

    def wait(self, seconds: float = 60) -> None:
        """Returns when nothing is under way. Raises `NotQuietError` when that takes too long."""
        deadline = time.monotonic() + seconds
        for stage, count in self._stages.items():
            while count():
                if time.monotonic() > deadline:
                    raise NotQuietError(
                        f"{stage} was still at work after {seconds:.0f} s; `alpaquero logs` tells what failed"
                    )
                time.sleep(PAUSE_SECONDS)

    def dead_letters(self) -> int:
        """Messages that were given up."""
        queues = (*BEFORE_OUTBOX, *AFTER_OUTBOX, *APART)
        return sum(self._depth(f"{queue}DeadLetters") for queue in queues)

    def _depth(self, queue: str) -> int:
        found: dict[str, Any] = self._sqs.get_queue_attributes(
            QueueUrl=self._stack.outputs[queue], AttributeNames=_COUNTS
        )
        return sum(int(count) for count in found["Attributes"].values())

    def _outbox(self) -> int:
        found: dict[str, Any] = self._dynamodb.query(
            TableName=self._stack.outputs["Books"],
            KeyConditionExpression="pk = :account AND begins_with(sk, :outbox)",
            ExpressionAttributeValues={":account": {"S": self._account}, ":outbox": {"S": "OUTBOX#"}},
            Select="COUNT",
            ConsistentRead=True,
        )
        return int(found["Count"])
