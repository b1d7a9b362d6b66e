"""The tables' versions in a stack: migrated once, resumed when cut short, never backward."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from alpaquero.store import schema
from laptop.moving.schema import check, mark, migrate
from tests.fakes.tables import create_table

TABLES = {name: name.lower() for name in ("Settings", *sorted(schema.STEPS))}
CHUNKS = 4


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    """The tables that have steps: chunks of bars as the first version wrote them, no marker."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        client = boto3.client("dynamodb", region_name="us-east-1")
        for name in TABLES.values():
            create_table(client, name)
        for number in range(CHUNKS):
            client.put_item(TableName="bars", Item=_chunk(number, b"1234"))
        yield client


def _chunk(number: int, bars: bytes) -> schema.Item:
    return {
        "pk": {"S": "AAPL#1Day#split"},
        "sk": {"S": f"201{number}"},
        "chunk": {"B": bars},
        "bars": {"N": "2"},
    }


def _sizes(dynamodb: Any) -> list[str | None]:
    items = dynamodb.scan(TableName="bars")["Items"]
    return [item.get("size", {}).get("N") for item in sorted(items, key=lambda item: item["sk"]["S"])]


class Watched:
    """The client, with something done before the n-th write of a chunk."""

    def __init__(self, dynamodb: Any, nth: int, before: Callable[[], None]) -> None:
        self._dynamodb, self._left, self._before = dynamodb, nth, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dynamodb, name)

    def put_item(self, **request: Any) -> Any:
        if request["TableName"] == "bars":
            self._left -= 1
            if not self._left:
                self._before()
        return self._dynamodb.put_item(**request)


def test_tables_of_the_version_before_are_migrated_once(dynamodb: Any) -> None:
    """Each item gets what it lacks; the second time nothing is even read."""
    assert migrate(dynamodb, TABLES) == {"Bars": CHUNKS, "Analytics": 0}
    assert _sizes(dynamodb) == ["4"] * CHUNKS
    assert check(dynamodb, "settings") == schema.versions()
    assert migrate(dynamodb, TABLES) == {}


def test_a_new_stack_gets_its_marker(dynamodb: Any) -> None:
    """The first deploy writes the versions down, with the release."""
    dynamodb.delete_table(TableName="bars")
    assert migrate(dynamodb, {"Settings": "settings"}) == {}
    item = dynamodb.get_item(TableName="settings", Key=schema.MARKER)["Item"]
    assert set(json.loads(item["body"]["S"])) == {"tables", "product_version", "changed_at"}


def test_a_migration_that_was_cut_short_goes_on(dynamodb: Any) -> None:
    """What was done stays done, the marker moves with the last item."""

    def power_cut() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(Watched(dynamodb, 3, power_cut), TABLES)
    assert sorted(_sizes(dynamodb), key=str) == ["4", "4", None, None]
    assert check(dynamodb, "settings")["Bars"] == 1

    assert migrate(dynamodb, TABLES) == {"Bars": 2, "Analytics": 0}
    assert _sizes(dynamodb) == ["4"] * CHUNKS


def test_what_a_function_writes_meanwhile_is_kept(dynamodb: Any) -> None:
    """An item that changed since it was read is read again, so that no write is undone."""
    newer = _chunk(0, b"123456")

    def written() -> None:
        dynamodb.put_item(TableName="bars", Item=newer)

    assert migrate(Watched(dynamodb, 1, written), TABLES) == {"Bars": CHUNKS, "Analytics": 0}
    item = dynamodb.get_item(TableName="bars", Key={"pk": newer["pk"], "sk": newer["sk"]})["Item"]
    assert item == newer | {"size": {"N": "6"}}


def test_newer_tables_are_not_touched(dynamodb: Any) -> None:
    """A release that is older than the tables changes nothing, and says what to use."""
    mark(dynamodb, "settings", schema.versions() | {"Books": 9})
    with pytest.raises(schema.NewerSchema, match="Books is of version 9"):
        migrate(dynamodb, TABLES)
    assert _sizes(dynamodb) == [None] * CHUNKS


def test_only_what_changes_something_is_told(dynamodb: Any) -> None:
    """The first changed item of a table tells why; a table without one, as of a new stack, tells nothing."""
    told: list[str] = []
    migrate(dynamodb, TABLES, say=told.append)
    assert len(told) == 1
    assert told[0].startswith("bringing Bars to this release: ")
    mark(dynamodb, "settings", dict.fromkeys(schema.TABLES, schema.FIRST))
    migrate(dynamodb, TABLES, say=told.append)
    assert len(told) == 1
