"""Signals: what a strategy says about one closed bar of one symbol.

Made by `alpaquero.strategy.judging`, reported by `signal/evaluate`, ranked and turned into
intents by `signal/conclude`.
"""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from alpaquero.orders.intent import Side
from alpaquero.quickly_made import dataclass


class WithheldCode(StrEnum):
    """Why a symbol could not be judged."""

    SHORT_HISTORY = "short_history"  # too few bars for the indicators to have settled
    BROKEN_SERIES = "broken_series"  # bars out of order, doubled, or with impossible prices
    UNCLOSED = "unclosed"  # the last bar begins after the close that is judged
    STALE = "stale"  # the last bar is not the one that is judged
    UNDEFINED = "undefined"  # an indicator has no value, as on flat prices
    FAILED = "failed"  # the strategy's own code raised an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A condition that held on the last closed bar.

    `reference_price` is that bar's raw close in dollars; `values` are the split-adjusted
    indicator values it was judged on, rounded to 1e-9; `strength` is 0 to 100. `strategy` is the name
    the settings give it, `reason` its decision's tag. A `shadow` signal is never traded.
    """

    symbol: str
    side: Side
    strategy: str
    timeframe: str
    bar_start: datetime
    bar_close: datetime
    strength: int
    reference_price: Decimal
    reason: str
    values: dict[str, float] = field(default_factory=dict)
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A symbol that could not be judged, and why; `values` holds what could be computed."""

    symbol: str
    strategy: str
    timeframe: str
    bar_close: datetime
    code: WithheldCode
    message: str
    values: dict[str, float] = field(default_factory=dict)
    shadow: bool = False
