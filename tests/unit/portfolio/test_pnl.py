"""Profit and loss by period and group, and that all of it adds up to the change of equity."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import CashMovement
from alpaquero.portfolio.pnl import (
    AccountCurve,
    Close,
    Grouping,
    account_curve,
    by_group,
    by_period,
    curve_figures,
    open_pnl,
    realised_within,
)
from alpaquero.portfolio.trades import OpenTrade, OrderWords, Trade, folded
from tests.unit.orders.builders import a_fill, at

MONDAY = date(2012, 7, 2)  # the builders' noon is of this day; Wednesday the 4th is a holiday
CASH = Decimal(10_000)


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def close(number: int, equity: object, cash: object = 0) -> Close:
    """The account at half past four of that day, in New York."""
    moment = datetime(2012, 7, 2, 20, 30, tzinfo=UTC) + timedelta(days=number)
    return Close(date=day(number), at=moment, equity=Decimal(str(equity)), cash=Decimal(str(cash)))


def moved(number: int, amount: str, kind: str = "CSD", symbol: str | None = None) -> CashMovement:
    """Cash that came or went in the morning of that day."""
    morning = datetime(2012, 7, 2, 12, tzinfo=UTC) + timedelta(days=number)
    return CashMovement(
        id=f"{kind}{number}", account="paper", kind=kind, at=morning, amount=Decimal(amount), symbol=symbol
    )


OPENED = Close(date=MONDAY, at=datetime(2012, 7, 2, 13, tzinfo=UTC), equity=CASH, cash=CASH)


def test_days_tell_the_gain_without_what_was_put_in() -> None:
    """A deposit is none of the gain; the holiday's mark is no session; the week is its days together."""
    closes = [close(0, 10_100), close(1, 15_200), close(2, 15_200), close(3, 14_896), close(4, 14_896)]
    curve = account_curve(closes, [moved(1, "5000")], OPENED)
    rows = by_period(Grouping.DAY, [], curve=curve)
    assert [(row.key, row.gain, row.deposits, row.equity) for row in rows] == [
        ("2012-07-02", 100, 0, 10_100),
        ("2012-07-03", 100, 5000, 15_200),
        ("2012-07-05", -304, 0, 14_896),
        ("2012-07-06", 0, 0, 14_896),
    ]
    assert [row.return_percent for row in rows] == pytest.approx([1, 100 / 151, -2, 0])
    (week,) = by_period(Grouping.WEEK, [], curve=curve)
    assert (week.key, week.gain, week.deposits) == ("2012-W27", Decimal(-104), Decimal(5000))
    assert week.return_percent == pytest.approx((1.01 * (15_200 / 15_100) * 0.98 - 1) * 100)
    assert (curve.gain, curve.deposits_within) == (Decimal(-104), Decimal(5000))


def test_a_stretch_begins_with_the_close_before_it() -> None:
    """July goes on from June's last session, whatever the account was opened with."""
    closes = [close(-4, 9000), close(-3, 9500), close(0, 9600), close(1, 9700)]
    curve = account_curve(closes, [moved(0, "50")], OPENED, day(0), day(0))
    assert (curve.base, curve.gain) == (closes[1], Decimal(50))
    (row,) = by_period(Grouping.MONTH, [], curve=curve)
    assert (row.key, row.gain, row.equity) == ("2012-07", Decimal(50), Decimal(9600))


def test_without_a_beginning_the_first_close_begins() -> None:
    """An account whose first equity nobody kept has one return fewer."""
    curve = account_curve([close(0, 100), close(1, 110)], [], None)
    (row,) = by_period(Grouping.DAY, [], curve=curve)
    assert (row.key, row.gain, curve.gain) == ("2012-07-03", Decimal(10), Decimal(10))
    found = curve_figures(curve)
    assert found is not None
    assert (found.sessions, found.total_return_percent) == (2, pytest.approx(10))


def test_nothing_marked_is_no_curve() -> None:
    """Before the first session there are no figures and no gain."""
    curve = account_curve([], [], OPENED)
    assert (curve_figures(curve), curve.gain, by_period(Grouping.DAY, [], curve=curve)) == (None, None, [])


def test_the_figures_of_the_curve_are_time_weighted_and_its_equity_real() -> None:
    """A deposit that doubles the account is no return; exposure is the share of equity at each close."""
    closes = [close(0, 10_100, 5050), close(1, 20_100, 20_100)]
    found = curve_figures(account_curve(closes, [moved(1, "10000")], OPENED))
    assert found is not None
    assert found.total_return_percent == pytest.approx(1)
    assert (found.initial_equity, found.final_equity, found.sessions) == (10_000, 20_100, 2)
    assert (found.exposure_percent, found.time_invested_percent) == (pytest.approx(25), 50)


WORDS = {
    "dip": OrderWords(strategy="dips", reason="oversold"),
    "cross": OrderWords(strategy="trend", reason="crossed"),
}
FILLS = [
    a_fill(1, "buy", "10", "100", order="dip"),
    a_fill(2, "sell", "4", "110", minutes=1440),
    a_fill(3, "sell", "6", "95", minutes=4320),
    a_fill(4, "buy", "5", "50", symbol="MSFT", order="cross"),
    a_fill(5, "sell", "2", "60", minutes=1440, symbol="MSFT"),
    a_fill(6, "buy", "1", "10", symbol="IBM", order="dip", minutes=4320),
]


def test_what_was_realised_is_told_on_the_day_of_its_fill() -> None:
    """Shares sold in parts gained on the days they were sold; the trade counts on the day it closed."""
    trades = together(*folded(FILLS, WORDS))
    rows = by_period(Grouping.DAY, trades, curve=None)
    assert [(row.key, row.realised, row.figures.trades, row.gain) for row in rows] == [
        ("2012-07-03", Decimal(60), 0, None),
        ("2012-07-05", Decimal(-30), 1, None),
    ]
    assert realised_within(trades, day(3), day(3)) == -30


def test_groups_have_what_they_realised_and_hold() -> None:
    """By strategy: closed trades, realised parts of open ones, and what is held at its value."""
    trades = together(*folded(FILLS, WORDS))
    values: dict[str, Decimal | None] = {"MSFT": Decimal(165), "IBM": Decimal(9)}
    income = [moved(1, "1.5", "DIV", "MSFT"), moved(2, "-0.2", "FEE")]
    by_strategy = by_group(Grouping.STRATEGY, trades, values=values, income=income)
    assert [(r.key, r.figures.trades, r.realised, r.open_pnl, r.income) for r in by_strategy] == [
        ("trend", 0, Decimal(20), Decimal(15), None),
        ("dips", 1, Decimal(10), Decimal(-1), None),
    ]
    by_symbol = by_group(Grouping.SYMBOL, trades, values=values, income=income)
    assert [(row.key, row.realised, row.open_pnl, row.income) for row in by_symbol] == [
        ("MSFT", Decimal(20), Decimal(15), Decimal("1.5")),
        ("AAPL", Decimal(10), Decimal(0), Decimal(0)),
        ("IBM", Decimal(0), Decimal(-1), Decimal(0)),
    ]
    ended = by_group(Grouping.TAG, trades, values=None, first=day(1), last=day(1))
    assert [(row.key, row.realised, row.open_pnl) for row in ended] == [
        ("oversold", Decimal(40), None),
        ("crossed", Decimal(20), None),
    ]


def test_a_position_without_a_price_leaves_the_open_gain_unknown() -> None:
    """A sum that misses one is a wrong sum."""
    _, held = folded(FILLS, WORDS)
    assert open_pnl(held, {"MSFT": Decimal(165), "IBM": None}) is None


SIDES = st.tuples(
    st.sampled_from(["buy", "sell"]),
    st.sampled_from(["AAPL", "MSFT"]),
    st.integers(1, 50),
    st.decimals("1", "300", places=2),
    st.integers(0, 4),
)
FLOWS = st.tuples(
    st.integers(1, 4), st.decimals("-500", "5000", places=2), st.sampled_from(["CSD", "DIV", "FEE"])
)


@given(st.lists(SIDES, max_size=14), st.lists(FLOWS, max_size=5), st.decimals("1", "300", places=2))
def test_realised_and_open_and_income_are_the_change_of_equity(
    sides: list[tuple[str, str, int, Decimal, int]],
    flows: list[tuple[int, Decimal, str]],
    price: Decimal,
) -> None:
    """Whatever was traded, put in and earned: the gains of trades are equity's, to the last digit."""
    fills = [
        a_fill(n, side, str(quantity), str(paid), symbol=symbol, minutes=1440 * on)
        for n, (side, symbol, quantity, paid, on) in enumerate(sides)
    ]
    cash = [
        CashMovement(id=str(n), account="paper", kind=kind, at=at(1440 * on - 300), amount=amount)
        for n, (on, amount, kind) in enumerate(flows)
    ]
    prices = {"AAPL": price, "MSFT": 2 * price}
    closes = [marked(number, fills, cash, prices) for number in range(5)]
    curve = account_curve(closes, cash, OPENED)
    closed, held = folded(fills, {})
    trades = together(closed, held)
    income = [one for one in cash if not one.is_funding]
    open_gain = open_pnl(held, worth(held, prices))
    assert open_gain is not None
    earned = sum(one.amount for one in income)
    assert realised_within(trades, date.min, date.max) + open_gain + earned == curve.gain
    rows = by_period(Grouping.DAY, trades, curve=curve, income=income)
    assert sum(row.gain or 0 for row in rows) == account_gain_to_last_session(curve)
    assert sum(row.realised for row in rows) == realised_within(trades, date.min, date.max)


def marked(
    number: int, fills: Iterable[Fill], cash: Iterable[CashMovement], prices: dict[str, Decimal]
) -> Close:
    """The account as those fills and that cash leave it at the day's close."""
    moment = close(number, 0).at
    balance = CASH + sum(one.amount for one in cash if one.at <= moment)
    value = Decimal(0)
    for fill in fills:
        if fill.at <= moment:
            signed = fill.quantity if fill.side == "buy" else -fill.quantity
            balance -= signed * fill.price
            value += signed * prices[fill.symbol]
    return close(number, balance + value, balance)


def together(closed: list[Trade], held: list[OpenTrade]) -> list[Trade | OpenTrade]:
    return [*closed, *held]


def worth(held: Iterable[OpenTrade], prices: dict[str, Decimal]) -> dict[str, Decimal | None]:
    return {trade.symbol: trade.quantity * prices[trade.symbol] for trade in held}


def account_gain_to_last_session(curve: AccountCurve) -> Decimal:
    """What the last session's close had gained, as the rows add it up."""
    last = curve.closes[-1]
    base = curve.base
    assert base is not None
    return last.equity - base.equity - curve.deposits(base, last)
