"""The versions of the tables: steps that change nothing twice, and newer tables that are refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from alpaquero.store import schema
from alpaquero.store.tables import unpacked
from laptop.layout import TEMPLATE

CHUNK = {"pk": {"S": "AAPL#1Day#split"}, "sk": {"S": "2012"}, "chunk": {"B": b"123"}, "bars": {"N": "2"}}
TRADES = {
    "pk": {"S": "paper#AAPL"},
    "sk": {"S": "TRADES"},
    "version": {"N": "4"},
    "body": {"S": '{"version":4}'},
}
# For each table that has steps, items as each earlier version wrote them.
EARLIER: dict[str, list[dict[str, Any]]] = {
    "Bars": [
        CHUNK,
        CHUNK | {"sk": {"S": "2012@4"}},
        CHUNK | {"size": {"N": "3"}},
        {"pk": {"S": "INGEST"}, "sk": {"S": "job-1"}, "body": {"S": "{}"}},
    ],
    "Analytics": [TRADES, {"pk": {"S": "paper"}, "sk": {"S": "OPEN#AAPL"}, "body": {"S": "{}"}}],
}


def test_a_chunk_of_the_first_version_gets_its_size() -> None:
    """The index of sizes lists chunks by it; what a revision replaced stays without."""
    assert schema.brought_up("Bars", CHUNK, 1) == CHUNK | {"size": {"N": "3"}}
    replaced = CHUNK | {"sk": {"S": "2012@4"}}
    assert schema.brought_up("Bars", replaced, 1) == replaced


def test_the_state_of_trades_is_packed() -> None:
    """It says the same, and no other item of the table changes."""
    after = schema.brought_up("Analytics", TRADES, 1)
    assert (unpacked(after["packed"]["B"]), "body" in after) == ('{"version":4}', False)
    assert (after["version"], after["pk"], after["sk"]) == (TRADES["version"], TRADES["pk"], TRADES["sk"])
    assert schema.brought_up("Analytics", EARLIER["Analytics"][1], 1) is EARLIER["Analytics"][1]


def test_an_item_of_this_version_is_left_alone() -> None:
    """No step is applied to items of the version that this code writes."""
    assert schema.brought_up("Bars", CHUNK, schema.versions()["Bars"]) is CHUNK


def test_every_step_changes_nothing_twice() -> None:
    """A migration that was cut short begins its table again, so a step knows what it has done."""
    assert set(EARLIER) == set(schema.STEPS), "name here the items that the new step meets"
    for table, items in EARLIER.items():
        for item in items:
            once = schema.brought_up(table, item, schema.FIRST)
            assert schema.brought_up(table, once, schema.FIRST) == once


def test_a_step_does_not_touch_what_it_was_given() -> None:
    """The item that was read is compared with the table when the new one is written."""
    before = dict(CHUNK)
    schema.brought_up("Bars", CHUNK, 1)
    assert before == CHUNK


@pytest.mark.parametrize("newer", [{"Bars": 99}, {"Ideas": 1}])
def test_newer_tables_are_refused(newer: dict[str, int]) -> None:
    """A table of a later version, or one that this code has not, is named with what to do."""
    with pytest.raises(schema.NewerSchema, match=f"{next(iter(newer))} is of version .* that release"):
        schema.check(schema.versions() | newer)
    schema.check(schema.versions())


def test_the_tables_are_the_templates() -> None:
    """A table that is added to the template gets a version."""
    named = re.findall(r"^  (\w+):.*\n    Type: AWS::DynamoDB::Table$", TEMPLATE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(schema.TABLES)
