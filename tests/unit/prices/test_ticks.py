"""Prices go on their step."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpaquero.prices import Direction, round_price


@pytest.mark.parametrize(
    ("price", "direction", "expected"),
    [
        ("10.001", Direction.UP, "10.01"),
        ("10.009", Direction.DOWN, "10.00"),
        ("10.005", Direction.NEAREST, "10.00"),
        ("10.015", Direction.NEAREST, "10.02"),
        ("1", Direction.UP, "1.00"),
        ("0.99999", Direction.UP, "1.0000"),
        ("0.12345", Direction.DOWN, "0.1234"),
        ("0.12341", Direction.UP, "0.1235"),
    ],
)
def test_a_price_moves_to_the_neighbouring_step_asked_for(
    price: str, direction: Direction, expected: str
) -> None:
    """A cent is the step at a dollar and above, a hundredth of a cent below."""
    assert Decimal(expected) == round_price(Decimal(price), direction)
