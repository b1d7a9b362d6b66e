"""The risk book counts what is held, what is promised, and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec
import pytest

from alpaquero.risk.book import RiskBook, TradingState, market_day
from tests.unit.orders.builders import NOON, at
from tests.unit.risk.builders import a_book, entry, held, leaving


def test_a_reservation_is_added_replaced_and_released() -> None:
    """One order holds one reservation, and releasing it leaves what was reserved as it was."""
    book = a_book()
    reserved = book.with_order("o1", entry("AAPL", "1000"), NOON)
    assert Decimal(1000) == reserved.reserved_cash
    assert Decimal(400) == reserved.with_order("o1", entry("AAPL", "400"), NOON).reserved_cash
    assert book.reservations == reserved.without_reservation("o1").reservations


def test_releasing_nothing_changes_nothing() -> None:
    """An order without a reservation leaves the very same book."""
    book = a_book()
    assert book is book.without_reservation("o1")


def test_changes_keep_the_version_until_they_are_stored() -> None:
    """Several changes make one version."""
    book = a_book(version=7).with_order("o1", entry("AAPL", "1"), NOON).without_reservation("o1")
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
    assert Decimal(0) == book.with_order("o2", leaving("AAPL", "9"), NOON).free_quantity("AAPL")
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


@pytest.mark.parametrize(
    ("moment", "day"),
    [("2024-01-03T03:00:00+00:00", "2024-01-02"), ("2024-01-03T05:00:00+00:00", "2024-01-03")],
)
def test_the_market_day_is_new_yorks(moment: str, day: str) -> None:
    """An evening there is still its own day."""
    assert day == market_day(datetime.fromisoformat(moment))


def test_a_market_day_begins_with_the_equity_that_was_last_known() -> None:
    """The first look at a day keeps what it began with; later looks that day change nothing."""
    yesterday = a_book(day="2012-06-29", day_start_equity=Decimal(90_000), told=("a",))
    today = yesterday.on_day_of(NOON)
    assert ("2012-07-02", Decimal(100_000), ()) == (today.day, today.day_start_equity, today.told)
    later = replace(today, equity=Decimal(99_000), told=("b",))
    assert later is later.on_day_of(at(60))


def test_an_order_takes_its_place_in_the_last_minute() -> None:
    """Its reservation is kept, and orders of more than a minute ago are forgotten."""
    first = a_book().with_order("o1", entry("AAPL", "100"), at(-1))
    second = first.with_order("o2", entry("IBM", "100"), at(-0.5))
    third = second.with_order("o3", entry("MSFT", "100"), at(0))
    assert (at(-0.5), at(0)) == third.recent_orders
    assert {"o1", "o2", "o3"} == set(third.reservations)


def test_what_the_broker_counts_already_is_not_counted_again() -> None:
    """Buying power is short of the orders at the broker; only the others are still to be taken off."""
    book = a_book(
        reservations={"a": entry("A", "1"), "b": entry("B", "2"), "c": leaving("C", "5")}, deducted=("a",)
    )
    assert Decimal(2) == book.undeducted_cash
