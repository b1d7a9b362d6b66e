"""The house rules of the template pass it as it stands, and fail it when it breaks one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs

from infra.rules.house_rules import LeastPrivilege
from laptop.layout import REPOSITORY, TEMPLATE

RULES = str(REPOSITORY / "infra" / "rules")

# What is put in place of what, and the rule that must notice.
BREAKS = {
    "E9101": ("    LoggingConfig:\n      LogGroup: !Ref Logs\n", ""),
    "E9102": (
        "      RedrivePolicy: {deadLetterTargetArn: !GetAtt ShardQueueDeadLetters.Arn, maxReceiveCount: 5}\n",
        "",
    ),
    "E9103": ("              Condition: {StringEqualsIfExists: {ses:FromAddress: !Ref MailFrom}}\n", ""),
}


def found(template: Path) -> set[str]:
    """The ids of the rules that find a fault."""
    return {match.rule.id for match in lint_file(template, config=ManualArgs(append_rules=[RULES]))}


def test_the_template_keeps_the_house_rules() -> None:
    """No rule, of ours or of cfn-lint's, finds anything."""
    assert found(TEMPLATE) == set()


def test_every_broken_rule_is_noticed(tmp_path: Path) -> None:
    """A template that breaks each house rule once fails by each of them; one look takes seconds."""
    text = TEMPLATE.read_text()
    for good, bad in BREAKS.values():
        assert good in text, f"the template no longer has what this test breaks: {good}"
        text = text.replace(good, bad, 1)
    broken = tmp_path / "template.yaml"
    broken.write_text(text)
    assert found(broken) >= set(BREAKS)


SECRET = {"Fn::Sub": "arn:${AWS::Partition}:secretsmanager:eu-west-1:1:secret:${DataSecret}-*"}


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "dynamodb:GetItem", "Resource": {"Fn::GetAtt": "Books.Arn"}},
        {"Action": "secretsmanager:GetSecretValue", "Resource": [SECRET]},
        {"Action": ["cloudwatch:GetMetricData"], "Resource": "*", "Condition": {"StringEquals": {}}},
        {"Action": "sns:Publish", "NotResource": {"Fn::Sub": "arn:${AWS::Partition}:sns:*:*:*"}},
    ],
    ids=["named in full", "a reason on record", "any resource, with reason and condition", "all but topics"],
)
def test_what_is_named_or_has_its_reason_passes(statement: dict[str, Any]) -> None:
    """A wildcard of infra/wildcards.yaml is no fault."""
    assert LeastPrivilege().fault(statement) is None


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "s3:PutObject", "Resource": {"Fn::Sub": "${Archive.Arn}/*"}},
        {"Action": "s3:PutObject", "Resource": [SECRET, "arn:aws:s3:::*"]},
        {"Action": "s3:Put*", "Resource": {"Fn::GetAtt": "Archive.Arn"}},
        {"NotAction": "iam:PassRole", "Resource": {"Fn::GetAtt": "Archive.Arn"}},
        {"Action": ["cloudwatch:GetMetricData"], "Resource": "*"},
        {"Action": ["sns:Publish"], "Resource": "*", "Condition": {"StringEquals": {}}},
        {"Action": "sns:Publish", "NotResource": {"Fn::Sub": "arn:${AWS::Partition}:sns:*:*:news"}},
    ],
    ids=[
        "no reason",
        "one of two",
        "actions",
        "all other actions",
        "no condition",
        "other action",
        "all but one",
    ],
)
def test_what_is_neither_is_refused(statement: dict[str, Any]) -> None:
    """Whoever needs a wildcard writes down why, for that resource and those actions."""
    assert LeastPrivilege().fault(statement) is not None
