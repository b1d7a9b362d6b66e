"""Trading sessions, and which bars are closed: pure rules over a calendar that the caller passes in.

Signals and the paper exchange decide with these what they may look at. A list of
sessions is always in order of date and holds no date twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from operator import attrgetter
from zoneinfo import ZoneInfo

from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.quickly_made import dataclass

NEW_YORK = ZoneInfo("America/New_York")

# How long a bar of a part of the day is.
LENGTHS = {
    Timeframe.MINUTE: timedelta(minutes=1),
    Timeframe.FIVE_MINUTES: timedelta(minutes=5),
    Timeframe.FIFTEEN_MINUTES: timedelta(minutes=15),
    Timeframe.HOUR: timedelta(hours=1),
}


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day: its date in New York, its open and close in aware UTC, early closes included."""

    date: date
    open: datetime
    close: datetime


def bar_start(session: Session) -> datetime:
    """The start of the session's daily bar: its midnight in New York, in UTC.

    >>> summer = Session(date(2012, 7, 2), datetime(2012, 7, 2, 13, 30, tzinfo=UTC),
    ...                  datetime(2012, 7, 2, 20, tzinfo=UTC))
    >>> bar_start(summer).isoformat()
    '2012-07-02T04:00:00+00:00'
    """
    return _midnight(session.date)


@lru_cache(maxsize=16384)
def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=NEW_YORK).astimezone(UTC)


def last_closed_session(sessions: Sequence[Session], now: datetime, settle: timedelta) -> Session | None:
    """The last session whose close lies `settle` or more before `now`; None when there is none."""
    count = bisect_right(sessions, now - settle, key=_close)
    return sessions[count - 1] if count else None


def next_session(sessions: Sequence[Session], now: datetime) -> Session | None:
    """The first session that opens after `now`; None when the calendar ends before."""
    index = bisect_right(sessions, now, key=_open)
    return sessions[index] if index < len(sessions) else None


def session_at(sessions: Sequence[Session], now: datetime) -> Session | None:
    """The session that is open at `now` (open <= now < close), or None."""
    index = bisect_right(sessions, now, key=_open)
    if index and now < sessions[index - 1].close:
        return sessions[index - 1]
    return None


def closed_bars(
    bars: Iterable[Bar], sessions: Sequence[Session], now: datetime, settle: timedelta
) -> list[Bar]:
    """The daily bars whose session has closed and settled: what a signal may judge."""
    last = last_closed_session(sessions, now, settle)
    if last is None:
        return []
    end = bar_start(last)
    return [bar for bar in bars if bar.start <= end]


def bars_of(session: Session, timeframe: Timeframe) -> list[tuple[datetime, datetime]]:
    """Start and close of each bar of the regular session, oldest first.

    Bars start at whole multiples of the timeframe on the clock, as Alpaca's do: the first bar of an
    hour begins before the open. A bar closes when its time is over, at most with the session.

    >>> session = Session(date(2012, 7, 3), datetime(2012, 7, 3, 13, 30, tzinfo=UTC),
    ...                   datetime(2012, 7, 3, 17, tzinfo=UTC))
    >>> [f"{start:%H:%M}-{close:%H:%M}" for start, close in bars_of(session, Timeframe.HOUR)]
    ['13:00-14:00', '14:00-15:00', '15:00-16:00', '16:00-17:00']
    """
    if timeframe is Timeframe.DAY:
        return [(bar_start(session), session.close)]
    length = LENGTHS[timeframe]
    midnight = bar_start(session)
    start = midnight + (session.open - midnight) // length * length
    found = []
    while start < session.close:
        found.append((start, min(start + length, session.close)))
        start += length
    return found


_open, _close = attrgetter("open"), attrgetter("close")
