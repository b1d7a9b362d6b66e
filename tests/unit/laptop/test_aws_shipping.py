"""Deploys to AWS are shown, asked for, refused or carried out; against moto, which takes plain templates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from laptop.aws import environments, shipping
from laptop.aws.environments import Target, filled, parameters_now, target_of
from laptop.aws.shipping import DeclinedError, Owner, Shipment
from laptop.build import Built
from laptop.errors import LaptopError

QUEUE = """
Parameters: {Days: {Type: String, Default: '60'}}
Resources:
  Work:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: !Ref Days}
Outputs: {Work: {Value: !Ref Work}}
"""


class Asked:
    """An owner who gives the same answer to everything, and what was said to him."""

    def __init__(self, *, agrees: bool = True, types: str = "") -> None:
        self.said: list[str] = []
        self.questions: list[str] = []
        self._agrees, self._types = agrees, types

    def owner(self) -> Owner:
        def agrees(question: str) -> bool:
            self.questions.append(question)
            return self._agrees

        return Owner(say=self.said.append, agrees=agrees, types=lambda _: self._types)


@pytest.fixture
def aws() -> Iterator[Any]:
    """An empty account."""
    with mock_aws():
        yield boto3.Session(
            aws_access_key_id="key", aws_secret_access_key="secret", region_name="eu-central-1"
        )


def shipment(aws: Any, asked: Asked, **more: Any) -> Shipment:
    """A deploy to that account, its bucket made."""
    target = Target("paper", "alpaquero-paper", {})
    made = Shipment(aws, target, "eu-central-1", "123456789012", asked.owner(), pause=0.01, **more)
    shipping.ensure_bucket(made)
    return made


def test_the_bucket_is_private_and_made_once(aws: Any) -> None:
    """Its name holds account and region; nothing of it can be made public; a second deploy leaves it."""
    made = shipment(aws, Asked())
    shipping.ensure_bucket(made)
    blocked = aws.client("s3").get_public_access_block(Bucket=made.bucket)
    assert made.bucket == "alpaquero-artifacts-123456789012-eu-central-1"
    assert all(blocked["PublicAccessBlockConfiguration"].values())


def test_a_stack_is_shown_asked_for_and_made(aws: Any) -> None:
    """The changes are said before the question, and the stack carries our tags."""
    asked = Asked()
    assert shipping.ship_stack(shipment(aws, asked), "one", QUEUE, {})
    assert asked.said == ["one: 1 changes, to be created", "   make Work (AWS::SQS::Queue)"]
    assert asked.questions == ["Change one so?"]
    stack = aws.client("cloudformation").describe_stacks(StackName="one")["Stacks"][0]
    assert {"Key": "environment", "Value": "paper"} in stack["Tags"]


def test_a_no_changes_nothing(aws: Any) -> None:
    """Who declines finds no queue, and no empty stack left behind."""
    with pytest.raises(DeclinedError):
        shipping.ship_stack(shipment(aws, Asked(agrees=False)), "one", QUEUE, {})
    assert aws.client("sqs").list_queues().get("QueueUrls", []) == []
    assert aws.client("cloudformation").describe_stacks()["Stacks"] == []


def test_a_loss_is_refused_without_asking(aws: Any) -> None:
    """A change that takes a queue away is refused before the question, unless it is allowed by name."""
    asked = Asked()
    shipping.ship_stack(shipment(aws, asked), "one", QUEUE, {})
    other = QUEUE.replace("Work", "Other")
    with pytest.raises(LaptopError, match="--allow-replacement Work"):
        shipping.ship_stack(shipment(aws, asked), "one", other, {})
    assert len(asked.questions) == 1
    assert shipping.ship_stack(shipment(aws, asked, allowed=("Work",)), "one", other, {})


def test_a_stack_under_way_or_stuck_is_left_alone() -> None:
    """Another's deploy is waited for; a stuck stack is for its owner to look at."""

    class Stacks:
        def __init__(self, status: str) -> None:
            self.status = status

        def describe_stacks(self, **_: str) -> Any:
            return {"Stacks": [{"StackStatus": self.status}]}

    with pytest.raises(LaptopError, match="another deploy"):
        shipping.require_settled(Stacks("UPDATE_IN_PROGRESS"), "one")
    with pytest.raises(LaptopError, match=r"docs/deploy\.md"):
        shipping.require_settled(Stacks("UPDATE_ROLLBACK_FAILED"), "one")
    shipping.require_settled(Stacks("UPDATE_ROLLBACK_COMPLETE"), "one")


def test_live_wants_the_accounts_number_typed() -> None:
    """Only the very number goes on; an owner who agrees to everything does not."""
    shipping.confirm_live(Asked(types="PA3XYZ").owner(), "PA3XYZ")
    for wrong in ("", "yes", "PA3XYY"):
        with pytest.raises(DeclinedError):
            shipping.confirm_live(Asked(types=wrong).owner(), "PA3XYZ")


def test_an_unknown_number_opens_nothing() -> None:
    """When the broker did not tell its number, typing nothing is no answer."""
    with pytest.raises(DeclinedError):
        shipping.confirm_live(Asked(types="").owner(), "")


def test_a_build_without_bytecode_is_refused() -> None:
    """The message says how to compile."""
    shipping.require_compiled("cpython-3.13.1")
    with pytest.raises(LaptopError, match=r"Python 3\.13"):
        shipping.require_compiled(None)


def test_layers_are_built_for_the_stacks_processors_and_it_is_told_so() -> None:
    """A stack on arm64 stays there; its parameter says what was built, never only what was wanted."""
    target = Target("paper", "alpaquero-paper", {"Architecture": "arm64", "MailTo": "a@b.c"})
    assert shipping.architecture_of(target) == "arm64"
    assert shipping.architecture_of(Target("paper", "alpaquero-paper", {})) == "x86_64"
    built = Built(Path("build"), {}, architecture="arm64")
    assert (
        shipping.as_built(Target("paper", "one", {"MailTo": "a@b.c"}), built).parameters == target.parameters
    )
    with pytest.raises(LaptopError, match="x86_64 or arm64"):
        shipping.architecture_of(Target("paper", "one", {"Architecture": "i386"}))


def test_health_is_waited_for() -> None:
    """A stack that comes up late is well; one that never answers is told with its fix."""
    answers = iter([(0, None), (502, None), (200, {"status": "ok"})])
    assert shipping.wait_for_health("https://x/health", lambda _: next(answers), pause=0) == "ok"
    with pytest.raises(LaptopError, match="answers nothing after 0 s"):
        shipping.wait_for_health("https://x/health", lambda _: (0, None), seconds=0, pause=0)


def test_parameters_stay_and_names_of_resources_are_filled_in(aws: Any, tmp_path: Path) -> None:
    """A stack keeps what it was deployed with; a second stack gets a queue's name, not its address."""
    template = tmp_path / "one.yaml"
    template.write_text(
        QUEUE.replace(
            "Parameters: {Days: {Type: String, Default: '60'}}", "Parameters:\n  Days: {Type: String}\n"
        )
    )
    shipping.ship_stack(shipment(aws, Asked()), "one", QUEUE, {"Days": "120"})
    cloudformation = aws.client("cloudformation")
    assert parameters_now(cloudformation, "one", template) == {"Days": "120"}
    assert parameters_now(cloudformation, "absent", template) == {}
    second = tmp_path / "two.yaml"
    second.write_text("Parameters:\n  Work: {Type: String}\n  Other: {Type: String}\n\nResources: {}\n")
    assert filled(second, cloudformation, "one")["Work"].startswith("one-Work-")
    assert set(filled(second, cloudformation, "one")) == {"Work"}


def test_environments_are_those_of_samconfig() -> None:
    """Paper and live are apart; live goes to the live host; what makes live live is not set by hand."""
    paper, live = target_of("paper", {}), target_of("live", {"MailTo": "me@example.org"})
    assert {paper.stack, live.stack} == {"alpaquero-paper", "alpaquero-live"}
    assert live.parameters["AlpacaTradingUrl"] == "https://api.alpaca.markets"
    assert live.parameters["MailTo"] == "me@example.org"
    assert live.parameters["TradingSecret"] != paper.parameters["TradingSecret"]
    with pytest.raises(LaptopError, match="not set by hand"):
        target_of("live", {"Environment": "paper"})
    with pytest.raises(LaptopError, match="no parameter MialTo"):
        target_of("paper", {"MialTo": "me@example.org"})


MAIN = """
Parameters:
  DashboardOrigin: {Type: String, Default: 'http://localhost:9100'}
  MailTo: {Type: String, Default: me@example.org}
Globals:
  Function:
    Timeout: 30
Resources:
  Work: {Type: AWS::SQS::Queue, Properties: {}}
Outputs: {Origin: {Value: !Ref DashboardOrigin}}
"""
SITE = """
Parameters:
  Environment: {Type: String}
  Work: {Type: String}
  Host: {Type: String, Default: ''}
Resources:
  Door: {Type: AWS::SNS::Topic, Properties: {TopicName: !Sub 'door-${Host}'}}
Outputs: {Host: {Value: page.example.net}, Work: {Value: !Ref Work}}
"""
OPERATIONS = """
Parameters:
  Environment: {Type: String}
  Stack: {Type: String}
  BudgetMail: {Type: String}
Resources:
  Bell: {Type: AWS::SNS::Topic, Properties: {}}
Outputs: {Mail: {Value: !Ref BudgetMail}}
"""


def test_three_stacks_come_in_order_and_know_each_other(
    aws: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is told the page's address when the second has it; queues and mail are passed on."""
    for name, body in (("template", MAIN), ("site", SITE), ("operations", OPERATIONS)):
        (tmp_path / f"{name}.yaml").write_text(body)
    monkeypatch.setattr(shipping, "SITE", tmp_path / "site.yaml")
    monkeypatch.setattr(shipping, "OPERATIONS", tmp_path / "operations.yaml")
    # moto protects no stack, and tells no outputs of one that a change set made.
    monkeypatch.setattr(shipping, "protect", lambda _: None)
    monkeypatch.setattr(environments, "outputs_of", lambda _, stack: {"Host": "page.example.net"})
    asked = Asked()
    made = shipment(aws, asked, template=tmp_path / "template.yaml")
    shipping.ship(made, {})

    def given(stack: str, template: str) -> dict[str, str]:
        return parameters_now(aws.client("cloudformation"), stack, tmp_path / f"{template}.yaml")

    assert given("alpaquero-paper", "template")["DashboardOrigin"] == "https://page.example.net"
    site = given("alpaquero-paper-site", "site")
    assert (True, "page.example.net") == (site["Work"].startswith("alpaquero-paper-Work-"), site["Host"])
    assert given("alpaquero-paper-operations", "operations")["BudgetMail"] == "me@example.org"
    assert [question.split()[1] for question in asked.questions] == [
        "alpaquero-paper", "alpaquero-paper-site", "alpaquero-paper-site", "alpaquero-paper",
        "alpaquero-paper-operations",
    ]  # fmt: skip
