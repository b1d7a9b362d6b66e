"""The book's file: which ones it reads."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from laptop.exchange.errors import ExchangeError
from laptop.exchange.ledger import Ledger, Origin

ORIGIN = Origin(1, "prices", date(2012, 7, 2), date(2012, 7, 3))


def _book(path: Path) -> None:
    ledger = Ledger(path)
    ledger.open_with(ORIGIN, datetime(2012, 7, 2, tzinfo=UTC))
    ledger.close()


def test_a_book_opens_again(tmp_path: Path) -> None:
    """A closed book is found as it was left."""
    path = tmp_path / "book.sqlite"
    _book(path)
    ledger = Ledger(path)
    assert ledger.origin() == ORIGIN
    ledger.close()


def test_a_book_of_another_form_is_refused_with_the_fix(tmp_path: Path) -> None:
    """A book whose changes this version cannot read is left alone, and the message says what to do."""
    path = tmp_path / "book.sqlite"
    _book(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 0")
    db.close()
    with pytest.raises(ExchangeError, match=r"written by another version of Alpaquero.*move the file away"):
        Ledger(path)
    assert path.exists()
