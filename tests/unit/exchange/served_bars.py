"""The daily bars of a symbol as the data routes serve them, for tests of the market and the venue."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from laptop.exchange.market import Market
from laptop.exchange.series import Series, Window
from laptop.exchange.timeframes import BarLength, Unit, midnight


class ServedBar(msgspec.Struct, frozen=True):
    """What the tests look at of a bar."""

    close: float = msgspec.field(name="c")
    volume: int = msgspec.field(name="v")


def split_adjusted_days(market: Market, symbol: str, now: datetime) -> list[ServedBar]:
    """Every daily bar up to market time `now`, oldest first, divided by the splits that are in force."""
    first = market.history.symbols[symbol].dates[0]
    window = Window(midnight(first), now + timedelta(days=1), now)
    runs = Series(market).bars(symbol, BarLength(1, Unit.DAY), window, adjusted=True)
    return [msgspec.json.decode(line, type=ServedBar) for run in runs for line in run.lines]
