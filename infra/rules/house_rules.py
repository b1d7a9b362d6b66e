"""Rules of ours that cfn-lint runs on template.yaml as it is written, in SAM's words.

`cfn-lint --append-rules infra/rules template.yaml`. Each rule is one sentence a reviewer would
otherwise have to remember.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
    """A role may do named things to named resources; any resource needs a condition."""

    id = "E9103"
    shortdesc = "A role allows no wildcard action, and no wildcard resource without a condition"
    description = "Name the actions and the resources, or say under which condition"
    tags = ("house",)

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Statements that allow more than they name."""
        return [
            RuleMatch(["Resources", name, "Properties", "Policies"], f"{name}: {fault}")
            for name, properties in functions(cfn).items()
            for statement in statements(properties)
            if (fault := self._fault(statement)) is not None
        ]

    def _fault(self, statement: dict[str, Any]) -> str | None:
        actions = statement.get("Action", [])
        named = [actions] if isinstance(actions, str) else actions
        if any(action == "*" or action.endswith(":*") for action in named):
            return "a wildcard action: name what it may do"
        if statement.get("Resource") == "*" and "Condition" not in statement:
            return f"{', '.join(named)} on any resource: name the resource, or add a Condition"
        return None
