"""Keeps the book on disk: append-only tables of changes and of the requests that made them, in SQLite.

Beside them stands the place of the clock. The clock makes changes too, which belong to no request.

Write-ahead log with `synchronous=NORMAL`: a commit is in the operating system's hands before the
answer goes out, so kill -9 loses nothing; only a crash of the machine itself could lose the last
commits, and a paper account does not pay an fsync per order for that.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path

import msgspec

from laptop.exchange.arrival import Arrival
from laptop.exchange.book import Book, Change
from laptop.exchange.errors import ExchangeError

FORMAT = 2  # of the changes; raised when a book of before can no longer be read

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), now TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS origin (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS request (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, wall TEXT NOT NULL, request_id TEXT NOT NULL,
    caller TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, query TEXT NOT NULL, body BLOB NOT NULL,
    status INTEGER, fault TEXT, first_change INTEGER NOT NULL, last_change INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS ledger_keeps_rows BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_keeps_values BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS request_keeps_rows BEFORE DELETE ON request
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS request_keeps_values BEFORE UPDATE ON request
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""
_INSERT_CHANGE = "INSERT INTO ledger (number, at, kind, body) VALUES (?, ?, ?, ?)"
_INSERT_REQUEST = """
INSERT INTO request
    (at, wall, request_id, caller, method, path, query, body, status, fault, first_change, last_change)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_REQUESTS = """
SELECT number, at, wall, request_id, caller, method, path, query, body, status, fault,
    first_change, last_change
    FROM request WHERE number > ? ORDER BY number LIMIT ?"""
_CHANGES = "SELECT number, at, kind, body FROM ledger WHERE number > ? ORDER BY number LIMIT ?"


class Origin(msgspec.Struct, frozen=True):
    """What a book was opened with, and must be opened with again."""

    seed: int
    fingerprint: str
    first_session: date
    last_session: date


class RecordedChange(msgspec.Struct, frozen=True):
    """A change of the book as it stands in the ledger; `body` is the change itself."""

    number: int
    at: datetime
    kind: str
    body: msgspec.Raw


class RecordedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that changed something, at market time `at` and wall time `wall`.

    `status` is what its route answered; with a `fault` the caller may have seen another, or none. It made the
    changes from `first_change` to `last_change`. `status` is null when it changed more after others had come
    between.
    """

    number: int
    at: datetime
    wall: datetime
    request_id: str
    caller: str
    method: str
    path: str
    query: str
    body: str
    status: int | None
    fault: str | None
    first_change: int
    last_change: int


def restore(checkpoint: Path, book: Path) -> None:
    """Put a checkpoint in the place of a stopped exchange's book.

    The old book's write-ahead log goes first: SQLite would play it into the copy.
    """
    book.parent.mkdir(parents=True, exist_ok=True)
    for leftover in ("-wal", "-shm", "-journal"):
        book.with_name(book.name + leftover).unlink(missing_ok=True)
    partial = book.with_name(book.name + ".partial")
    shutil.copyfile(checkpoint, partial)
    partial.replace(book)


def _connect(path: Path) -> sqlite3.Connection:
    """An exclusive connection to the book's file, its tables made. Raises ExchangeError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as failing:
            db = sqlite3.connect(path, timeout=0.5, isolation_level=None)
            failing.callback(db.close)
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(_SCHEMA)
            failing.pop_all()
    except (sqlite3.DatabaseError, OSError) as error:
        raise ExchangeError(
            f"{path}: {error}; stop the exchange that uses it, or give another --state"
        ) from error
    return db


def _require_format(db: sqlite3.Connection, path: Path) -> None:
    """Mark a new book with the form of its changes; refuse one whose changes have another form."""
    [form] = db.execute("PRAGMA user_version").fetchone()
    if form == 0 and db.execute("SELECT 1 FROM origin").fetchone() is None:
        db.execute(f"PRAGMA user_version = {FORMAT}")
    elif form != FORMAT:
        db.close()
        raise ExchangeError(
            f"{path} was written by another version of Alpaquero (form {form}, this one reads {FORMAT}); "
            "move the file away to begin a new book"
        )


class Ledger:
    """The book's file. One process at a time has it open."""

    def __init__(self, path: Path) -> None:
        self._decoder = msgspec.json.Decoder(Change)
        self._db = _connect(path)
        _require_format(self._db, path)
        self._number: int = self._db.execute("SELECT coalesce(max(number), 0) FROM ledger").fetchone()[0]

    def origin(self) -> Origin | None:
        """What the book was opened with; None for a new one."""
        row = self._db.execute("SELECT body FROM origin").fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Origin)

    def open_with(self, origin: Origin, now: datetime) -> None:
        """Start a new book."""
        self._db.execute("BEGIN")
        self._db.execute("INSERT INTO origin VALUES (1, ?)", (msgspec.json.encode(origin),))
        self._db.execute("INSERT INTO place VALUES (1, ?)", (now.isoformat(),))
        self._db.execute("COMMIT")

    def place(self) -> datetime:
        """Where the clock was at the last write."""
        return datetime.fromisoformat(self._db.execute("SELECT now FROM place").fetchone()[0])

    def book(self) -> Book:
        """The book that all changes so far add up to."""
        book = Book()
        for (body,) in self._db.execute("SELECT body FROM ledger ORDER BY number"):
            book.apply(self._decoder.decode(body))
        return book

    def append(
        self,
        changes: Sequence[tuple[datetime, Change]],
        now: datetime,
        request: Arrival | None = None,
        status: int | None = None,
    ) -> None:
        """Write changes, the request that made them and the clock's place in one transaction."""
        first = self._number + 1
        rows = [
            (number, at.isoformat(), type(change).__name__, msgspec.json.encode(change))
            for number, (at, change) in enumerate(changes, first)
        ]
        last = self._number + len(rows)
        self._db.execute("BEGIN")
        try:
            self._db.executemany(_INSERT_CHANGE, rows)
            if request is not None and rows:
                self._db.execute(_INSERT_REQUEST, _request_row(request, now, status, first, last))
            self._db.execute("UPDATE place SET now = ?", (now.isoformat(),))
            self._db.execute("COMMIT")
        except sqlite3.Error:
            self._db.execute("ROLLBACK")
            raise
        self._number = last

    def requests(self, after: int, limit: int) -> list[RecordedRequest]:
        """The requests that changed something, after number `after`, oldest first."""
        names = RecordedRequest.__struct_fields__
        found = self._db.execute(_REQUESTS, (after, limit))
        return [
            RecordedRequest(
                **{
                    **dict(zip(names, row, strict=True)),
                    "at": datetime.fromisoformat(row[1]),
                    "wall": datetime.fromisoformat(row[2]),
                    "body": bytes(row[8]).decode("utf-8", "replace"),
                }
            )
            for row in found
        ]

    def changes(self, after: int, limit: int) -> list[RecordedChange]:
        """The changes of the book after number `after`, oldest first."""
        return [
            RecordedChange(number, datetime.fromisoformat(at), kind, msgspec.Raw(body))
            for number, at, kind, body in self._db.execute(_CHANGES, (after, limit))
        ]

    def copy_to(self, target: Path) -> None:
        """A consistent copy of the whole book, in place at once or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".partial")
        partial.unlink(missing_ok=True)
        copy = sqlite3.connect(partial)
        try:
            self._db.backup(copy)
        finally:
            copy.close()
        partial.replace(target)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def _request_row(
    request: Arrival, now: datetime, status: int | None, first: int, last: int
) -> tuple[object, ...]:
    return (
        now.isoformat(),
        request.wall.isoformat(),
        request.request_id,
        request.caller,
        request.method,
        request.path,
        request.query,
        request.body,
        status,
        request.fault,
        first,
        last,
    )
