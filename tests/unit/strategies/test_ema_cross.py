"""The EMA crossover: buys where the fast EMA comes above the slow one in a calm market, sells below."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import talib

from alpaquero.orders.intent import Side
from alpaquero.prices.columns import Columns
from alpaquero.strategies.ema_cross import Parameters, decide, values, warm_up_bars
from tests.unit.strategy.real_prices import real_bars

DEFAULTS = Parameters()
ABOVE = {"fast": 101.0, "slow": 100.0, "fast_before": 99.0, "slow_before": 100.0, "atr_percent": 2.0}
BELOW = {"fast": 99.0, "slow": 100.0, "fast_before": 101.0, "slow_before": 100.0, "atr_percent": 2.0}


@pytest.mark.parametrize(
    ("given", "side"),
    [
        (ABOVE, Side.BUY),
        (ABOVE | {"fast_before": 100.0}, Side.BUY),
        (ABOVE | {"fast_before": 100.1}, None),
        (ABOVE | {"fast": 100.0}, None),
        (ABOVE | {"atr_percent": 5.0}, Side.BUY),
        (ABOVE | {"atr_percent": 5.1}, None),
        (BELOW, Side.SELL),
        (BELOW | {"fast": 100.0}, Side.SELL),
        (BELOW | {"fast_before": 100.0}, None),
        (BELOW | {"atr_percent": 50.0}, Side.SELL),
    ],
)
def test_the_rule_at_its_edges(given: dict[str, float], side: Side | None) -> None:
    """Touching is not above; a stormy market keeps from buying and never from selling."""
    found = decide(given, DEFAULTS)
    assert side is (found and found.side)
    assert found is None or 60 == found.strength


def test_the_crossings_are_talibs() -> None:
    """On shipped prices it decides on the bars where TA-Lib's EMAs cross and its ATR is calm."""
    bars = real_bars()["MSFT"]
    highs, lows, closes = (
        np.array([getattr(bar, name) for bar in bars]) for name in ("high", "low", "close")
    )
    above = talib.EMA(closes, 20) > talib.EMA(closes, 50)
    calm = talib.ATR(highs, lows, closes, 14) / closes * 100 <= 5.0
    sides = []
    for end in range(len(bars) - 400, len(bars) + 1):
        now, before = above[end - 1], above[end - 2]
        expected = Side.BUY if now and not before and calm[end - 1] else None
        expected = Side.SELL if before and not now else expected
        window = Columns.of(bars[end - 250 : end])
        found = decide({k: v for k, v in values(window, DEFAULTS).items() if v is not None}, DEFAULTS)
        assert expected is (found and found.side), bars[end - 1].start
        sides.append(expected)
    assert {Side.BUY, Side.SELL, None} == set(sides)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"fast_period_bars": 50}, "fast_period_bars is 50; set it from 2 to 49"),
        ({"slow_period_bars": 1001}, "slow_period_bars"),
        ({"atr_period_bars": 1}, "atr_period_bars"),
        ({"maximum_atr_percent": float("nan")}, "maximum_atr_percent"),
        ({"strength": 101}, "strength"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(changes: dict[str, Any], names: str) -> None:
    """The message names the setting and its range."""
    with pytest.raises(ValueError, match=names):
        Parameters(**changes)


def test_the_warm_up_is_a_bar_more_than_the_longest_period() -> None:
    """The slow EMA of the bar before, or the average true range, which needs a close before its first."""
    assert 51 == warm_up_bars(DEFAULTS)
    assert 81 == warm_up_bars(Parameters(atr_period_bars=80))
