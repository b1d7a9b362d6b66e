"""Checkpoints appear whole or not at all, and put back what they took."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from laptop.checkpoint import Checkpoints
from tests.fakes.tables import create_table

TABLES = {"Books": "books-1", "Bars": "bars-1"}


class Sessions:
    """The clients of moto, as the stack hands them out."""

    def __init__(self) -> None:
        self._dynamodb: Any = boto3.client("dynamodb", region_name="us-east-1")

    def client(self, service: str) -> Any:
        """The one client there is."""
        assert service == "dynamodb"
        return self._dynamodb


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    """Two empty tables."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        made = Sessions()
        create(made)
        yield made


def create(sessions: Sessions) -> None:
    """The tables, as a fresh deploy leaves them."""
    for name in TABLES.values():
        create_table(sessions.client("dynamodb"), name)


def items(sessions: Sessions, table: str) -> list[dict[str, Any]]:
    """Everything a table holds."""
    found: list[dict[str, Any]] = sessions.client("dynamodb").scan(TableName=table)["Items"]
    return sorted(found, key=lambda item: item["sk"]["S"])


def put(sessions: Sessions, table: str, sk: str, **more: Any) -> None:
    """One item."""
    sessions.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "a"}, "sk": {"S": sk}} | more)


def test_what_was_taken_is_put_back(sessions: Sessions, tmp_path: Path) -> None:
    """Every item comes back as it was, binary values and numbers too, into tables of other names."""
    for number in range(60):
        put(sessions, "books-1", f"ORDER#{number:03d}", n={"N": str(number)})
    put(sessions, "bars-1", "2012", data={"B": bytes(range(256))}, deep={"M": {"x": {"L": [{"B": b"y"}]}}})
    before = {name: items(sessions, name) for name in TABLES.values()}
    checkpoints = Checkpoints(tmp_path)
    checkpoints.take(sessions, TABLES, label="12")  # type: ignore[arg-type]
    for name in TABLES.values():
        sessions.client("dynamodb").delete_table(TableName=name)
    create(sessions)

    assert checkpoints.restore(sessions, TABLES) == 61  # type: ignore[arg-type]

    assert before == {name: items(sessions, name) for name in TABLES.values()}
    assert checkpoints.label == "12"


def test_a_half_taken_checkpoint_is_not_the_current_one(sessions: Sessions, tmp_path: Path) -> None:
    """When taking one fails, the one before stays current and whole."""
    checkpoints = Checkpoints(tmp_path)
    put(sessions, "books-1", "ORDER#1")
    checkpoints.take(sessions, TABLES, label="first")  # type: ignore[arg-type]

    def power_cut(_: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checkpoints.take(sessions, TABLES, label="second", copy_book=power_cut)  # type: ignore[arg-type]

    again = Checkpoints(tmp_path)
    assert again.label == "first"
    assert again.restore(sessions, TABLES) == 1  # type: ignore[arg-type]


def test_the_exchanges_book_is_kept_with_the_tables(sessions: Sessions, tmp_path: Path) -> None:
    """The copy of the book lies in the same checkpoint, and only when it was asked for."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.take(sessions, TABLES)  # type: ignore[arg-type]
    assert checkpoints.book is None
    checkpoints.take(sessions, TABLES, copy_book=lambda path: path.write_text("book"))  # type: ignore[arg-type]
    assert checkpoints.book is not None
    assert checkpoints.book.read_text() == "book"
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_without_a_checkpoint_nothing_is_put_back(sessions: Sessions, tmp_path: Path) -> None:
    """A first start has nothing to restore."""
    checkpoints = Checkpoints(tmp_path)
    assert (None, None, 0) == (checkpoints.current, checkpoints.label, checkpoints.restore(sessions, TABLES))  # type: ignore[arg-type]


def test_what_follows_from_a_table_is_copied_after_it(tmp_path: Path) -> None:
    """Runs, then Books, then the rest: else a fill that the books have told is in no projection."""
    copied: list[str] = []

    class Scanned:
        def client(self, _service: str) -> Any:
            return self

        def scan(self, TableName: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's own name
            copied.append(TableName)
            return {"Items": []}

    names = ["Positions", "Analytics", "Books", "Runs"]
    Checkpoints(tmp_path).take(Scanned(), {name: name for name in names})  # type: ignore[arg-type]
    assert (["Runs", "Books"], set(names)) == (copied[:2], set(copied))
