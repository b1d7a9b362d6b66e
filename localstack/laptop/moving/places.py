"""A stack whose tables are read or written: the laptop's, or one in AWS; the same code serves both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from alpaquero.store import schema
from laptop.errors import LaptopError

# Any function's environment says whose books they are; this one has them all.
_ASKED: Final = "TradingSync"


@dataclass(frozen=True)
class Place:
    """A stack and the names of its parts; `environment` and `account` as its functions have them."""

    client: Callable[[str], Any]
    stack: str
    environment: str
    account: str
    tables: Mapping[str, str]
    bucket: str
    functions: Mapping[str, str]
    rules: tuple[str, ...]

    @cached_property
    def dynamodb(self) -> Any:
        """DynamoDB's client."""
        return self.client("dynamodb")

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Calls a function by its logical id and waits for its answer.

        Raises
        ------
        LaptopError
            When the function raised.
        """
        reply = self.client("lambda").invoke(
            FunctionName=self.functions[function], Payload=json.dumps(event).encode()
        )
        answer = json.loads(reply["Payload"].read() or b"null")
        if reply.get("FunctionError"):
            raise LaptopError(f"{function} failed: {(answer or {}).get('errorMessage', answer)}")
        return answer

    def table(self, name: str) -> str:
        """The table's own name.

        Raises
        ------
        LaptopError
            When the stack has none of this logical id.
        """
        if name not in self.tables:
            raise LaptopError(f"the stack {self.stack} has no table {name}: deploy this release to it first")
        return self.tables[name]


def place_of(client: Callable[[str], Any], stack: str) -> Place:
    """The place of a stack that is deployed where `client` goes.

    Raises
    ------
    LaptopError
        When there is no such stack, or it is none of ours.
    """
    from botocore.exceptions import ClientError

    cloudformation = client("cloudformation")
    try:
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        raise LaptopError(
            f"the stack {stack} was not found ({error.response['Error']['Message']}): name it with --stack, "
            "its region with --region"
        ) from error
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", ())}
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [entry for page in pages for entry in page["StackResourceSummaries"]]
    functions = _of_type(resources, "AWS::Lambda::Function")
    if _ASKED not in functions or "Books" not in outputs:
        raise LaptopError(f"the stack {stack} is none of alpaquero's: name it with --stack")
    settings = client("lambda").get_function_configuration(FunctionName=functions[_ASKED])
    told = settings["Environment"]["Variables"]
    return Place(
        client=client,
        stack=stack,
        environment=told["ENVIRONMENT"],
        account=told["ACCOUNT"],
        tables={name: outputs[name] for name in schema.TABLES if name in outputs},
        bucket=outputs["Archive"],
        functions=functions,
        rules=tuple(_of_type(resources, "AWS::Events::Rule").values()),
    )


def _of_type(resources: list[dict[str, Any]], kind: str) -> dict[str, str]:
    return {
        entry["LogicalResourceId"]: entry["PhysicalResourceId"]
        for entry in resources
        if entry["ResourceType"] == kind and entry.get("PhysicalResourceId")
    }


def find(state: Path | None, stack: str | None, region: str | None, profile: str | None) -> Place:
    """The stack named in AWS, as the shell's credentials or the profile see it, else the laptop's that is up.

    Raises
    ------
    LaptopError
        When it is not there.
    """
    if stack is not None:
        import boto3

        session: Any = boto3.Session(profile_name=profile, region_name=region)
        return place_of(session.client, stack)
    from laptop.layout import StateFolder
    from laptop.stack import STACK, Stack

    return place_of(Stack.find(StateFolder.at(state)).client, STACK)
