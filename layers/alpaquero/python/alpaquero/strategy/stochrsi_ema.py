"""The owner's rule: StochRSI oversold in an uptrend buys, overbought in a downtrend sells.

Called by `signal/evaluate` for each symbol of a shard. BUY: EMA fast > EMA slow, K and D both
below 20, K > D. SELL is its mirror. SELL reduces a long position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import isfinite
from operator import lt

from alpaquero.orders.intent import Side
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.strategy.indicators import TOLERANCE, ema_last, stochastic_rsi_last
from alpaquero.strategy.signal import Signal, Withheld, WithheldCode

STRATEGY = "stochrsi_ema"
ROUNDING_DIGITS = 9

_REASONS = {Side.BUY: "stochrsi_oversold_uptrend", Side.SELL: "stochrsi_overbought_downtrend"}

# How long before its close a bar may begin at most; the bar before it begins earlier than that.
_LONGEST = {
    Timeframe.DAY: timedelta(hours=24),
    Timeframe.HOUR: timedelta(minutes=119),
    Timeframe.FIFTEEN_MINUTES: timedelta(minutes=29),
    Timeframe.FIVE_MINUTES: timedelta(minutes=9),
    Timeframe.MINUTE: timedelta(minutes=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyParameters:
    """The rule's settings. Levels are StochRSI points, 0 to 100; strengths are points, 0 to 100.

    `minimum_history_bars` is also how many bars are judged, the last ones: the same bars give the
    same values however much history the caller holds. Raises `ValueError` naming the setting.
    """

    timeframe: Timeframe = Timeframe.DAY
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
    minimum_history_bars: int = 250
    signal_validity_bars: int = 3

    def __post_init__(self) -> None:
        for name in (
            "rsi_period_bars",
            "stochastic_period_bars",
            "ema_period_bars",
            "ema_fast_period_bars",
            "ema_slow_period_bars",
        ):
            _require(name, getattr(self, name), 2, 1000)
        for name in ("k_smoothing_bars", "d_smoothing_bars", "signal_validity_bars"):
            _require(name, getattr(self, name), 1, 1000)
        for name in ("base_strength", "wide_gap_strength", "extreme_strength", "wide_gap_percent"):
            _require(name, getattr(self, name), 0, 100)
        if self.base_strength + self.wide_gap_strength + self.extreme_strength > 100:
            raise ValueError(
                "base_strength, wide_gap_strength and extreme_strength add up to over 100; lower one"
            )
        if self.ema_fast_period_bars >= self.ema_slow_period_bars:
            raise ValueError(
                f"ema_fast_period_bars is {self.ema_fast_period_bars}; set it below "
                f"ema_slow_period_bars ({self.ema_slow_period_bars})"
            )
        _require("oversold_level", self.oversold_level, 0, self.overbought_level)
        _require("overbought_level", self.overbought_level, self.oversold_level, 100)
        _require("extreme_oversold_level", self.extreme_oversold_level, 0, self.oversold_level)
        _require("extreme_overbought_level", self.extreme_overbought_level, self.overbought_level, 100)
        _require("minimum_history_bars", self.minimum_history_bars, self.warm_up_bars, 100_000)

    @property
    def warm_up_bars(self) -> int:
        """Bars until every indicator has its first value; they settle much later."""
        stochastic = (
            self.rsi_period_bars
            + self.stochastic_period_bars
            + self.k_smoothing_bars
            + self.d_smoothing_bars
            - 2
        )
        return max(stochastic, self.ema_period_bars, self.ema_slow_period_bars)


def judge(
    symbol: str,
    bars: Sequence[Bar],
    bar_close: datetime,
    reference_price: Decimal,
    parameters: StrategyParameters,
) -> Signal | Withheld | None:
    """What the rule says about the bar that closed at `bar_close`: a signal, None, or why it cannot say.

    `bars` are split-adjusted and closed, oldest first, the last one the bar judged; the last
    `minimum_history_bars` of them are used. `reference_price` is that bar's raw close in dollars.
    The rule is judged on values rounded to 1e-9, those that the signal carries.
    """

    def withheld(code: WithheldCode, message: str, values: dict[str, float] | None = None) -> Withheld:
        return Withheld(
            symbol=symbol,
            strategy=STRATEGY,
            timeframe=parameters.timeframe,
            bar_close=bar_close,
            code=code,
            message=message,
            values=values or {},
        )

    judged = bars[-parameters.minimum_history_bars :]
    closes = [bar.close for bar in judged]
    fault = _fault([bar.start for bar in judged], closes, bar_close, parameters)
    if fault is not None:
        return withheld(*fault)
    values = indicator_values(closes, parameters)
    missing = [name for name in ("k", "d", "ema_fast", "ema_slow") if name not in values]
    if missing:
        message = f"{', '.join(missing)} not defined on these prices, as when they do not move or only rise"
        return withheld(WithheldCode.UNDEFINED, message, values)
    side = decide(values, parameters)
    if side is None:
        return None
    return Signal(
        symbol=symbol,
        side=side,
        strategy=STRATEGY,
        timeframe=parameters.timeframe,
        bar_start=bars[-1].start,
        bar_close=bar_close,
        strength=strength(side, values, parameters),
        reference_price=reference_price,
        reason=_REASONS[side],
        values=values,
    )


def indicator_values(closes: Sequence[float], parameters: StrategyParameters) -> dict[str, float]:
    """K, D and the three EMAs at the last close, rounded to 1e-9; an undefined one is left out."""
    k, d = stochastic_rsi_last(
        closes,
        rsi_period=parameters.rsi_period_bars,
        stochastic_period=parameters.stochastic_period_bars,
        k_smoothing=parameters.k_smoothing_bars,
        d_smoothing=parameters.d_smoothing_bars,
    )
    found = {
        "k": k,
        "d": d,
        "ema": ema_last(closes, parameters.ema_period_bars),
        "ema_fast": ema_last(closes, parameters.ema_fast_period_bars),
        "ema_slow": ema_last(closes, parameters.ema_slow_period_bars),
    }
    return {name: round(value, ROUNDING_DIGITS) for name, value in found.items() if value is not None}


def decide(values: dict[str, float], parameters: StrategyParameters) -> Side | None:
    """The side the rule takes on these values, or None. K and D within 1e-9 count as equal."""
    k, d, fast, slow = values["k"], values["d"], values["ema_fast"], values["ema_slow"]
    lead = round(k - d, ROUNDING_DIGITS)
    if fast > slow and max(k, d) < parameters.oversold_level and lead > TOLERANCE:
        return Side.BUY
    if fast < slow and min(k, d) > parameters.overbought_level and lead < -TOLERANCE:
        return Side.SELL
    return None


def strength(side: Side, values: dict[str, float], parameters: StrategyParameters) -> int:
    """The signal's strength: the base, more for a wide EMA gap, more for an extreme K."""
    gap_percent = abs(values["ema_fast"] - values["ema_slow"]) / values["ema_slow"] * 100
    k = values["k"]
    extreme = (
        k < parameters.extreme_oversold_level if side is Side.BUY else k > parameters.extreme_overbought_level
    )
    return (
        parameters.base_strength
        + (parameters.wide_gap_strength if gap_percent > parameters.wide_gap_percent else 0)
        + (parameters.extreme_strength if extreme else 0)
    )


def _fault(
    starts: Sequence[datetime], closes: Sequence[float], bar_close: datetime, parameters: StrategyParameters
) -> tuple[WithheldCode, str] | None:
    if not all(map(lt, starts, starts[1:])):
        return WithheldCode.BROKEN_SERIES, "bars are out of order or doubled; load them again"
    if not (all(map(isfinite, closes)) and min(closes, default=1.0) > 0):
        return WithheldCode.BROKEN_SERIES, "a close is not a price above 0; load the bars again"
    if len(starts) < parameters.minimum_history_bars:
        return WithheldCode.SHORT_HISTORY, f"{len(starts)} bars, {parameters.minimum_history_bars} are needed"
    last = starts[-1]
    if last >= bar_close:
        return WithheldCode.UNCLOSED, f"the last bar begins {last.isoformat()}, not before the close judged"
    if bar_close - last > _LONGEST[parameters.timeframe]:
        return WithheldCode.STALE, f"the last bar begins {last.isoformat()}, so a newer one is missing"
    return None


def _require(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; set it from {low} to {high}")
