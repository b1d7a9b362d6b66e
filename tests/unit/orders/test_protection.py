"""The price of a stop that goes under shares which have none."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from alpaquero.orders.protection import in_todays_shares, stop_price_under
from alpaquero.portfolio.movements import Split
from tests.unit.orders.builders import NOON


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


def a_split(ratio: str, *, minutes: int = 60, symbol: str = "AAPL") -> Split:
    """A split so many minutes after noon."""
    at = NOON + timedelta(minutes=minutes)
    return Split(id=f"{symbol}{at}", account="paper", symbol=symbol, at=at, ratio=Decimal(ratio))


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ([], "97"),
        ([a_split("0.25")], "388"),
        ([a_split("3")], "32.33"),
        ([a_split("2"), a_split("0.1", minutes=90)], "485"),
        ([a_split("2", minutes=-1), a_split("2", minutes=0), a_split("2", symbol="IBM")], "97"),
    ],
)
def test_a_stop_follows_the_splits_since_it_was_set(moved: list[Split], expected: str) -> None:
    """Those of its symbol alone, and none that its price knew of; never nearer to the market."""
    assert Decimal(expected) == in_todays_shares(Decimal(97), "AAPL", NOON, moved)
