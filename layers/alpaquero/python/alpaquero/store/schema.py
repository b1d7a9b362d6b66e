"""Which version the items of each table are of, and the steps from a version to the next.

`laptop.moving.schema` applies them when a stack is deployed, `laptop.moving.importing` to the items of an
older archive. No function reads any of it: a version costs a run nothing.

A step is a pure function of an item in DynamoDB's own form. It tells by the item's shape whether it has been
applied, so that applying it again changes nothing: a migration that was cut short begins the table anew,
and an item that a function wrote in the new form meanwhile stays as it is. Until a stack is migrated its
functions meet items of the version before, so a field that is added to a struct has a default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from alpaquero.errors import ConfigurationError
from alpaquero.store.tables import packed

Item = dict[str, Any]

MARKER: Final = {"pk": {"S": "SCHEMA"}, "sk": {"S": "CURRENT"}}
"""The key of the item in Settings that says of which versions a stack's tables are."""
FIRST: Final = 1
TABLES: Final = (
    "Books",
    "Runs",
    "Bars",
    "Settings",
    "Positions",
    "Analytics",
    "Notifications",
    "Connections",
    "Health",
    "BrokerState",
    "RateLimits",
    "ProgramKeys",
)


@dataclass(frozen=True, slots=True)
class Step:
    """What makes the items of one version those of the next; `why` is shown while it is applied."""

    why: str
    change: Callable[[Item], Item]


class NewerSchema(ConfigurationError):
    """The tables are of a version that this code does not know; newer code wrote them."""


def _with_size(item: Item) -> Item:
    """A chunk of bars with the size by which the index `sizes` has it; what a revision replaced has none."""
    if "chunk" not in item or "size" in item or "@" in item["sk"]["S"]:
        return item
    return item | {"size": {"N": str(len(item["chunk"]["B"]))}}


def _with_packed_state(item: Item) -> Item:
    """The state of a symbol's trades, which was text; the next fact gives each trade a check of its own."""
    if item["sk"]["S"] != "TRADES" or "body" not in item:
        return item
    rest = {name: value for name, value in item.items() if name != "body"}
    return rest | {"packed": {"B": packed(item["body"]["S"])}}


STEPS: Mapping[str, tuple[Step, ...]] = {
    "Bars": (Step("chunks carry their size, by which what is stored is counted", _with_size),),
    "Analytics": (Step("which trades are written stands beside each, not in one item", _with_packed_state),),
}


def versions() -> dict[str, int]:
    """The version that this code writes, by table."""
    return {table: FIRST + len(STEPS.get(table, ())) for table in TABLES}


def check(found: Mapping[str, int]) -> None:
    """Raises `NewerSchema` when a table of `found` is of a version that this code does not know."""
    known = versions()
    for table, version in found.items():
        if version > known.get(table, 0):
            raise NewerSchema(
                f"{table} is of version {version} and this code knows {known.get(table, 'no such table')}: "
                "newer code wrote it; use that release of alpaquero or a later one"
            )


def steps_from(table: str, version: int) -> tuple[Step, ...]:
    """The steps that items of `version` still need, in their order."""
    return STEPS.get(table, ())[version - FIRST :]


def brought_up(table: str, item: Item, version: int) -> Item:
    """An item of `version`, or a later one, as this code writes it; the same item when nothing changed."""
    for step in steps_from(table, version):
        item = step.change(item)
    return item
