"""Our statistics against empyrical's, on the same returns; and where the two differ, by how much.

empyrical (Quantopian's, kept by S. Jansen as empyrical-reloaded) is what pyfolio reports with.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from itertools import accumulate

import empyrical
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alpaquero.portfolio import comparison, curve

FIRST = date(2012, 1, 3)
DAILY = st.floats(-0.2, 0.25)
SERIES = st.lists(DAILY, min_size=3, max_size=60).filter(lambda daily: float(np.std(daily)) > 1e-6)
PAIRS = st.lists(st.tuples(DAILY, DAILY), min_size=3, max_size=60)


def about(value: float) -> object:
    """The same to a billionth."""
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def curve_of(daily: list[float]) -> list[tuple[date, float]]:
    """The equity that these returns make of 100,000 dollars, a point a day."""
    equities = accumulate(daily, lambda equity, gain: equity * (1 + gain), initial=100_000.0)
    return [(FIRST + timedelta(days=number), equity) for number, equity in enumerate(equities)]


@given(SERIES, st.sampled_from([0.0, 2.0, 5.0]))
def test_return_and_risk_are_empyricals(daily: list[float], risk_free_percent: float) -> None:
    """Total return, volatility, Sharpe and deepest drawdown agree to a billionth."""
    found, returns = curve.figures_of(curve_of(daily), risk_free_percent=risk_free_percent), np.array(daily)
    rate = curve.daily_rate(risk_free_percent)
    assert found.total_return_percent == about(empyrical.cum_returns_final(returns) * 100)
    assert found.volatility_percent == about(empyrical.annual_volatility(returns) * 100)
    assert found.sharpe == about(empyrical.sharpe_ratio(returns, risk_free=rate))
    assert found.max_drawdown_percent == about(-empyrical.max_drawdown(returns) * 100)


@given(SERIES, st.sampled_from([0.0, 3.0]))
def test_sortino_is_empyricals(daily: list[float], risk_free_percent: float) -> None:
    """The downside deviation counts every day, with the risk-free rate as what is asked for."""
    rate = curve.daily_rate(risk_free_percent)
    assume(empyrical.downside_risk(np.array(daily), required_return=rate) > 1e-6)
    found = curve.sortino(daily, risk_free_percent=risk_free_percent)
    assert found == about(empyrical.sortino_ratio(np.array(daily), required_return=rate))


@given(SERIES)
def test_growth_and_calmar_differ_by_the_length_of_a_year(daily: list[float]) -> None:
    """empyrical takes 252 returns for a year, we the days of the calendar that have passed."""
    found = curve.figures_of(curve_of(daily))
    days, returns = len(daily), np.array(daily)
    assert found.cagr_percent is not None
    theirs = (1 + empyrical.annual_return(returns)) ** ((days / 252) * (365.25 / days)) - 1
    assert found.cagr_percent == pytest.approx(theirs * 100, rel=1e-8, abs=1e-9)
    deepest = -empyrical.max_drawdown(returns)
    assume(deepest > 1e-6 or deepest < 1e-13)  # between lies the noise of the last digits
    assert found.calmar == (pytest.approx(theirs / deepest, rel=1e-8, abs=1e-9) if deepest > 1e-6 else None)


@given(PAIRS, st.sampled_from([0.0, 4.0]))
def test_alpha_and_beta_are_empyricals(pairs: list[tuple[float, float]], risk_free_percent: float) -> None:
    """Both agree, alpha compounded to 252 days."""
    own, other = (list(column) for column in zip(*pairs, strict=True))
    assume(float(np.std(other)) > 1e-4)
    rate = curve.daily_rate(risk_free_percent)
    assert comparison.beta(own, other) == about(
        empyrical.beta_aligned(np.array(own), np.array(other), risk_free=rate)
    )
    alpha = comparison.alpha_percent(own, other, risk_free_percent=risk_free_percent)
    if alpha is None:  # a loss of everything and more each day: compounded it is nothing, or its mirror image
        slope = comparison.beta(own, other)
        assert slope is not None
        assert np.mean(own) - rate - slope * (np.mean(other) - rate) <= -1
        return
    theirs = empyrical.alpha_aligned(np.array(own), np.array(other), risk_free=rate) * 100
    assert alpha == pytest.approx(theirs, rel=1e-7, abs=1e-9)


@given(PAIRS)
def test_the_information_ratio_is_empyricals_excess_sharpe_of_a_year(
    pairs: list[tuple[float, float]],
) -> None:
    """empyrical leaves it by the day; ours is annual, as Sharpe and Sortino are."""
    own, other = (list(column) for column in zip(*pairs, strict=True))
    active = np.array(own) - np.array(other)
    assume(float(np.std(active)) > 1e-6)
    assert comparison.information_ratio(own, other) == about(
        empyrical.excess_sharpe(np.array(own), np.array(other)) * math.sqrt(252)
    )
    assert comparison.tracking_error_percent(own, other) == about(empyrical.annual_volatility(active) * 100)


@pytest.mark.parametrize("daily", [[0.01, 0.01, 0.01], [0.01, 0.02, 0.0]])
def test_what_empyrical_calls_infinite_or_nothing_is_none(daily: list[float]) -> None:
    """Without variation or losses there is no ratio; empyrical answers inf or NaN."""
    assert not math.isfinite(empyrical.sortino_ratio(np.array(daily)))
    assert math.isnan(empyrical.calmar_ratio(np.array(daily)))
    found = curve.figures_of(curve_of(daily))
    assert (found.sortino, found.calmar) == (None, None)
