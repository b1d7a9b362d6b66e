"""The bar: prices of one symbol over one stretch of time, as strategies and the store pass it around."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from alpaquero.quickly_made import dataclass


class Timeframe(StrEnum):
    """How long a bar is, spelled as Alpaca spells it."""

    MINUTE = "1Min"
    FIVE_MINUTES = "5Min"
    FIFTEEN_MINUTES = "15Min"
    HOUR = "1Hour"
    DAY = "1Day"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. `start` is aware UTC; a daily bar starts at its session's midnight in New York.

    Prices are floats in US dollars because indicator maths is; `volume` is whole shares.
    """

    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int
