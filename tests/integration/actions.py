"""What each function's role did while the tests' cloud ran, by the names of template.yaml.

`infra/actions.json` keeps it; `tests/contract/template/test_policies.py` holds the policies against it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from laptop.layout import REPOSITORY
from laptop.stack import Stack
from tests.integration.recording_guard import FILE

RECORD: Final = REPOSITORY / "infra" / "actions.json"
# What was seen is added to the record when this is set; `anew` drops what was not seen, in a whole run alone.
WRITES: Final = "ALPAQUERO_RECORD_ACTIONS"

Used = Mapping[str, Mapping[str, list[str]]]
"""The actions on each resource (a table, or all of a service that is no table), by function."""


def used(stack: Stack) -> Used:
    """What the roles of the functions were allowed and did, since the engine's folder was made."""
    names = {physical: logical for logical, physical in stack.resources.items()}
    found: dict[str, dict[str, set[str]]] = {}
    for line in (stack.state.engine / FILE).read_text().splitlines():
        role, action, resource = line.split("\t")
        function = names.get(role, role).removesuffix("Role")
        table = re.search(r":table/([^/]+)(/index/\w+)?$", resource)
        place = f"{names[table[1]]}{table[2] or ''}" if table else action.partition(":")[0]
        found.setdefault(function, {}).setdefault(place, set()).add(action.partition(":")[2])
    return _sorted(found)


def record(seen: Used, how: str) -> None:
    """Adds what was seen to the record, or writes it `anew`."""
    kept: dict[str, dict[str, set[str]]] = {}
    for one in (seen,) if how == "anew" else (recorded(), seen):
        for function, places in one.items():
            for place, actions in places.items():
                kept.setdefault(function, {}).setdefault(place, set()).update(actions)
    RECORD.write_text(json.dumps(_sorted(kept), indent=1) + "\n")


def recorded() -> Used:
    """The record."""
    kept: Used = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return kept


def _sorted(found: Mapping[str, Mapping[str, set[str]]]) -> dict[str, dict[str, list[str]]]:
    return {
        function: {place: sorted(actions) for place, actions in sorted(places.items())}
        for function, places in sorted(found.items())
    }
