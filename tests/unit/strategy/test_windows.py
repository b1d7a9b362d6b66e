"""Rough values of moving windows lie as near the exact ones as they say, and exact ones are exact."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from alpaquero.prices.columns import Columns
from alpaquero.strategy import vectors
from alpaquero.strategy.panel import Panel
from alpaquero.strategy.windows import SLACK_POINTS, Everywhere
from tests.unit.strategy.prices import named

PERIODS = {"rsi_period": 14, "stochastic_period": 14, "k_smoothing": 3, "d_smoothing": 3}
SERIES = [closes for closes in named().values() if len(closes) >= 400]


def panel_of(series: list[list[float]]) -> Panel:
    """A panel of bars that are no more than their closes."""
    prices = [(array("q", range(len(closes))), array("d", closes)) for closes in series]
    return Panel.of([Columns(places, one, one, one, one, places) for places, one in prices])


@pytest.mark.parametrize("window", [32, 60, 120, 250])
def test_rough_values_are_within_their_bounds(window: int) -> None:
    """Where K and D are not unsure they are off by the slack at most; an EMA by what it says."""
    panel, unsure, total = panel_of(SERIES), 0, 0
    k, d = vectors.rolling_stochastic_rsi(panel.close, window, **PERIODS)
    slow = vectors.rolling_ema(panel.close, 30, window)
    for windows in Everywhere(panel, window, ()).windows():
        here = slice(window - 1, None)
        rough = windows.stochastic_rsi(**PERIODS)
        for exact, near in ((k[windows.rows, here], rough.k), (d[windows.rows, here], rough.d)):
            assert (np.abs(exact - near)[~rough.unsure] <= SLACK_POINTS).all()
        mean, off = windows.ema(30)
        assert (np.abs(slow[windows.rows, here] - mean) <= off).all()
        unsure += len(windows.places(rough.unsure))
        total += len(windows.places(np.ones_like(rough.unsure)))
    if window == 250:
        assert unsure < 0.1 * total


@pytest.mark.parametrize("window", [32, 60, 250])
def test_values_at_places_are_those_of_their_windows(window: int) -> None:
    """Picked from all rows in one go, each is the value of the rolling form there."""
    panel = panel_of(SERIES)
    k, d = vectors.rolling_stochastic_rsi(panel.close, window, **PERIODS)
    fast = vectors.rolling_ema(panel.close, 10, window)
    for windows in Everywhere(panel, window, ()).windows():
        rough = windows.stochastic_rsi(**PERIODS)
        windows.ema(10)
        places = windows.places(np.ones_like(rough.unsure))[::7]
        rows, columns = np.divmod(places, rough.unsure.shape[1])
        at = rows + windows.rows.start, columns + window - 1
        found = (*windows.stochastic_rsi_at(places, **PERIODS), windows.ema_at(places, 10))
        for exact, values in zip((k, d, fast), found, strict=True):
            np.testing.assert_allclose(values, exact[at], rtol=1e-12, atol=1e-9)
