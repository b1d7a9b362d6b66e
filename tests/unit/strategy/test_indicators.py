"""Indicators agree with TA-Lib where TA-Lib is right, and say None where it makes up a number."""

from __future__ import annotations

import random
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from alpaquero.strategy.indicators import (
    Series,
    average_true_range,
    ema,
    ema_last,
    rsi,
    sma,
    stochastic_rsi,
    stochastic_rsi_last,
)
from tests.unit.strategy.prices import adjusted, real, walk
from tests.unit.strategy.real_prices import SYMBOLS, real_bars

CLOSES = st.lists(st.floats(0.01, 1000), max_size=80)


SERIES = {**real(), **adjusted(), **{f"walk-{seed}": walk(seed) for seed in range(8)}}


@pytest.fixture(params=SERIES)
def closes(request: pytest.FixtureRequest) -> list[float]:
    """Closes of a shipped symbol, raw or adjusted for splits, or of a random walk."""
    return SERIES[request.param]


def assert_agree(expected: npt.NDArray[np.float64], found: Series, first: int) -> None:
    """None before `first`, from there on equal to 1e-9."""
    assert len(expected) == len(found)
    assert [None] * first == found[:first]
    np.testing.assert_allclose(np.array(found[first:], dtype=float), expected[first:], rtol=0, atol=1e-9)


@pytest.mark.parametrize("period", [2, 9, 10, 30])
def test_ema_is_talibs(closes: list[float], period: int) -> None:
    """The same seed and the same first value."""
    assert_agree(talib.EMA(np.array(closes), period), ema(closes, period), period - 1)


@pytest.mark.parametrize("period", [2, 14])
def test_rsi_is_talibs(closes: list[float], period: int) -> None:
    """The same seed and the same first value."""
    assert_agree(talib.RSI(np.array(closes), period), rsi(closes, period), period)


def test_k_is_talibs_fastd(closes: list[float]) -> None:
    """What charts call K is TA-Lib's `fastd`; D is its simple mean; first indices are 29 and 31."""
    _, fast_d = talib.STOCHRSI(np.array(closes), timeperiod=14, fastk_period=14, fastd_period=3)
    k, d = stochastic_rsi(closes)
    assert_agree(fast_d, k, 29)
    slow = [sum(fast_d[end - 2 : end + 1]) / 3 for end in range(len(closes))]
    assert_agree(np.array(slow), d, 31)


@pytest.mark.parametrize("count", [0, 1, 13, 14, 15, 27, 28, 29, 30, 31, 32, 33, 250])
def test_the_last_values_are_the_series_last(count: int) -> None:
    """The short way gives what the long one does, at every length; StochRSI to the very bits."""
    closes = walk(1)[:count]
    k, d = stochastic_rsi(closes)
    assert (k[-1] if k else None, d[-1] if d else None) == stochastic_rsi_last(closes)
    means = ema(closes, 9)
    assert (pytest.approx(means[-1], rel=1e-14) if means and means[-1] else None) == ema_last(closes, 9)


def test_first_values_come_where_they_are_documented() -> None:
    """RSI at index 14, K at 29, D at 31, EMA(9) at 8."""
    closes = walk(2)
    k, d = stochastic_rsi(closes)
    firsts = [
        next(i for i, v in enumerate(s) if v is not None) for s in (rsi(closes, 14), k, d, ema(closes, 9))
    ]
    assert [14, 29, 31, 8] == firsts


def test_a_steady_rise_has_an_rsi_and_no_stochastic() -> None:
    """TA-Lib calls it oversold at RSI 100; there is no range, so there is no K and no D."""
    rise = [100.0 + step for step in range(60)]
    k, d = stochastic_rsi(rise)
    assert {100.0} == set(rsi(rise, 14)[14:])
    assert {None} == {*k, *d}
    assert (None, None) == stochastic_rsi_last(rise)
    assert 0.0 == talib.STOCHRSI(np.array(rise), 14, 14, 3)[1][-1]


def test_a_steady_fall_has_an_rsi_of_0() -> None:
    """Losses without gains are 0, a value; its stochastic is undefined."""
    fall = [100.0 - step for step in range(60)]
    assert {0.0} == set(rsi(fall, 14)[14:])
    assert (None, None) == stochastic_rsi_last(fall)


def test_flat_prices_have_no_rsi() -> None:
    """TA-Lib calls it 0; nothing has moved, so there is nothing to say."""
    flat = [100.0] * 60
    assert {None} == set(rsi(flat, 14))
    assert (None, None) == stochastic_rsi_last(flat)
    assert 0.0 == talib.RSI(np.array(flat), 14)[-1]


def test_a_halted_symbol_has_no_stochastic() -> None:
    """After prices stop, RSI moves by rounding alone; that noise is no range."""
    halted = walk(3)[:100] + [123.45] * 60
    assert (None, None) == stochastic_rsi_last(halted)


def test_an_undefined_value_spoils_the_means_it_is_in() -> None:
    """A zero range makes raw undefined; K returns two bars after raw does, D two bars after K."""
    closes = [100.0 + step for step in range(40)] + [139.0 - 2 * step for step in range(1, 8)] + walk(4)[:20]
    k, d = stochastic_rsi(closes)
    raw_returns = 40  # the first fall gives RSI a range
    assert {None} == set(k[: raw_returns + 2]) == set(d[: raw_returns + 4])
    assert None not in k[raw_returns + 2 :]
    assert None not in d[raw_returns + 4 :]


def test_k_pins_at_exactly_0_and_100() -> None:
    """At the edges of the range there is no rounding noise to compare."""
    draw = random.Random(5)
    fall = list(accumulate((-draw.random() for _ in range(40)), initial=150.0))
    down = walk(5)[:60] + [price - 50 for price in fall]
    k, d = stochastic_rsi(down)
    pinned = [(k[i], d[i]) for i in range(len(k)) if k[i] == 0.0]
    assert pinned
    assert (0.0, 0.0) in pinned


def test_means_do_not_drift() -> None:
    """A mean of three 100s is 100 however large the values before it were."""
    assert 100.0 == sma([1e16, 0.1, 0.2, 100.0, 100.0, 100.0], 3)[-1]


def test_a_mean_of_too_few_is_none() -> None:
    """Shorter series give as many Nones as they have values."""
    assert [None, None] == sma([1.0, 2.0], 3)
    assert [] == sma([], 3)
    assert [None, None] == ema([1.0, 2.0], 3)
    assert [None, None] == rsi([1.0, 2.0], 14)


@settings(deadline=None)  # a machine may be busy
@given(CLOSES)
def test_values_stay_in_their_range(closes: list[float]) -> None:
    """RSI, K and D lie from 0 to 100 on any prices, and every series is as long as its input."""
    k, d = stochastic_rsi(closes)
    for series in (rsi(closes, 14), k, d):
        assert len(closes) == len(series)
        assert all(0.0 <= value <= 100.0 for value in series if value is not None)


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1000), min_size=30, max_size=40, unique=True))
def test_gains_alone_are_exactly_100(closes: list[float]) -> None:
    """A rise of any steps pins RSI at 100 without noise, so it has no range."""
    assert {100.0} == set(rsi(sorted(closes), 14)[14:])
    assert (None, None) == stochastic_rsi_last(sorted(closes))


@settings(deadline=None)
@given(CLOSES)
def test_a_series_does_not_look_ahead(closes: list[float]) -> None:
    """What was said about a bar does not change when a later one comes."""
    k, d = stochastic_rsi(closes)
    earlier_k, earlier_d = stochastic_rsi(closes[:-1])
    assert (k[: len(earlier_k)], d[: len(earlier_d)]) == (earlier_k, earlier_d)


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("period", [2, 14, 50])
def test_the_average_true_range_is_talibs(symbol: str, period: int) -> None:
    """Wilder's, seeded with the mean of the first ranges, on real prices with their gaps."""
    bars = real_bars()[symbol]
    highs, lows, closes = ([getattr(b, name) for b in bars] for name in ("high", "low", "close"))
    expected = talib.ATR(np.array(highs), np.array(lows), np.array(closes), period)[-1]
    assert pytest.approx(expected, rel=1e-9) == average_true_range(highs, lows, closes, period)


@pytest.mark.parametrize(("bars", "expected"), [(14, None), (15, 2.0)])
def test_the_average_true_range_needs_a_bar_more_than_its_period(bars: int, expected: float | None) -> None:
    """The first bar has no close before it, so no true range."""
    assert expected == average_true_range([11.0] * bars, [9.0] * bars, [10.0] * bars, 14)
