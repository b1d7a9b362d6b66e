"""The sessions of the New York Stock Exchange, from exchange-calendars, and the times around them.

The history reads its calendar here; orders and the clock and calendar routes ask for the extended hours and
for the day a trade settles.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.metadata import version

import msgspec

from alpaquero.prices import NEW_YORK, Session
from laptop.layout import BUILD, write_private

# Alpaca's calendar goes from 1970 to 2029.
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2029, 12, 31)
_PRE_MARKET, _AFTER_HOURS_END, _EARLY_AFTER_HOURS_END = time(4), time(20), time(17)
_FULL_CLOSE = time(16)
# Days from trade to settlement by first day in force: rule 15c6-1 of the SEC (T+5, T+3, T+2, T+1).
_SETTLEMENT = (
    (date.min, 5),
    (date(1995, 6, 7), 3),
    (date(2017, 9, 5), 2),
    (date(2024, 5, 28), 1),
)


@lru_cache(maxsize=8)
def nyse_sessions(first: date) -> tuple[Session, ...]:
    """Every session from `first` or 1970, whichever is earlier, to the end of 2029 or a year from today.

    They are kept under build/, since exchange-calendars, with pandas under it, takes most of a start.
    """
    begin = min(first, _FIRST_DAY)
    end = max(_LAST_DAY, datetime.now(UTC).date() + timedelta(days=365))
    kept = BUILD / "calendar" / f"XNYS-{version('exchange-calendars')}-{begin}-{end}.json"
    hours: list[tuple[int, int]] = []
    with suppress(OSError, msgspec.DecodeError):
        hours = msgspec.json.decode(kept.read_bytes(), type=list[tuple[int, int]])
    if not hours:
        hours = _computed_hours(begin, end)
        with suppress(OSError):  # without a place to keep them, every start computes them
            write_private(kept, msgspec.json.encode(hours))
    times = [(_utc(opened), _utc(closed)) for opened, closed in hours]
    # New York opens at 14:30 UTC or thereabouts, so in both places it is the same date.
    return tuple(Session(opened.date(), opened, closed) for opened, closed in times)


def _computed_hours(begin: date, end: date) -> list[tuple[int, int]]:
    """Open and close of every session, in seconds since 1970."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start=begin.isoformat(), end=end.isoformat())
    opens, closes = (
        times.to_numpy("datetime64[s]").astype("int64").tolist()
        for times in (calendar.opens, calendar.closes)
    )
    return list(zip(opens, closes, strict=True))


@lru_cache(maxsize=4096)
def extended_hours(session: Session) -> tuple[datetime, datetime]:
    """From the start of pre-market to the end of after-hours trading, in UTC.

    Four in the morning in New York to eight in the evening; to five on days that close early.
    """
    early = session.close.astimezone(NEW_YORK).time() < _FULL_CLOSE
    end = _EARLY_AFTER_HOURS_END if early else _AFTER_HOURS_END
    return (
        datetime.combine(session.date, _PRE_MARKET, NEW_YORK).astimezone(UTC),
        datetime.combine(session.date, end, NEW_YORK).astimezone(UTC),
    )


def settlement_date(sessions: Sequence[Session], index: int) -> date:
    """The day on which trades of the session at `index` settle; banks closed, nothing settles."""
    traded = sessions[index].date
    days = _SETTLEMENT[bisect_right(_SETTLEMENT, traded, key=lambda rule: rule[0]) - 1][1]
    while days and index + 1 < len(sessions):
        index += 1
        days -= not _bank_holiday(sessions[index].date)
    return sessions[index].date + timedelta(days=days)


def _bank_holiday(day: date) -> bool:
    """Columbus Day and Veterans Day: the stock exchange is open, the banks are not."""
    columbus = day.month == 10 and day.weekday() == 0 and 8 <= day.day <= 14
    veterans = (day.month, day.day) == (11, 11)
    observed = (day.month, day.day, day.weekday()) == (11, 12, 0)
    return columbus or veterans or observed


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
