"""Copies the tables to disk and puts them back, so that a kill loses no record.

The supervisor takes one each minute, ``LaptopCloud`` one when it stops, and ``demo`` one after each
quiet session, together with the exchange's book. A checkpoint appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from laptop.errors import LaptopError
from laptop.layout import write_private

if TYPE_CHECKING:
    from laptop.engine import Sessions

T = TypeVar("T")

_CURRENT: Final = "CURRENT"
_BOOK: Final = "book.sqlite"
# Copied first and in this order: what follows from them may be ahead, for repeats are harmless.
_SOURCES: Final = ("Runs", "Books")
_TABLE_TYPE: Final = "AWS::DynamoDB::Table"
_A_BATCH: Final = 25  # requests; DynamoDB takes no more
_ATTEMPTS: Final = 8


def table_names(sessions: Sessions, stack: str) -> dict[str, str]:
    """Logical id to physical name of each table of the stack."""
    resources = sessions.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return {
        item["LogicalResourceId"]: item["PhysicalResourceId"]
        for item in resources
        if item["ResourceType"] == _TABLE_TYPE
    }


def left_tables(sessions: Sessions, stack: str) -> dict[str, str]:
    """The same of the tables that a stack left when it was deleted, by the engine's way to name them."""
    pages = sessions.client("dynamodb").get_paginator("list_tables").paginate()
    names = [name.split("-") for page in pages for name in page["TableNames"]]
    return {parts[1]: "-".join(parts) for parts in names if len(parts) == 3 and parts[0] == stack}


def scan(dynamodb: Any, table: str) -> list[dict[str, Any]]:
    """Every item of a table, as DynamoDB answers it."""
    items: list[dict[str, Any]] = []
    following: dict[str, Any] = {}
    while True:
        page = dynamodb.scan(TableName=table, ConsistentRead=True, **following)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items
        following = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


class _Bytes(json.JSONEncoder):
    """DynamoDB's binary values as tagged hex."""

    def default(self, o: Any) -> Any:
        if isinstance(o, bytes):
            return {"__hex__": o.hex()}
        return super().default(o)


def _bytes_again(value: dict[str, Any]) -> Any:
    return bytes.fromhex(value["__hex__"]) if "__hex__" in value else value


def encoded(value: Any) -> str:
    """Items, as DynamoDB answers them, as JSON text; the same items, the same text."""
    return json.dumps(value, cls=_Bytes, sort_keys=True)


def decoded(text: str) -> Any:
    """What was `encoded`."""
    return json.loads(text, object_hook=_bytes_again)


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """The values in lists of `size`; the last may be shorter."""
    following = iter(values)
    while batch := list(islice(following, size)):
        yield batch


def write_requests(dynamodb: Any, table: str, requests: Iterable[dict[str, Any]]) -> None:
    """Sends puts and deletes in batches; what the table leaves out is sent again after a pause.

    Raises
    ------
    LaptopError
        When the table goes on leaving them out.
    """
    for batch in batched(requests, _A_BATCH):
        pending = {table: list(batch)}
        for attempt in range(_ATTEMPTS):
            pending = dynamodb.batch_write_item(RequestItems=pending)["UnprocessedItems"]
            if not pending:
                break
            time.sleep(0.05 * 2**attempt)  # the table is asked for more than it takes at once
        else:
            raise LaptopError(f"{table} leaves writes out: try again when less is written to it")


class Checkpoints:
    """The checkpoints of one stack, in one folder, the last one current."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def current(self) -> Path | None:
        """The last whole checkpoint, or None."""
        marker = self._folder / _CURRENT
        return self._folder / marker.read_text() if marker.exists() else None

    @property
    def book(self) -> Path | None:
        """The exchange's book as it stood with the tables, when it was checkpointed with them."""
        book = self.current / _BOOK if self.current else None
        return book if book is not None and book.exists() else None

    @property
    def label(self) -> str | None:
        """What the taker noted with the last checkpoint."""
        return str(json.loads((self.current / "label.json").read_text())) if self.current else None

    def take(
        self,
        sessions: Sessions,
        tables: Mapping[str, str],
        *,
        label: str = "",
        copy_book: Any = None,
    ) -> None:
        """Copy every table, then make the copy the current one.

        Parameters
        ----------
        tables
            Logical id to physical name.
        label
            A note to find with it again (the demo writes its progress here).
        copy_book
            Called with a path to which the exchange shall copy its book; None leaves the book out.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        before = self.current
        number = int(before.name) + 1 if before else 1
        fresh = self._folder / f"{number:08d}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        if copy_book is not None:
            copy_book(fresh / _BOOK)
        dynamodb = sessions.client("dynamodb")
        scanned = {table: scan(dynamodb, tables[table]) for table in _SOURCES if table in tables}
        rest = {table: name for table, name in tables.items() if table not in scanned}
        with ThreadPoolExecutor(max_workers=4) as pool:
            copies = pool.map(lambda name: scan(dynamodb, name), rest.values())
            scanned |= zip(rest, copies, strict=True)
        for table, items in scanned.items():
            _write_synced(fresh / f"{table}.json", encoded(items))
        _write_synced(fresh / "label.json", json.dumps(label))
        write_private(self._folder / _CURRENT, fresh.name)
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)

    def restore(self, sessions: Sessions, tables: Mapping[str, str]) -> int:
        """Put every item of the last checkpoint back; gives how many."""
        if self.current is None:
            return 0
        count = 0
        dynamodb = sessions.client("dynamodb")
        for table, name in tables.items():
            items = self.items(table)
            write_requests(dynamodb, name, ({"PutRequest": {"Item": item}} for item in items))
            count += len(items)
        return count

    def items(self, table: str) -> list[dict[str, Any]]:
        """The items of one table in the last checkpoint, none when it is not there."""
        copy = self.current / f"{table}.json" if self.current else None
        if copy is None or not copy.exists():
            return []
        found: list[dict[str, Any]] = decoded(copy.read_text())
        return found

    def forget(self) -> None:
        """Drop every checkpoint."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _write_synced(path: Path, content: str) -> None:
    with path.open("w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
