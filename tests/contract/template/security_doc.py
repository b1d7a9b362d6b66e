"""Reads the tables of docs/security.md; the tests that hold them against template and engine use it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from laptop.layout import REPOSITORY

DOCUMENT: Final = REPOSITORY / "docs" / "security.md"
PUBLIC, SERVICES, CALLERS = "Routes of the public API", "Routes of the services' API", "Callers and answers"
NO_KEY: Final = ", no key"
_ROUTE: Final = re.compile(r"`(\w+) (/\S*)`")

Route = tuple[str, str]


@lru_cache(maxsize=1)
def _sections() -> dict[str, list[list[str]]]:
    """The rows of each section's table without its heading, cell by cell."""
    found: dict[str, list[list[str]]] = {}
    for part in re.split(r"^## ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("|")]
        found[title.strip()] = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return found


def routes(section: str) -> dict[Route, str]:
    """Who may call each route of a section, `PUBLIC` or `SERVICES`."""
    named = {}
    for cells in _sections()[section]:
        found = _ROUTE.fullmatch(cells[0])
        assert found, f"{DOCUMENT.name}: write a route as `GET /path`, not {cells[0]}"
        named[found[1], found[2]] = cells[1]
    return named


def least_role(who: str) -> str:
    """The role in a cell of a table of routes."""
    return who.removesuffix(NO_KEY)


def answers() -> dict[str, tuple[str, str, str]]:
    """What each kind of caller is answered: at an open public route, another public one, a service's."""
    return {cells[0]: (cells[1], cells[2], cells[3]) for cells in _sections()[CALLERS]}
