"""Reads a stack's state into a package; ``alpaquero export`` calls it. Nothing is stopped or written.

What it guarantees: the books and the settings are as they stood at one instant, for they are read until two
readings in a row are the same; runs were read before them and equity marks after. So an order's run
may be unfinished in the package, and is judged again to the same order id; nothing refers to an order that
the package lacks but equity marks of the seconds after.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import version as release
from pathlib import Path
from typing import Any, Final

from alpaquero.risk.book import TradingState
from alpaquero.store import schema
from alpaquero.store.tables import unpacked
from laptop.checkpoint import scan
from laptop.errors import LaptopError
from laptop.moving import schema as versions
from laptop.moving.kinds import FILES, KINDS, Item, Kind, Part, kind_of, tables_of
from laptop.moving.package import FORMAT, Manifest, PackageWriter
from laptop.moving.places import Place

_READINGS: Final = 8
_STEADY: Final = ("Books", "Settings")
_RISK_BOOK: Final = "RISKBOOK"


def export(
    place: Place,
    path: Path,
    parts: frozenset[Part],
    *,
    now: datetime,
    say: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Writes the parts of the stack's state to `path`; answers the manifest.

    Raises
    ------
    LaptopError
        When the stack is not migrated, holds an item of no known kind, or its books kept changing.
    alpaquero.store.schema.NewerSchema
        When newer code wrote the tables.
    """
    found = versions.check(place.dynamodb, place.table("Settings"))
    if found != schema.versions():
        raise LaptopError("the tables are of an earlier version: run `alpaquero migrate` first")
    with PackageWriter(path) as package:
        steady: dict[str, list[Item]] = {}
        for table in _in_order(parts):
            if table in _STEADY:
                say(f"reading {table} until two readings are the same")
                steady[table] = _steady(place, table)
            else:
                say(f"reading {table}")
            for part in sorted(parts):
                if table in tables_of(part):
                    items = iter(steady[table]) if table in steady else _scanned(place, table)
                    package.add_items(part, table, _moving(place, table, part, items))
        for part in sorted(parts & FILES.keys()):
            _add_files(place, package, part, say)
        books = steady.get("Books", [])
        risk_book = next((item for item in books if item["sk"]["S"] == _RISK_BOOK), None)
        manifest = Manifest(
            format=FORMAT,
            product_version=release("alpaquero"),
            exported_at=now,
            stack=place.stack,
            environment=place.environment,
            account=place.account,
            schema=found,
            books_version=int(risk_book["version"]["N"]) if risk_book else None,
            trading_state=_trading_state(risk_book) if risk_book else None,
            on_their_way=sum(item["sk"]["S"].startswith("OUTBOX#") for item in books),
            entries=package.entries,
        )
        package.finish(manifest)
    return manifest


def _in_order(parts: frozenset[Part]) -> list[str]:
    """The tables to read: runs, then books, then what follows from them."""
    wanted = {kind.table for kind in KINDS if kind.part in parts and not kind.stays}
    first = [table for table in ("Runs", "Books") if table in wanted]
    return [*first, *sorted(wanted - set(first))]


def _scanned(place: Place, table: str) -> Iterator[Item]:
    pages = place.dynamodb.get_paginator("scan").paginate(TableName=place.table(table), ConsistentRead=True)
    return (item for page in pages for item in page["Items"])


def _steady(place: Place, table: str) -> list[Item]:
    """The table's items as they were at the instant between two readings that are the same."""

    def reading() -> tuple[list[Item], list[Item]]:
        found = sorted(scan(place.dynamodb, place.table(table)), key=_key)
        return found, [item for item in found if not _kind(place, table, item).stays]

    _, before = reading()
    for _ in range(_READINGS):
        found, after = reading()
        if after == before:
            return found
        before = after
    raise LaptopError(
        f"{table} kept changing while it was read: halt trading, or export when the market is closed"
    )


def _moving(place: Place, table: str, part: Part, items: Iterator[Item]) -> Iterator[Item]:
    for item in items:
        kind = _kind(place, table, item)
        if kind.part is part and not kind.stays:
            yield item


def _kind(place: Place, table: str, item: Item) -> Kind:
    return kind_of(table, item, place.account)


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _add_files(place: Place, package: PackageWriter, part: Part, say: Callable[[str], None]) -> None:
    bucket = place.client("s3")
    pages = bucket.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=FILES[part])
    for page in pages:
        for listed in page.get("Contents", ()):
            say(f"reading {listed['Key']}")
            body = bucket.get_object(Bucket=place.bucket, Key=listed["Key"])["Body"]
            package.add_file(part, listed["Key"], body)


def _trading_state(risk_book: Item) -> str:
    packed = risk_book.get("packed")
    text = unpacked(packed["B"]) if packed else risk_book["body"]["S"]
    told: Any = json.loads(text).get("trading_state", TradingState.ACTIVE)
    return str(told)
