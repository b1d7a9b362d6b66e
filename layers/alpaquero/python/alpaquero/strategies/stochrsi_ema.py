"""The owner's rule: StochRSI oversold in an uptrend buys, overbought in a downtrend sells.

BUY: EMA fast > EMA slow, K and D both below 20, K > D. SELL is its mirror and reduces a long position.
Strength is a base, more for a wide gap between the EMAs, more for an extreme K.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from alpaquero.orders.intent import Side
from alpaquero.prices.columns import Columns
from alpaquero.quickly_made import dataclass
from alpaquero.strategy.indicators import (
    TOLERANCE,
    Series,
    ema_last,
    moving_ema,
    moving_stochastic_rsi,
    stochastic_rsi_last,
)
from alpaquero.strategy.protocol import Condition, Decision, Decisions, Judged, Plot, require

if TYPE_CHECKING:
    from alpaquero.strategy.panel import Panel
    from alpaquero.strategy.vectors import Floats
    from alpaquero.strategy.windows import Flags

TITLE = "StochRSI with EMA trend"
PLOTS = (
    Plot(name="ema", label="EMA", pane="price", unit="USD"),
    Plot(name="ema_fast", label="EMA fast", pane="price", unit="USD"),
    Plot(name="ema_slow", label="EMA slow", pane="price", unit="USD"),
    Plot(
        name="k",
        label="StochRSI K",
        pane="oscillator",
        unit="points",
        levels=("oversold_level", "overbought_level"),
    ),
    Plot(name="d", label="StochRSI D", pane="oscillator", unit="points"),
)
REQUIRED = ("k", "d", "ema_fast", "ema_slow")

BUY_TAG, SELL_TAG = "stochrsi_oversold_uptrend", "stochrsi_overbought_downtrend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The rule's settings. Levels are StochRSI points, 0 to 100; strengths are points, 0 to 100.

    Raises `ValueError` naming the setting.
    """

    rsi_period_bars: int = 14
    stochastic_period_bars: int = 14
    k_smoothing_bars: int = 3
    d_smoothing_bars: int = 3
    ema_period_bars: int = 9
    ema_fast_period_bars: int = 10
    ema_slow_period_bars: int = 30
    oversold_level: float = 20.0
    overbought_level: float = 80.0
    extreme_oversold_level: float = 10.0
    extreme_overbought_level: float = 90.0
    base_strength: int = 75
    wide_gap_strength: int = 10
    extreme_strength: int = 5
    wide_gap_percent: float = 2.0

    def __post_init__(self) -> None:
        for name in (
            "rsi_period_bars",
            "stochastic_period_bars",
            "ema_period_bars",
            "ema_fast_period_bars",
            "ema_slow_period_bars",
        ):
            require(name, getattr(self, name), 2, 1000)
        for name in ("k_smoothing_bars", "d_smoothing_bars"):
            require(name, getattr(self, name), 1, 1000)
        for name in ("base_strength", "wide_gap_strength", "extreme_strength", "wide_gap_percent"):
            require(name, getattr(self, name), 0, 100)
        if self.base_strength + self.wide_gap_strength + self.extreme_strength > 100:
            raise ValueError(
                "base_strength, wide_gap_strength and extreme_strength add up to over 100; lower one"
            )
        if self.ema_fast_period_bars >= self.ema_slow_period_bars:
            raise ValueError(
                f"ema_fast_period_bars is {self.ema_fast_period_bars}; set it below "
                f"ema_slow_period_bars ({self.ema_slow_period_bars})"
            )
        require("oversold_level", self.oversold_level, 0, self.overbought_level)
        require("overbought_level", self.overbought_level, self.oversold_level, 100)
        require("extreme_oversold_level", self.extreme_oversold_level, 0, self.oversold_level)
        require("extreme_overbought_level", self.extreme_overbought_level, self.overbought_level, 100)


def warm_up_bars(parameters: Parameters) -> int:
    """Bars until D, the last of the values, and the EMAs have come."""
    stochastic = (
        parameters.rsi_period_bars
        + parameters.stochastic_period_bars
        + parameters.k_smoothing_bars
        + parameters.d_smoothing_bars
        - 2
    )
    return max(stochastic, parameters.ema_period_bars, parameters.ema_slow_period_bars)


def values(columns: Columns, parameters: Parameters) -> dict[str, float | None]:
    """K, D (points) and the three EMAs (dollars) at the last close."""
    closes = columns.close.tolist()
    k, d = stochastic_rsi_last(closes, **_periods(parameters))
    return {
        "k": k,
        "d": d,
        "ema": ema_last(closes, parameters.ema_period_bars),
        "ema_fast": ema_last(closes, parameters.ema_fast_period_bars),
        "ema_slow": ema_last(closes, parameters.ema_slow_period_bars),
    }


def series(columns: Columns, parameters: Parameters, window: int) -> dict[str, Series]:
    """`values` at every close, each on the `window` closes up to it, in plain Python: a chart's lines."""
    closes = columns.close.tolist()
    k, d = moving_stochastic_rsi(closes, window, **_periods(parameters))
    return {
        "k": k,
        "d": d,
        "ema": moving_ema(closes, parameters.ema_period_bars, window),
        "ema_fast": moving_ema(closes, parameters.ema_fast_period_bars, window),
        "ema_slow": moving_ema(closes, parameters.ema_slow_period_bars, window),
    }


def decide(values: Mapping[str, float], parameters: Parameters) -> Decision | None:
    """The side the rule takes on these values, or None. K and D within 1e-9 count as equal."""
    k, d, fast, slow = values["k"], values["d"], values["ema_fast"], values["ema_slow"]
    lead = round(k - d, 9)
    if fast > slow and max(k, d) < parameters.oversold_level and lead > TOLERANCE:
        side, tag, extreme = Side.BUY, BUY_TAG, k < parameters.extreme_oversold_level
    elif fast < slow and min(k, d) > parameters.overbought_level and lead < -TOLERANCE:
        side, tag, extreme = Side.SELL, SELL_TAG, k > parameters.extreme_overbought_level
    else:
        return None
    gap_percent = abs(fast - slow) / slow * 100
    strength = (
        parameters.base_strength
        + (parameters.wide_gap_strength if gap_percent > parameters.wide_gap_percent else 0)
        + (parameters.extreme_strength if extreme else 0)
    )
    return Decision(side=side, strength=strength, tag=tag)


def conditions(values: Mapping[str, float], parameters: Parameters) -> tuple[Condition, ...]:
    """What BUY and SELL ask for, four each."""
    k, d, fast, slow = values["k"], values["d"], values["ema_fast"], values["ema_slow"]
    lead, low, high = round(k - d, 9), parameters.oversold_level, parameters.overbought_level
    return (
        Condition(side=Side.BUY, text="EMA fast above EMA slow", left=fast, right=slow, holds=fast > slow),
        Condition(side=Side.BUY, text="K below oversold level", left=k, right=low, holds=k < low),
        Condition(side=Side.BUY, text="D below oversold level", left=d, right=low, holds=d < low),
        Condition(side=Side.BUY, text="K above D", left=k, right=d, holds=lead > TOLERANCE),
        Condition(side=Side.SELL, text="EMA fast below EMA slow", left=fast, right=slow, holds=fast < slow),
        Condition(side=Side.SELL, text="K above overbought level", left=k, right=high, holds=k > high),
        Condition(side=Side.SELL, text="D above overbought level", left=d, right=high, holds=d > high),
        Condition(side=Side.SELL, text="K below D", left=k, right=d, holds=lead < -TOLERANCE),
    )


def batch(panel: Panel, parameters: Parameters) -> dict[str, Floats]:
    """`values` at the last close of every symbol, shape (symbols,)."""
    from alpaquero.strategy import vectors

    k, d = vectors.stochastic_rsi_last(panel.close, **_periods(parameters))
    emas = vectors.emas_last(
        panel.close,
        (parameters.ema_period_bars, parameters.ema_fast_period_bars, parameters.ema_slow_period_bars),
    )
    return dict(zip(("k", "d", "ema", "ema_fast", "ema_slow"), (k, d, *emas), strict=True))


def rolling(panel: Panel, parameters: Parameters, window: int) -> dict[str, Floats]:
    """`values` at every close, each on the `window` closes up to it, shape (symbols, bars)."""
    from alpaquero.strategy import vectors

    k, d = vectors.rolling_stochastic_rsi(panel.close, window, **_periods(parameters))
    return {
        "k": k,
        "d": d,
        "ema": vectors.rolling_ema(panel.close, parameters.ema_period_bars, window),
        "ema_fast": vectors.rolling_ema(panel.close, parameters.ema_fast_period_bars, window),
        "ema_slow": vectors.rolling_ema(panel.close, parameters.ema_slow_period_bars, window),
    }


def decide_many(values: Mapping[str, Floats], parameters: Parameters) -> Decisions:
    """`decide` on arrays of values rounded to 1e-9; what is NaN decides nothing."""
    from alpaquero.strategy import vectors

    k, d, fast, slow = (values[name] for name in REQUIRED)
    low, high = parameters.oversold_level, parameters.overbought_level
    lead, tie = k - d, 1.5 * TOLERANCE  # between the two steps of 1e-9 that rounding tells apart
    buys = (fast > slow) & (k < low) & (d < low) & (lead > tie)
    sells = (fast < slow) & (k > high) & (d > high) & (lead < -tie)
    wide = abs(fast - slow) / slow * 100 > parameters.wide_gap_percent
    extreme = (buys & (k < parameters.extreme_oversold_level)) | (
        sells & (k > parameters.extreme_overbought_level)
    )
    strength = (
        parameters.base_strength + parameters.wide_gap_strength * wide + parameters.extreme_strength * extreme
    )
    return vectors.decisions((buys, BUY_TAG), (sells, SELL_TAG), strength=strength)


def decide_every(panel: Panel, parameters: Parameters, window: int) -> Judged:
    """`decide` at every bar, each on the `window` closes up to it; exact only where it may decide."""
    import numpy as np

    from alpaquero.strategy import vectors
    from alpaquero.strategy.windows import SLACK_POINTS, Everywhere, pick

    periods, fast, slow = (
        _periods(parameters),
        parameters.ema_fast_period_bars,
        parameters.ema_slow_period_bars,
    )
    low, high = parameters.oversold_level + SLACK_POINTS, parameters.overbought_level - SLACK_POINTS
    everywhere = Everywhere(panel, window, (BUY_TAG, SELL_TAG))
    for windows in everywhere.windows():
        rough = windows.stochastic_rsi(**periods)
        (rough_fast, off), (rough_slow, off_too) = windows.ema(fast), windows.ema(slow)
        gap, lead, off = rough_fast - rough_slow, rough.k - rough.d, off + off_too
        buys = (rough.k < low) & (rough.d < low) & (gap > -off) & (lead > -2 * SLACK_POINTS)
        sells = (rough.k > high) & (rough.d > high) & (gap < off) & (lead < 2 * SLACK_POINTS)
        places = windows.places(buys | sells | rough.unsure)
        there = dict(
            zip(REQUIRED, (pick(x, places) for x in (rough.k, rough.d, rough_fast, rough_slow)), strict=True)
        )
        near = _near_a_level(there, pick(off, places // gap.shape[1]), parameters)
        anew = np.flatnonzero(near | pick(rough.unsure, places))
        there["k"][anew], there["d"][anew] = windows.stochastic_rsi_at(places[anew], **periods)
        there["ema_fast"][anew] = windows.ema_at(places[anew], fast)
        there["ema_slow"][anew] = windows.ema_at(places[anew], slow)
        undefined = np.isnan(rough.d)
        undefined.flat[places] = vectors.any_undefined(there["k"], there["d"])
        rounded = {name: vectors.rounded(values) for name, values in there.items()}
        everywhere.put(windows, undefined, places, decide_many(rounded, parameters))
    return everywhere.judged


def _near_a_level(rough: Mapping[str, Floats], off: Floats, parameters: Parameters) -> Flags:
    """Where what rough values are off by, `off` dollars for both EMAs together, could change a decision."""
    from alpaquero.strategy.windows import SLACK_POINTS

    k, d, fast, slow = (rough[name] for name in REQUIRED)
    near = abs(k - d) <= 2 * SLACK_POINTS
    for level in (parameters.oversold_level, parameters.overbought_level):
        near |= (abs(k - level) <= SLACK_POINTS) | (abs(d - level) <= SLACK_POINTS)
    for level in (parameters.extreme_oversold_level, parameters.extreme_overbought_level):
        near |= abs(k - level) <= SLACK_POINTS
    gap = abs(fast - slow)
    return near | (gap <= off) | (abs(gap - parameters.wide_gap_percent / 100 * slow) <= 2 * off)


def _periods(parameters: Parameters) -> dict[str, int]:
    return {
        "rsi_period": parameters.rsi_period_bars,
        "stochastic_period": parameters.stochastic_period_bars,
        "k_smoothing": parameters.k_smoothing_bars,
        "d_smoothing": parameters.d_smoothing_bars,
    }
