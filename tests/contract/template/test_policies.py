"""No function may touch a table or a queue that its code cannot reach, every wildcard has its use, and each
action was seen in use or has its reason.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

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
SENDS = {"SQSSendMessagePolicy": "sqs:SendMessage", "EventBridgePutEventsPolicy": "events:PutEvents"}
Grant = tuple[str, str]  # a table, an index or a service, and an action


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


def places(resource: Any, action: str) -> Iterator[str]:
    """The tables and indexes that a statement's resources name; the service where it is no table's."""
    service = action.partition(":")[0]
    if service != "dynamodb":
        yield service
        return
    for one in resource if isinstance(resource, list) else [resource]:
        name = re.fullmatch(r"(?:\$\{)?(\w+)\.Arn\}?(/index/\w+)?", next(iter(one.values())))
        assert name, f"{one}: name one table or one of its indexes"
        yield name[1] + (name[2] or "")


def granted(name: str) -> set[Grant]:
    """Every action that a function's policies allow, and on what."""
    found: set[Grant] = set()
    for policy in functions()[name].get("Policies", []):
        [(kind, given)] = policy.items()
        if kind in SENDS:
            found.add(cast(Grant, tuple(SENDS[kind].split(":"))))
            continue
        assert kind == "Statement", f"{name}: {kind} grants more than is used; write a Statement"
        for statement in given if isinstance(given, list) else [given]:
            actions = statement["Action"]
            for action in actions if isinstance(actions, list) else [actions]:
                where = places(statement.get("Resource"), action)
                found |= {(place, action.partition(":")[2]) for place in where}
    return found


def taken(name: str) -> set[Grant]:
    """What a function did while the integration tests ran with IAM enforced."""
    seen = json.loads((REPOSITORY / "infra" / "actions.json").read_text()).get(name, {})
    # Both ways of sending are one action to IAM.
    return {(p, action.removesuffix("Batch") if p == "sqs" else action) for p in seen for action in seen[p]}


@cache
def seldom() -> dict[str, set[Grant]]:
    """What functions do that no integration test makes them do, each with a reason."""
    found: dict[str, set[Grant]] = {name: set() for name in FUNCTIONS}
    for entry in yaml.safe_load((REPOSITORY / "infra" / "seldom_actions.yaml").read_text()):
        assert len(entry["reason"]) > 20, entry
        for name in entry["functions"]:
            found[name] |= {(entry["where"], action) for action in entry["actions"]}
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_action_is_used(name: str) -> None:
    """A policy grants what was seen in use, and beyond it only what infra/seldom_actions.yaml explains."""
    allowed, used = granted(name), taken(name)
    assert used <= allowed, f"{name}: granted no more; record the actions anew: {sorted(used - allowed)}"
    rest = allowed - used
    assert rest - seldom()[name] == set(), f"{name} never took {sorted(rest - seldom()[name])}"
    mine = seldom()[name]
    assert mine <= rest, f"{name}: seen in use, or granted no more: {sorted(mine - rest)}"
