"""The risk book counts what is held, what is promised, and nothing twice."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from alpaquero.risk.book import RiskBook, TradingState
from tests.unit.risk.builders import a_book, entry, held, leaving


def test_a_reservation_is_added_replaced_and_released() -> None:
    """One order holds one reservation, and releasing it leaves the book as it was."""
    book = a_book()
    reserved = book.with_reservation("o1", entry("AAPL", "1000"))
    assert Decimal(1000) == reserved.reserved_cash
    assert Decimal(400) == reserved.with_reservation("o1", entry("AAPL", "400")).reserved_cash
    assert book == reserved.without_reservation("o1")


def test_releasing_nothing_changes_nothing() -> None:
    """An order without a reservation leaves the very same book."""
    book = a_book()
    assert book is book.without_reservation("o1")


def test_changes_keep_the_version_until_they_are_stored() -> None:
    """Several changes make one version."""
    book = a_book(version=7).with_reservation("o1", entry("AAPL", "1")).without_reservation("o1")
    assert (7, 8) == (book.version, book.next_version().version)


def test_exposure_adds_positions_of_both_sides_and_entries() -> None:
    """A short counts with its size, an exit under way frees nothing yet."""
    book = a_book(
        positions={"AAPL": held("10", "1000"), "IBM": held("-5", "-800")},
        reservations={"o1": entry("AAPL", "300"), "o2": entry("MSFT", "50"), "o3": leaving("AAPL", "10")},
    )
    assert (Decimal(2150), Decimal(350)) == (book.exposure, book.reserved_cash)
    assert [Decimal(1300), Decimal(50), Decimal(0)] == [
        book.symbol_exposure(symbol) for symbol in ("AAPL", "MSFT", "GOOG")
    ]


def test_shares_being_sold_are_not_free() -> None:
    """What one exit sells another cannot, and free shares never go below none."""
    book = a_book(positions={"AAPL": held("10", "1000")}, reservations={"o1": leaving("AAPL", "4")})
    assert (Decimal(10), Decimal(6)) == (book.held_quantity("AAPL"), book.free_quantity("AAPL"))
    assert Decimal(0) == book.with_reservation("o2", leaving("AAPL", "9")).free_quantity("AAPL")
    assert (Decimal(0), Decimal(0)) == (book.held_quantity("MSFT"), book.free_quantity("MSFT"))


def test_only_an_entry_of_the_symbol_is_pending() -> None:
    """Exits and other symbols do not count as a pending entry."""
    book = a_book(reservations={"o1": leaving("AAPL", "4"), "o2": entry("MSFT", "1")})
    assert (False, True) == (book.pending_entry("AAPL"), book.pending_entry("MSFT"))


def test_a_book_survives_the_store() -> None:
    """The book reads back as it was written."""
    book = a_book(
        trading_state=TradingState.REDUCING,
        positions={"AAPL": held("10", "1000.50")},
        reservations={"o1": entry("AAPL", "300")},
    )
    assert book == msgspec.json.decode(msgspec.json.encode(book), type=RiskBook)
