"""Rules of ours that cfn-lint runs on template.yaml as it is written, in SAM's words.

`cfn-lint --append-rules infra/rules template.yaml`. Each rule is one sentence a reviewer would
otherwise have to remember.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

DEAD_LETTERS = "DeadLetters"


def functions(cfn: Template) -> dict[str, dict[str, Any]]:
    """The properties of every function, with what Globals gives to all."""
    shared = cfn.template.get("Globals", {}).get("Function", {})
    found = cfn.get_resources(["AWS::Serverless::Function"])
    return {name: {**shared, **resource["Properties"]} for name, resource in found.items()}


def statements(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The statements written out in a function's policies; SAM's policy templates are narrow already."""
    for policy in properties.get("Policies", []):
        yield from policy.get("Statement", []) if isinstance(policy, dict) else []


@lru_cache(maxsize=1)
def reasons() -> list[dict[str, Any]]:
    """The wildcards that have a reason, as infra/wildcards.yaml has them."""
    found: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parents[1] / "wildcards.yaml").read_text())
    return found


def listed(value: object) -> list[Any]:
    """One thing or several, as a list."""
    return value if isinstance(value, list) else [value]


def wildcards(statement: dict[str, Any]) -> Iterator[str]:
    """The resources of a statement that are not named in full; all that `NotResource` leaves are such."""
    for resource in listed(statement.get("Resource", [])):
        text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
        if isinstance(text, list):  # a text and what to put into it
            text = text[0]
        if "*" in str(text):
            yield str(text)
    for resource in listed(statement.get("NotResource", [])):
        yield f"NotResource {resource.get('Fn::Sub') if isinstance(resource, dict) else resource}"


def reason_for(resource: str, actions: list[str]) -> dict[str, Any] | None:
    """What is on record for this wildcard; an entry with `only` is for these actions alone."""
    return next(
        (
            entry
            for entry in reasons()
            if (resource == entry["ends"] if "only" in entry else resource.endswith(entry["ends"]))
            and set(actions) <= set(entry.get("only", actions))
        ),
        None,
    )


class LogsAreKeptForAWhile(CloudFormationLintRule):
    """A function that logs to a group of its own keeps its logs, and their bill, for ever."""

    id = "E9101"
    shortdesc = "A function writes to the log group with a retention"
    description = "Set LoggingConfig.LogGroup (Globals does it for all)"
    tags = ("house",)

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Functions without the shared log group."""
        return [
            RuleMatch(
                ["Resources", name], f"{name} has no LoggingConfig.LogGroup: its logs are kept for ever"
            )
            for name, properties in functions(cfn).items()
            if not properties.get("LoggingConfig", {}).get("LogGroup")
        ]


class NothingIsLostInAQueue(CloudFormationLintRule):
    """A message that keeps failing must end where somebody can see it."""

    id = "E9102"
    shortdesc = "A queue has a dead-letter queue"
    description = "Add a RedrivePolicy, and a queue whose name ends in DeadLetters"
    tags = ("house",)

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Queues without a dead-letter queue."""
        return [
            RuleMatch(["Resources", name], f"{name} has no RedrivePolicy: what fails for ever is never seen")
            for name, resource in cfn.get_resources(["AWS::SQS::Queue"]).items()
            if not name.endswith(DEAD_LETTERS) and "RedrivePolicy" not in resource.get("Properties", {})
        ]


class LeastPrivilege(CloudFormationLintRule):
    """A role may do named things to named resources.

    A wildcard needs a reason in infra/wildcards.yaml, and one for any resource at all a condition too.
    """

    id = "E9103"
    shortdesc = "A role allows no wildcard action, and no wildcard resource without a reason on record"
    description = "Name the actions and the resources, or say why not in infra/wildcards.yaml"
    tags = ("house",)

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Statements that allow more than they name."""
        return [
            RuleMatch(["Resources", name, "Properties", "Policies"], f"{name}: {fault}")
            for name, properties in functions(cfn).items()
            for statement in statements(properties)
            if (fault := self.fault(statement)) is not None
        ]

    def fault(self, statement: dict[str, Any]) -> str | None:
        """What a statement allows beyond what it names, None when nothing."""
        actions = listed(statement.get("Action", []))
        if "NotAction" in statement or any("*" in str(action) for action in actions):
            return "a wildcard action: name what it may do"
        for resource in wildcards(statement):
            if resource == "*" and "Condition" not in statement:
                return f"{', '.join(actions)} on any resource: name the resource, or add a Condition"
            if reason_for(resource, actions) is None:
                return f"{resource} has a wildcard and no reason in infra/wildcards.yaml"
        return None
