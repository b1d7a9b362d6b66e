"""The activity is a fold of fills: losses in a row, stops that were hit, symbols sold out, holdings."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import ShareEntry, ShareMovement, SharesKind, Split, in_order
from alpaquero.portfolio.positions import positions_of
from alpaquero.risk.activity import (
    KEPT,
    Activity,
    Folded,
    Folding,
    Holding,
    LiveActivity,
    activity_in,
    activity_of,
    fold,
    goes_on,
    opened_with,
    orders_within,
)
from alpaquero.store.tables import from_body, to_body
from tests.unit.orders.builders import NOON, a_fill, at

BOUGHT = a_fill(1, "buy", "10", "100", order="entry")


def folded(*fills: Fill, **given: Any) -> Activity:
    """The activity, `stop` and `stop-2` being stops and nothing held before."""
    return activity_of(fills, {"stop", "stop-2"}, **{"baseline": {}, "baseline_at": NOON, **given})


def trades(*results: str) -> list[Fill]:
    """Round trips in a row of 10 shares bought at 100 and sold for these prices."""
    fills = []
    for number, price in enumerate(results):
        fills += [
            a_fill(2 * number, "buy", "10", "100", order=f"e{number}"),
            a_fill(2 * number + 1, "sell", "10", price, order=f"x{number}"),
        ]
    return fills


@pytest.mark.parametrize(
    ("results", "streak"),
    [
        ((), 0),
        (("99.99",), 1),
        (("100",), 0),
        (("100.01",), 0),
        (("99", "98", "97"), 3),
        (("99", "98", "100", "97"), 1),
        (("99", "101"), 0),
    ],
)
def test_losses_in_a_row_are_counted(results: tuple[str, ...], streak: int) -> None:
    """Only a loss counts, and what breaks even ends the row."""
    assert streak == folded(*trades(*results)).loss_streak


def test_the_last_loss_is_remembered() -> None:
    """The pause runs from the end of the trade that lost."""
    assert at(1) == folded(*trades("99", "101")).last_loss_at
    assert folded(*trades("101")).last_loss_at is None


def test_a_trade_in_parts_is_one_trade() -> None:
    """Entries and exits in parts count once, by what they earned together."""
    parts = [
        a_fill(1, "buy", "5", "100"), a_fill(2, "buy", "5", "90"),
        a_fill(3, "sell", "4", "94"), a_fill(4, "sell", "6", "94"),
    ]  # fmt: skip
    assert (1, {}) == (folded(*parts).loss_streak, folded(*parts).holdings)
    assert (0, {"AAPL": Holding(at(1), "f0001")}) == (
        folded(*parts[:3]).loss_streak,
        folded(*parts[:3]).holdings,
    )


def test_the_order_of_arrival_does_not_matter() -> None:
    """Late and repeated fills give the same activity."""
    fills = trades("99", "101", "98")
    expected = folded(*fills)
    assert all(expected == folded(*some, *some[:2]) for some in list(permutations(fills))[::97])


def test_a_stop_counts_once_at_its_end() -> None:
    """However many fills it took; a target that was reached is no stop."""
    hit = [
        BOUGHT,
        a_fill(2, "sell", "4", "97", order="stop"),
        a_fill(3, "sell", "6", "97", order="stop"),
        a_fill(4, "buy", "10", "100", order="e2"),
        a_fill(5, "sell", "10", "106", order="target"),
        a_fill(6, "buy", "10", "100", order="e3"),
        a_fill(7, "sell", "10", "97", order="stop-2"),
    ]
    assert (at(3), at(7)) == folded(*hit).stop_exits


def test_a_stop_that_opens_a_position_is_no_exit() -> None:
    """A buy stop is an entry."""
    assert () == folded(a_fill(1, "buy", "10", "100", order="stop")).stop_exits


def test_a_symbol_is_sold_out_when_nothing_is_left() -> None:
    """A part that was sold starts no cooldown."""
    part = [BOUGHT, a_fill(2, "sell", "4", "101")]
    assert {} == folded(*part).last_exit_at
    assert {"AAPL": at(3)} == folded(*part, a_fill(3, "sell", "6", "101")).last_exit_at


def test_a_holding_is_named_by_what_opened_it() -> None:
    """Adding to it keeps the name; buying anew gives another."""
    more = a_fill(2, "buy", "1", "100", order="more")
    assert {"AAPL": Holding(at(1), "entry")} == folded(BOUGHT, more).holdings
    sold, again = a_fill(3, "sell", "11", "100"), a_fill(4, "buy", "1", "100", order="again")
    assert {"AAPL": Holding(at(4), "again")} == folded(BOUGHT, more, sold, again).holdings


def test_what_was_held_before_is_neither_won_nor_lost() -> None:
    """Its cost is unknown, so selling it ends no row of losses and begins none."""
    before = {"baseline": {"IBM": Decimal(5), "XOM": Decimal(0)}}
    assert {"IBM": Holding(NOON, "baseline")} == folded(**before).holdings
    fills = [*trades("99"), a_fill(9, "sell", "5", "1", symbol="IBM")]
    assert 1 == folded(*fills, **before).loss_streak
    assert {"AAPL", "IBM"} == set(folded(*fills, **before).last_exit_at)


def test_a_short_sold_by_hand_is_a_holding_too() -> None:
    """A sale of more than is held turns the position round; nothing is counted for it."""
    turned = folded(BOUGHT, a_fill(2, "sell", "15", "90", order="hand"))
    assert ({"AAPL": Holding(at(2), "hand")}, 0) == (turned.holdings, turned.loss_streak)


@pytest.mark.parametrize(("released", "streak"), [(at(2.9), 1), (at(3), 0), (None, 2)])
def test_a_release_counts_anew(released: datetime | None, streak: int) -> None:
    """Losses up to an admin's release are forgiven."""
    assert streak == folded(*trades("99", "98"), counted_from=released).loss_streak


def test_what_is_old_is_left_out() -> None:
    """The risk book does not grow with the years: exits and stops are kept as long as a rule may ask."""
    hit = [BOUGHT, a_fill(2, "sell", "10", "97", order="stop")]
    minutes = KEPT.total_seconds() / 60 + 2
    young = a_fill(3, "buy", "1", "10", symbol="IBM", minutes=minutes)
    old = a_fill(3, "buy", "1", "10", symbol="IBM", minutes=minutes + 0.1)
    assert ((at(2),), ["AAPL"]) == (
        folded(*hit, young).stop_exits,
        list(folded(*hit, young).last_exit_at),
    )
    assert ((), []) == (folded(*hit, old).stop_exits, list(folded(*hit, old).last_exit_at))


def test_orders_of_the_last_minute() -> None:
    """One of exactly a minute ago is none of them."""
    assert (at(-0.99), at(0)) == orders_within([at(0), at(-1), at(-0.99)], NOON)


ENTRIES = st.lists(
    st.one_of(
        st.builds(
            lambda number, side, quantity, price, symbol, order: a_fill(
                number, side, str(quantity), str(price), symbol=symbol, order=order
            ),
            st.integers(0, 400), st.sampled_from(["buy", "sell"]), st.integers(1, 3), st.integers(90, 110),
            st.sampled_from(["AAPL", "IBM"]), st.sampled_from(["stop", "stop-2", "entry", None]),
        ),
        st.builds(
            lambda number, symbol: Split(
                id=f"s{number}", account="paper", symbol=symbol, at=at(number - 0.5), ratio=Decimal(2)
            ),
            st.integers(0, 400), st.sampled_from(["AAPL", "IBM"]),
        ),
        st.builds(
            lambda number, quantity: ShareMovement(
                id=f"m{number}", account="paper", symbol="AAPL", at=at(number - 0.5),
                quantity=Decimal(quantity), price=Decimal(1), kind=SharesKind.TRANSFER,
            ),
            st.integers(0, 400), st.integers(-2, 2),
        ),
    ),
    max_size=30, unique_by=lambda entry: entry.id,
)  # fmt: skip


@given(ENTRIES, st.integers(0, 30), st.none() | st.integers(0, 400))
def test_a_fold_that_goes_on_from_a_kept_one_is_the_fold_of_all(
    entries: list[ShareEntry], cut: int, released: int | None
) -> None:
    """Wherever the history is cut: the same activity, and the same shares and cash as the positions have."""
    stops, counted_from = {"stop", "stop-2"}, None if released is None else at(released)
    row = in_order(entries)
    before = opened_with({"IBM": Decimal(2)}, NOON)
    kept = fold(before, row[:cut], stops, None)
    whole = fold(before, row, stops, counted_from)
    if goes_on(kept, row[cut:], counted_from):
        again = fold(from_body(to_body(kept), Folded), row[cut:], stops, counted_from)
        assert activity_in(whole) == activity_in(again)
        assert (whole.quantities, whole.cash_flow) == (again.quantities, again.cash_flow)
    positions = positions_of([OPENING, *row])
    assert {s: p.quantity for s, p in positions.items() if p.quantity} == whole.quantities
    assert sum((p.cash_flow for p in positions.values()), Decimal(0)) == whole.cash_flow


OPENING = ShareMovement(
    id="opening:IBM", account="paper", symbol="IBM", at=at(-1), quantity=Decimal(2), price=Decimal(1),
    kind=SharesKind.OPENING,
)  # fmt: skip


def test_a_fold_does_not_go_on_with_what_came_before_it() -> None:
    """A split told late, or a release into the middle of what is folded, needs the whole history."""
    kept = fold(opened_with({}, NOON), [BOUGHT], (), None)
    late = Split(id="s", account="paper", symbol="AAPL", at=at(1), ratio=Decimal(2))
    assert not goes_on(kept, [late], None)
    assert goes_on(kept, [replace(late, at=at(2))], None)
    assert not goes_on(kept, [], at(0))
    assert goes_on(kept, [], at(1))


@given(st.lists(st.sampled_from(["95", "100", "105"]), max_size=8))
def test_a_fold_that_goes_on_counts_what_one_that_is_stored_counts(prices: list[str]) -> None:
    """A backtest's fold, asked after every fill, says what the stored fold of the same fills says."""
    going, stops = Folding(Folded(), {"x1", "x3"}, None), {"x1", "x3"}
    known: list[Fill] = []
    for fill in trades(*prices):
        known.append(fill)
        going.add(fill)
        live, stored = LiveActivity(going), activity_in(fold(Folded(), known, stops, None))
        counted = [part.name for part in fields(Activity) if part.name != "folded"]
        assert [getattr(live, name) for name in counted] == [getattr(stored, name) for name in counted]
