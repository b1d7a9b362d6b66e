"""Tax lots follow IRS Publication 550: first in first out, terms, fees, wash sales and their chains."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.orders.order import Fill
from alpaquero.portfolio.lots import lots_of
from alpaquero.portfolio.movements import CashMovement, ShareEntry, ShareMovement, SharesKind, Split, begins
from alpaquero.portfolio.tax_lots import (
    WASH_DAYS,
    TaxLots,
    Term,
    fees_by_fill,
    form_8949,
    tax_lots,
    term_of,
)
from tests.unit.orders.builders import a_fill


def fill(number: int, side: str, quantity: str, total: str, day: date, *, symbol: str = "AAPL") -> Fill:
    """A fill at noon of `day`, an order of its own, of `quantity` shares for `total` dollars."""
    price = Decimal(total) / Decimal(quantity)
    at = datetime(day.year, day.month, day.day, 17, tzinfo=UTC)
    made = a_fill(number, side, quantity, "1", symbol=symbol)
    return replace(made, price=price, at=at, broker_order_id=f"o{number}")


def held(found: TaxLots) -> list[tuple[Decimal, Decimal, date]]:
    return [(lot.quantity, lot.cost, lot.held_since) for lot in found.open]


def split(day: date, ratio: str, *, cash: str = "0") -> Split:
    return Split(
        id=f"split:AAPL:{day}", account="paper", symbol="AAPL", at=begins(day), ratio=Decimal(ratio),
        whole=cash != "0", cash=Decimal(cash),
    )  # fmt: skip


def test_a_loss_on_shares_that_are_bought_back_goes_to_the_new_shares() -> None:
    """Publication 550, Wash Sales, example 1: bought for 1,000, sold for 750, bought again for 800."""
    found = tax_lots([
        fill(1, "buy", "100", "1000", date(2024, 1, 2)),
        fill(2, "sell", "100", "750", date(2024, 3, 1)),
        fill(3, "buy", "100", "800", date(2024, 3, 31)),
    ])  # fmt: skip
    [sold] = found.disposals
    assert (sold.gain, sold.disallowed, sold.taxable_gain) == (Decimal(-250), Decimal(250), Decimal(0))
    # Held since 59 days before the purchase: as long as the shares sold.
    assert held(found) == [(Decimal(100), Decimal(1050), date(2024, 3, 31) - timedelta(days=59))]


@pytest.mark.parametrize(("again", "basis"), [("90", "110"), ("70", "90")])
def test_the_new_basis_is_that_of_the_regulation(again: str, basis: str) -> None:
    """26 CFR 1.1091-2(a), examples 1 and 2: a share bought for 100 and sold for 80."""
    found = tax_lots([
        fill(1, "buy", "1", "100", date(1935, 9, 21)),
        fill(2, "sell", "1", "80", date(1955, 1, 15)),
        fill(3, "buy", "1", again, date(1955, 2, 1)),
    ])  # fmt: skip
    assert [f"{lot.cost:f}" for lot in found.open] == [basis]


def test_fewer_shares_bought_than_sold_take_their_part_of_the_loss() -> None:
    """Publication 550, More or less stock bought than sold: 100 sold, 50 and 25 bought just before."""
    found = tax_lots([
        fill(1, "buy", "100", "5000", date(2023, 9, 24)),
        fill(2, "buy", "50", "2750", date(2023, 12, 17)),
        fill(3, "buy", "25", "1125", date(2023, 12, 24)),
        fill(4, "sell", "100", "4000", date(2024, 1, 7)),
    ])  # fmt: skip
    [sold] = found.disposals
    assert (sold.disallowed, sold.taxable_gain) == (Decimal(750), Decimal(-250))
    assert [(f"{lot.quantity:f}", f"{lot.cost:f}") for lot in found.open] == [("50", "3250"), ("25", "1375")]


@pytest.mark.parametrize(("days", "washed"), [(30, True), (31, False), (-30, True), (-31, False)])
def test_the_window_is_thirty_days_before_and_after(days: int, washed: bool) -> None:
    """A purchase 30 days from the sale replaces, one 31 days from it does not, on either side."""
    sale = date(2024, 6, 3)
    found = tax_lots([
        fill(1, "buy", "10", "100", date(2024, 1, 2)),
        fill(2, "sell", "10", "50", sale),
        fill(3, "buy", "10", "60", sale + timedelta(days=days)),
    ])  # fmt: skip
    assert [one.is_wash_sale for one in found.disposals] == [washed]
    assert WASH_DAYS == 30


def test_shares_replace_once_and_losses_take_turns_by_their_sale() -> None:
    """Two losses and one purchase: the earlier sale is replaced whole, the later one in part."""
    found = tax_lots([
        fill(1, "buy", "20", "200", date(2024, 1, 2)),
        fill(2, "sell", "10", "80", date(2024, 3, 1)),
        fill(3, "sell", "10", "50", date(2024, 3, 4)),
        fill(4, "buy", "15", "75", date(2024, 3, 8)),
        fill(5, "buy", "1", "5", date(2024, 5, 8)),
    ])  # fmt: skip
    assert [one.disallowed for one in found.disposals] == [Decimal(20), Decimal(25)]
    assert [(f"{lot.quantity:f}", f"{lot.cost:f}") for lot in found.open] == [
        ("10", "70"), ("5", "50"), ("1", "5"),
    ]  # fmt: skip


def test_a_chain_of_wash_sales_carries_every_loss_on() -> None:
    """Sold at a loss and bought back twice: the last sale, with no purchase after it, may deduct it all."""
    entries = [
        fill(1, "buy", "10", "1000", date(2024, 1, 2)),
        fill(2, "sell", "10", "900", date(2024, 2, 1)),
        fill(3, "buy", "10", "950", date(2024, 2, 5)),
        fill(4, "sell", "10", "800", date(2024, 3, 1)),
        fill(5, "buy", "10", "850", date(2024, 3, 4)),
        fill(6, "sell", "10", "840", date(2024, 6, 3)),
    ]
    sold = tax_lots(entries).disposals
    assert [one.disallowed for one in sold] == [Decimal(100), Decimal(250), Decimal(0)]
    assert [one.taxable_gain for one in sold] == [Decimal(0), Decimal(0), Decimal(-260)]
    assert sold[-1].cost == Decimal(1100)
    assert sold[-1].carried == Decimal(250)


def test_a_replacement_counts_the_time_the_old_shares_were_held() -> None:
    """Held 360 days, replaced, and sold ten days later: more than a year in all, so long term."""
    found = tax_lots([
        fill(1, "buy", "10", "1000", date(2023, 1, 3)),
        fill(2, "sell", "10", "900", date(2023, 12, 29)),
        fill(3, "buy", "10", "950", date(2024, 1, 4)),
        fill(4, "sell", "10", "1200", date(2024, 1, 16)),
    ])  # fmt: skip
    assert [one.term for one in found.disposals] == [Term.SHORT, Term.LONG]
    assert found.disposals[1].acquired_on == date(2024, 1, 4)


def test_the_rest_of_the_purchase_sold_from_replaces_nothing() -> None:
    """Revenue Ruling 56-602: who sells a part of one purchase at a loss may deduct it."""
    found = tax_lots([
        fill(1, "buy", "10", "1000", date(2024, 3, 1)),
        fill(2, "sell", "4", "300", date(2024, 3, 8)),
    ])  # fmt: skip
    assert [one.taxable_gain for one in found.disposals] == [Decimal(-100)]


def test_shares_sold_by_the_same_order_replace_nothing() -> None:
    """Two purchases sold by one order in two fills are one sale, after which no share is left."""
    first = fill(3, "sell", "10", "800", date(2024, 3, 8))
    second = replace(fill(4, "sell", "10", "800", date(2024, 3, 8)), broker_order_id="o3")
    bought = [
        fill(1, "buy", "10", "1000", date(2024, 3, 1)),
        fill(2, "buy", "10", "900", date(2024, 3, 4)),
    ]
    assert not any(one.is_wash_sale for one in tax_lots([*bought, first, second]).disposals)
    apart = replace(second, broker_order_id="o4")
    assert [one.is_wash_sale for one in tax_lots([*bought, first, apart]).disposals] == [True, False]


def test_a_gain_is_never_a_wash_sale() -> None:
    """Publication 550: the rules are for losses alone."""
    found = tax_lots([
        fill(1, "buy", "10", "100", date(2024, 1, 2)),
        fill(2, "sell", "10", "150", date(2024, 1, 9)),
        fill(3, "buy", "10", "150", date(2024, 1, 10)),
    ])  # fmt: skip
    assert [one.is_wash_sale for one in found.disposals] == [False]
    assert [lot.cost for lot in found.open] == [Decimal(150)]


def test_a_split_between_sale_and_purchase_counts_new_shares() -> None:
    """Ten sold at a loss of 40, two for one, ten bought: half of what was sold, so half of the loss."""
    found = tax_lots([
        fill(1, "buy", "20", "200", date(2024, 1, 2)),
        fill(2, "sell", "10", "60", date(2024, 3, 1)),
        split(date(2024, 3, 5), "2"),
        fill(3, "buy", "10", "30", date(2024, 3, 8)),
    ])  # fmt: skip
    assert [one.disallowed for one in found.disposals] == [Decimal(20)]
    assert [(f"{lot.quantity:f}", f"{lot.cost:f}") for lot in found.open] == [("20", "100"), ("10", "50")]


def test_a_part_of_a_share_paid_out_is_a_sale() -> None:
    """Ten shares, one for four, and the half share left over is sold for its cash."""
    found = tax_lots([
        fill(1, "buy", "10", "100", date(2024, 1, 2)),
        split(date(2024, 3, 5), "0.25", cash="23"),
    ])  # fmt: skip
    assert [(one.quantity, one.proceeds, one.cost) for one in found.disposals] == [
        (Decimal("0.5"), Decimal(23), Decimal(20))
    ]
    assert held(found) == [(Decimal(2), Decimal(80), date(2024, 1, 2))]


def test_a_new_name_keeps_lots_and_losses_that_wait() -> None:
    """Shares go on under the new symbol since they were bought; buying it replaces an older loss."""
    out = ShareMovement(
        id="renamed:AAPL:2024-03-05:out", account="paper", symbol="AAPL", at=begins(date(2024, 3, 5)),
        quantity=Decimal(-5), price=Decimal(10), kind=SharesKind.RENAMED,
    )  # fmt: skip
    into = replace(out, id="renamed:AAPL:2024-03-05:in", symbol="APPL", quantity=Decimal(5))
    found = tax_lots([
        fill(1, "buy", "10", "100", date(2024, 1, 2)),
        fill(2, "sell", "5", "40", date(2024, 3, 1)),
        into, out,
        fill(3, "buy", "5", "40", date(2024, 3, 8), symbol="APPL"),
    ])  # fmt: skip
    assert [one.disallowed for one in found.disposals] == [Decimal(10)]
    assert [(lot.symbol, lot.acquired_on, lot.cost) for lot in found.open] == [
        ("APPL", date(2024, 1, 2), Decimal(50)), ("APPL", date(2024, 3, 8), Decimal(50)),
    ]  # fmt: skip


def test_shares_that_were_there_before_have_no_known_date_and_replace_nothing() -> None:
    """A transfer is no purchase; its date of acquisition is left for the owner to fill in."""
    came = ShareMovement(
        id="opening:AAPL", account="paper", symbol="AAPL", at=begins(date(2024, 3, 2)),
        quantity=Decimal(10), price=Decimal(9), kind=SharesKind.OPENING,
    )  # fmt: skip
    found = tax_lots([
        fill(1, "buy", "10", "100", date(2024, 1, 2)), came,
        fill(2, "sell", "20", "160", date(2024, 3, 5)),
    ])  # fmt: skip
    assert [(one.is_wash_sale, one.is_date_known) for one in found.disposals] == [
        (False, True), (False, False),
    ]  # fmt: skip
    assert [row.date_acquired for row in form_8949(found.disposals)] == ["01/02/2024", "VARIOUS"]


def test_a_short_sale_is_short_term_and_its_loss_waits_for_another_short_sale() -> None:
    """Sold for 100 and bought back for 120: the loss lowers what the next short sale brought."""
    found = tax_lots([
        fill(1, "sell", "10", "100", date(2022, 1, 3)),
        fill(2, "buy", "10", "120", date(2024, 3, 1)),
        fill(3, "sell", "10", "110", date(2024, 3, 4)),
    ])  # fmt: skip
    [closed] = found.disposals
    assert (closed.proceeds, closed.cost, closed.gain) == (Decimal(100), Decimal(120), Decimal(-20))
    assert (closed.term, closed.disallowed, closed.sold_on) == (Term.SHORT, Decimal(20), date(2022, 1, 3))
    assert [(lot.quantity, lot.cost) for lot in found.open] == [(Decimal(-10), Decimal(-90))]


def test_fees_lower_proceeds_and_raise_cost() -> None:
    """Publication 550, Basis: what a purchase or a sale was charged is part of it."""
    entries = [
        fill(1, "buy", "10", "100", date(2024, 1, 2)),
        fill(2, "sell", "10", "150", date(2024, 3, 1)),
    ]
    [sold] = tax_lots(entries, {"f0001": Decimal(1), "f0002": Decimal("0.5")}).disposals
    assert (sold.cost, sold.proceeds, sold.gain) == (Decimal(101), Decimal("149.5"), Decimal("48.5"))


def test_a_days_fee_is_shared_by_the_dollars_sold() -> None:
    """Alpaca books regulators' fees once a day; to the last cent they are on that day's sales."""
    fills = [
        fill(1, "buy", "10", "100", date(2024, 3, 1)),
        fill(2, "sell", "5", "100", date(2024, 3, 1)),
        fill(3, "sell", "5", "200", date(2024, 3, 1), symbol="MSFT"),
        fill(4, "sell", "5", "50", date(2024, 3, 4)),
    ]
    charged = [
        CashMovement(
            id="1", account="paper", kind="FEE", at=begins(date(2024, 3, 3)), amount=Decimal("-0.10")
        ),
        CashMovement(id="2", account="paper", kind="DIV", at=begins(date(2024, 3, 3)), amount=Decimal(9)),
        CashMovement(id="3", account="paper", kind="FEE", at=begins(date(2024, 1, 3)), amount=Decimal(-1)),
    ]
    fees = fees_by_fill(fills, charged)
    assert sum(fees.values()) == Decimal("0.10")
    assert fees.keys() == {"f0002", "f0003"}
    assert fees["f0002"].quantize(Decimal("0.0001")) == Decimal("0.0333")


@pytest.mark.parametrize(
    ("bought", "sold", "term"),
    [
        (date(2024, 2, 5), date(2025, 2, 5), Term.SHORT),
        (date(2024, 2, 5), date(2025, 2, 6), Term.LONG),
        (date(2024, 2, 29), date(2025, 2, 28), Term.SHORT),
        (date(2024, 2, 29), date(2025, 3, 1), Term.LONG),
        (date(2023, 2, 28), date(2024, 2, 29), Term.SHORT),
        (date(2024, 2, 28), date(2025, 3, 1), Term.LONG),
    ],
)
def test_long_term_begins_a_year_after_the_day_after_the_purchase(
    bought: date, sold: date, term: Term
) -> None:
    """Publication 550, Holding Period, and Revenue Ruling 66-7 for the ends of months."""
    assert term_of(bought, sold) is term


def test_the_rows_of_the_form_add_up_to_the_cent() -> None:
    """Code W goes with an adjustment; the gain is proceeds less cost plus adjustment, as rounded."""
    found = tax_lots([
        fill(1, "buy", "3", "100", date(2022, 1, 3)),
        fill(2, "sell", "3", "50.005", date(2024, 3, 1)),
        fill(3, "buy", "1", "20", date(2024, 3, 4)),
        fill(4, "sell", "1", "50", date(2024, 3, 5)),
    ])  # fmt: skip
    rows = form_8949(found.disposals)
    assert [(row.part, row.code, row.description) for row in rows] == [
        ("II", "W", "3 sh. AAPL"), ("II", "", "1 sh. AAPL"),
    ]  # fmt: skip
    assert all(row.gain == row.proceeds - row.cost + row.adjustment for row in rows)
    assert rows[0].adjustment == Decimal("16.67")


def test_nothing_changes_with_repeats_and_order_of_arrival() -> None:
    """Entries may come twice and in any order."""
    entries = [
        fill(1, "buy", "10", "100", date(2024, 1, 2)),
        fill(2, "sell", "10", "80", date(2024, 3, 1)),
        fill(3, "buy", "10", "70", date(2024, 3, 8)),
    ]
    assert tax_lots([*reversed(entries), *entries]) == tax_lots(entries)


trading = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "split"]),
        st.integers(1, 40),
        st.integers(1, 5000),
        st.integers(0, 25),
    ),
    max_size=25,
)


def _entries(steps: list[tuple[str, int, int, int]]) -> list[ShareEntry]:
    day, made = date(2024, 1, 2), list[ShareEntry]()
    for number, (kind, quantity, cents, days) in enumerate(steps):
        day += timedelta(days=max(days, 1 if kind == "split" else 0))
        if kind == "split":
            made.append(split(day, ["2", "0.5", "3"][quantity % 3]))
            day += timedelta(days=1)
        else:
            price = Decimal(cents) / 100
            made.append(replace(fill(number, kind, str(quantity), "1", day), price=price))
    return made


@given(trading)
def test_cash_is_gains_less_what_is_still_held(steps: list[tuple[str, int, int, int]]) -> None:
    """However losses wander: dollars in less dollars out are taxable gains less the cost of what is held."""
    entries = _entries(steps)
    fills = [entry for entry in entries if isinstance(entry, Fill)]
    fees = {one.id: Decimal("0.01") for one in fills}
    found = tax_lots(entries, fees)
    cash = sum((f.quantity * f.price * (-1 if f.side == "buy" else 1) for f in fills), Decimal(0))
    cash -= sum(fees.values(), Decimal(0))
    gains = sum((one.taxable_gain for one in found.disposals), Decimal(0))
    costs = sum((lot.cost for lot in found.open), Decimal(0))
    assert abs(cash - (gains - costs)) < Decimal("1e-6")


@given(trading)
def test_wash_sales_move_losses_and_shares_stay_first_in_first_out(
    steps: list[tuple[str, int, int, int]],
) -> None:
    """Without the carried losses the lots are those of the dashboard; no loss is lost or made."""
    entries = _entries(steps)
    found, plain = tax_lots(entries), lots_of("AAPL", entries)
    raw = sum((one.gain + one.carried for one in found.disposals), Decimal(0))
    assert abs(raw - plain.realised_pnl) < Decimal("1e-6")
    assert sum((lot.quantity for lot in found.open), Decimal(0)) == plain.quantity
    moved = sum((one.disallowed for one in found.disposals), Decimal(0))
    carried = sum((lot.carried for lot in found.open), Decimal(0))
    carried += sum((one.carried for one in found.disposals), Decimal(0))
    assert abs(moved - carried) < Decimal("1e-6")
    assert all(Decimal(0) <= one.disallowed <= max(-one.gain, Decimal(0)) for one in found.disposals)
