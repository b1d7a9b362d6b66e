"""Which session is closed, which comes next, and which bars a signal may judge."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from alpaquero.prices import (
    Bar,
    Session,
    bar_start,
    closed_bars,
    last_closed_session,
    next_session,
    session_at,
)

SETTLE = timedelta(minutes=15)
BEFORE_HOLIDAY = Session(
    date(2012, 11, 21), datetime(2012, 11, 21, 14, 30, tzinfo=UTC), datetime(2012, 11, 21, 21, tzinfo=UTC)
)
HALF_DAY = Session(
    date(2012, 11, 23), datetime(2012, 11, 23, 14, 30, tzinfo=UTC), datetime(2012, 11, 23, 18, tzinfo=UTC)
)
MONDAY = Session(
    date(2012, 11, 26), datetime(2012, 11, 26, 14, 30, tzinfo=UTC), datetime(2012, 11, 26, 21, tzinfo=UTC)
)
SESSIONS = [BEFORE_HOLIDAY, HALF_DAY, MONDAY]


def bar_of(session: Session) -> Bar:
    """A bar of the session, prices of no interest."""
    return Bar(bar_start(session), 1.0, 1.0, 1.0, 1.0, 1)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2012, 11, 21, 21, 14, 59, tzinfo=UTC), None),
        (datetime(2012, 11, 21, 21, 15, tzinfo=UTC), BEFORE_HOLIDAY),
        (datetime(2012, 11, 23, 18, 14, tzinfo=UTC), BEFORE_HOLIDAY),
        (datetime(2012, 11, 23, 18, 15, tzinfo=UTC), HALF_DAY),
        (datetime(2012, 11, 26, 20, 0, tzinfo=UTC), HALF_DAY),
        (datetime(2030, 1, 1, tzinfo=UTC), MONDAY),
    ],
)
def test_a_session_counts_as_closed_once_its_own_close_has_settled(
    now: datetime, expected: Session | None
) -> None:
    """A half day closes at its early close, and no session counts before close plus settle time."""
    assert last_closed_session(SESSIONS, now, SETTLE) == expected


def test_the_next_session_skips_the_holiday_and_ends_with_the_calendar() -> None:
    """After Wednesday's open comes Friday's half day; after the last open comes nothing."""
    assert next_session(SESSIONS, datetime(2012, 11, 21, 14, 30, tzinfo=UTC)) == HALF_DAY
    assert next_session(SESSIONS, MONDAY.open - timedelta(microseconds=1)) == MONDAY
    assert next_session(SESSIONS, MONDAY.open) is None


def test_a_session_is_open_from_its_open_up_to_but_not_at_its_close() -> None:
    """The open belongs to the session, the close does not."""
    assert session_at(SESSIONS, HALF_DAY.open) == HALF_DAY
    assert session_at(SESSIONS, HALF_DAY.close - timedelta(microseconds=1)) == HALF_DAY
    assert session_at(SESSIONS, HALF_DAY.close) is None
    assert session_at(SESSIONS, HALF_DAY.open - timedelta(microseconds=1)) is None


@pytest.mark.parametrize(
    ("day", "expected"),
    [(date(2013, 3, 8), 5), (date(2013, 3, 11), 4), (date(2013, 11, 1), 4), (date(2013, 11, 4), 5)],
)
def test_a_daily_bar_starts_at_midnight_in_new_york_winter_and_summer(day: date, expected: int) -> None:
    """Midnight in New York is 05:00 UTC before daylight saving begins and 04:00 while it lasts."""
    session = Session(
        day, datetime(day.year, day.month, day.day, 15, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
    )
    assert datetime(day.year, day.month, day.day, expected, tzinfo=UTC) == bar_start(session)


def test_the_forming_bar_and_the_unsettled_bar_are_not_judged() -> None:
    """Only bars whose session has closed and settled pass."""
    bars = [bar_of(session) for session in SESSIONS]
    assert closed_bars(bars, SESSIONS, datetime(2012, 11, 23, 16, tzinfo=UTC), SETTLE) == bars[:1]
    assert closed_bars(bars, SESSIONS, HALF_DAY.close, SETTLE) == bars[:1]
    assert closed_bars(bars, SESSIONS, HALF_DAY.close + SETTLE, SETTLE) == bars[:2]
    assert closed_bars(bars, SESSIONS, BEFORE_HOLIDAY.open, SETTLE) == []
