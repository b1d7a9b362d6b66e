"""Positions are folded from fills: in any order of arrival, repeats and all, exact to the cent."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.orders.order import Fill
from alpaquero.portfolio.positions import Position, position_of, positions_of
from tests.unit.orders.builders import a_fill, at


def fold(*fills: Fill) -> Position:
    """The AAPL position of these fills."""
    return position_of("AAPL", fills)


@pytest.mark.parametrize(
    ("fills", "sums"),
    [
        ([], ("0", "0", "0", "0", "0")),
        ([("buy", "10", "100")], ("10", "100", "1000", "0", "-1000")),
        ([("buy", "10", "100"), ("buy", "30", "120")], ("40", "115", "4600", "0", "-4600")),
        ([("buy", "10", "100"), ("sell", "4", "110")], ("6", "100", "600", "40", "-560")),
        ([("buy", "10", "100"), ("sell", "10", "97")], ("0", "0", "0", "-30", "-30")),
        (
            [("buy", "10", "100"), ("buy", "10", "110"), ("sell", "5", "120")],
            ("15", "105", "1575", "75", "-1500"),
        ),
        ([("sell", "10", "100")], ("-10", "100", "-1000", "0", "1000")),
        ([("sell", "10", "100"), ("buy", "4", "90")], ("-6", "100", "-600", "40", "640")),
        ([("buy", "10", "100"), ("sell", "15", "110")], ("-5", "110", "-550", "100", "650")),
        ([("sell", "10", "100"), ("buy", "15", "110")], ("5", "110", "550", "-100", "-650")),
        ([("buy", "0.5", "100.01"), ("sell", "0.5", "100.02")], ("0", "0", "0", "0.005", "0.005")),
    ],
)
def test_fills_add_up(fills: list[tuple[str, str, str]], sums: tuple[str, ...]) -> None:
    """Quantity, average cost, cost, profit and cash flow, for long, short and from one to the other."""
    position = fold(*(a_fill(number, *fill) for number, fill in enumerate(fills)))
    assert tuple(map(Decimal, sums)) == (
        position.quantity,
        position.average_entry_price,
        position.cost_basis,
        position.realised_pnl,
        position.cash_flow,
    )


def test_thirds_do_not_lose_a_cent() -> None:
    """Selling three shares of 100 dollars one by one realises to the cent what selling them at once does."""
    fills = [a_fill(0, "buy", "3", "33.33"), a_fill(1, "buy", "4", "33.34")]
    fills += [a_fill(number, "sell", "1", "34") for number in range(2, 9)]
    position = fold(*fills)
    assert (Decimal(0), Decimal(0)) == (position.quantity, position.cost_basis)
    assert Decimal("4.65") == position.realised_pnl == position.cash_flow


def test_an_average_that_does_not_end_is_kept_to_nine_decimals() -> None:
    """The cost stays exact, the average a share is rounded."""
    position = fold(a_fill(0, "buy", "1", "100"), a_fill(1, "buy", "2", "100.01"))
    assert (Decimal("300.02"), Decimal("100.006666667")) == (
        position.cost_basis,
        position.average_entry_price,
    )


def test_a_position_is_dated() -> None:
    """Opened with the fill that opened it, anew when it turns, not at all when flat."""
    buy, more, turn = a_fill(1, "buy", "5", "10"), a_fill(2, "buy", "5", "10"), a_fill(3, "sell", "15", "10")
    assert (at(1), at(2), 2) == ((held := fold(buy, more)).opened_at, held.last_fill_at, held.fills)
    assert at(3) == fold(buy, more, turn).opened_at
    assert (None, at(4)) == (
        (flat := fold(buy, more, turn, a_fill(4, "buy", "5", "10"))).opened_at,
        flat.last_fill_at,
    )


def test_each_symbol_has_its_own_position() -> None:
    """Symbols are folded apart, and one that was sold again is listed flat."""
    fills = [
        a_fill(1, "buy", "5", "10", symbol="MSFT"),
        a_fill(2, "buy", "1", "20"),
        a_fill(3, "sell", "1", "21"),
    ]
    positions = positions_of(fills)
    assert ["AAPL", "MSFT"] == list(positions)
    assert [Decimal(0), Decimal(5)] == [position.quantity for position in positions.values()]


def test_two_fills_that_claim_one_id_are_refused() -> None:
    """A repeat is dropped; a contradiction is not something to choose from."""
    fill = a_fill(1, "buy", "5", "10")
    assert Decimal(5) == fold(fill, fill).quantity
    with pytest.raises(ValueError, match="two different fills carry the id f0001"):
        fold(fill, replace(fill, price=Decimal(11)))


def test_a_position_survives_the_store() -> None:
    """A position reads back as it was written."""
    position = fold(a_fill(1, "buy", "3", "10.01"))
    assert position == msgspec.json.decode(msgspec.json.encode(position), type=Position)


FILLS = st.lists(
    st.builds(
        lambda side, quantity, price, minutes: (side, quantity, price, minutes),
        st.sampled_from(["buy", "sell"]),
        st.decimals("0.001", "100", places=3),
        st.decimals("0.01", "900", places=2),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: [a_fill(n, s, str(q), str(p), minutes=m) for n, (s, q, p, m) in enumerate(rows)])


@given(fills=FILLS, data=st.data())
def test_arrival_does_not_matter(fills: list[Fill], data: st.DataObject) -> None:
    """Shuffled and doubled fills give the same position, to the last digit."""
    arrived = data.draw(st.permutations(fills + data.draw(st.lists(st.sampled_from(fills), max_size=4))))
    assert fold(*fills) == fold(*arrived)


@given(fills=FILLS)
def test_money_is_never_made_or_lost_by_folding(fills: list[Fill]) -> None:
    """Cash flow plus cost of what is held is what was realised, exactly, at any point."""
    position = fold(*fills)
    bought = sum((f.quantity * (1 if f.side == "buy" else -1) for f in fills), Decimal(0))
    assert bought == position.quantity
    assert position.cash_flow + position.cost_basis == position.realised_pnl
