"""Judging closed bars by a strategy; called by `signal/evaluate` for each symbol, by backtests and charts.

What every strategy shares is here: which bars are judged, when they cannot be, and that decisions
are made on values rounded to 1e-9, those that a signal carries.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from operator import lt
from typing import Any

from alpaquero.prices.columns import Columns
from alpaquero.strategy import registry
from alpaquero.strategy.protocol import ROUNDING_DIGITS, Condition, Strategy
from alpaquero.strategy.settings import StrategySettings
from alpaquero.strategy.signal import Signal, Withheld, WithheldCode

MOST_TOLD = 200  # characters of a strategy's own error
MOST_LOOKED_AT = 500_000  # bars of all windows of a chart: some 0.2 s, and a page must not wait for seconds


def judge(
    symbol: str,
    columns: Columns,
    *,
    strategy: str,
    settings: StrategySettings,
    bar_start: datetime,
    bar_close: datetime,
    reference_price: Decimal | None = None,
) -> Signal | Withheld | None:
    """What the strategy says of the bar that starts at `bar_start`: a signal, None, or why it cannot say.

    `columns` are split-adjusted and closed, oldest first, the last one the bar judged. `strategy` is
    the name that the settings give it. `reference_price` is the bar's raw close in dollars, taken
    from the columns where it is None: the newest bar of a series adjusted as of now is raw.

    In plain Python on purpose: below some 1,900 symbols a shard importing numpy costs more than it
    saves, and the bits of a matrix product depend on the machine, while a replay compares byte for byte.
    """

    def withheld(code: WithheldCode, message: str, values: dict[str, float] | None = None) -> Withheld:
        return Withheld(
            symbol=symbol,
            strategy=strategy,
            timeframe=settings.timeframe,
            bar_close=bar_close,
            code=code,
            message=message,
            values=values or {},
            shadow=settings.shadow,
        )

    least = settings.minimum_history_bars
    window = columns if len(columns) == least else columns[-least:]
    fault = _fault(window, bar_start, least)
    if fault is not None:
        return withheld(*fault)
    rule, parameters = registry.strategy(settings.rule), settings.parameters_for(symbol)
    try:
        values = rounded_values(rule, window, parameters)
        missing = [name for name in rule.REQUIRED if name not in values]
        decision = None if missing else rule.decide(values, parameters)
    except Exception as error:  # a defect of one strategy must not keep the others from being judged
        told = f"{type(error).__name__}: {error}"[:MOST_TOLD]
        return withheld(WithheldCode.FAILED, f"{settings.rule} failed: {told}; mend it, or take it out")
    if missing:
        message = f"{', '.join(missing)} not defined on these prices, as when they do not move or only rise"
        return withheld(WithheldCode.UNDEFINED, message, values)
    if decision is None:
        return None
    return Signal(
        symbol=symbol,
        side=decision.side,
        strategy=strategy,
        timeframe=settings.timeframe,
        bar_start=bar_start,
        bar_close=bar_close,
        strength=decision.strength,
        reference_price=Decimal(str(window.close[-1])) if reference_price is None else reference_price,
        reason=decision.tag,
        values=values,
        shadow=settings.shadow,
    )


def values_at(symbol: str, columns: Columns, settings: StrategySettings) -> dict[str, float]:
    """The values at the last of `columns` as `judge` looks at them; what is not defined is left out."""
    window = columns[-settings.minimum_history_bars :]
    return rounded_values(registry.strategy(settings.rule), window, settings.parameters_for(symbol))


def conditions_of(
    symbol: str, values: Mapping[str, float], settings: StrategySettings
) -> tuple[Condition, ...]:
    """What each side asks of `values`, which `values_at` gave; none when one that is needed is not there."""
    rule = registry.strategy(settings.rule)
    if not all(name in values for name in rule.REQUIRED):
        return ()
    return rule.conditions(values, settings.parameters_for(symbol))


def chart(symbol: str, columns: Columns, settings: StrategySettings) -> dict[str, list[float | None]]:
    """Each plotted value at every bar, as it was judged there; None where it is not defined.

    By the strategy's `series`, where it has one. Else every bar is judged on a window of its own, and
    so only the newest are: 2,000 with a window of 250 bars. A strategy whose code fails draws nothing, for
    prices are shown all the same; what it withholds says why.
    """
    try:
        return _lines(symbol, columns, settings)
    except Exception:  # as in `judge`
        return {plot.name: [None] * len(columns) for plot in registry.strategy(settings.rule).PLOTS}


def _lines(symbol: str, columns: Columns, settings: StrategySettings) -> dict[str, list[float | None]]:
    rule, parameters = registry.strategy(settings.rule), settings.parameters_for(symbol)
    series = getattr(rule, "series", None)
    if series is not None:
        found = series(columns, parameters, settings.minimum_history_bars)
        return {plot.name: [_rounded(value) for value in found[plot.name]] for plot in rule.PLOTS}
    left_out = max(0, len(columns) - MOST_LOOKED_AT // settings.minimum_history_bars)
    shown: dict[str, list[float | None]] = {plot.name: [None] * left_out for plot in rule.PLOTS}
    for end in range(left_out + 1, len(columns) + 1):
        window = columns[max(end - settings.minimum_history_bars, 0) : end]
        values = rounded_values(rule, window, parameters)
        for name, drawn in shown.items():
            drawn.append(values.get(name))
    return shown


def rounded_values(rule: Strategy[Any], window: Columns, parameters: Any) -> dict[str, float]:
    """The values at the last bar of `window`, rounded to 1e-9; one that is not defined is left out."""
    found = rule.values(window, parameters)
    return {
        name: round(value, ROUNDING_DIGITS)
        for name, value in found.items()
        if value is not None and isfinite(value)
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else round(value, ROUNDING_DIGITS)


def _fault(window: Columns, bar_start: datetime, least: int) -> tuple[WithheldCode, str] | None:
    if not _in_order(window.start.tobytes()):
        return WithheldCode.BROKEN_SERIES, "bars are out of order or doubled; load them again"
    closes = window.close.tolist()
    if not (isfinite(sum(closes)) and min(closes, default=1.0) > 0):
        return WithheldCode.BROKEN_SERIES, "a close is not a price above 0; load the bars again"
    if len(closes) < least:
        return WithheldCode.SHORT_HISTORY, f"{len(closes)} bars, {least} are needed"
    last, judged = window.start[-1], int(bar_start.timestamp())
    if last > judged:
        return WithheldCode.UNCLOSED, f"the last bar begins {_at(window)}, after the one judged"
    if last < judged:
        return WithheldCode.STALE, f"the last bar begins {_at(window)}, so a newer one is missing"
    return None


@lru_cache(maxsize=64)
def _in_order(starts: bytes) -> bool:
    """Whether starts, as an array holds them, grow; most symbols of a shard have the same."""
    listed = array("q", starts).tolist()
    return all(map(lt, listed, listed[1:]))


def _at(window: Columns) -> str:
    return window.start_at(-1).isoformat()
