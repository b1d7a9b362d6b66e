"""Dead letters: shown without being lost, and sent back each once, in their groups."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from laptop.cli.redrive import redrive
from laptop.redrive import DeadLetters, UnknownQueueError, what_of
from laptop.stack import Stack


class FakeStack:
    """Two queues of moto's, one of them FIFO, each with its dead letters."""

    def __init__(self) -> None:
        self.sqs = boto3.client("sqs", region_name="us-east-1")
        self.outputs: dict[str, str] = {}
        for name in ("SyncQueue", "SyncQueueDeadLetters"):
            self.outputs[name] = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        for name in ("OrderQueue", "OrderQueueDeadLetters"):
            made = self.sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})
            self.outputs[name] = made["QueueUrl"]

    def client(self, _service: str) -> Any:
        return self.sqs

    def bury(self, queue: str, body: str, **more: str) -> None:
        self.sqs.send_message(QueueUrl=self.outputs[f"{queue}DeadLetters"], MessageBody=body, **more)

    def bodies(self, queue: str) -> list[tuple[str, str | None]]:
        """Body and group of what a queue holds; takes it."""
        answer = self.sqs.receive_message(
            QueueUrl=self.outputs[queue], MaxNumberOfMessages=10, AttributeNames=["All"]
        )
        return [(m["Body"], m["Attributes"].get("MessageGroupId")) for m in answer.get("Messages", [])]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    """The stack that `alpaquero redrive` finds."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        one = FakeStack()
        monkeypatch.setattr(Stack, "find", lambda _folder: one)
        yield one


def run(*arguments: str, answer: str = "") -> str:
    """What the command prints."""
    result = CliRunner().invoke(redrive, [*arguments], input=answer, catch_exceptions=False)
    return result.output


def test_no_dead_letters_is_said(stack: FakeStack) -> None:
    """Nothing is asked then."""
    assert "no dead letters" in run()


def test_letters_are_shown_and_left_without_a_yes(stack: FakeStack) -> None:
    """With --json it only shows; with a no at the question as well, and they can be shown again at once."""
    stack.bury("SyncQueue", '{"reason": "by hand"}')
    shown = json.loads(run("--json"))
    assert [(one["queue"], one["what"]) for one in shown["dead_letters"]] == [("SyncQueue", "by hand")]
    assert (shown["sent_back"], shown["more"]) == ({}, 0)
    assert "Dead letters" in run(answer="n\n")
    assert stack.bodies("SyncQueue") == []
    assert stack.bodies("SyncQueueDeadLetters") == [('{"reason": "by hand"}', None)]


def test_a_yes_sends_them_back(stack: FakeStack) -> None:
    """Each once; the dead letters are gone."""
    stack.bury("SyncQueue", '{"reason": "one"}')
    assert "sent back: 1 to SyncQueue" in run("SyncQueue", answer="y\n")
    assert stack.bodies("SyncQueue") == [('{"reason": "one"}', None)]
    assert stack.bodies("SyncQueueDeadLetters") == []


def test_more_than_a_batch_is_sent_back(stack: FakeStack) -> None:
    """Ten come at a time; all of them go."""
    for number in range(23):
        stack.bury("SyncQueue", f'{{"reason": "{number}"}}')
    done = json.loads(run("SyncQueue", "--yes", "--json"))
    assert done["sent_back"] == {"SyncQueue": 23}
    back = [len(stack.bodies("SyncQueue")) for _ in range(3)]
    assert sum(back) == 23


def test_a_fifo_queue_gets_its_groups_back(stack: FakeStack) -> None:
    """In order, under the account's group; the queue's own dead letters' name will do."""
    for number in range(3):
        stack.bury(
            "OrderQueue", f"{number}", MessageGroupId="paper", MessageDeduplicationId=f"first-{number}"
        )
    run("orderqueuedeadletters", "--yes")
    assert stack.bodies("OrderQueue") == [("0", "paper"), ("1", "paper"), ("2", "paper")]


def test_only_the_queue_that_was_named_is_touched(stack: FakeStack) -> None:
    """The others' dead letters stay."""
    stack.bury("SyncQueue", "{}")
    stack.bury("OrderQueue", "{}", MessageGroupId="paper", MessageDeduplicationId="x")
    run("SyncQueue", "--yes")
    assert len(stack.bodies("OrderQueueDeadLetters")) == 1


def test_an_unknown_queue_names_the_known(stack: FakeStack) -> None:
    """A slip of the pen is told with what there is."""
    with pytest.raises(UnknownQueueError, match="OrderQueue, SyncQueue"):
        DeadLetters(stack).queues("SnycQueue")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ('{"detail-type": "OrderFilled", "detail": {"id": "filled:1"}}', "OrderFilled filled:1"),
        ('{"detail-type": "OrderFilled"}', "OrderFilled"),
        ('{"type": "CancelOrder", "client_order_id": "aq1"}', "CancelOrder aq1"),
        ('{"run_id": "1Day-x", "shard": 3}', "1Day-x 3"),
        ("[1]", "not readable"),
        ("{}", "no message of ours"),
    ],
)
def test_a_letter_says_what_it_is(body: str, what: str) -> None:
    """So that one need not read JSON to decide."""
    assert what_of(body) == what
