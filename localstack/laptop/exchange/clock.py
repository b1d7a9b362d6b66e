"""The exchange's clock: how market time passes while wall time does. Pure; the venue holds the place.

Running, a session with the night before it takes `seconds_per_session` of wall time: the night a third,
the session two thirds. Weekends and holidays are part of the night they make longer, so they pass
as fast as one. In real time a market second is a wall second, nights and weekends too. After the last
session either stops half an hour past its close.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from alpaquero.prices import Session

AFTER_CLOSE = timedelta(minutes=30)
_SESSION_SHARE = 2 / 3
_FIRST_NIGHT = timedelta(hours=16)


class ClockMode(StrEnum):
    """Who moves the clock: wall time, at a pace or second for second, or the admin route."""

    RUNNING = "running"
    REAL = "real"
    STEPPED = "stepped"


def later(
    now: datetime, wall_seconds: float, sessions: Sequence[Session], seconds_per_session: float
) -> datetime:
    """Market time `wall_seconds` of wall time after market time `now`.

    `sessions` are all that trade, in order; time stops `AFTER_CLOSE` past the last one's close.
    """
    left = wall_seconds
    index = bisect_right(sessions, now, key=lambda session: session.close)
    while index < len(sessions):
        session = sessions[index]
        if now < session.open:
            night_from = sessions[index - 1].close if index else session.open - _FIRST_NIGHT
            pace = (session.open - night_from) / (seconds_per_session * (1 - _SESSION_SHARE))
            until = session.open
        else:
            pace = (session.close - session.open) / (seconds_per_session * _SESSION_SHARE)
            until = session.close
        needed = (until - now) / pace
        if left < needed:
            return now + pace * left
        left, now = left - needed, until
        index += until == session.close
    night = sessions[-1].close - sessions[-1].open
    pace = night / (seconds_per_session * _SESSION_SHARE)
    return min(now + pace * left, max(now, sessions[-1].close + AFTER_CLOSE))


def later_in_real_time(now: datetime, wall_seconds: float, sessions: Sequence[Session]) -> datetime:
    """Market time `wall_seconds` after market time `now`, a second for a second; it stops as `later` does."""
    return min(now + timedelta(seconds=wall_seconds), max(now, sessions[-1].close + AFTER_CLOSE))
