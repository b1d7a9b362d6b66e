"""Keeps the book on disk: an append-only table of changes in SQLite, and the place of the clock.

Write-ahead log with `synchronous=NORMAL`: a commit is in the operating system's hands before the
answer goes out, so kill -9 loses nothing; only a crash of the machine itself could lose the last
commits, and a paper account does not pay an fsync per order for that.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path

import msgspec

from laptop.exchange.book import Book, Change
from laptop.exchange.errors import ExchangeError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), now TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS origin (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
CREATE TRIGGER IF NOT EXISTS ledger_keeps_rows BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_keeps_values BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""


class Origin(msgspec.Struct, frozen=True):
    """What a book was opened with, and must be opened with again."""

    seed: int
    fingerprint: str
    first_session: date
    last_session: date


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


class Ledger:
    """The book's file. One process at a time has it open."""

    def __init__(self, path: Path) -> None:
        self._decoder = msgspec.json.Decoder(Change)
        self._db = _connect(path)

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

    def append(self, changes: Iterable[tuple[datetime, Change]], now: datetime) -> None:
        """Write changes and the clock's place in one transaction."""
        rows = [
            (at.isoformat(), type(change).__name__, msgspec.json.encode(change)) for at, change in changes
        ]
        self._db.execute("BEGIN")
        try:
            self._db.executemany("INSERT INTO ledger (at, kind, body) VALUES (?, ?, ?)", rows)
            self._db.execute("UPDATE place SET now = ?", (now.isoformat(),))
            self._db.execute("COMMIT")
        except sqlite3.Error:
            self._db.execute("ROLLBACK")
            raise

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
