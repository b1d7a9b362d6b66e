"""No function may touch a table or a queue that its code cannot reach, and every wildcard has its use."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from laptop.layout import REPOSITORY
from laptop.template import functions, template

PACKAGE = REPOSITORY / "layers" / "alpaquero" / "python"
RESOURCES = template()["Resources"]
SHARED = template()["Globals"]["Function"]["Environment"]["Variables"]
TABLES = {name for name, given in RESOURCES.items() if given["Type"] == "AWS::DynamoDB::Table"}
QUEUES = {name for name, given in RESOURCES.items() if given["Type"] == "AWS::SQS::Queue"}
FUNCTIONS = sorted(functions())


def named(value: Any) -> set[str]:
    """The logical ids of tables and queues that some part of the template refers to."""
    text = json.dumps(value)
    words = set(re.findall(r'"(?:Ref|Fn::GetAtt)": "(\w+)', text)) | set(re.findall(r"\$\{(\w+)", text))
    return words & (TABLES | QUEUES)


@cache
def imports(file: Path) -> tuple[Path, ...]:
    """The modules of ours that a file imports, at its top or in a function; each file is read once."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            place = PACKAGE / name.replace(".", "/")
            yield from (path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists())


@cache
def reachable(name: str) -> str:
    """The source of all that a function can run, its own file first."""
    given = functions()[name]
    waiting = [REPOSITORY / given["CodeUri"] / f"{given['Handler'].partition('.')[0]}.py"]
    seen: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += imports(file)
    return "\n".join(file.read_text() for file in sorted(seen))


def variables_of(name: str) -> dict[str, Any]:
    """The environment that the template gives a function."""
    return {**SHARED, **functions()[name].get("Environment", {}).get("Variables", {})}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_may_touch_what_its_code_can_reach(name: str) -> None:
    """Each table and queue in its policies has a variable, and code that the function runs reads it."""
    source = reachable(name).lower()
    read = {v for v in variables_of(name) if re.search(rf"\b{v.lower()}\b", source)}
    reached = set().union(*(named(variables_of(name)[variable]) for variable in read))
    allowed = named(functions()[name].get("Policies", []))
    assert allowed <= reached, f"{name} may touch {sorted(allowed - reached)} and no code of it can"


def test_every_reason_is_needed() -> None:
    """A wildcard that is gone takes its reason with it."""
    policies = json.dumps([given.get("Policies", []) for given in functions().values()])
    entries = yaml.safe_load((REPOSITORY / "infra" / "wildcards.yaml").read_text())
    for entry in entries:
        assert entry["ends"].removeprefix("NotResource ") in policies, entry
        assert all(action in policies for action in entry.get("only", [])), entry
        assert len(entry["reason"]) > 20, entry
