"""Reads the pages of docs/services, and what the system says of the same, for the tests to compare."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from alpaquero.events.schemas import EVENTS
from alpaquero.store import settings_schema
from alpaquero.store.settings_schema import GROUPS
from laptop.layout import REPOSITORY
from laptop.template import functions, routes, template
from tests.contract.template import security_doc

FOLDER: Final = REPOSITORY / "docs" / "services"
SERVICES: Final = sorted(path.parent.name for path in (REPOSITORY / "functions").glob("*/api.py"))
# Modules of the shared package that make a service's events for it.
MAKERS: Final = {
    f"alpaquero.events.{name}" for name in ("equity", "movements", "orders", "runs", "trading_state")
}
EVERY_EVENT: Final = "every event"

Table = list[list[str]]


@lru_cache
def sections(service: str) -> dict[str, str]:
    """The text of each section of a service's page by its heading, in order; the beginning is under ''."""
    first, *others = re.split(r"^## ", (FOLDER / f"{service}.md").read_text(), flags=re.MULTILINE)
    return {"": first} | {part.partition("\n")[0]: part.partition("\n")[2] for part in others}


def tables(service: str, heading: str) -> list[Table]:
    """The cells of every table of a section, heads left out."""
    found = re.findall(r"(?:^\|.*\|\n)+", sections(service)[heading], re.MULTILINE)
    return [[[c.strip() for c in row.strip("|").split("|")] for row in t.splitlines()[2:]] for t in found]


def rows(service: str, heading: str) -> Table:
    """The first table of a section; none where it says in a sentence that there is nothing."""
    return next(iter(tables(service, heading)), [])


def words(cell: str) -> list[str]:
    """What a cell names."""
    return re.findall(r"`([^`]+)`", cell)


def first_words(service: str, heading: str) -> set[str]:
    """What the first column of a section's table names."""
    return {word for row in rows(service, heading) for word in words(row[0])}


# ------------------------------------------------------------------- what the system says


@lru_cache
def sources(service: str) -> str:
    """The code of all functions of a service."""
    return "\n".join(path.read_text() for path in sorted((REPOSITORY / "functions" / service).glob("*.py")))


def functions_of(service: str) -> dict[str, dict[str, Any]]:
    """The template's functions of a service, by logical id."""
    return {
        n: given for n, given in functions().items() if given["CodeUri"].strip("/") == f"functions/{service}"
    }


def _resources(kind: str) -> dict[str, dict[str, Any]]:
    return {n: one.get("Properties", {}) for n, one in template()["Resources"].items() if one["Type"] == kind}


def served(service: str) -> set[tuple[str, str, str]]:
    """Method, path and role of every route, the path without `/api` and the service's name."""
    who = security_doc.routes(security_doc.PUBLIC)
    own = functions_of(service)
    found = {(m, p.removeprefix("/api"), who[m, p]) for f, m, p in routes("PublicApi") if f in own}
    below_api = {(m, p) for m, p, role in found if role != "anyone" or p != "/health"}
    signed = {(m, p.removeprefix(f"/{service}")) for f, m, p in routes("ServicesApi") if f in own}
    return found | {(method, path, "IAM") for method, path in signed - below_api}


def started_by(function: str) -> set[str]:
    """The queues, schedules and streams that start a function."""
    found = set()
    for event in functions()[function].get("Events", {}).values():
        source = event["Properties"].get("Queue") or event["Properties"].get("Stream")
        if source:
            found.add(source["Fn::GetAtt"].split(".")[0])
    for name, rule in _resources("AWS::Events::Rule").items():
        if any(target["Arn"] == {"Fn::GetAtt": f"{function}.Arn"} for target in rule["Targets"]):
            found.add(name)
    return found


def used(service: str) -> dict[str, set[str]]:
    """Tables (`reads` or `writes`) and queues (`takes`, `sends`) that policies and events name."""
    found: dict[str, set[str]] = {}
    for function, given in functions_of(service).items():
        for policy in _statements(given["Policies"]):
            text = json.dumps(policy)
            for table in _resources("AWS::DynamoDB::Table"):
                if re.search(rf'"(Ref|Fn::GetAtt)": "{table}(\.Arn)?"', text):
                    writes = re.search(r"Crud|PutItem|UpdateItem|DeleteItem", text)
                    found.setdefault(table, set()).add("writes" if writes else "reads")
            for queue in _resources("AWS::SQS::Queue"):
                if f'"{queue}.' in text and re.search("SendMessage", text):
                    found.setdefault(queue, set()).add("sends")
        for source in started_by(function) & set(_resources("AWS::SQS::Queue")):
            found.setdefault(source, set()).add("takes")
    return {name: uses - {"reads"} if "writes" in uses else uses for name, uses in found.items()}


def _statements(policies: list[Any]) -> list[Any]:
    """Each statement by itself, so that what one allows is not taken for what another does."""
    return [one for policy in policies for one in policy.get("Statement", [policy])]


def heard(service: str) -> set[str]:
    """The events that the bus brings to the service."""
    own = {queue for function in functions_of(service) for queue in started_by(function)}
    behind = {"NotificationTopic"} if "NotificationQueue" in own else own
    found: set[str] = set()
    for rule in _resources("AWS::Events::Rule").values():
        targets = {str(value) for target in rule["Targets"] for value in target["Arn"].values()}
        if {target.split(".")[0] for target in targets} & behind and "EventPattern" in rule:
            found |= set(rule["EventPattern"].get("detail-type", [EVERY_EVENT]))
    return found


def raised(service: str) -> set[str]:
    """The events that the service's code makes, by itself or through the modules that make them for it."""
    text = sources(service)
    found = {name for name in EVENTS if re.search(rf"\b{name}\(", text)}
    for module in MAKERS:
        if re.search(rf"^from {re.escape(module)} import", text, re.MULTILINE):
            path = Path(*module.split(".")).with_suffix(".py")
            made = (REPOSITORY / "layers" / "alpaquero" / "python" / path).read_text()
            found |= {name for name in EVENTS if re.search(rf"\b{name}\b", made)}
    return found


def counted(service: str) -> set[str]:
    """The metrics that the service's code counts: named in the call, or in the table that it goes through."""
    text = sources(service)
    named = set(re.findall(r'\bcount\(\s*"([A-Z]\w+)"', text))
    tabled = re.findall(r"^COUNTED = \{(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    named |= set(re.findall(r'": "([A-Z]\w+)"', "".join(tabled)))
    return named | set(re.findall(r'\("(Signals[A-Z]\w+)",', text))


@lru_cache
def settings() -> dict[str, dict[str, Any]]:
    """The schema's node of each setting by its name, groups themselves left out."""
    parts = settings_schema.schema()["$defs"]
    return {
        f"{prefix}{name}": node
        for struct, prefix in GROUPS.items()
        for name, node in parts[struct]["properties"].items()
        if prefix or name not in {"strategies", "risk", "orders", "monitoring"}
    }


def default_shown(node: dict[str, Any]) -> str:
    """A default as the pages write it."""
    default = node.get("default")
    if default is None:
        return "not set"
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) if default or default == 0 else "none"


def settings_read(service: str) -> set[str]:
    """The settings that the code of a service reads by name; names of one word say too little to be told."""
    leaves = {name.rpartition(".")[2] for name in settings()}
    return {n for n in re.findall(r"\.([a-z]+(?:_[a-z]+)+)\b", sources(service)) if n in leaves}
