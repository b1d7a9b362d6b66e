"""What an equity curve says, checked by hand and against numpy's and pandas' own statistics."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.portfolio import curve
from alpaquero.prices.bars import Bar
from alpaquero.prices.columns import Columns

FIRST = date(2012, 1, 3)


def daily(*equities: float) -> list[tuple[date, float]]:
    """A curve with one point a day."""
    return [(FIRST + timedelta(days=number), equity) for number, equity in enumerate(equities)]


def test_growth_is_compounded_by_years() -> None:
    """21% in two years of 365.25 days are 10% a year; within a day there is no rate."""
    assert curve.cagr_percent(100, 121, 731) == pytest.approx(10, abs=0.01)
    assert curve.cagr_percent(100, 121, 0) is None
    assert curve.cagr_percent(100, 0, 365) is None


def test_sharpe_and_sortino_by_hand() -> None:
    """Returns of 2%, -1%, 2%, -1%: mean 0.5%, deviation root 3 %, downside root 0.5 %."""
    returns = [0.02, -0.01, 0.02, -0.01]
    assert curve.sharpe(returns) == pytest.approx(0.005 / (0.03 / math.sqrt(3)) * math.sqrt(252))
    assert curve.sortino(returns) == pytest.approx(0.005 / math.sqrt(0.0001 / 2) * math.sqrt(252))
    assert curve.volatility_percent(returns) == pytest.approx(3 / math.sqrt(3) * math.sqrt(252))


def test_the_risk_free_rate_is_taken_off_each_day() -> None:
    """A curve that earns just the risk-free rate has no Sharpe: nothing varies and nothing is over."""
    rate = 1.05 ** (1 / 252) - 1
    assert curve.sharpe([rate] * 10, risk_free_percent=5) is None
    swinging = [rate + 0.01, rate - 0.01] * 5
    assert curve.sharpe(swinging, risk_free_percent=5) == pytest.approx(0, abs=1e-9)


def test_ratios_of_too_little_are_none() -> None:
    """One return has no deviation, equal returns none to divide by, gains alone no downside."""
    assert (None, None, None) == (curve.sharpe([0.1]), curve.sortino([0.1]), curve.volatility_percent([0.1]))
    assert (None, None) == (curve.sharpe([0.0, 0.0]), curve.sortino([0.01, 0.02]))


@given(st.lists(st.floats(50, 200), min_size=3, max_size=60).filter(lambda e: len(set(e)) > 2))
def test_statistics_agree_with_pandas(equities: list[float]) -> None:
    """Returns, volatility, Sharpe and the deepest drawdown are those pandas and numpy compute."""
    series = pd.Series(equities)
    returns = series.pct_change().dropna()
    found = curve.figures_of(daily(*equities))
    assert found.volatility_percent == pytest.approx(returns.std() * math.sqrt(252) * 100)
    assert found.sharpe == pytest.approx(returns.mean() / returns.std() * math.sqrt(252))
    assert found.max_drawdown_percent == pytest.approx(-(series / series.cummax() - 1).min() * 100)
    downside = math.sqrt(np.square(np.minimum(returns, 0)).mean())
    assert found.sortino == (
        pytest.approx(returns.mean() / downside * math.sqrt(252)) if downside > 1e-12 else None
    )


def test_drawdowns_have_dates_and_lengths() -> None:
    """Each fall has its peak, trough and recovery; the one that lasts is counted to the end."""
    falls = curve.drawdowns(daily(100, 120, 90, 108, 120, 130, 117, 125))
    assert [
        curve.Drawdown(
            depth_percent=25, peak_on=date(2012, 1, 4), trough_on=date(2012, 1, 5),
            recovered_on=date(2012, 1, 7), days=3,
        ),
        curve.Drawdown(
            depth_percent=10, peak_on=date(2012, 1, 8), trough_on=date(2012, 1, 9), recovered_on=None, days=2
        ),
    ] == falls  # fmt: skip


def test_a_curve_that_only_rises_has_no_drawdown() -> None:
    """No fall, so none deepest, and no Calmar to divide by."""
    found = curve.figures_of(daily(100, 101, 102))
    assert (0, 0, None) == (found.max_drawdown_percent, found.longest_drawdown_days, found.calmar)


def test_a_fall_by_rounding_alone_has_no_calmar() -> None:
    """A growth over the noise of the last digit would be a figure without meaning."""
    assert curve.figures_of(daily(100, 125, 125 * (1 - 1e-15))).calmar is None


def test_calmar_is_yearly_growth_over_the_deepest_fall() -> None:
    """10% a year with a fall of 25% on the way."""
    days = [(FIRST, 100.0), (FIRST + timedelta(10), 75.0), (FIRST + timedelta(days=731), 121.0)]
    assert curve.figures_of(days).calmar == pytest.approx(0.4, abs=0.001)


def test_who_owes_money_has_no_ratios() -> None:
    """Equity at or below 0 leaves return and drawdown, but nothing computed from daily returns."""
    found = curve.figures_of(daily(100, 50, -10))
    assert (None, None, None) == (found.sharpe, found.volatility_percent, found.cagr_percent)
    assert found.total_return_percent == pytest.approx(-110)
    assert found.max_drawdown_percent == pytest.approx(110)


def test_months_compound_to_years() -> None:
    """A month counts from the end of the one before, the first from the first point."""
    days = [(date(2011, 11, 15), 100.0), (date(2011, 11, 30), 110.0), (date(2011, 12, 30), 99.0)]
    days += [(date(2012, 1, 31), 198.0)]
    assert curve.monthly_returns(days) == {
        2011: {11: pytest.approx(10), 12: pytest.approx(-10)},
        2012: {1: pytest.approx(100)},
    }
    assert curve.yearly_returns(days) == {2011: pytest.approx(-1), 2012: pytest.approx(100)}


def test_nothing_returns_of_an_account_that_is_lost() -> None:
    """The month that loses the last cent is -100%; those after it have no return at all."""
    days = [(date(2012, 1, 31), 50.0), (date(2012, 2, 1), 0.0), (date(2012, 3, 1), 0.0)]
    assert curve.monthly_returns(days) == {2012: {1: 0.0, 2: -100.0}}


def test_exposure_is_the_share_of_equity_invested() -> None:
    """Half invested on one of two days is a quarter on average and half of the time; shorts count too."""
    found = curve.figures_of(daily(100, 100), invested=[0, -50])
    assert (25, 50) == (found.exposure_percent, found.time_invested_percent)
    with pytest.raises(ValueError, match="give one each"):
        curve.figures_of(daily(100, 100), invested=[1.0])


def test_what_the_first_session_earned_counts() -> None:
    """With the equity before the first session its return is one of the returns, and a fall a drawdown."""
    found = curve.figures_of(daily(90, 99), initial=100)
    assert (2, 100, pytest.approx(-1)) == (found.sessions, found.initial_equity, found.total_return_percent)
    assert (pytest.approx(10), pytest.approx(-10)) == (
        found.max_drawdown_percent,
        found.worst_session_percent,
    )


def test_turnover_counts_a_purchase_and_its_sale_once() -> None:
    """Bought for 100 and sold for 100 within a year on an equity of 100: turned over once."""
    days = [(FIRST, 100.0), (FIRST + timedelta(days=1461) / 4, 100.0)]
    assert curve.turnover(200, days) == pytest.approx(1, abs=0.01)
    assert curve.turnover(200, daily(100)) is None


def columns(first: date, *closes: float) -> Columns:
    """Daily bars that open a dollar below their close."""
    midnight = datetime(first.year, first.month, first.day, 5, tzinfo=UTC)
    return Columns.of(
        Bar(midnight + timedelta(days=number), close - 1, close, close - 1, close, 10)
        for number, close in enumerate(closes)
    )


def test_buy_and_hold_buys_at_the_first_open_and_marks_at_closes() -> None:
    """A symbol that starts later is bought then; a day without a bar keeps the last close."""
    series = {"A": columns(FIRST, 11, 22), "B": columns(FIRST + timedelta(days=1), 21)}
    days = [FIRST + timedelta(days=number) for number in range(3)]
    assert [(days[0], 550 + 500), (days[1], 1100 + 525), (days[2], 1100 + 525)] == curve.buy_and_hold(
        series, days, 1000
    )


def test_bars_before_the_first_day_are_not_bought() -> None:
    """The benchmark starts with the backtest, not with its warm-up."""
    held = curve.buy_and_hold({"A": columns(FIRST, 3, 11)}, [FIRST + timedelta(days=1)], 100)
    assert [(FIRST + timedelta(days=1), 110)] == held


def test_an_empty_curve_is_an_error() -> None:
    """Nothing can be said of no point."""
    with pytest.raises(ValueError, match="at least one point"):
        curve.figures_of([])
    with pytest.raises(ValueError, match="at least one symbol"):
        curve.buy_and_hold({}, [FIRST], 100)


def test_deposits_and_withdrawals_are_no_return() -> None:
    """Money put in works from the morning of its day, money taken out until that evening."""
    days = daily(100, 210, 100)
    flows = [(FIRST + timedelta(days=1), 100.0), (FIRST + timedelta(days=2), -105.0)]
    index = curve.time_weighted(days, flows)
    assert [value for _, value in index] == pytest.approx([100, 105, 105 * 205 / 210])
    assert [day for day, _ in index] == [day for day, _ in days]


def test_without_flows_the_curve_is_its_own_index() -> None:
    """Linked returns of a curve that nothing came to are the curve."""
    assert curve.time_weighted(daily(100, 90, 120), []) == [
        (day, pytest.approx(value)) for day, value in daily(100, 90, 120)
    ]


def test_a_flow_on_a_day_without_a_close_counts_on_the_next() -> None:
    """A deposit of Saturday is in Monday's equity; one before the curve is in its first."""
    days = [(FIRST, 100.0), (FIRST + timedelta(days=4), 150.0)]
    flows = [(FIRST, 30.0), (FIRST + timedelta(days=2), 50.0)]
    assert [100, pytest.approx(100)] == [value for _, value in curve.time_weighted(days, flows)]


def test_an_account_that_waits_for_money_begins_with_it() -> None:
    """Days of nothing are no part of the index, and emptied it stands still."""
    days = daily(0, 0, 100, 110, 0, 0)
    flows = [(FIRST + timedelta(days=2), 100.0), (FIRST + timedelta(days=4), -110.0)]
    assert [100, pytest.approx(110), pytest.approx(110), pytest.approx(110)] == [
        value for _, value in curve.time_weighted(days, flows)
    ]
    assert curve.time_weighted(daily(0, 0), []) == []


def test_who_owes_money_stays_below_nothing() -> None:
    """From the day that equity is below 0 no return is linked."""
    assert [100, pytest.approx(-10), pytest.approx(-10)] == [
        value for _, value in curve.time_weighted(daily(100, -10, 50), [])
    ]


@given(
    st.lists(st.floats(50, 200), min_size=2, max_size=30),
    st.lists(st.tuples(st.integers(0, 40), st.floats(-40, 40)), max_size=6),
)
def test_flows_alone_never_make_a_return(equities: list[float], flows: list[tuple[int, float]]) -> None:
    """An account that only money moves stands still, whatever comes and goes."""
    moved = [(FIRST + timedelta(days=n), amount) for n, amount in flows]
    days = [
        (
            FIRST + timedelta(days=n),
            1000 + sum(a for on, a in moved if FIRST < on <= FIRST + timedelta(days=n)),
        )
        for n in range(len(equities))
    ]
    assert [pytest.approx(1000)] * len(days) == [value for _, value in curve.time_weighted(days, moved)]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=200), st.integers(3, 50))
def test_a_thinned_line_keeps_its_ends_and_its_order(values: list[float], wanted: int) -> None:
    """So many points, each once and in order, the first and the last among them."""
    places = curve.thinned([(float(n), value) for n, value in enumerate(values)], wanted)
    assert places == sorted(set(places))
    assert len(places) == min(wanted, len(values))
    assert (places[0], places[-1]) == (0, len(values) - 1)


def test_a_thinned_line_keeps_the_spike() -> None:
    """One minute of a thousand that fell deep is drawn."""
    points = [(float(n), -50.0 if n == 437 else n / 1000) for n in range(1000)]
    assert 437 in curve.thinned(points, 20)
