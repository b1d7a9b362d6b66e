"""docs/security.md names every route with who may call it, as the code declares it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from laptop import template
from laptop.layout import REPOSITORY
from tests.contract.template import security_doc
from tests.contract.template.security_doc import NO_KEY, PUBLIC, SERVICES, Route

ANYONE = "anyone"
WHO_AND_WHERE = {"public", "service", "role", "people"}


def _templates(api: str) -> set[Route]:
    return {(method, path) for _, method, path in template.routes(api)}


def _declared() -> Iterator[tuple[str, dict[str, Any]]]:
    """The method, and who may call it where, of every `app.endpoint(...)` of every service."""
    for file in sorted((REPOSITORY / "functions").glob("*/api.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(node, ast.Call) and isinstance(called, ast.Attribute) and called.attr == "endpoint":
                words = {word.arg: word.value for word in node.keywords if word.arg in WHO_AND_WHERE}
                said = {str(name): ast.literal_eval(value) for name, value in words.items()}
                yield ast.literal_eval(node.args[0]), said


def test_no_public_route_is_missing() -> None:
    """The table of public routes has the template's, each once, and no other."""
    assert set(security_doc.routes(PUBLIC)) == _templates("PublicApi")


def test_no_services_route_is_missing() -> None:
    """The table of the services' routes has the template's, each once, and no other."""
    assert set(security_doc.routes(SERVICES)) == _templates("ServicesApi")


def test_the_table_says_what_each_route_declares() -> None:
    """Who may call a public route is the role its function demands."""
    declared = {
        (method, said["public"]): (said.get("role", "viewer") or ANYONE)
        + (NO_KEY if said.get("people") else "")
        for method, said in _declared()
        if said.get("public")
    }
    table = security_doc.routes(PUBLIC)
    assert {route: declared.get(route, "not declared") for route in table} == table


def test_only_iam_lets_in_to_the_services() -> None:
    """Every route of the services' API is for signed callers."""
    assert set(security_doc.routes(SERVICES).values()) == {"IAM"}
