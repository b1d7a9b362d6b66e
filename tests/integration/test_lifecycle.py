"""One stack's life: made, upgraded, an upgrade that fails, a start with one that fails, deleted, made anew.

The cloud is one of its own, without an exchange: nothing trades, what is kept is looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from laptop import deploy
from laptop.build import build
from laptop.errors import RolledBackError
from laptop.layout import TEMPLATE
from laptop.processes import free_ports
from laptop.stack import DEFAULT_PORTS, STACK, LaptopCloud
from tests.integration.reading import put
from tests.waiting import PATIENCE_SECONDS, wait_for

RETAINED: Final = ("Analytics", "Bars", "Books", "Notifications", "Positions", "Runs", "Settings")
QUEUE: Final = "ShardQueueDeadLetters"  # nothing takes its messages
KEPT: Final = "kept by the tests"

TABLE: Final = """  Later:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
"""
# Refused by the engine as by AWS, and last: everything else has been changed by then.
BROKEN: Final = """  Broken:
    Type: AWS::SQS::Queue
    DependsOn: [Another, TradingSync, TradingSyncSchedule, PublicApiv1Stage, ServicesApiv1Stage]
    Properties: {FifoQueue: true, QueueName: without-its-ending}
"""
_ROUTE: Final = re.compile(
    r"(?m)^( +)ServiceHealthGet: (\{.*RestApiId: !Ref )ServicesApi(, Path: ')/trading/health'.*$"
)
_LEVEL: Final = "        LOG_LEVEL: !Ref LogLevel\n"


def release(folder: Path, number: int, more: str) -> Path:
    """A later release: more resources, another environment of each function, another route."""
    text = TEMPLATE.read_text()
    changed = text.replace("\nOutputs:\n", f"\n{more}\nOutputs:\n")
    changed = changed.replace(_LEVEL, f"{_LEVEL}        RELEASE: '{number}'\n")
    changed = _ROUTE.sub(rf"\g<0>\n\1Later: \2PublicApi\3/api/later-{number}', Method: get}}}}", changed)
    assert (text.count("\nOutputs:\n"), text.count(_LEVEL), len(_ROUTE.findall(text))) == (1, 1, 1)
    path = folder / f"release-{number}.yaml"
    path.write_text(changed)
    return path


def _functions(cloud: LaptopCloud) -> dict[str, Any]:
    pages = cloud.client("lambda").get_paginator("list_functions").paginate()
    names = ("CodeSha256", "Environment", "Handler", "Layers", "MemorySize", "Role", "Timeout")
    found = [function for page in pages for function in page["Functions"]]
    return {one["FunctionName"]: {name: one.get(name) for name in names} for one in found}


def _tables(cloud: LaptopCloud) -> dict[str, Any]:
    dynamodb, found = cloud.client("dynamodb"), {}
    for name in dynamodb.list_tables()["TableNames"]:
        table = dynamodb.describe_table(TableName=name)["Table"]
        expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        stored = dynamodb.scan(TableName=name, ConsistentRead=True)["Items"]
        indexes = sorted(index["IndexName"] for index in table.get("GlobalSecondaryIndexes") or [])
        found[name] = (sorted(map(str, stored)), table["KeySchema"], indexes, expiry)
    return found


def _queues(cloud: LaptopCloud) -> dict[str, Any]:
    sqs = cloud.client("sqs")
    return {
        url: {
            name: value
            for name, value in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
                "Attributes"
            ].items()
            if name != "LastModifiedTimestamp"
        }
        for url in sqs.list_queues(MaxResults=1000)["QueueUrls"]
    }


def _mappings(cloud: LaptopCloud) -> list[Any]:
    found = cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return sorted((one["FunctionArn"], one["EventSourceArn"], one["State"], one["UUID"]) for one in found)


def _rules(cloud: LaptopCloud) -> dict[str, Any]:
    events, found = cloud.client("events"), {}
    for bus in events.list_event_buses()["EventBuses"]:
        for rule in events.list_rules(EventBusName=bus["Name"])["Rules"]:
            targets = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus["Name"])["Targets"]
            found[rule["Name"]] = (rule["State"], rule.get("ScheduleExpression"), targets)
    return found


def _apis(cloud: LaptopCloud) -> dict[str, Any]:
    gateway, found = cloud.client("apigateway"), {}
    for output in ("PublicApi", "ServicesApi"):
        api = cloud.outputs[output]
        resources = gateway.get_resources(restApiId=api, limit=500, embed=["methods"])["items"]
        responses = gateway.get_gateway_responses(restApiId=api, limit=500)["items"]
        stages = gateway.get_stages(restApiId=api)["item"]
        found[output] = {
            "id": api,
            "routes": sorted((one["path"], sorted(one.get("resourceMethods", {}))) for one in resources),
            "responses": sorted(map(str, responses)),
            "models": sorted(one["name"] for one in gateway.get_models(restApiId=api)["items"]),
            "policy": gateway.get_rest_api(restApiId=api).get("policy"),
            "stages": [(one["stageName"], one.get("methodSettings")) for one in stages],
        }
    return found


def _everything(cloud: LaptopCloud) -> dict[str, Any]:
    """All that a deploy may change, and what it must keep."""
    stack = cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {
        "functions": _functions(cloud),
        "tables": _tables(cloud),
        "queues": _queues(cloud),
        "mappings": _mappings(cloud),
        "rules": _rules(cloud),
        "APIs": _apis(cloud),
        "outputs": cloud.outputs,
        "parameters": stack["Parameters"],
    }


def _answers(cloud: LaptopCloud) -> tuple[int, dict[str, Any]]:
    """What the gateway says to a stranger; its words are put there after a deploy."""
    reply = httpx.get(f"{cloud.api_url()}/api/account", timeout=PATIENCE_SECONDS, trust_env=False)
    error: dict[str, Any] = reply.json()["error"]
    return reply.status_code, {name: error[name] for name in ("code", "message", "details")}


def _fill(cloud: LaptopCloud) -> None:
    for table in RETAINED:
        put(cloud, table, "paper", "TEST#1", f'{{"note": "{KEPT}"}}')
    cloud.client("sqs").send_message(QueueUrl=cloud.physical(QUEUE), MessageBody=KEPT)
    cloud.client("s3").put_object(Bucket=cloud.outputs["Archive"], Key="bars/test", Body=KEPT.encode())


def _held(cloud: LaptopCloud) -> dict[str, bool]:
    """Which of the retained tables hold what was filled in."""
    dynamodb, key = cloud.client("dynamodb"), {"pk": {"S": "paper"}, "sk": {"S": "TEST#1"}}
    found = {name: dynamodb.get_item(TableName=cloud.outputs[name], Key=key) for name in RETAINED}
    return {name: KEPT in str(reply.get("Item")) for name, reply in found.items()}


def _delete(cloud: LaptopCloud) -> None:
    cloudformation = cloud.client("cloudformation")
    cloudformation.delete_stack(StackName=STACK)
    wait_for(lambda: deploy.status_of(cloudformation, STACK) is None, what="the stack to be gone")


@dataclass(frozen=True)
class Life:
    """What was seen after each step of the stack's life."""

    made: dict[str, Any]
    upgraded: dict[str, Any]
    refused: str
    after_refusal: dict[str, Any]
    answers: list[tuple[int, dict[str, Any]]]
    refused_at_start: str
    after_refused_start: dict[str, Any]
    archived: bytes
    left: dict[str, list[str]]
    anew: dict[str, bool]
    told: list[str]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """The repository's template deployed, and so on; each step as `alpaquero up` takes it."""
    state, folder, told = tmp_path_factory.mktemp("life"), tmp_path_factory.mktemp("releases"), list[str]()
    ports = dict(zip(DEFAULT_PORTS, free_ports(len(DEFAULT_PORTS)), strict=True))
    artifacts = build("local").artifacts
    other_code = {**artifacts, "functions/trading": artifacts["functions/signal"]}
    second, third = (
        release(folder, 2, TABLE),
        release(folder, 3, TABLE + TABLE.replace("Later", "Another") + BROKEN),
    )

    def cloud(template: Path = TEMPLATE, code: Any = artifacts) -> LaptopCloud:
        return LaptopCloud(
            state, ports=ports, with_exchange=False, template=template, artifacts=code, say=told.append
        )

    with cloud() as one:
        _fill(one)
        made, answers = _everything(one), [_answers(one)]
        one._template = second
        one.deploy(artifacts)
        upgraded = _everything(one)
        answers.append(_answers(one))
        one._template = third
        with pytest.raises(RolledBackError) as refused:
            one.deploy(other_code)
        after_refusal = _everything(one)
        answers.append(_answers(one))
    with pytest.raises(RolledBackError) as refused_at_start, cloud(third, other_code):
        pass
    with cloud(second) as one:
        after_refused_start = _everything(one)
        answers.append(_answers(one))
        archived = one.client("s3").get_object(Bucket=one.outputs["Archive"], Key="bars/test")["Body"].read()
        _delete(one)
        left = {
            "functions": list(_functions(one)),
            "queues": one.client("sqs").list_queues().get("QueueUrls", []),
            "tables": sorted(name.split("-")[1] for name in _tables(one)),
            "buckets": [bucket["Name"] for bucket in one.client("s3").list_buckets()["Buckets"]],
        }
        one.deploy(artifacts)
        return Life(
            made=made,
            upgraded=upgraded,
            refused=str(refused.value),
            after_refusal=after_refusal,
            answers=answers,
            refused_at_start=str(refused_at_start.value),
            after_refused_start=after_refused_start,
            archived=archived,
            left=left,
            anew=_held(one),
            told=told,
        )


def test_an_upgrade_changes_what_it_says_and_keeps_what_is_stored(life: Life) -> None:
    """Functions, a table and a route are the new release's; items and messages are as they were."""
    functions = life.upgraded["functions"].values()
    assert {one["Environment"]["Variables"].get("RELEASE") for one in functions} == {"2"}
    added = life.upgraded["tables"].keys() - life.made["tables"].keys()
    assert [name.split("-")[1] for name in added] == ["Later"]
    for name, before in life.made["tables"].items():
        assert life.upgraded["tables"][name] == before, name
    assert life.upgraded["queues"] == life.made["queues"]
    routes = dict(life.upgraded["APIs"]["PublicApi"]["routes"])
    assert "GET" in routes["/api/later-2"]
    assert "/api/later-2" not in dict(life.made["APIs"]["PublicApi"]["routes"])


def test_a_failed_upgrade_says_what_failed_and_that_all_is_as_before(life: Life) -> None:
    """The message names the resource, the reason and what to do; it names nothing else."""
    assert life.refused.startswith(
        f"{STACK} was refused:\nBroken (AWS::SQS::Queue): The name of a FIFO queue"
    )
    assert life.refused.endswith(f"{STACK} was rolled back to what it was: mend this and deploy again")
    assert len(life.refused.splitlines()) == 3


@pytest.mark.parametrize(
    "part", ["functions", "tables", "queues", "mappings", "rules", "APIs", "outputs", "parameters"]
)
def test_a_failed_upgrade_leaves_everything_as_it_was(life: Life, part: str) -> None:
    """Code, settings, items, messages and routes are those of before, while it runs and at a start."""
    assert life.after_refusal[part] == life.upgraded[part]
    assert life.after_refused_start[part] == life.upgraded[part]


def test_the_gateway_answers_the_same_all_along(life: Life) -> None:
    """A stranger gets the house's own error after each step: a roll-back is mended as a deploy is."""
    status, error = life.answers[0]
    assert (status, error["code"]) == (401, "unauthorized")
    assert life.answers == [(status, error)] * 4


def test_a_start_that_fails_keeps_what_the_engine_held(life: Life) -> None:
    """A cloud that is started with a release that fails stops with its state saved, archives among it."""
    assert life.refused_at_start == life.refused
    assert life.archived.decode() == KEPT


def test_a_deleted_stack_leaves_what_cannot_be_made_again(life: Life) -> None:
    """Functions and queues are gone; seven tables and the archive stay."""
    assert (life.left["functions"], life.left["queues"]) == ([], [])
    assert life.left["tables"] == sorted(RETAINED)
    assert [name for name in life.left["buckets"] if "archive" in name] != []


def test_a_stack_made_anew_finds_what_the_deleted_one_left(life: Life) -> None:
    """The deploy takes the tables' records over, and says so."""
    assert set(life.anew.values()) == {True}, life.anew
    assert "keeping the records of 7 tables that a deleted stack left" in life.told
