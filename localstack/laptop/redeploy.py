"""Puts changed code into a stack that is up; ``alpaquero restart`` calls it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from laptop import build, deploy, repairs
from laptop.errors import LaptopError
from laptop.layout import TEMPLATE
from laptop.moving import schema
from laptop.stack import STACK, StackRecord

if TYPE_CHECKING:
    from laptop.stack import Stack

_RESOURCE = re.compile(r"^  (\w+):\n((?:    .*\n|\n)+)", re.MULTILINE)
_CODE = re.compile(r"CodeUri: functions/(\w+)/")


def functions_of(service: str, template: str) -> list[str]:
    """The logical ids of the functions whose code is the service's folder.

    Raises
    ------
    LaptopError
        When the template has none.
    """
    found = {name: _CODE.search(body) for name, body in _RESOURCE.findall(template)}
    owners = {name: code[1] for name, code in found.items() if code is not None}
    names = [name for name, folder in owners.items() if folder == service]
    if not names:
        known = ", ".join(sorted(set(owners.values())))
        raise LaptopError(f"there is no service {service}: name one of {known}")
    return names


def restart_service(stack: Stack, service: str, *, say: Callable[[str], None]) -> list[str]:
    """Build, deploy what changed, and give each function of the service fresh workers."""
    names = functions_of(service, TEMPLATE.read_text())
    artifacts = build.build("local", say=say).artifacts
    dynamodb = stack.client("dynamodb")
    schema.check(dynamodb, stack.tables["Settings"])
    given = stack.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0].get("Parameters", [])
    deployed = repairs.deploy_mended(
        stack.sessions,
        TEMPLATE,
        stack=STACK,
        artifacts=artifacts,
        parameters={item["ParameterKey"]: item["ParameterValue"] for item in given},
        mend=stack.engine_class.after_deploy,
    )
    schema.migrate(dynamodb, stack.tables, say=say)
    client = stack.client("lambda")
    for name in names:
        # The same code again still ends the workers that run the old.
        client.update_function_code(
            FunctionName=deployed.resources[name],
            S3Bucket=deploy.BUCKET,
            S3Key=artifacts[f"functions/{service}"].name,
        )
    record = StackRecord.load(stack.state.stack_file)
    if record is not None:
        # A changed route gave its API a new id (hole 17); the port mappings read it here.
        replace(record, outputs=dict(deployed.outputs), resources=dict(deployed.resources)).keep(
            stack.state.stack_file
        )
    return names
