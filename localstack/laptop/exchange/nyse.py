"""The sessions of the New York Stock Exchange, from exchange-calendars, as plain Session objects."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache

from alpaquero.prices import Session

_FIRST_DAY = date(2000, 1, 1)
_NANOSECONDS = 1_000_000_000


@lru_cache(maxsize=8)
def nyse_sessions(first: date) -> tuple[Session, ...]:
    """Every session from `first` or 2000, whichever is earlier, to a year from today."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start=min(first, _FIRST_DAY).isoformat())
    days = calendar.sessions.date
    opens = calendar.opens.to_numpy("datetime64[ns]").astype("int64")
    closes = calendar.closes.to_numpy("datetime64[ns]").astype("int64")
    return tuple(
        Session(day, _utc(int(opened)), _utc(int(closed)))
        for day, opened, closed in zip(days, opens, closes, strict=True)
    )


def _utc(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // _NANOSECONDS, UTC)
