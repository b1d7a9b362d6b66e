"""Paths of prices through a session, made up to fit its bars, for the exchange's running clock.

A path through a bar is synthetic and labelled so wherever it shows: from the open to one extreme, to
the other, to the close, in straight lines over a third of the bar each. The low comes first in a bar
that closed at or above its open, else the high, which is the usual reading of a candle. A session of
which the daily bar is known is one such path, one of which the minutes are known a path a minute.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

import msgspec

from alpaquero.simulation.working import PriceSpan

_STEP = Decimal("0.0001")
_LEGS = 3
_LEG_ENDS = tuple(Fraction(leg + 1, _LEGS) for leg in range(_LEGS))


class PricePath(Protocol):
    """Prices of one session as a function of the fraction of it that has passed, 0 to 1."""

    def price_at(self, fraction: Fraction) -> Decimal:
        """The price at a fraction of the session."""
        ...

    def span(self, start: Fraction, end: Fraction) -> PriceSpan:
        """The prices between two fractions of the session."""
        ...

    def reached(self, price: Decimal, after: Fraction) -> Fraction:
        """The first fraction from `after` on at which the path is at `price`; 1 when it never is."""
        ...


class SessionPath(msgspec.Struct, frozen=True, gc=False):
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

    def grid(self, parts: int) -> list[Decimal]:
        """The prices at 0, 1/parts, ... 1: what `price_at` says there, without its fractions."""
        prices = []
        for part in range(parts):
            leg, rest = divmod(part * _LEGS, parts)
            start, end = self.knots[leg : leg + 2]
            between = (start + (end - start) * rest / parts).quantize(_STEP) if rest else start
            prices.append(min(max(between, self.low), self.high))
        return [*prices, self.close]

    def span(self, start: Fraction, end: Fraction) -> PriceSpan:
        """The prices between two fractions of the session; the whole of it gives the daily bar."""
        first, last = self.price_at(start), self.price_at(end)
        between = [price for index, price in enumerate(self.knots) if start <= Fraction(index, _LEGS) <= end]
        prices = (first, *between, last)
        return PriceSpan(
            first, max(prices), min(prices), last, starts_session=start == 0, ends_session=end == 1
        )

    def reached(self, price: Decimal, after: Fraction) -> Fraction:
        """The first fraction from `after` on at which the path is at `price`; 1 when it never is."""
        if not after.numerator:
            return Fraction(*self.reached_from_start(price))
        for leg, (start, end) in enumerate(pairwise(self.knots)):
            if _LEG_ENDS[leg] < after or not (start <= price <= end or end <= price <= start):
                continue
            at = Fraction(*_part(leg, start, end, price))
            if at >= after:
                return at
        return Fraction(1)

    def reached_from_start(self, price: Decimal) -> tuple[int, int]:
        """`reached` from the first price on, over and under the line: to make a fraction costs more."""
        for leg, (start, end) in enumerate(pairwise(self.knots)):
            if start <= price <= end or end <= price <= start:
                return _part(leg, start, end, price)
        return 1, 1


def _part(leg: int, start: Decimal, end: Decimal, price: Decimal) -> tuple[int, int]:
    """(leg + (price - start) / (end - start)) / 3, over and under the line: where a leg is at a price."""
    over, under = (price - start).as_integer_ratio()
    whole, part = (end - start).as_integer_ratio() if end != start else (1, 1)
    return leg * whole * under + over * part, _LEGS * whole * under


class MinutePath:
    """The path of a session of which minutes are known: the price rests in a minute without a bar.

    A fraction that two minutes share belongs to the later one: there a price may jump.
    """

    def __init__(self, minutes: int, indices: Sequence[int], paths: Sequence[SessionPath]) -> None:
        """`paths` are those of the minutes `indices` (in order, from 0) of a session of `minutes`."""
        self._minutes, self._indices, self._paths = minutes, indices, paths

    def price_at(self, fraction: Fraction) -> Decimal:
        """The price at a fraction of the session; before the first bar that bar's open."""
        at = fraction * self._minutes
        known = bisect_right(self._indices, at) - 1
        if known < 0:
            return self._paths[0].open
        return self._paths[known].price_at(min(at - self._indices[known], Fraction(1)))

    def span(self, start: Fraction, end: Fraction) -> PriceSpan:
        """The prices between two fractions; the jump at `start` is in it, the one at `end` is not."""
        first = self.price_at(start)
        if start == end:
            return PriceSpan(first, first, first, first, starts_session=start == 0, ends_session=end == 1)
        spans = [path.span(low, high) for _, path, low, high in self._between(start, end)]
        last = spans[-1].close if spans else first
        high = max([first, *(span.high for span in spans)])
        low = min([first, *(span.low for span in spans)])
        return PriceSpan(first, high, low, last, starts_session=start == 0, ends_session=end == 1)

    def reached(self, price: Decimal, after: Fraction) -> Fraction:
        """The first fraction from `after` on at which the path is at `price` or jumps over it; else 1."""
        last = self.price_at(after)
        if last == price:
            return after
        for index, path, low, high in self._between(after, Fraction(1)):
            span = path.span(low, high)
            if min(last, span.open) <= price <= max(last, span.open):
                return max((index + low) / self._minutes, after)
            if span.low <= price <= span.high:
                return (index + path.reached(price, low)) / self._minutes
            last = span.close
        return Fraction(1)

    def _between(
        self, start: Fraction, end: Fraction
    ) -> Iterator[tuple[int, SessionPath, Fraction, Fraction]]:
        """The minutes that lie in the span: index, path, and from where to where in the minute."""
        begin, stop = start * self._minutes, end * self._minutes
        first = max(bisect_right(self._indices, begin) - 1, 0)
        last = bisect_left(self._indices, stop)
        for index, path in zip(self._indices[first:last], self._paths[first:last], strict=True):
            low, high = max(begin - index, Fraction(0)), min(stop - index, Fraction(1))
            if low < high:
                yield index, path, low, high
