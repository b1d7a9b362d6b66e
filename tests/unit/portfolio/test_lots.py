"""Lots, positions and trades agree with each other through fills, splits and shares moved by others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.portfolio.lots import lots_of
from alpaquero.portfolio.movements import ShareEntry, ShareMovement, SharesKind, Split, clean_ratio
from alpaquero.portfolio.positions import position_of
from alpaquero.portfolio.trades import trades_of
from alpaquero.risk.activity import activity_of
from tests.unit.orders.builders import a_fill, at

CENT = Decimal("0.01")


def a_split(number: int, ratio: str, *, whole: bool = False, cash: str = "0") -> Split:
    return Split(
        id=f"split:{number}", account="paper", symbol="AAPL", at=at(number), ratio=Decimal(ratio),
        whole=whole, cash=Decimal(cash),
    )  # fmt: skip


def moved(number: int, quantity: str, price: str) -> ShareMovement:
    return ShareMovement(
        id=f"moved:{number}", account="paper", symbol="AAPL", at=at(number), quantity=Decimal(quantity),
        price=Decimal(price), kind=SharesKind.TRANSFER,
    )  # fmt: skip


def test_the_oldest_shares_are_sold_first() -> None:
    """One sale closes the first lot and a part of the second, each with its own gain and days held."""
    second = replace(a_fill(1, "buy", "10", "110"), at=at(0) + timedelta(days=3))
    sale = replace(a_fill(2, "sell", "15", "120"), at=at(0) + timedelta(days=5))
    lots = lots_of("AAPL", [sale, second, a_fill(0, "buy", "10", "100")])
    assert [(Decimal(10), Decimal(200), 5), (Decimal(5), Decimal(50), 2)] == [
        (lot.quantity, lot.pnl, lot.holding_days) for lot in lots.closed
    ]
    assert [(Decimal(5), Decimal(550), 4)] == [
        (lot.quantity, lot.cost, lot.holding_days(sale.at + timedelta(days=2))) for lot in lots.open
    ]


def test_a_short_lot_gains_when_it_is_bought_back_below() -> None:
    """Opened by the sale, closed by the purchase; its figures are negative, its gain is not."""
    lots = lots_of("AAPL", [a_fill(0, "sell", "10", "100"), a_fill(1, "buy", "4", "90")])
    assert ([Decimal(-6)], [(Decimal(-4), Decimal(40))]) == (
        [lot.quantity for lot in lots.open],
        [(lot.quantity, lot.pnl) for lot in lots.closed],
    )


def test_a_split_changes_shares_and_not_what_they_cost() -> None:
    """Two for one: twice the shares, half the average price, the same cost, and the trade goes on."""
    entries: list[ShareEntry] = [a_fill(0, "buy", "7", "90"), a_split(1, "2"), a_fill(2, "sell", "14", "50")]
    position = position_of("AAPL", entries[:2])
    assert (Decimal(14), Decimal(45), Decimal(630)) == (
        position.quantity, position.average_entry_price, position.cost_basis,
    )  # fmt: skip
    [trade] = trades_of(entries)
    assert (Decimal(14), Decimal(45), Decimal(70)) == (trade.quantity, trade.entry_price, trade.pnl)
    assert Decimal(70) == lots_of("AAPL", entries).realised_pnl == position_of("AAPL", entries).realised_pnl


def test_a_reverse_split_sells_the_part_of_a_share_for_its_cash() -> None:
    """Ten shares, one for four: two and a half, of which the half was paid out."""
    entries: list[ShareEntry] = [a_fill(0, "buy", "10", "10"), a_split(1, "0.25", whole=True, cash="23")]
    position, lots = position_of("AAPL", entries), lots_of("AAPL", entries)
    assert (Decimal(2), Decimal(80), Decimal(3), Decimal(-77)) == (
        position.quantity, position.cost_basis, position.realised_pnl, position.cash_flow,
    )  # fmt: skip
    assert (Decimal(2), Decimal(80), Decimal(3)) == (lots.quantity, lots.cost_basis, lots.realised_pnl)


def test_a_reverse_split_that_leaves_nothing_ends_the_trade() -> None:
    """One share, one for four, paid out whole: flat, with the cash as what it brought."""
    entries: list[ShareEntry] = [a_fill(0, "buy", "1", "10"), a_split(1, "0.25", whole=True, cash="8")]
    [trade] = trades_of(entries)
    assert (Decimal(-2), Decimal(0)) == (trade.pnl, position_of("AAPL", entries).quantity)
    assert {} == activity_of(entries, set(), baseline={}, baseline_at=at(0)).holdings


def test_thirds_of_a_closed_holding_leave_nothing() -> None:
    """A split never touches what was bought and sold before it."""
    entries: list[ShareEntry] = [
        a_fill(0, "buy", "4", "10"), a_fill(1, "buy", "4", "10"), a_fill(2, "sell", "8", "11"),
        a_split(3, str(Decimal(1) / 3), whole=True),
    ]  # fmt: skip
    assert (Decimal(0), Decimal(0), []) == (
        position_of("AAPL", entries).quantity,
        lots_of("AAPL", entries).quantity,
        lots_of("AAPL", entries).open,
    )


def test_shares_that_were_moved_are_no_gain() -> None:
    """Ten came at 50 dollars, twelve went: what went away takes its cost and nothing else with it."""
    entries: list[ShareEntry] = [a_fill(0, "buy", "5", "60"), moved(1, "10", "50"), moved(2, "-12", "0")]
    position = position_of("AAPL", entries)
    assert (Decimal(3), Decimal(0), Decimal(-300)) == (
        position.quantity, position.realised_pnl, position.cash_flow,
    )  # fmt: skip
    assert Decimal(3) == lots_of("AAPL", entries).quantity
    assert [] == trades_of(entries)


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        ("7", "14", "2"),
        ("30", "45", "1.5"),
        ("100", "2", "0.02"),
        ("-5", "-10", "2"),
        ("5", "6", None),
        ("5", "-10", None),
        ("5", "5", None),
        ("3", "2", None),
        ("1", "101", None),
    ],
)
def test_what_looks_like_a_split(before: str, after: str, ratio: str | None) -> None:
    """Small whole numbers, more shares or fewer; anything else is somebody's trade."""
    expected = None if ratio is None else Decimal(ratio)
    assert expected == clean_ratio(Decimal(before), Decimal(after))


cents = st.integers(100, 99_999).map(lambda number: Decimal(number) / 100)
shares = st.integers(1, 400).map(lambda number: Decimal(number) / 4)
events = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("buy", "sell")), shares, cents),
        st.tuples(
            st.just("split"),
            st.sampled_from([Decimal(2), Decimal("1.5"), Decimal("0.1"), Decimal(1) / 3]),
            cents,
        ),
        st.tuples(st.sampled_from(("came", "went")), shares, cents),
    ),
    max_size=14,
)


def _entries(story: list[tuple[str, Decimal, Decimal]]) -> list[ShareEntry]:
    """The story as entries; a part of a share that a split leaves is paid out at the price."""
    entries: list[ShareEntry] = []
    for number, (what, amount, price) in enumerate(story):
        if what in {"buy", "sell"}:
            entries.append(a_fill(number, what, str(amount), str(price)))
        elif what == "split":
            held = position_of("AAPL", entries).quantity
            broken = a_split(number, str(amount)).scaled(held)
            broken -= broken.to_integral_value(rounding=ROUND_DOWN)
            cash = (broken * price).quantize(CENT)
            entries.append(a_split(number, str(amount), whole=True, cash=str(cash)))
        else:
            entries.append(moved(number, str(amount if what == "came" else -amount), str(price)))
    return entries


@given(story=events, price=cents)
def test_money_is_neither_made_nor_lost(story: list[tuple[str, Decimal, Decimal]], price: Decimal) -> None:
    """Lots add up to the position; gains are cash flow and value, less what came in unpaid."""
    entries = _entries(story)
    position, lots = position_of("AAPL", entries), lots_of("AAPL", entries)
    assert position.quantity == lots.quantity
    value = position.quantity * price
    unrealised = value - position.cost_basis
    assert position.realised_pnl + unrealised == position.cash_flow + value - position.contributed
    if not any(isinstance(entry, ShareMovement) for entry in entries):
        assert lots.realised_pnl + value - lots.cost_basis == position.cash_flow + value
    assert all(lot.quantity * position.quantity > 0 for lot in lots.open)


@given(story=events, data=st.data())
def test_any_order_of_arrival_gives_the_same(
    story: list[tuple[str, Decimal, Decimal]], data: st.DataObject
) -> None:
    """Shuffled and doubled entries fold to the same lots, position and trades."""
    entries = _entries(story)
    come = data.draw(st.permutations([*entries, *entries[:3]]))
    assert lots_of("AAPL", entries) == lots_of("AAPL", come)
    assert position_of("AAPL", entries) == position_of("AAPL", come)
    assert trades_of(entries) == trades_of(come)
