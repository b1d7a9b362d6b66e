"""Entries that wait too long: cancelled, or priced after the market within a bound."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.orders.intent import OrderType
from alpaquero.orders.order import Order, OrderPurpose
from alpaquero.orders.timeouts import OrderSettings, overdue
from alpaquero.prices.sessions import Session
from tests.unit.orders.builders import an_order

D = Decimal
OPEN = datetime(2012, 7, 2, 13, 30, tzinfo=UTC)
SESSIONS = tuple(
    Session(date(2012, 7, 2 + day), OPEN + timedelta(days=day), OPEN + timedelta(days=day, hours=6.5))
    for day in range(3)
)
EVENING = OPEN - timedelta(hours=12)


def waiting(**changes: Any) -> Order:
    """A limit entry at 100 dollars, asked for the evening before."""
    given = {
        "status": "new",
        "order_type": OrderType.LIMIT,
        "limit_price": D(100),
        "created_at": EVENING,
    }
    return an_order(**{**given, **changes})


def due(order: Order, minutes: float, price: str | None = None, **settings: Any) -> list[Decimal | None]:
    prices = {"AAPL": D(price)} if price else {}
    now = OPEN + timedelta(minutes=minutes)
    found = overdue([order], OrderSettings(**settings), SESSIONS, prices, now)
    return [late.limit_price for late in found]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(-1, []), (29, []), (30, [None]), (389, [None]), (24 * 60, [None])],
)
def test_only_open_market_counts(minutes: float, expected: list[None]) -> None:
    """An entry asked for overnight is late half an hour after the open, not at the open."""
    assert expected == due(waiting(), minutes, entry_timeout_minutes=30)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "filled"},
        {"status": "intended"},
        {"purpose": OrderPurpose.EXIT},
        {"purpose": OrderPurpose.LEG},
    ],
)
def test_nothing_but_an_entry_at_the_broker_is_late(changes: dict[str, Any]) -> None:
    """Stops, targets and exits wait as long as they must."""
    assert [] == due(waiting(**changes), 300, entry_timeout_minutes=30)


def test_both_are_off_by_default() -> None:
    """An order that may wait for days does so unless the settings say otherwise."""
    assert [] == due(waiting(), 3000, "150")


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ("100.50", [D("100.50")]),
        ("100.509", [D("100.50")]),
        ("101.01", [D("101.00")]),
        ("100", []),
        ("99", []),
        (None, []),
    ],
)
def test_a_limit_follows_the_market_within_its_bound(price: str | None, expected: list[Decimal]) -> None:
    """At most a percentage above the first limit, and never down."""
    assert expected == due(waiting(), 10, price, reprice_after_minutes=10)


def test_the_bound_is_of_the_first_limit() -> None:
    """A row of replacements does not climb on: time and bound are those of the first."""
    third = waiting(
        limit_price=D("100.80"),
        asked_limit_price=D(100),
        asked_at=EVENING,
        created_at=OPEN + timedelta(minutes=9),
    )
    assert [D("101.00")] == due(third, 10, "105", reprice_after_minutes=10)
    assert [None] == due(third, 30, "105", reprice_after_minutes=10, entry_timeout_minutes=30)


def test_a_partly_filled_entry_is_not_moved() -> None:
    """Its stop waits for the rest, so it ends by its time-out alone."""
    assert [] == due(waiting(filled_quantity=D(1)), 10, "100.5", reprice_after_minutes=10)


@pytest.mark.parametrize(
    "changes",
    [{"entry_timeout_minutes": -1}, {"reprice_after_minutes": -1}, {"reprice_limit_percent": D(0)},
     {"reprice_limit_percent": D(21)}],
)  # fmt: skip
def test_a_setting_out_of_its_range_is_named(changes: dict[str, Any]) -> None:
    """The message says which, and its range."""
    with pytest.raises(ValueError, match=next(iter(changes))):
        OrderSettings(**changes)
