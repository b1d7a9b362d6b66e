"""The owner's rule: what it raises, where its edges are, and how strong a signal is."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
import talib

from alpaquero.orders.intent import Side
from alpaquero.prices.bars import Bar
from alpaquero.prices.columns import Columns
from alpaquero.strategies.stochrsi_ema import Parameters, conditions, decide, values, warm_up_bars
from alpaquero.strategy.judging import judge
from alpaquero.strategy.settings import StrategySettings
from alpaquero.strategy.signal import Signal, Withheld
from tests.unit.strategy.real_prices import SESSION, SYMBOLS, real_bars

DEFAULTS = Parameters()
SETTINGS = StrategySettings()
PRICE = Decimal("451.00")
# Conditions on raw closes in the last 250 sessions, as TA-Lib finds them too.
OBSERVED = {"AAPL": (10, 10), "FB": (0, 0), "GOOG": (6, 6), "IBM": (11, 8), "MSFT": (6, 4)}


def judged(bars: list[Bar], start: datetime | None = None) -> Signal | Withheld | None:
    """What the rule says about the last of `bars`, or about the bar that starts at `start`."""
    start = start or bars[-1].start
    return judge(
        "AAPL",
        Columns.of(bars),
        strategy="stochrsi_ema",
        settings=SETTINGS,
        bar_start=start,
        bar_close=start + SESSION,
        reference_price=PRICE,
    )


def outcome(found: Signal | Withheld | None) -> str:
    """The side of a signal, the code of a withheld one, or quiet."""
    if found is None:
        return "quiet"
    return found.side.value if isinstance(found, Signal) else found.code.value


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_shipped_symbols_raise_what_was_observed(symbol: str) -> None:
    """In the last 250 sessions 33 BUY and 28 SELL conditions hold, and FB (196 bars) is always withheld."""
    bars = real_bars()[symbol]
    ends = range(max(len(bars) - 250, 0) + 1, len(bars) + 1)
    counts = Counter(outcome(judged(bars[:end])) for end in ends)
    buys, sells = OBSERVED[symbol]
    expected = (
        {"short_history": 196}
        if symbol == "FB"
        else {"buy": buys, "sell": sells, "quiet": 250 - buys - sells}
    )
    assert expected == dict(counts)
    assert (33, 28) == (sum(b for b, _ in OBSERVED.values()), sum(s for _, s in OBSERVED.values()))


@pytest.mark.parametrize("symbol", [symbol for symbol in SYMBOLS if symbol != "FB"])
def test_the_conditions_are_talibs(symbol: str) -> None:
    """Session by session the rule holds exactly where TA-Lib's values over the whole history say so."""
    bars = real_bars()[symbol]
    closes = np.array([bar.close for bar in bars])
    k = talib.STOCHRSI(closes, timeperiod=14, fastk_period=14, fastd_period=3)[1]
    fast, slow = talib.EMA(closes, 10), talib.EMA(closes, 30)
    for index in range(len(bars) - 250, len(bars)):
        d = sum(k[index - 2 : index + 1]) / 3
        lead = k[index] - d
        buy = fast[index] > slow[index] and k[index] < 20 and d < 20 and lead > 1e-9
        sell = fast[index] < slow[index] and k[index] > 80 and d > 80 and lead < -1e-9
        expected = "buy" if buy else "sell" if sell else "quiet"
        assert expected == outcome(judged(bars[: index + 1])), bars[index].start


def test_a_signal_carries_what_it_was_judged_on() -> None:
    """Bar, close, raw price, reason and rounded values are in the signal, enough to judge it again."""
    bars = real_bars()["AAPL"]
    found = next(
        signal
        for end in range(len(bars), 0, -1)
        if isinstance(signal := judged(bars[:end]), Signal) and signal.side is Side.BUY
    )
    assert ("AAPL", "stochrsi_ema", "1Day", PRICE) == (
        found.symbol,
        found.strategy,
        found.timeframe,
        found.reference_price,
    )
    assert found.bar_close == found.bar_start + SESSION
    assert "stochrsi_oversold_uptrend" == found.reason
    assert {"k", "d", "ema", "ema_fast", "ema_slow"} == set(found.values)
    assert all(value == round(value, 9) for value in found.values.values())
    decision = decide(found.values, DEFAULTS)
    assert decision is not None
    assert (found.side, found.strength, found.reason) == (decision.side, decision.strength, decision.tag)
    assert found == msgspec.json.decode(msgspec.json.encode(found), type=Signal)


def test_older_history_makes_no_difference() -> None:
    """Only the last 250 bars are judged, so a store that holds more decides the same to the bit."""
    bars = real_bars()["IBM"]
    for end in range(len(bars) - 50, len(bars) + 1):
        assert judged(bars[:end]) == judged(bars[end - 250 : end])


UP = {"ema_fast": 101.0, "ema_slow": 100.0, "ema": 101.0}
DOWN = {"ema_fast": 99.0, "ema_slow": 100.0, "ema": 99.0}


@pytest.mark.parametrize(
    ("values", "side"),
    [
        ({**UP, "k": 15.0, "d": 10.0}, Side.BUY),
        ({**UP, "k": 19.999999999, "d": 0.0}, Side.BUY),
        ({**UP, "k": 20.0, "d": 10.0}, None),
        ({**UP, "k": 10.0, "d": 15.0}, None),
        ({**UP, "k": 10.0, "d": 10.0}, None),
        ({**UP, "k": 10.000000001, "d": 10.0}, None),
        ({**UP, "k": 10.000000002, "d": 10.0}, Side.BUY),
        ({**UP, "k": 0.0, "d": 0.0}, None),
        ({**UP, "k": 1e-9, "d": 0.0}, None),
        ({**UP, "k": 85.0, "d": 90.0}, None),
        ({**DOWN, "k": 15.0, "d": 10.0}, None),
        ({**DOWN, "k": 85.0, "d": 90.0}, Side.SELL),
        ({**DOWN, "k": 80.000000001, "d": 100.0}, Side.SELL),
        ({**DOWN, "k": 80.0, "d": 90.0}, None),
        ({**DOWN, "k": 90.0, "d": 85.0}, None),
        ({**DOWN, "k": 90.0, "d": 90.000000001}, None),
        ({**DOWN, "k": 90.0, "d": 90.000000002}, Side.SELL),
        ({**DOWN, "k": 100.0, "d": 100.0}, None),
        ({**UP, "ema_fast": 100.0, "k": 15.0, "d": 10.0}, None),
        ({**DOWN, "ema_fast": 100.0, "k": 85.0, "d": 90.0}, None),
    ],
)
def test_the_rule_at_its_edges(values: dict[str, float], side: Side | None) -> None:
    """Strictly inside the levels, strictly with the trend, K ahead of D by more than 1e-9."""
    found = decide(values, DEFAULTS)
    assert side is (found and found.side)
    for asked in Side:
        holding = all(c.holds for c in conditions(values, DEFAULTS) if c.side is asked)
        assert holding is (side is asked)


@pytest.mark.parametrize(
    ("side", "k", "fast", "points"),
    [
        (Side.BUY, 15.0, 101.0, 75),
        (Side.BUY, 15.0, 102.0, 75),
        (Side.BUY, 15.0, 102.1, 85),
        (Side.BUY, 10.0, 101.0, 75),
        (Side.BUY, 9.9, 101.0, 80),
        (Side.BUY, 0.0, 103.0, 90),
        (Side.SELL, 85.0, 99.0, 75),
        (Side.SELL, 85.0, 97.9, 85),
        (Side.SELL, 90.0, 99.0, 75),
        (Side.SELL, 90.1, 99.0, 80),
        (Side.SELL, 99.0, 97.0, 90),
    ],
)
def test_strength_adds_up(side: Side, k: float, fast: float, points: int) -> None:
    """75, 10 more when the EMAs lie over 2% apart, 5 more when K is extreme; K = 0 counts as extreme."""
    d = k - 0.5 if side is Side.BUY else k + 0.5
    found = decide({"k": k, "d": d, "ema_fast": fast, "ema_slow": 100.0}, DEFAULTS)
    assert found is not None
    assert (side, points) == (found.side, found.strength)


def test_too_short_a_series_has_no_values() -> None:
    """Undefined indicators are None, not 0."""
    assert {None} == set(values(Columns.of(real_bars()["MSFT"][:2]), DEFAULTS).values())


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"rsi_period_bars": 1}, "rsi_period_bars"),
        ({"stochastic_period_bars": 0}, "stochastic_period_bars"),
        ({"k_smoothing_bars": 0}, "k_smoothing_bars"),
        ({"d_smoothing_bars": -1}, "d_smoothing_bars"),
        ({"ema_period_bars": 1}, "ema_period_bars"),
        ({"ema_fast_period_bars": 30}, "ema_fast_period_bars"),
        ({"ema_slow_period_bars": 5000}, "ema_slow_period_bars"),
        ({"oversold_level": -1}, "oversold_level"),
        ({"oversold_level": 81}, "oversold_level"),
        ({"overbought_level": 101}, "overbought_level"),
        ({"overbought_level": float("nan")}, "level"),
        ({"extreme_oversold_level": 21}, "extreme_oversold_level"),
        ({"extreme_overbought_level": 79}, "extreme_overbought_level"),
        ({"base_strength": 90}, "base_strength"),
        ({"wide_gap_percent": -1}, "wide_gap_percent"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(changes: dict[str, Any], names: str) -> None:
    """The message names the setting, so that a person can correct it."""
    with pytest.raises(ValueError, match=names):
        Parameters(**changes)


def test_the_warm_up_is_the_first_index_of_d() -> None:
    """D has its first value with the 32nd bar; a longer EMA asks for more."""
    assert 32 == warm_up_bars(DEFAULTS)
    assert 40 == warm_up_bars(Parameters(ema_slow_period_bars=40))
