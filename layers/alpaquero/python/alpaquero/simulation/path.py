"""A made-up path of prices through a session that fits its daily bar, for the exchange's running clock.

The path is synthetic and labelled so wherever it shows: from the open to one extreme, to the other,
to the close, in straight lines over a third of the session each. The low comes first on a day that
closed at or above its open, else the high, which is the usual reading of a candle.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from alpaquero.simulation.fills import PriceSpan

_STEP = Decimal("0.0001")
_LEGS = 3


@dataclass(frozen=True, slots=True)
class SessionPath:
    """Prices of one session as a function of the fraction of it that has passed, 0 to 1."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    @property
    def knots(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """The prices at 0, 1/3, 2/3 and 1."""
        if self.close >= self.open:
            return self.open, self.low, self.high, self.close
        return self.open, self.high, self.low, self.close

    def price_at(self, fraction: Fraction) -> Decimal:
        """The price at a fraction of the session, to a hundredth of a cent between the knots."""
        leg = min(int(fraction * _LEGS), _LEGS - 1)
        weight = fraction * _LEGS - leg
        start, end = self.knots[leg : leg + 2]
        if weight in {0, 1}:
            return end if weight else start
        price = start + (end - start) * weight.numerator / weight.denominator
        return min(max(price.quantize(_STEP), self.low), self.high)

    def span(self, start: Fraction, end: Fraction) -> PriceSpan:
        """The prices between two fractions of the session; the whole of it gives the daily bar."""
        first, last = self.price_at(start), self.price_at(end)
        between = [price for index, price in enumerate(self.knots) if start <= Fraction(index, _LEGS) <= end]
        prices = (first, *between, last)
        return PriceSpan(first, max(prices), min(prices), last, starts_session=start == 0)

    def reached(self, price: Decimal, after: Fraction) -> Fraction:
        """The first fraction from `after` on at which the path is at `price`; 1 when it never is."""
        for leg, (start, end) in enumerate(pairwise(self.knots)):
            leg_end = Fraction(leg + 1, _LEGS)
            if leg_end < after or not min(start, end) <= price <= max(start, end):
                continue
            weight = Fraction(price - start) / Fraction(end - start) if end != start else Fraction(0)
            at = (leg + weight) / _LEGS
            if at >= after:
                return at
        return Fraction(1)
