"""The price of a stop that goes under shares which have none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpaquero.orders.protection import stop_price_under


@pytest.mark.parametrize(
    ("price", "last_stop", "expected"),
    [
        ("100", "97", "97"),
        ("100", None, "97"),
        ("96", "97", "93.12"),
        ("97", "97", "94.09"),
        ("90", None, "87.30"),
    ],
)
def test_a_stop_is_placed_below_the_market(price: str, last_stop: str | None, expected: str) -> None:
    """The last stop or 3% below cost; where the market is at or below that already, 3% below the market."""
    last = None if last_stop is None else Decimal(last_stop)
    assert Decimal(expected) == stop_price_under(Decimal(100), Decimal(price), last, Decimal(3))
