"""Writes a package into a stack; ``alpaquero import`` calls it.

Nothing is written before all of it has been checked. The schedules are off while it writes, the risk book
comes last, for without it no order is placed, and then everything that is derived is derived again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from alpaquero.store import schema
from laptop.checkpoint import write_requests
from laptop.errors import LaptopError
from laptop.moving import schema as versions
from laptop.moving.kinds import FILES, Item, Part, kind_of, tables_of
from laptop.moving.package import Entry, PackageReader
from laptop.moving.places import Place
from laptop.rebuilding import derive_again

_RISK_BOOK: Final = "RISKBOOK"
_USERS: Final = "#USERS"


@dataclass(frozen=True)
class Wanted:
    """What is asked of an import.

    Parameters
    ----------
    parts
        What of the package is taken.
    into_account
        The account of the stack, said because the package is another's; None when it is the same.
    force
        The account of the stack, said because what it holds of these parts is replaced; None refuses that.
    """

    parts: frozenset[Part]
    into_account: str | None = None
    force: str | None = None


@dataclass(frozen=True)
class Imported:
    """What was done: items and files written by part, items left out as expired, what a rebuild changed."""

    written: dict[str, int]
    expired: int
    cleared: int
    rebuilt: dict[str, dict[str, str]]


def import_package(
    place: Place,
    package: PackageReader,
    wanted: Wanted,
    *,
    now: datetime,
    dry_run: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Imported:
    """Checks the package and, but for a dry run, writes it.

    Raises
    ------
    LaptopError
        When the package is damaged, holds an unknown item, is of another account or environment, or the
        stack is not empty; nothing was written.
    alpaquero.store.schema.NewerSchema
        When newer code wrote the package or the stack's tables.
    """
    manifest = package.manifest
    schema.check(manifest.schema)
    if versions.check(place.dynamodb, place.table("Settings")) != schema.versions():
        raise LaptopError("the stack's tables are of an earlier version: run `alpaquero migrate` first")
    _check_account(place, package, wanted)
    entries = [entry for entry in manifest.entries if entry.part in wanted.parts]
    say("checking the package")
    package.check()
    written, expired = _counted(package, entries, int(now.timestamp()))
    stands = [table for part in sorted(wanted.parts) for table in _standing(place, part)]
    if stands and wanted.force is None:
        raise LaptopError(
            f"the stack {place.stack} has items of its own in {', '.join(sorted(set(stands)))}: they are "
            f"replaced with --force {place.account}"
        )
    if stands and wanted.force != place.account:
        raise LaptopError(f"--force names {wanted.force}, the stack's account is {place.account}")
    if dry_run:
        return Imported(written, expired, 0, {})
    with _schedules_off(place, say):
        cleared = sum(_clear(place, part, say) for part in sorted(wanted.parts)) if stands else 0
        for entry in entries:
            say(f"writing {entry.name}")
            _write(place, package, entry, int(now.timestamp()))
        rebuilt = _derived(place, say) if Part.BOOKS in wanted.parts else {}
    return Imported(written, expired, cleared, rebuilt)


def _derived(place: Place, say: Callable[[str], None]) -> dict[str, dict[str, str]]:
    try:
        return derive_again(place.invoke, say)
    except LaptopError as error:
        raise LaptopError(
            f"all of the package is written, but deriving the rest from it failed: {error}; run "
            "`alpaquero rebuild`, or POST /api/rebuild, once that is mended"
        ) from error


def _check_account(place: Place, package: PackageReader, wanted: Wanted) -> None:
    """Settings may go to another account when it is named, books never, nor a laptop's prices."""
    manifest = package.manifest
    theirs, ours = (manifest.environment, manifest.account), (place.environment, place.account)
    if theirs == ours:
        return
    told = f"the package is of {'/'.join(theirs)} and the stack of {'/'.join(ours)}"
    if Part.BOOKS in wanted.parts:
        raise LaptopError(
            f"{told}: orders, fills and positions are of one account and never move to another; its settings "
            f"do, with --only settings --into-account {place.account}"
        )
    if Part.BARS in wanted.parts and "local" in {manifest.environment, place.environment}:
        raise LaptopError(f"{told}: a paper exchange's prices are no market's; leave bars out with --only")
    if wanted.into_account != place.account:
        raise LaptopError(f"{told}: say so with --into-account {place.account}")


def _counted(package: PackageReader, entries: list[Entry], now: int) -> tuple[dict[str, int], int]:
    """What will be written, by part, and what has expired; every item is looked at."""
    written: dict[str, int] = {}
    expired, account = 0, package.manifest.account
    for entry in entries:
        count = entry.items
        if entry.table is not None:
            for item in package.items(entry):
                kind = kind_of(entry.table, item, account)
                if kind.part is not entry.part or kind.stays:
                    raise LaptopError(
                        f"{entry.name} holds {item['pk']['S']} / {item['sk']['S']}, which is not moved "
                        f"with {entry.part}: use a file that `alpaquero export` wrote"
                    )
                gone = _is_expired(item, now)
                expired, count = expired + gone, count - gone
        written[entry.part] = written.get(entry.part, 0) + count
    return written, expired


def _is_expired(item: Item, now: int) -> bool:
    return "expires_at" in item and int(item["expires_at"]["N"]) <= now


def _own(place: Place, table: str, part: Part) -> Iterator[Item]:
    """The keys of what the stack's table holds of a part, with what is derived from it."""
    pages = place.dynamodb.get_paginator("scan").paginate(
        TableName=place.table(table), ConsistentRead=True, ProjectionExpression="pk, sk"
    )
    for page in pages:
        for item in page["Items"]:
            if kind_of(table, item, place.account).part is part:
                yield item


def _standing(place: Place, part: Part) -> list[str]:
    """The tables in which the stack has something of the part."""
    return [table for table in tables_of(part) if next(_own(place, table, part), None) is not None]


def _clear(place: Place, part: Part, say: Callable[[str], None]) -> int:
    """Deletes what the stack has of a part, the risk book first; answers how many items."""
    count = 0
    for table in tables_of(part):
        keys = sorted(_own(place, table, part), key=lambda item: item["sk"]["S"] != _RISK_BOOK)
        if keys:
            say(f"clearing {len(keys)} items of {table}")
        requests = ({"DeleteRequest": {"Key": {"pk": k["pk"], "sk": k["sk"]}}} for k in keys)
        write_requests(place.dynamodb, place.table(table), requests)
        count += len(keys)
    if part in FILES:
        _clear_files(place, FILES[part])
    return count


def _clear_files(place: Place, prefix: str) -> None:
    bucket = place.client("s3")
    for page in bucket.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=prefix):
        keys = [{"Key": listed["Key"]} for listed in page.get("Contents", ())]
        if keys:
            bucket.delete_objects(Bucket=place.bucket, Delete={"Objects": keys, "Quiet": True})


def _write(place: Place, package: PackageReader, entry: Entry, now: int) -> None:
    """Writes an entry, its items as this code's version of their table, the risk book behind all others."""
    if entry.table is None:
        key, body = package.file(entry)
        with body:
            place.client("s3").upload_fileobj(body, place.bucket, key)
        return
    table, last = place.table(entry.table), []

    def items() -> Iterator[dict[str, Any]]:
        for item in package.items(entry):
            if _is_expired(item, now):
                continue
            ready = {"PutRequest": {"Item": _ours(place, package, entry.table or "", item)}}
            if item["sk"]["S"] == _RISK_BOOK:
                last.append(ready)
            else:
                yield ready

    write_requests(place.dynamodb, table, items())
    write_requests(place.dynamodb, table, last)


def _ours(place: Place, package: PackageReader, table: str, item: Item) -> Item:
    """The item of this code's version, under the stack's account where it names one."""
    manifest = package.manifest
    found = schema.brought_up(table, item, manifest.schema.get(table, schema.FIRST))
    if found["pk"]["S"] == manifest.account + _USERS:
        return found | {"pk": {"S": place.account + _USERS}}
    return found


@contextmanager
def _schedules_off(place: Place, say: Callable[[str], None]) -> Iterator[None]:
    """While the block runs none of the stack's schedules fires; those that were on are on again after it."""
    events = place.client("events")
    pages = events.get_paginator("list_rules").paginate()
    on = [
        rule["Name"]
        for page in pages
        for rule in page["Rules"]
        if rule["Name"] in place.rules and rule.get("ScheduleExpression") and rule["State"] == "ENABLED"
    ]
    if on:
        say(f"{len(on)} schedules are off meanwhile")
    try:
        for name in on:
            events.disable_rule(Name=name)
        yield
    finally:
        for name in on:
            events.enable_rule(Name=name)
