"""The forms of the indicators agree to 1e-9: plain, last value, streaming, numpy whole, batch and rolling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from alpaquero.strategy import indicators, streaming, vectors
from tests.unit.strategy.prices import edges, named
from tests.unit.strategy.real_prices import SYMBOLS, real_bars

SERIES = named()
Floats = npt.NDArray[np.float64]

# Whole cents, as prices are: where RSI moves by 1e-9 alone no form has digits left for a stochastic.
CENTS = st.lists(st.integers(1, 100_000), min_size=1, max_size=120).map(lambda c: [cent / 100 for cent in c])
STEPS = st.lists(st.integers(-200, 200), min_size=1, max_size=120).map(
    lambda steps: [max(10_000 + sum(steps[: end + 1]), 1) / 100 for end in range(len(steps))]
)


def floats(series: Sequence[float | None]) -> Floats:
    """The series with NaN for None."""
    return np.array([np.nan if value is None else value for value in series], dtype=float)


def assert_same(expected: Sequence[float | None] | Floats, found: Sequence[float | None] | Floats) -> None:
    """Equal to 1e-9 (of a price, to a part in 1e12), and undefined in the same places."""
    np.testing.assert_allclose(
        floats(found) if isinstance(found, list) else found,
        floats(expected) if isinstance(expected, list) else expected,
        rtol=1e-12,
        atol=1e-9,
    )


def assert_forms_agree(closes: list[float]) -> None:
    """Whole series, last value, streaming and numpy of every indicator on `closes`."""
    rows = np.array([closes, closes[::-1]])
    strength, (k, d) = indicators.rsi(closes, 14), indicators.stochastic_rsi(closes)
    assert_same(strength, vectors.rsi(rows, 14)[0])
    assert_same([strength[-1], indicators.rsi(closes[::-1], 14)[-1]], vectors.rsi_last(rows, 14))
    assert strength[-1] == indicators.rsi_last(closes, 14)
    assert_same(strength, [state.update(close) for state in [streaming.Rsi(14)] for close in closes])

    whole_k, whole_d = vectors.stochastic_rsi(rows)
    last_k, last_d = vectors.stochastic_rsi_last(rows)
    assert_same(k, whole_k[0])
    assert_same(d, whole_d[0])
    assert_same([k[-1], d[-1]], np.array([last_k[0], last_d[0]]))
    assert (k[-1], d[-1]) == indicators.stochastic_rsi_last(closes)
    state = streaming.StochasticRsi()
    streamed = [state.update(close) for close in closes]
    assert_same(k, [one for one, _ in streamed])
    assert_same(d, [one for _, one in streamed])

    for period in (2, 9, 30):
        means = indicators.ema(closes, period)
        assert_same(means, vectors.ema(rows, period)[0])
        assert_same([means[-1]], vectors.ema_last(rows, period)[:1])
        assert_same([means[-1]], [indicators.ema_last(closes, period)])
        assert_same(means, [one.update(close) for one in [streaming.Ema(period)] for close in closes])


def assert_windows_agree(closes: list[float], window: int, wanted: Sequence[int] | None = None) -> None:
    """At every bar the numpy form of the moving window is the plain form on that window."""
    rows = np.array([closes])
    k, d = vectors.rolling_stochastic_rsi(rows, window)
    emas = {period: vectors.rolling_ema(rows, period, window) for period in (9, 30)}
    before = vectors.rolling_ema(rows, 9, window, ago=1)
    for end in wanted or range(1, len(closes) + 1):
        at = (0, end - 1)
        if end < window:
            assert np.isnan([k[at], d[at], before[at], *(series[at] for series in emas.values())]).all()
            continue
        judged = closes[end - window : end]
        assert_same(list(indicators.stochastic_rsi_last(judged)), np.array([k[at], d[at]]))
        for period, series in emas.items():
            assert_same([indicators.ema_last(judged, period)], np.array([series[at]]))
        assert_same([indicators.ema_last(judged[:-1], 9)], np.array([before[at]]))


@pytest.mark.parametrize("name", SERIES)
def test_all_forms_agree(name: str) -> None:
    """On shipped prices, random walks, and every edge: flat, monotone, halted, gaps, doubled, short."""
    assert_forms_agree(SERIES[name])


@pytest.mark.parametrize("name", [*dict(edges()), "walk 1", "FB"])
@pytest.mark.parametrize("window", [32, 50])
def test_moving_windows_agree(name: str, window: int) -> None:
    """Each window is judged as if nothing had come before it, whatever had."""
    assert_windows_agree(SERIES[name], window)


@pytest.mark.parametrize("name", ["AAPL", "AAPL-adjusted", "IBM"])
def test_moving_windows_of_live_agree(name: str) -> None:
    """The 250 bars of a signal run, over the whole of the shipped prices."""
    closes = SERIES[name]
    assert_windows_agree(closes, 250, range(250, len(closes), 17))


def assert_plain_windows_agree(closes: list[float], window: int) -> None:
    """At every bar the plain form of the moving window is the last value on that window."""
    k, d = indicators.moving_stochastic_rsi(closes, window)
    means = indicators.moving_ema(closes, 9, window)
    judged = [closes[max(end - window, 0) : end] for end in range(1, len(closes) + 1)]
    last = [indicators.stochastic_rsi_last(one) for one in judged]
    assert_same([one for one, _ in last], k)
    assert_same([one for _, one in last], d)
    assert_same([indicators.ema_last(one, 9) for one in judged], means)


@pytest.mark.parametrize("name", [*dict(edges()), "walk 1", "FB"])
@pytest.mark.parametrize("window", [32, 50])
def test_plain_moving_windows_agree(name: str, window: int) -> None:
    """Each window is judged as if nothing had come before it; before the first whole one on all bars."""
    assert_plain_windows_agree(SERIES[name], window)


@pytest.mark.parametrize("name", ["AAPL-adjusted", "IBM"])
def test_plain_moving_windows_of_live_agree(name: str) -> None:
    """The 250 bars of a signal run."""
    assert_plain_windows_agree(SERIES[name][-900:], 250)


@settings(deadline=None)
@given(st.one_of(CENTS, STEPS))
def test_plain_moving_windows_agree_on_any_prices(closes: list[float]) -> None:
    """The shortest window that has a D moves the most."""
    assert_plain_windows_agree(closes, 32)


@settings(deadline=None)  # a machine may be busy
@given(st.one_of(CENTS, STEPS))
def test_all_forms_agree_on_any_prices(closes: list[float]) -> None:
    """Wild prices and small steps, of any length."""
    assert_forms_agree(closes)


@settings(deadline=None)
@given(st.one_of(CENTS, STEPS))
def test_moving_windows_agree_on_any_prices(closes: list[float]) -> None:
    """The shortest window that has a D moves the most."""
    assert_windows_agree(closes, 32)


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("period", [2, 14])
def test_the_forms_of_the_average_true_range_agree(symbol: str, period: int) -> None:
    """Plain, streaming, numpy and TA-Lib's, on real prices with their gaps."""
    bars = real_bars()[symbol][-700:]
    highs, lows, closes = ([getattr(bar, name) for bar in bars] for name in ("high", "low", "close"))
    rows = np.array([highs]), np.array([lows]), np.array([closes])
    expected = indicators.average_true_ranges(highs, lows, closes, period)
    assert_same(expected, talib.ATR(*(row[0] for row in rows), period))
    assert_same(expected, vectors.average_true_ranges(*rows, period)[0])
    assert_same(expected[-1:], vectors.average_true_range_last(*rows, period))
    state = streaming.AverageTrueRange(period)
    assert_same(expected, [state.update(*bar) for bar in zip(highs, lows, closes, strict=True)])
    rolling = vectors.rolling_average_true_range(*rows, period, 60)[0]
    assert np.isnan(rolling[:59]).all()
    for end in range(60, len(bars) + 1, 7):
        span = slice(end - 60, end)
        alone = indicators.average_true_range(highs[span], lows[span], closes[span], period)
        assert_same([alone], rolling[end - 1 : end])


@pytest.mark.parametrize(("stochastic", "k", "d"), [(2, 1, 1), (5, 1, 3), (14, 3, 1), (9, 4, 5), (3, 6, 6)])
def test_other_periods_agree_too(stochastic: int, k: int, d: int) -> None:
    """Nothing in a form rests on the default periods."""
    closes = SERIES["walk 2"]
    periods = {"rsi_period": 7, "stochastic_period": stochastic, "k_smoothing": k, "d_smoothing": d}
    whole = indicators.stochastic_rsi(closes, **periods)
    for expected, found in zip(whole, vectors.stochastic_rsi(np.array([closes]), **periods), strict=True):
        assert_same(expected, found[0])
    judged = closes[100:140]
    last = indicators.stochastic_rsi_last(judged, **periods)
    assert_same(list(last), np.hstack(vectors.stochastic_rsi_last(np.array([judged]), **periods)))
    rolling = vectors.rolling_stochastic_rsi(np.array([closes]), 40, **periods)
    assert_same(list(last), np.array([series[0, 139] for series in rolling]))


def test_a_window_too_short_is_refused() -> None:
    """The message names the least; nothing is made up from fewer bars."""
    closes = np.array([SERIES["walk 1"]])
    with pytest.raises(ValueError, match="set it from 32"):
        vectors.rolling_stochastic_rsi(closes, 31)
    with pytest.raises(ValueError, match="set it from 11"):
        vectors.rolling_ema(closes, 10, 10, ago=1)
    with pytest.raises(ValueError, match="set it from 32"):
        indicators.moving_stochastic_rsi(SERIES["walk 1"], 31)
    with pytest.raises(ValueError, match="set it from 10"):
        indicators.moving_ema(SERIES["walk 1"], 10, 9)
