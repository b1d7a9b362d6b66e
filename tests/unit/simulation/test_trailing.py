"""A trailing stop follows the price one way, and is a market order once the price turns on it."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from alpaquero.simulation import (
    MatchingTerms,
    Moment,
    OrderType,
    PriceSpan,
    Side,
    WorkingOrder,
    follow,
    match,
    trailing_stop_price,
    triggers,
)

NO_SPREAD = MatchingTerms(seed=1, half_spread_bps=Decimal(0))


def trailing(side: Side, mark: str, *, price: str | None = None, percent: str | None = None) -> WorkingOrder:
    """Ten shares that trail by dollars or by per cent."""
    return WorkingOrder(
        client_order_id="trail",
        side=side,
        type=OrderType.TRAILING_STOP,
        quantity=Decimal(10),
        trail_price=None if price is None else Decimal(price),
        trail_percent=None if percent is None else Decimal(percent),
        high_water_mark=Decimal(mark),
    )


def span(opened: str, high: str, low: str, closed: str) -> PriceSpan:
    """A stretch of prices."""
    return PriceSpan(Decimal(opened), Decimal(high), Decimal(low), Decimal(closed))


@pytest.mark.parametrize(
    ("working", "prices", "expected"),
    [
        # A falling day reads open, high, low: the mark rises to 104 before the price falls to 99.
        (trailing(Side.SELL, "100", price="5"), span("101", "104", "98", "99"), ("99", Moment.INSIDE)),
        # A rising day reads open, low, high: the low of 98 is above the stop of 95 that stands then.
        (trailing(Side.SELL, "100", price="5"), span("99", "104", "98", "103"), None),
        (trailing(Side.SELL, "100", price="5"), span("94", "96", "93", "95"), ("94", Moment.START)),
        (trailing(Side.SELL, "100", percent="10"), span("95", "96", "89", "95"), ("90", Moment.INSIDE)),
        (trailing(Side.BUY, "100", price="5"), span("99", "104", "96", "103"), ("101", Moment.INSIDE)),
        (trailing(Side.BUY, "100", price="5"), span("106", "107", "105", "106"), ("106", Moment.START)),
        (trailing(Side.BUY, "100", percent="10"), span("101", "104", "96", "97"), None),
    ],
)
def test_the_stop_stands_behind_the_best_price_so_far(
    working: WorkingOrder, prices: PriceSpan, expected: tuple[str, Moment] | None
) -> None:
    """It fills at the stop, or at the first price of a span that begins beyond it."""
    fill = match(working, prices, NO_SPREAD)
    wanted = None if expected is None else (Decimal(expected[0]), expected[1])
    assert wanted == (None if fill is None else (fill.price, fill.moment))
    assert triggers(working, prices) is (expected is not None)


def test_the_mark_moves_with_the_price_and_never_back() -> None:
    """Up to the high of a span for a sale, down to the low for a purchase."""
    quiet = span("100", "103", "99", "102")
    assert Decimal(103) == follow(trailing(Side.SELL, "100", price="9"), quiet).high_water_mark
    assert Decimal(99) == follow(trailing(Side.BUY, "100", price="9"), quiet).high_water_mark
    assert Decimal(110) == follow(trailing(Side.SELL, "110", price="30"), quiet).high_water_mark


def test_the_rest_of_a_triggered_trailing_stop_goes_on_as_a_market_order() -> None:
    """What a partial fill left trades at the next first price, wherever that is."""
    left = replace(trailing(Side.SELL, "100", price="5"), triggered=True, filled_quantity=Decimal(4))
    fill = match(left, span("120", "121", "119", "120"), NO_SPREAD)
    assert fill is not None
    assert (Decimal(6), Decimal(120), Moment.START) == (fill.quantity, fill.price, fill.moment)


def test_an_order_that_trails_by_nothing_or_by_two_things_is_refused() -> None:
    """The error says what is missing; another type of order cannot follow the price."""
    with pytest.raises(ValueError, match="one of trail_price and trail_percent"):
        trailing(Side.SELL, "100")
    with pytest.raises(ValueError, match="one of trail_price and trail_percent"):
        trailing(Side.SELL, "100", price="1", percent="1")
    plain = WorkingOrder("plain", Side.SELL, OrderType.MARKET, Decimal(1))
    with pytest.raises(ValueError, match="only a trailing_stop order follows the price"):
        follow(plain, span("1", "1", "1", "1"))


steps = st.lists(st.integers(5000, 15000).map(lambda cents: Decimal(cents) / 100), min_size=2, max_size=12)


@given(prices=steps, trail=st.integers(1, 2000).map(lambda cents: Decimal(cents) / 100))
def test_price_by_price_it_sells_at_the_first_price_that_far_below_the_best_before_it(
    prices: list[Decimal], trail: Decimal
) -> None:
    """Spans of one straight move each leave no doubt about what came first: the plain definition holds."""
    working = trailing(Side.SELL, str(prices[0]), price=str(trail))
    sold: Decimal | None = None
    for start, end in pairwise(prices):
        trail_after = follow(working, PriceSpan(start, max(start, end), min(start, end), end))
        if trail_after.reached is not None:
            sold = trail_after.reached[0]
            break
        working = replace(working, high_water_mark=trail_after.high_water_mark)
    best = prices[0]
    expected: Decimal | None = None
    for price in prices[1:]:
        if price <= best - trail:
            expected = trailing_stop_price(Side.SELL, best, trail, None)
            break
        best = max(best, price)
    assert expected == sold
