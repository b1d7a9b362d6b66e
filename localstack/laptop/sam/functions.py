"""What a function needs to run outside the engine: its environment there, and the template for ``sam``.

``laptop.sam.commands`` and ``laptop.sam.emulator`` call it. The environment is the one that the engine gives
the function in the same cloud, with the laptop's own keys. For a container every loopback address in it
becomes the bridge's; but the exchange stays at ``localhost``, since functions send Alpaca's keys over plain
HTTP to no other name. There the container's own loopback refuses, and ``--add-host`` names the bridge next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from laptop.engine import REGION
from laptop.errors import LaptopError
from laptop.layout import REPOSITORY, write_private
from laptop.processes import LOOPBACK
from laptop.stack import Stack
from laptop.template import functions

EVENTS: Final = REPOSITORY / "events"
# sam overrides only what the template declares.
_GIVEN: Final = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_FOLDER: Final = re.compile(r"\b((?:CodeUri|ContentUri): )(?=functions/|layers/)")
_GLOBALS: Final = "    Environment:\n      Variables:\n"


def environment(stack: Stack, function: str, host: IPv4Address | None = None) -> dict[str, str]:
    """A function's environment as the engine has it; ``host`` stands for loopback, as a container sees it."""
    configuration = stack.client("lambda").get_function_configuration(FunctionName=stack.physical(function))
    found: dict[str, str] = dict(configuration["Environment"]["Variables"])
    found |= {
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_ACCESS_KEY_ID": stack.credentials.key_id,
        "AWS_SECRET_ACCESS_KEY": stack.credentials.secret_key,
        "AWS_SESSION_TOKEN": "",
    }
    if host is None:
        return found | {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    port = stack.ports["exchange"]
    inside = {
        name: value.replace(f"//{LOOPBACK}:{port}", f"//localhost:{port}") for name, value in found.items()
    }
    return {name: value.replace(f"//{LOOPBACK}:", f"//{host}:") for name, value in inside.items()}


def write_environments(stack: Stack, host: IPv4Address, path: Path) -> None:
    """The environment of every function, as ``sam local --env-vars`` reads it."""
    write_private(path, json.dumps({name: environment(stack, name, host) for name in functions()}, indent=1))


def write_template(built: Path, path: Path) -> None:
    """The built template with its folders in full, and what points a function at the cloud declared.

    Raises
    ------
    LaptopError
        When the template's globals are no longer where they were.
    """
    text = built.read_text()
    before, found, after = text.partition(_GLOBALS)
    if not found or "\nResources:" in before:
        raise LaptopError("template.yaml has no environment among its globals: mend laptop.sam.functions")
    declared = "".join(f"        {name}: ''\n" for name in _GIVEN)
    # sam takes a layer's folder from where the template lies, whatever base folder it is told.
    path.write_text(_FOLDER.sub(rf"\1{built.parent}/", before + found + declared + after))


def event_file(function: str) -> Path:
    """The event that stands in the repository for what the engine sends this function."""
    return EVENTS / f"{function}.json"


def filled(text: str, values: Mapping[str, str]) -> str:
    """An event with its placeholders (as ``ACCESS_TOKEN``) replaced by what holds in a running cloud."""
    for name, value in values.items():
        text = text.replace(name, value)
    return text
