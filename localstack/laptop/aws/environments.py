"""Which stack an environment is, and its parameters: of samconfig.toml, of the stack, given by hand.

``alpaquero deploy`` and ``alpaquero doctor`` ask here, so that they and ``sam deploy`` mean the same stack.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from laptop.deploy import declared_parameters, status_of
from laptop.errors import LaptopError
from laptop.layout import REPOSITORY, TEMPLATE

LIVE: Final = "live"


@dataclass(frozen=True)
class Target:
    """One environment's stack in AWS."""

    environment: str
    stack: str
    parameters: Mapping[str, str]

    @property
    def site(self) -> str:
        """The name of the stack of infra/site.yaml."""
        return f"{self.stack}-site"

    @property
    def operations(self) -> str:
        """The name of the stack of infra/operations.yaml."""
        return f"{self.stack}-operations"

    @property
    def tags(self) -> dict[str, str]:
        """What each resource carries, so that a bill can be told by them."""
        return {"project": "alpaquero", "environment": self.environment}


def target_of(
    environment: str, given: Mapping[str, str], *, config: Path = REPOSITORY / "samconfig.toml"
) -> Target:
    """The stack of an environment as samconfig.toml has it, `given` over it.

    Raises
    ------
    LaptopError
        When samconfig.toml has no such environment, or a parameter is none of the template's.
    """
    try:
        section = tomllib.loads(config.read_text())[environment]["deploy"]["parameters"]
    except KeyError as error:
        raise LaptopError(f"{config.name} has no [{environment}.deploy.parameters]: put it back") from error
    pairs = dict(pair.split("=", 1) for pair in shlex.split(section.get("parameter_overrides", "")))
    unknown = set(given) - declared_parameters(TEMPLATE)
    if unknown:
        raise LaptopError(f"the template has no parameter {', '.join(sorted(unknown))}: see template.yaml")
    fixed = {name for name in ("Environment", "Account") if name in given and given[name] != pairs.get(name)}
    if fixed:
        raise LaptopError(f"{', '.join(sorted(fixed))} is not set by hand: it is what makes {environment}")
    return Target(environment, section["stack_name"], pairs | dict(given))


def parameters_now(cloudformation: Any, stack: str, template: Path = TEMPLATE) -> dict[str, str]:
    """Those that the stack was deployed with and the template still knows; none while it is not there."""
    if status_of(cloudformation, stack) in {None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"}:
        return {}
    known = declared_parameters(template)
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return {
        item["ParameterKey"]: item["ParameterValue"]
        for item in described.get("Parameters", ())
        if item["ParameterKey"] in known
    }


def outputs_of(cloudformation: Any, stack: str) -> dict[str, str]:
    """The outputs of a stack that is there, none while it is not."""
    if status_of(cloudformation, stack) in {None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"}:
        return {}
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", ())}


def filled(template: Path, cloudformation: Any, stack: str) -> dict[str, str]:
    """The parameters of a second stack that are named as resources of the first, with their physical names.

    A queue's is its name, which metrics go by, not its address.
    """
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    wanted = declared_parameters(template)
    return {
        entry["LogicalResourceId"]: _named(entry["ResourceType"], entry["PhysicalResourceId"])
        for page in pages
        for entry in page["StackResourceSummaries"]
        if entry["LogicalResourceId"] in wanted and entry.get("PhysicalResourceId")
    }


def _named(kind: str, physical: str) -> str:
    return physical.rsplit("/", 1)[-1] if kind == "AWS::SQS::Queue" else physical
