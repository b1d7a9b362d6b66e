"""Every rule of the matcher, one test each."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from alpaquero.simulation import (
    Fill,
    MatchingTerms,
    Moment,
    OrderType,
    PriceSpan,
    Side,
    TimeInForce,
    WorkingOrder,
    is_over,
    match,
    match_exits,
    quote_around,
    rest_after,
    triggers,
)

AT_NO_SPREAD = MatchingTerms(seed=1, half_spread_bps=Decimal(0))
DAY = PriceSpan(Decimal(100), Decimal(106), Decimal(95), Decimal(102), starts_session=True)


def order(type_: OrderType, side: Side, *, limit: str | None = None, stop: str | None = None) -> WorkingOrder:
    """Ten shares."""
    return WorkingOrder(
        client_order_id=f"{type_}-{side}",
        side=side,
        type=type_,
        quantity=Decimal(10),
        limit_price=None if limit is None else Decimal(limit),
        stop_price=None if stop is None else Decimal(stop),
    )


def price_and_moment(working: WorkingOrder, span: PriceSpan = DAY) -> tuple[Decimal, Moment] | None:
    """What the order gets without a spread."""
    fill = match(working, span, AT_NO_SPREAD)
    return None if fill is None else (fill.price, fill.moment)


STOP = order(OrderType.STOP, Side.SELL, stop="96")
TARGET = order(OrderType.LIMIT, Side.SELL, limit="105")


@pytest.mark.parametrize(("side", "expected"), [(Side.BUY, "100.01"), (Side.SELL, "99.99")])
def test_a_market_order_fills_at_the_first_price_and_pays_the_spread(side: Side, expected: str) -> None:
    """A buy pays the ask around the open, a sell gets the bid, each rounded against the trader."""
    fill = match(order(OrderType.MARKET, side), DAY, MatchingTerms(seed=1))
    assert Fill(Decimal(10), Decimal(expected), Moment.START) == fill


def test_the_quote_is_rounded_away_from_the_price() -> None:
    """Half a basis point of 100.003 is less than a step, so each side moves to the next one."""
    quote = quote_around(Decimal("100.003"), Decimal("0.5"))
    assert (Decimal("99.99"), Decimal("100.01")) == (quote.bid, quote.ask)


@pytest.mark.parametrize(
    ("working", "expected"),
    [
        (order(OrderType.STOP, Side.SELL, stop="101"), ("100", Moment.START)),
        (order(OrderType.STOP, Side.SELL, stop="100"), ("100", Moment.START)),
        (order(OrderType.STOP, Side.SELL, stop="96"), ("96", Moment.INSIDE)),
        (order(OrderType.STOP, Side.SELL, stop="95"), ("95", Moment.INSIDE)),
        (order(OrderType.STOP, Side.SELL, stop="94.99"), None),
        (order(OrderType.STOP, Side.BUY, stop="99"), ("100", Moment.START)),
        (order(OrderType.STOP, Side.BUY, stop="106"), ("106", Moment.INSIDE)),
        (order(OrderType.STOP, Side.BUY, stop="106.01"), None),
    ],
)
def test_a_stop_fills_at_the_open_after_a_gap_else_at_the_stop(
    working: WorkingOrder, expected: tuple[str, Moment] | None
) -> None:
    """A price that opens beyond the stop gets the open, one that only touches it the stop."""
    wanted = None if expected is None else (Decimal(expected[0]), expected[1])
    assert wanted == price_and_moment(working)


@pytest.mark.parametrize(
    ("working", "expected"),
    [
        (order(OrderType.LIMIT, Side.SELL, limit="99"), ("100", Moment.START)),
        (order(OrderType.LIMIT, Side.SELL, limit="105.99"), ("105.99", Moment.INSIDE)),
        (order(OrderType.LIMIT, Side.SELL, limit="106"), None),
        (order(OrderType.LIMIT, Side.BUY, limit="101"), ("100", Moment.START)),
        (order(OrderType.LIMIT, Side.BUY, limit="95.01"), ("95.01", Moment.INSIDE)),
        (order(OrderType.LIMIT, Side.BUY, limit="95"), None),
    ],
)
def test_a_limit_fills_only_when_the_price_trades_through_it(
    working: WorkingOrder, expected: tuple[str, Moment] | None
) -> None:
    """Touching the limit is not enough; an open through it gives the better price."""
    wanted = None if expected is None else (Decimal(expected[0]), expected[1])
    assert wanted == price_and_moment(working)


def test_the_spread_never_makes_a_limit_order_worse_than_its_limit() -> None:
    """An open just through the limit fills at the limit, not at the quote beyond it."""
    terms = MatchingTerms(seed=1, half_spread_bps=Decimal(100))
    sold = match(order(OrderType.LIMIT, Side.SELL, limit="99.90"), DAY, terms)
    bought = match(order(OrderType.LIMIT, Side.BUY, limit="100.10"), DAY, terms)
    assert sold is not None
    assert bought is not None
    assert (Decimal("99.90"), Decimal("100.10")) == (sold.price, bought.price)


def test_when_both_exits_are_reached_inside_a_span_the_stop_wins() -> None:
    """The prices of a span do not say which came first, so the worse is taken."""
    leg, fill = match_exits(STOP, TARGET, DAY, AT_NO_SPREAD) or (None, None)
    assert leg == STOP
    assert Fill(Decimal(10), Decimal(96), Moment.INSIDE) == fill


def test_a_target_that_the_open_is_through_comes_before_a_stop_reached_later() -> None:
    """What the first price fills has happened before anything inside the span."""
    leg, fill = match_exits(STOP, replace(TARGET, limit_price=Decimal(99)), DAY, AT_NO_SPREAD) or (None, None)
    assert Fill(Decimal(10), Decimal(100), Moment.START) == fill
    assert leg is not None
    assert Decimal(99) == leg.limit_price


def test_no_exit_fills_while_the_price_stays_between_them() -> None:
    """Neither stop nor target reached means no fill."""
    calm = PriceSpan(Decimal(100), Decimal(105), Decimal("96.01"), Decimal(101))
    assert match_exits(STOP, TARGET, calm, AT_NO_SPREAD) is None


def test_after_an_entry_at_the_open_the_exits_see_the_whole_session() -> None:
    """A stop reached in the session of the entry fills in that session."""
    entry = order(OrderType.MARKET, Side.BUY)
    fill = match(entry, DAY, AT_NO_SPREAD)
    assert fill is not None
    assert replace(DAY, starts_session=False) == rest_after(entry, fill, DAY)


def test_after_a_limit_entry_the_exits_see_the_low_but_not_an_earlier_high() -> None:
    """The price fell through the limit, so the low is still to come and the high may be over."""
    entry = order(OrderType.LIMIT, Side.BUY, limit="97")
    fill = match(entry, DAY, AT_NO_SPREAD)
    assert fill is not None
    rest = rest_after(entry, fill, DAY)
    assert PriceSpan(Decimal(97), Decimal(102), Decimal(95), Decimal(102)) == rest


def test_after_a_stop_entry_the_exits_see_the_high_but_not_an_earlier_low() -> None:
    """The price rose through the stop, so the high is still to come and the low may be over."""
    entry = order(OrderType.STOP, Side.BUY, stop="103")
    fill = match(entry, DAY, AT_NO_SPREAD)
    assert fill is not None
    rest = rest_after(entry, fill, DAY)
    assert PriceSpan(Decimal(103), Decimal(106), Decimal(102), Decimal(102)) == rest


def test_after_a_stop_limit_entry_the_exits_see_no_price_beyond_its_limit() -> None:
    """Its stop was reached at 104, then the price came back to the limit: that is where it was bought."""
    entry = order(OrderType.STOP_LIMIT, Side.BUY, limit="103", stop="104")
    fill = match(entry, DAY, AT_NO_SPREAD)
    assert fill is not None
    rest = rest_after(entry, fill, DAY)
    assert PriceSpan(Decimal(103), Decimal(103), Decimal(102), Decimal(102)) == rest


def test_a_stop_limit_entry_whose_stop_was_reached_before_leaves_what_a_limit_leaves() -> None:
    """Triggered in an earlier span, it may fill in one that never comes near its stop again."""
    entry = replace(order(OrderType.STOP_LIMIT, Side.BUY, limit="97", stop="110"), triggered=True)
    fill = match(entry, DAY, AT_NO_SPREAD)
    assert fill is not None
    rest = rest_after(entry, fill, DAY)
    assert PriceSpan(Decimal(97), Decimal(102), Decimal(95), Decimal(102)) == rest


@pytest.mark.parametrize(
    ("limit", "stop", "expected"),
    [
        ("95.50", "96", ("96", Moment.INSIDE)),
        ("99", "101", ("100", Moment.START)),
        ("101", "96", ("101", Moment.INSIDE)),
        ("103", "96", None),
    ],
)
def test_a_stop_limit_order_trades_as_a_limit_once_its_stop_is_reached(
    limit: str, stop: str, expected: tuple[str, Moment] | None
) -> None:
    """After the trigger inside a span only the stop and the last price are certain."""
    working = order(OrderType.STOP_LIMIT, Side.SELL, limit=limit, stop=stop)
    wanted = None if expected is None else (Decimal(expected[0]), expected[1])
    assert wanted == price_and_moment(working)
    assert triggers(working, DAY)


def test_a_stop_that_was_triggered_goes_on_as_a_market_order() -> None:
    """What a partial fill left of a stop fills at the next span's first price, wherever that is."""
    left = replace(STOP, triggered=True, filled_quantity=Decimal(4))
    span = PriceSpan(Decimal(99), Decimal(99), Decimal(99), Decimal(99))
    assert Fill(Decimal(6), Decimal(99), Moment.START) == match(left, span, AT_NO_SPREAD)


def test_an_order_without_the_price_its_type_needs_is_refused() -> None:
    """The error names the order and the price."""
    with pytest.raises(ValueError, match="stop-sell: give a stop order a stop_price"):
        order(OrderType.STOP, Side.SELL)


def test_without_partial_fills_an_order_fills_whole() -> None:
    """Probability 0 never splits an order."""
    fill = match(order(OrderType.MARKET, Side.BUY), DAY, AT_NO_SPREAD)
    assert fill is not None
    assert Decimal(10) == fill.quantity


@given(seed=st.integers(), client_order_id=st.text(max_size=48), quantity=st.integers(1, 10**6))
def test_a_partial_fill_leaves_whole_shares_and_the_rest_fills_next(
    seed: int, client_order_id: str, quantity: int
) -> None:
    """Some but not all shares fill first, then all that is left; one share never splits."""
    terms = MatchingTerms(seed=seed, partial_fill_probability=1.0)
    whole = WorkingOrder(client_order_id, Side.BUY, OrderType.MARKET, Decimal(quantity))
    first = match(whole, DAY, terms)
    assert first is not None
    if quantity == 1:
        assert first.quantity == 1
        return
    assert 1 <= first.quantity < quantity
    assert first.quantity == int(first.quantity)
    rest = match(replace(whole, filled_quantity=first.quantity), DAY, terms)
    assert rest is not None
    assert quantity == first.quantity + rest.quantity


def test_partial_draws_do_not_depend_on_the_order_of_arrival() -> None:
    """Whatever order three orders come in, each gets the quantity its own id draws."""
    terms = MatchingTerms(seed=7, partial_fill_probability=0.5)
    orders = [WorkingOrder(f"id-{n}", Side.BUY, OrderType.MARKET, Decimal(1000)) for n in range(3)]

    def fills(arrived: tuple[WorkingOrder, ...]) -> dict[str, Fill | None]:
        return {one.client_order_id: match(one, DAY, terms) for one in arrived}

    outcomes = [fills(arrived) for arrived in permutations(orders)]
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_about_as_many_orders_split_as_the_probability_says() -> None:
    """Of 2,000 ids about a tenth split at a probability of 0.1, and another seed splits others."""

    def split(seed: int) -> set[int]:
        terms = MatchingTerms(seed=seed, partial_fill_probability=0.1)
        orders = (WorkingOrder(f"id-{n}", Side.BUY, OrderType.MARKET, Decimal(1000)) for n in range(2000))
        fills = [match(one, DAY, terms) for one in orders]
        return {n for n, fill in enumerate(fills) if fill is not None and fill.quantity < 1000}

    assert 150 < len(split(1)) < 250
    assert split(1) != split(2)


def timed(type_: OrderType, side: Side, time_in_force: TimeInForce, limit: str | None = None) -> WorkingOrder:
    """Ten shares for one auction, or at once."""
    return replace(order(type_, side, limit=limit), time_in_force=time_in_force)


WHOLE_DAY = replace(DAY, ends_session=True)


@pytest.mark.parametrize(
    ("working", "span", "expected"),
    [
        (timed(OrderType.MARKET, Side.BUY, TimeInForce.OPG), WHOLE_DAY, ("100", Moment.START)),
        (timed(OrderType.LIMIT, Side.BUY, TimeInForce.OPG, "100.01"), WHOLE_DAY, ("100", Moment.START)),
        (timed(OrderType.LIMIT, Side.BUY, TimeInForce.OPG, "100"), WHOLE_DAY, None),
        (timed(OrderType.MARKET, Side.BUY, TimeInForce.OPG), replace(DAY, starts_session=False), None),
        (timed(OrderType.MARKET, Side.SELL, TimeInForce.CLS), WHOLE_DAY, ("102", Moment.END)),
        (timed(OrderType.LIMIT, Side.SELL, TimeInForce.CLS, "101.99"), WHOLE_DAY, ("102", Moment.END)),
        (timed(OrderType.LIMIT, Side.SELL, TimeInForce.CLS, "102"), WHOLE_DAY, None),
        (timed(OrderType.MARKET, Side.SELL, TimeInForce.CLS), DAY, None),
    ],
)
def test_an_auction_order_gets_the_print_itself_or_nothing(
    working: WorkingOrder, span: PriceSpan, expected: tuple[str, Moment] | None
) -> None:
    """The session's first or last price without a spread, when the limit is better than it."""
    fill = match(working, span, MatchingTerms(seed=1, half_spread_bps=Decimal(50)))
    wanted = None if expected is None else (Decimal(expected[0]), expected[1])
    assert wanted == (None if fill is None else (fill.price, fill.moment))


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_an_immediate_order_sees_the_first_price_only(time_in_force: TimeInForce) -> None:
    """A limit that the session reaches later does not help; one that the first price is through does."""
    assert match(timed(OrderType.LIMIT, Side.BUY, time_in_force, "97"), DAY, AT_NO_SPREAD) is None
    at_once = match(timed(OrderType.LIMIT, Side.BUY, time_in_force, "101"), DAY, AT_NO_SPREAD)
    assert Fill(Decimal(10), Decimal(100), Moment.START) == at_once


def test_fill_or_kill_and_auctions_never_fill_in_part() -> None:
    """With a certain draw for partial fills only ioc and waiting orders are split."""
    terms = MatchingTerms(seed=1, partial_fill_probability=1.0)
    whole = {TimeInForce.FOK, TimeInForce.OPG, TimeInForce.CLS}
    for time_in_force in TimeInForce:
        fill = match(timed(OrderType.MARKET, Side.BUY, time_in_force), WHOLE_DAY, terms)
        assert fill is not None
        assert (fill.quantity == 10) is (time_in_force in whole)


def test_what_a_span_leaves_of_auction_and_immediate_orders_is_over() -> None:
    """The close ends an order for it, any span the others; a day or gtc order goes on."""
    over = {
        time_in_force: is_over(timed(OrderType.MARKET, Side.BUY, time_in_force), DAY)
        for time_in_force in TimeInForce
    }
    immediate = {TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG}
    assert over == {time_in_force: time_in_force in immediate for time_in_force in TimeInForce}
    assert is_over(timed(OrderType.MARKET, Side.BUY, TimeInForce.CLS), WHOLE_DAY)


def test_an_order_for_dollars_buys_the_shares_that_they_pay_for() -> None:
    """To nine decimals, rounded down; a sale takes no more shares than the order may."""
    bought = match(
        replace(order(OrderType.MARKET, Side.BUY), notional=Decimal(1000)), WHOLE_DAY, MatchingTerms(1)
    )
    assert bought is not None
    assert (Decimal("9.999000099"), Decimal("100.01")) == (bought.quantity, bought.price)
    sold = match(replace(order(OrderType.MARKET, Side.SELL), notional=Decimal(5000)), DAY, AT_NO_SPREAD)
    assert sold is not None
    assert Decimal(10) == sold.quantity
