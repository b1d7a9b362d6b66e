"""The deploy role and the boundary of the functions' roles: narrow, within IAM's limits, and enough."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from laptop.layout import REPOSITORY
from laptop.template import _Loader, functions, template

ROLE: dict[str, Any] = yaml.load(
    (REPOSITORY / "infra" / "deploy-role.yaml").read_text(),
    _Loader,  # noqa: S506 - a SafeLoader with tags
)
WILDCARDS = yaml.safe_load((REPOSITORY / "infra" / "deploy_wildcards.yaml").read_text())
POLICIES = {
    name: one["Properties"]["PolicyDocument"]["Statement"]
    for name, one in ROLE["Resources"].items()
    if one["Type"] == "AWS::IAM::ManagedPolicy"
}
STATEMENTS = [(name, one["Sid"], one) for name, all_of in POLICIES.items() for one in all_of]
# What Lambda itself needs of a function's role: logs, traces, reading queues and streams.
OF_LAMBDA = {
    *("logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    *("dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams"),
}
# What SAM's policy templates that template.yaml uses stand for.
OF_SAM = {"SQSSendMessagePolicy": {"sqs:SendMessage"}, "EventBridgePutEventsPolicy": {"events:PutEvents"}}


def listed(value: Any) -> list[Any]:
    """One thing or several, as a list."""
    return value if isinstance(value, list) else [value]


def actions_of_functions() -> Iterator[str]:
    """Every action that template.yaml allows a function."""
    for properties in functions().values():
        for policy in properties.get("Policies", []):
            for statement in policy.get("Statement", []):
                yield from listed(statement["Action"])
            for name in policy.keys() - {"Statement"}:
                yield from OF_SAM.get(name, {name})


def test_the_boundary_holds_what_functions_need() -> None:
    """No action of a function is cut off by the boundary; GetQueueAttributes of SAM's poll neither."""
    allowed = {action for one in POLICIES["Boundary"] for action in listed(one["Action"])}
    assert (set(actions_of_functions()) | OF_LAMBDA) - allowed == set()


@pytest.mark.parametrize(
    ("policy", "sid", "statement"), STATEMENTS, ids=[f"{p}-{s}" for p, s, _ in STATEMENTS]
)
def test_no_action_is_a_wildcard(policy: str, sid: str, statement: dict[str, Any]) -> None:
    """Each action is named; any resource at all is allowed under a condition alone."""
    assert all("*" not in action for action in listed(statement["Action"]))
    if "*" in listed(statement["Resource"]) and statement["Effect"] == "Allow":
        assert "Condition" in statement


def test_every_wildcard_of_a_resource_has_a_reason() -> None:
    """What is not named in full ends as a line of infra/deploy_wildcards.yaml says, or is our own name's."""
    reasons = [entry["ends"] for entry in WILDCARDS]
    for _, sid, statement in STATEMENTS:
        for resource in listed(statement["Resource"]):
            text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
            ours = re.search(r"alpaquero[-/]\$\{Environment\}[^:]*$", text)
            assert "*" not in text or ours or any(f"Resource {text}".endswith(end) for end in reasons), (
                sid,
                text,
            )


@pytest.mark.parametrize("name", POLICIES)
def test_policies_are_within_the_limit(name: str) -> None:
    """IAM takes 6,144 characters without blanks, names filled in."""
    text = re.sub(r"\s", "", json.dumps(POLICIES[name]))
    filled = text.replace('{"Fn::Sub":', "").replace("${AWS::AccountId}", "1" * 12)
    filled = filled.replace("${AWS::Region}", "ap-northeast-1").replace("${AWS::Partition}", "aws")
    assert len(filled.replace("${Environment}", "paper")) <= 6144


def test_the_role_cannot_widen_itself() -> None:
    """It may make roles within the boundary alone, and none of its own rights is its own to change."""
    made = next(one for one in POLICIES["DeployStacks"] if one["Sid"] == "RolesWithinTheBoundary")
    assert made["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "Boundary"}}}
    denied = next(one for one in POLICIES["DeployStacks"] if one["Sid"] == "NotItself")
    assert denied["Effect"] == "Deny"
    assert {"iam:PutRolePolicy", "iam:AttachRolePolicy"} <= set(denied["Action"])
    assert template()["Globals"]["Function"]["PermissionsBoundary"]["Fn::If"][0] == "Bounded"
