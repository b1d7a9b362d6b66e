"""Made-up bars of parts of a day, and the calendar they lie in, for tests of backtests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from random import Random

from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import Session, bars_of
from laptop.exchange.nyse import nyse_sessions

FIRST = date(2012, 11, 19)  # the week of Thanksgiving, whose Friday closes at 13:00


def sessions_from(first: date, count: int) -> tuple[Session, ...]:
    """So many sessions of the exchange."""
    every = nyse_sessions(first)
    begin = next(place for place, session in enumerate(every) if session.date >= first)
    return tuple(every[begin : begin + count])


def made_up(
    random: Random,
    sessions: Sequence[Session],
    timeframe: Timeframe,
    *,
    gaps: float = 0.0,
    swing: float = 0.006,
) -> Columns:
    """A walk in cents over every bar of the sessions; a share of `gaps` of them is missing."""
    price, bars = 100.0, []
    for session in sessions:
        price *= 1 + random.gauss(0, 2 * swing)  # the night
        for start, _ in bars_of(session, timeframe):
            opened, price = price, max(price * (1 + random.gauss(0, swing)), 1.0)
            highest = max(opened, price) * (1 + abs(random.gauss(0, swing / 2)))
            lowest = min(opened, price) * (1 - abs(random.gauss(0, swing / 2)))
            if random.random() >= gaps:
                opens, high, low, close = (round(one, 2) for one in (opened, highest, lowest, price))
                bars.append(Bar(start, opens, max(opens, high, close), min(opens, low, close), close, 100))
    return Columns.of(bars)
