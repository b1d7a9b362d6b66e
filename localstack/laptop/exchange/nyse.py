"""The sessions of the New York Stock Exchange, from exchange-calendars, and the times around them.

The history reads its calendar here; orders and the clock and calendar routes ask for the extended hours and
for the day a trade settles.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from alpaquero.prices import NEW_YORK, Session

# Alpaca's calendar goes from 1970 to 2029.
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2029, 12, 31)
_NANOSECONDS = 1_000_000_000
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
    """Every session from `first` or 1970, whichever is earlier, to the end of 2029 or a year from today."""
    import exchange_calendars

    last = max(_LAST_DAY, datetime.now(UTC).date() + timedelta(days=365))
    calendar = exchange_calendars.get_calendar(
        "XNYS", start=min(first, _FIRST_DAY).isoformat(), end=last.isoformat()
    )
    days = calendar.sessions.date
    opens = calendar.opens.to_numpy("datetime64[ns]").astype("int64")
    closes = calendar.closes.to_numpy("datetime64[ns]").astype("int64")
    return tuple(
        Session(day, _utc(int(opened)), _utc(int(closed)))
        for day, opened, closed in zip(days, opens, closes, strict=True)
    )


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


def _utc(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // _NANOSECONDS, UTC)
