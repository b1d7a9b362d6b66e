"""The trades, quotes and auctions of past sessions, made from the same minutes as the bars.

The data routes page through them. A minute has four trades, a third of it apart, which share its
volume: on a straight line from its open to its close, or where the minute went further than that, at
its open, low, high and close. So the trades of a minute make its bar: first, highest, lowest, last,
and volume. With each trade stands the quote around it. All of it is made up and labelled so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from alpaquero.prices import Session
from laptop.exchange.history import MinuteColumns
from laptop.exchange.market import TRADES_A_MINUTE

_MINUTE = timedelta(minutes=1)
# When in its minute each trade happens; the last one just before the minute is over.
_WHEN = tuple(timedelta(milliseconds=part) for part in (0, 20_000, 40_000, 59_900))
_PLACES = 4


@dataclass(frozen=True, slots=True)
class TapeTrade:
    """A trade on the tape; `id` counts from the session's open."""

    at: datetime
    price: float
    size: int
    id: int


def tape_of(columns: MinuteColumns, session: Session, minutes: int) -> Iterator[TapeTrade]:
    """The trades of the first `minutes` minutes that traded in a session, in order of time."""
    for place in range(minutes):
        index = columns.indices[place]
        shares = columns.volumes[place]
        prices = _prices(
            columns.opens[place], columns.highs[place], columns.lows[place], columns.closes[place]
        )
        for number, price in enumerate(prices):
            size = shares * (number + 1) // TRADES_A_MINUTE - shares * number // TRADES_A_MINUTE
            at = session.open + index * _MINUTE + _WHEN[number]
            yield TapeTrade(at, price, size, index * TRADES_A_MINUTE + number + 1)


def _prices(opened: float, high: float, low: float, closed: float) -> tuple[float, float, float, float]:
    if high > max(opened, closed) or low < min(opened, closed):
        first, second = (low, high) if closed >= opened else (high, low)
        return opened, first, second, closed
    third = (closed - opened) / (TRADES_A_MINUTE - 1)
    one, two = (min(max(round(opened + third * part, _PLACES), low), high) for part in (1, 2))
    return opened, one, two, closed
