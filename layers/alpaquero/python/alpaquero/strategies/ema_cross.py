"""EMA crossover with a volatility filter: a fast EMA crossing above a slow one buys, crossing below sells.

Nothing is bought while the average true range is over a percentage of the price, where crossings
are mostly noise; a position is sold in any market. The crossing is that of the last closed bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from alpaquero.orders.intent import Side
from alpaquero.prices.columns import Columns
from alpaquero.quickly_made import dataclass
from alpaquero.strategy.indicators import average_true_range, ema_last
from alpaquero.strategy.protocol import Condition, Decision, Decisions, Plot, require

if TYPE_CHECKING:
    from alpaquero.strategy.panel import Panel
    from alpaquero.strategy.vectors import Floats

TITLE = "EMA crossover"
PLOTS = (
    Plot(name="fast", label="EMA fast", pane="price", unit="USD"),
    Plot(name="slow", label="EMA slow", pane="price", unit="USD"),
    Plot(name="atr_percent", label="ATR", pane="oscillator", unit="percent", levels=("maximum_atr_percent",)),
)
REQUIRED = ("fast", "slow", "fast_before", "slow_before", "atr_percent")

BUY_TAG, SELL_TAG = "ema_crossed_above", "ema_crossed_below"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Periods in bars, the range in percent of the close. Raises `ValueError` naming the setting."""

    fast_period_bars: int = 20
    slow_period_bars: int = 50
    atr_period_bars: int = 14
    maximum_atr_percent: float = 5.0
    strength: int = 60

    def __post_init__(self) -> None:
        require("slow_period_bars", self.slow_period_bars, 3, 1000)
        require("fast_period_bars", self.fast_period_bars, 2, self.slow_period_bars - 1)
        require("atr_period_bars", self.atr_period_bars, 2, 1000)
        require("maximum_atr_percent", self.maximum_atr_percent, 0, 100)
        require("strength", self.strength, 0, 100)


def warm_up_bars(parameters: Parameters) -> int:
    """Both EMAs at the bar before, too, and the average true range."""
    return max(parameters.slow_period_bars, parameters.atr_period_bars) + 1


def values(columns: Columns, parameters: Parameters) -> dict[str, float | None]:
    """Both EMAs in dollars, now and a bar before, and the average true range in percent of the close."""
    closes = columns.close.tolist()
    fast, slow = parameters.fast_period_bars, parameters.slow_period_bars
    atr = average_true_range(columns.high, columns.low, closes, parameters.atr_period_bars)
    return {
        "fast": ema_last(closes, fast),
        "slow": ema_last(closes, slow),
        "fast_before": ema_last(closes[:-1], fast),
        "slow_before": ema_last(closes[:-1], slow),
        "atr_percent": None if atr is None else atr / closes[-1] * 100,
    }


def decide(values: Mapping[str, float], parameters: Parameters) -> Decision | None:
    """BUY on the bar that crossed above in a calm market, SELL on the one that crossed below."""
    was_above = values["fast_before"] > values["slow_before"]
    is_above = values["fast"] > values["slow"]
    if is_above and not was_above and values["atr_percent"] <= parameters.maximum_atr_percent:
        return Decision(side=Side.BUY, strength=parameters.strength, tag=BUY_TAG)
    if was_above and not is_above:
        return Decision(side=Side.SELL, strength=parameters.strength, tag=SELL_TAG)
    return None


def conditions(values: Mapping[str, float], parameters: Parameters) -> tuple[Condition, ...]:
    """What BUY and SELL ask for."""
    fast, slow = values["fast"], values["slow"]
    before = values["fast_before"], values["slow_before"]
    atr, most = values["atr_percent"], parameters.maximum_atr_percent
    was_above = before[0] > before[1]
    buy, sell = Side.BUY, Side.SELL
    return (
        Condition(side=buy, text="EMA fast above EMA slow", left=fast, right=slow, holds=fast > slow),
        Condition(
            side=buy,
            text="EMA fast not above EMA slow a bar before",
            left=before[0],
            right=before[1],
            holds=not was_above,
        ),
        Condition(side=buy, text="ATR at most its maximum", left=atr, right=most, holds=atr <= most),
        Condition(side=sell, text="EMA fast not above EMA slow", left=fast, right=slow, holds=fast <= slow),
        Condition(
            side=sell,
            text="EMA fast above EMA slow a bar before",
            left=before[0],
            right=before[1],
            holds=was_above,
        ),
    )


def batch(panel: Panel, parameters: Parameters) -> dict[str, Floats]:
    """`values` at the last bar of every symbol."""
    found = rolling(panel, parameters, panel.bars)
    return {name: series[:, -1] for name, series in found.items()}


def rolling(panel: Panel, parameters: Parameters, window: int) -> dict[str, Floats]:
    """`values` at every bar, each on the `window` bars up to it."""
    from alpaquero.strategy import vectors

    closes, fast, slow = panel.close, parameters.fast_period_bars, parameters.slow_period_bars
    atr = vectors.rolling_average_true_range(
        panel.high, panel.low, closes, parameters.atr_period_bars, window
    )
    return {
        "fast": vectors.rolling_ema(closes, fast, window),
        "slow": vectors.rolling_ema(closes, slow, window),
        "fast_before": vectors.rolling_ema(closes, fast, window, ago=1),
        "slow_before": vectors.rolling_ema(closes, slow, window, ago=1),
        "atr_percent": atr / closes * 100,
    }


def decide_many(values: Mapping[str, Floats], parameters: Parameters) -> Decisions:
    """`decide` on arrays."""
    from alpaquero.strategy import vectors

    fast, slow, fast_before, slow_before, atr = (values[name] for name in REQUIRED)
    defined = ~vectors.any_undefined(fast, slow, fast_before, slow_before, atr)
    was_above, is_above = fast_before > slow_before, fast > slow
    buys = defined & is_above & ~was_above & (atr <= parameters.maximum_atr_percent)
    sells = defined & was_above & ~is_above
    return vectors.decisions((buys, BUY_TAG), (sells, SELL_TAG), strength=parameters.strength)
