"""What the bot relies on the engine for; an upgrade that breaks one of these fails here first."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from laptop.deploy import deploy
from laptop.engine import Sessions
from laptop.errors import DeployError
from tests.contract.engine.conftest import STACK, Bare
from tests.waiting import soon


def test_put_events_delivers_before_it_returns(bare: Bare) -> None:
    """An event is in the queue, and through the topic in the other, when put_events answers."""
    before = bare.counts("DirectQueue")[0], bare.counts("TopicQueue")[0]
    entry = {
        "EventBusName": bare.id("Bus"),
        "Source": "alpaquero.trading",
        "DetailType": "OrderFilled",
        "Detail": '{"symbol": "IBM"}',
    }
    bare.client("events").put_events(Entries=[entry])
    assert (before[0] + 1, before[1] + 1) == (bare.counts("DirectQueue")[0], bare.counts("TopicQueue")[0])


def test_a_topic_delivers_the_event_itself(bare: Bare) -> None:
    """With raw delivery the queue behind the topic gets the event as EventBridge wrote it."""
    entry = {
        "EventBusName": bare.id("Bus"),
        "Source": "alpaquero.trading",
        "DetailType": "OrderFilled",
        "Detail": '{"symbol": "GOOG"}',
    }
    bare.client("events").put_events(Entries=[entry])
    received = bare.client("sqs").receive_message(QueueUrl=bare.id("TopicQueue"), MaxNumberOfMessages=10)
    bodies = [json.loads(message["Body"]) for message in received["Messages"]]
    assert {"symbol": "GOOG"} in [body["detail"] for body in bodies]
    assert {"OrderFilled"} == {body["detail-type"] for body in bodies}


@pytest.mark.parametrize(
    ("queue", "extra"),
    [("SlowQueue", {}), ("SlowFifo", {"MessageGroupId": "paper", "MessageDeduplicationId": "one"})],
)
def test_a_message_in_work_is_counted(bare: Bare, queue: str, extra: dict[str, str]) -> None:
    """A queue reads empty only once the function that works on its message has ended."""
    bare.client("sqs").send_message(QueueUrl=bare.id(queue), MessageBody=queue, **extra)
    assert soon(lambda: bare.counts(queue) == (0, 1))
    bare.release(queue)
    assert soon(lambda: bare.counts(queue) == (0, 0))
    assert bare.note("work") == [queue]


def test_the_stream_delivers_outbox_inserts_alone(bare: Bare) -> None:
    """A transaction's outbox item reaches the function; its update and other items do not."""
    dynamodb = bare.client("dynamodb")
    table = bare.id("Table")

    def put(key: str, **more: str) -> dict[str, object]:
        item = {"pk": {"S": "paper"}, "sk": {"S": key}} | {name: {"S": value} for name, value in more.items()}
        return {"Put": {"TableName": table, "Item": item}}

    dynamodb.transact_write_items(TransactItems=[put("ORDER#1"), put("OUTBOX#first")])
    dynamodb.transact_write_items(TransactItems=[put("OUTBOX#first", changed="yes")])
    dynamodb.transact_write_items(TransactItems=[put("ORDER#2"), put("OUTBOX#second")])

    assert soon(lambda: bare.note("stream#OUTBOX#second")) == "INSERT"
    assert bare.note("stream#OUTBOX#first") == "INSERT"
    assert bare.note("stream#ORDER#1") is None


def test_a_transaction_across_tables_is_all_or_nothing(bare: Bare) -> None:
    """A failed condition undoes the other table's write and names its place in the reasons."""
    dynamodb = bare.client("dynamodb")
    note = {"pk": {"S": "taken"}, "body": {"S": "1"}}
    dynamodb.put_item(TableName=bare.id("Notes"), Item=note)
    key = {"pk": {"S": "paper"}, "sk": {"S": "UNDONE"}}
    with pytest.raises(ClientError) as refused:
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": bare.id("Table"), "Item": key}},
                {
                    "Put": {
                        "TableName": bare.id("Notes"),
                        "Item": note,
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                },
            ]
        )
    reasons = refused.value.response["CancellationReasons"]
    assert ["None", "ConditionalCheckFailed"] == [reason["Code"] for reason in reasons]
    assert "Item" not in dynamodb.get_item(TableName=bare.id("Table"), Key=key)


def test_a_wrong_secret_is_refused(bare: Bare) -> None:
    """IAM is enforced: the user's key with another secret is refused."""
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        Sessions(bare.engine.endpoint, bare.keys.key_id, "wrong").client("sqs").list_queues()


def test_the_deploying_user_is_not_root(bare: Bare) -> None:
    """Deploys and administration are done by a user of our own."""
    assert bare.client("sts").get_caller_identity()["Arn"].endswith(":user/alpaquero-laptop")


def test_an_unsigned_request_is_refused(bare: Bare) -> None:
    """A web page's form cannot make the engine do anything."""
    form = b"Action=CreateQueue&QueueName=strange&Version=2012-11-05"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(bare.engine.endpoint, data=form, timeout=10)  # noqa: S310
    assert refused.value.code == 403


def test_a_role_may_do_only_what_its_policy_says(bare: Bare) -> None:
    """A function without a policy for a table is refused it, which the engine reports as its error."""
    bare.client("iam").delete_role_policy(
        RoleName=bare.id("TickRole"),
        PolicyName=bare.client("iam").list_role_policies(RoleName=bare.id("TickRole"))["PolicyNames"][0],
    )
    assert "AccessDenied" in bare.invoke("Tick", {"job": "plan"})["errorMessage"]


def test_a_layer_is_on_the_path(bare: Bare) -> None:
    """A function of a runtime newer than the engine's interpreter runs, its layer importable."""
    assert json.loads(bare.invoke("Echo", {})["body"])["layer"] == "from the layer"


def test_a_second_deploy_changes_nothing(bare: Bare) -> None:
    """The same template with the same code is recognised as no change."""
    again = deploy(bare.sessions, bare.template, stack=STACK, artifacts=bare.artifacts, parameters={})
    assert not again.changed
    assert bare.deployed.outputs == again.outputs


def test_a_refused_template_names_its_resources(bare: Bare, tmp_path: Path) -> None:
    """A deploy that fails says which resource failed and why, in a line."""
    broken = tmp_path / "template.yaml"
    text = (
        "Transform: AWS::Serverless-2016-10-31\nResources:\n"
        "  Rule: {Type: 'AWS::Serverless::Function', Properties: {Runtime: python3.13}}\n"
    )
    broken.write_text(text)
    with pytest.raises(DeployError, match="Rule"):
        deploy(bare.sessions, broken, stack="broken", artifacts={}, parameters={})
