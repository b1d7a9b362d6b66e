"""Bars, trading sessions and price steps: the vocabulary of prices that every rule uses."""

from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.sessions import (
    NEW_YORK,
    Session,
    bar_start,
    closed_bars,
    last_closed_session,
    next_session,
    session_at,
)
from alpaquero.prices.ticks import Direction, round_price, tick_size

__all__ = [
    "NEW_YORK",
    "Bar",
    "Direction",
    "Session",
    "Timeframe",
    "bar_start",
    "closed_bars",
    "last_closed_session",
    "next_session",
    "round_price",
    "session_at",
    "tick_size",
]
