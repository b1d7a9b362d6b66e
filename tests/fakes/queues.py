"""An in-memory SQS for tests: keeps what is sent, and drops repeats on FIFO queues as SQS does."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from json import loads
from typing import Any

_TAKEN = re.compile(r"[!-~]{1,128}")  # a deduplication id: letters, digits and punctuation


@dataclass
class FakeQueues:
    """Stands in for boto3's SQS client; the five minutes of deduplication never end."""

    messages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    delayed: list[tuple[str, str, int]] = field(default_factory=list)

    def send_message(self, **message: Any) -> None:
        if "MessageDeduplicationId" in message:
            assert _TAKEN.fullmatch(message["MessageDeduplicationId"]), message["MessageDeduplicationId"]
            repeat = message["QueueUrl"], message["MessageDeduplicationId"]
            if repeat in self.seen:
                return
            self.seen.add(repeat)
        self.messages.setdefault(message["QueueUrl"], []).append(message)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert len(Entries) <= 10
        for entry in Entries:
            self.send_message(QueueUrl=QueueUrl, **{k: v for k, v in entry.items() if k != "Id"})
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries], "Failed": []}

    def change_message_visibility(self, **change: Any) -> None:
        self.delayed.append((change["QueueUrl"], change["ReceiptHandle"], change["VisibilityTimeout"]))

    def bodies(self, queue: str) -> list[dict[str, Any]]:
        """The bodies waiting on `queue`, oldest first."""
        return [loads(message["MessageBody"]) for message in self.messages.get(queue, [])]

    def receive(self, queue: str) -> list[dict[str, Any]]:
        """Takes everything off `queue`, as the records of a Lambda event."""
        taken = self.messages.pop(queue, [])
        return [
            {"messageId": str(number), "body": message["MessageBody"], "eventSourceARN": queue}
            for number, message in enumerate(taken)
        ]
