"""Price steps of US stocks; order sizing, the matcher and the paper exchange round with them.

Source: SEC Rule 612 of Regulation NMS: a cent at one dollar and above, a hundredth of a cent below.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from alpaquero.words import Word

_CENT = Decimal("0.01")
_SUB_CENT = Decimal("0.0001")
_ONE = Decimal(1)


class Direction(Word):
    """Which neighbouring step a price that lies between two steps goes to."""

    DOWN = "down"
    UP = "up"
    NEAREST = "nearest"


_ROUNDING = {
    Direction.DOWN: ROUND_FLOOR,
    Direction.UP: ROUND_CEILING,
    Direction.NEAREST: ROUND_HALF_EVEN,
}


def tick_size(price: Decimal) -> Decimal:
    """The price step at `price`, in dollars."""
    return _CENT if price >= _ONE else _SUB_CENT


def round_price(price: Decimal, direction: Direction) -> Decimal:
    """The price on its step.

    >>> round_price(Decimal("101.2345"), Direction.UP)
    Decimal('101.24')
    >>> round_price(Decimal("0.12345"), Direction.DOWN)
    Decimal('0.1234')
    """
    return price.quantize(_CENT if price >= _ONE else _SUB_CENT, _ROUNDING[direction])
