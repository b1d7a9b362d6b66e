"""The made-up path of prices fits the daily bar it was made from."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alpaquero.simulation import MinutePath, SessionPath

prices = st.decimals(min_value="0.01", max_value="1000", places=4)
fractions = st.fractions(min_value=0, max_value=1, max_denominator=10_000)


@st.composite
def paths(draw: st.DrawFn) -> SessionPath:
    """A path of any daily bar."""
    opened, closed, one, other = (draw(prices) for _ in range(4))
    return SessionPath(opened, max(opened, closed, one, other), min(opened, closed, one, other), closed)


def test_the_low_comes_first_on_a_rising_day_and_the_high_on_a_falling_one() -> None:
    """Knots at the thirds: open, first extreme, second extreme, close."""
    rising = SessionPath(Decimal(10), Decimal(12), Decimal(9), Decimal(11))
    falling = SessionPath(Decimal(11), Decimal(12), Decimal(9), Decimal(10))
    assert (Decimal(10), Decimal(9), Decimal(12), Decimal(11)) == rising.knots
    assert (Decimal(11), Decimal(12), Decimal(9), Decimal(10)) == falling.knots


def test_between_the_knots_the_price_moves_in_a_straight_line() -> None:
    """Half of the first third is half of the way to the low."""
    path = SessionPath(Decimal(10), Decimal(12), Decimal(9), Decimal(11))
    assert Decimal("9.5") == path.price_at(Fraction(1, 6))
    assert Decimal("10.5") == path.price_at(Fraction(1, 2))


@given(path=paths())
def test_the_whole_session_as_one_span_is_the_daily_bar(path: SessionPath) -> None:
    """Open, high, low and close are exactly the bar's."""
    span = path.span(Fraction(0), Fraction(1))
    assert (path.open, path.high, path.low, path.close) == (span.open, span.high, span.low, span.close)
    assert span.starts_session


@given(path=paths(), cuts=st.lists(fractions, max_size=8))
def test_however_a_session_is_cut_its_spans_cover_the_bar_and_join(
    path: SessionPath, cuts: list[Fraction]
) -> None:
    """The spans' extremes are the bar's, each begins where the last ended, one starts the session."""
    edges = [Fraction(0), *sorted(set(cuts) - {Fraction(0), Fraction(1)}), Fraction(1)]
    spans = [path.span(start, end) for start, end in pairwise(edges)]
    assert path.high == max(span.high for span in spans)
    assert path.low == min(span.low for span in spans)
    assert all(before.close == after.open for before, after in pairwise(spans))
    assert [True] + [False] * (len(spans) - 1) == [span.starts_session for span in spans]


@given(path=paths(), price=prices, after=fractions)
def test_a_reached_price_is_where_the_path_is_then(
    path: SessionPath, price: Decimal, after: Fraction
) -> None:
    """The answer is never before the moment asked from, and the path is at the price there."""
    at = path.reached(price, after)
    assert after <= at <= 1
    if at < 1:
        assert abs(path.price_at(at) - price) <= Decimal("0.0001")


@given(path=paths(), parts=st.integers(1, 400))
def test_the_grid_is_what_the_path_says_at_each_of_its_fractions(path: SessionPath, parts: int) -> None:
    """Minute bars are cut from the grid, fills from the path: they are the same numbers."""
    assert path.grid(parts) == [path.price_at(Fraction(part, parts)) for part in range(parts + 1)]


@given(path=paths(), low=fractions, high=fractions, price=prices)
def test_a_minute_path_of_one_minute_is_the_path_of_that_minute(
    path: SessionPath, low: Fraction, high: Fraction, price: Decimal
) -> None:
    """Prices, spans and times agree."""
    start, end = sorted([low, high])
    minutes = MinutePath(1, [0], [path])
    assert minutes.price_at(start) == path.price_at(start)
    assert minutes.span(start, end) == path.span(start, end)
    if price != path.price_at(start):
        assert minutes.reached(price, start) == path.reached(price, start)


@given(first=paths(), second=paths(), at=fractions, price=prices)
def test_stretches_of_a_minute_path_have_what_the_whole_has(
    first: SessionPath, second: SessionPath, at: Fraction, price: Decimal
) -> None:
    """Cut anywhere, also at the jump between two minutes, no extreme is lost; a price reached lies in it."""
    path = MinutePath(4, [0, 2], [first, second])
    whole = path.span(Fraction(0), Fraction(1))
    before, after = path.span(Fraction(0), at), path.span(at, Fraction(1))
    assert (whole.high, whole.low) == (max(before.high, after.high), min(before.low, after.low))
    assert (whole.open, whole.close) == (first.open, second.close)
    reached = path.reached(price, Fraction(0))
    if reached < 1:
        until = path.span(Fraction(0), reached)
        here = path.price_at(reached)
        assert min(until.low, here) <= price <= max(until.high, here)
