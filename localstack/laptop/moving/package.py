"""The file that an export is: a zip with a manifest, JSON lines for each part of a table, files as they are.

`exporting` writes it and `importing` reads it. The manifest says of what release, stack and account it is,
and of each entry how many items it has and its SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import msgspec

from laptop.checkpoint import decoded, encoded
from laptop.errors import LaptopError
from laptop.moving.kinds import Item, Part

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_CHUNK: Final = 1 << 20


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the zip; of a table its items, of the bucket one file (`table` is None)."""

    name: str
    part: Part
    table: str | None
    items: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds and where it is from; `schema` are the tables' versions.

    `books_version` is the risk book's version, the same before and after its books were read.
    `trading_state` and `on_their_way` (events not yet on the bus) are as they stood then.
    """

    format: int
    product_version: str
    exported_at: datetime
    stack: str
    environment: str
    account: str
    schema: dict[str, int]
    books_version: int | None
    trading_state: str | None
    on_their_way: int
    entries: list[Entry]

    def counts(self) -> dict[str, int]:
        """How many items and files there are, by part."""
        found: dict[str, int] = {}
        for entry in self.entries:
            found[entry.part] = found.get(entry.part, 0) + entry.items
        return found


class PackageWriter:
    """Writes a package beside its place and moves it there when it is whole; only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self._path, self._beside = path, path.with_name(path.name + ".part")
        self.entries: list[Entry] = []

    def __enter__(self) -> Self:
        self._beside.unlink(missing_ok=True)
        descriptor = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._zip.close()
        self._file.close()
        self._beside.unlink(missing_ok=True)

    def add_items(self, part: Part, table: str, items: Iterable[Item]) -> None:
        """Adds a table's items of a part, a line each."""
        self._add(f"{part}/{table}.jsonl", part, table, (f"{encoded(item)}\n".encode() for item in items))

    def add_file(self, part: Part, key: str, body: IO[bytes]) -> None:
        """Adds a file of the bucket under its key."""
        self._add(f"files/{key}", part, None, iter(lambda: body.read(_CHUNK), b""))

    def _add(self, name: str, part: Part, table: str | None, pieces: Iterable[bytes]) -> None:
        digest, count = hashlib.sha256(), 0
        with self._zip.open(name, "w", force_zip64=True) as entry:
            for piece in pieces:
                digest.update(piece)
                entry.write(piece)
                count += 1
        items = count if table else 1
        if items:
            self.entries.append(
                Entry(name=name, part=part, table=table, items=items, sha256=digest.hexdigest())
            )

    def finish(self, manifest: Manifest) -> None:
        """Adds the manifest, and the package is there, whole and on the disk."""
        self._zip.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._beside.replace(self._path)


class PackageReader:
    """A package that was checked against its manifest before anything of it is used."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
            raw = self._zip.read(_MANIFEST)
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            raise LaptopError(
                f"{path} is no export of alpaquero ({error}): give the file that `alpaquero export` wrote"
            ) from error
        found = msgspec.json.decode(raw)
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            number = found.get("format") if isinstance(found, dict) else None
            raise LaptopError(
                f"{path} is of format {number} and this release reads {FORMAT}: import it with the release "
                "that wrote it, or a later one"
            )
        try:
            self.manifest = msgspec.convert(found, Manifest)
        except msgspec.ValidationError as error:
            raise LaptopError(f"the manifest of {path} is damaged ({error}): use another copy") from error
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def check(self) -> None:
        """Reads every entry once.

        Raises
        ------
        LaptopError
            When one is damaged, missing, or in no manifest.
        """
        stray = set(self._zip.namelist()) - {entry.name for entry in self.manifest.entries} - {_MANIFEST}
        empty = {name for name in stray if self._zip.getinfo(name).file_size == 0}
        if stray - empty:
            raise LaptopError(
                f"{self._path} holds {sorted(stray - empty)[0]}, which its manifest does not name"
            )
        for entry in self.manifest.entries:
            digest = hashlib.sha256()
            try:
                with self._zip.open(entry.name) as content:
                    while piece := content.read(_CHUNK):
                        digest.update(piece)
                damage = digest.hexdigest() != entry.sha256
            except (KeyError, zipfile.BadZipFile, EOFError, OSError):
                damage = True
            if damage:
                raise LaptopError(f"{entry.name} of {self._path} is damaged: use another copy of the file")

    def items(self, entry: Entry) -> Iterator[Item]:
        """The items of an entry, in their order."""
        with self._zip.open(entry.name) as content:
            for line in content:
                item: Any = decoded(line.decode())
                yield item

    def file(self, entry: Entry) -> tuple[str, IO[bytes]]:
        """The key in the bucket of an entry that is a file, and its content."""
        return entry.name.removeprefix("files/"), self._zip.open(entry.name)
