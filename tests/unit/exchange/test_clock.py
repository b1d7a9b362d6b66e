"""How market time passes while wall time does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.prices import Session
from laptop.exchange.clock import AFTER_CLOSE, later

FRIDAY = Session(
    date(2012, 11, 23), datetime(2012, 11, 23, 14, 30, tzinfo=UTC), datetime(2012, 11, 23, 18, tzinfo=UTC)
)
MONDAY = Session(
    date(2012, 11, 26), datetime(2012, 11, 26, 14, 30, tzinfo=UTC), datetime(2012, 11, 26, 21, tzinfo=UTC)
)
SESSIONS = [FRIDAY, MONDAY]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (20, FRIDAY.open + (FRIDAY.close - FRIDAY.open) / 2),
        (40, FRIDAY.close),
        (50, FRIDAY.close + (MONDAY.open - FRIDAY.close) / 2),
        (60, MONDAY.open),
        (100, MONDAY.close),
        (10_000, MONDAY.close + AFTER_CLOSE),
    ],
)
def test_a_session_takes_two_thirds_and_the_night_after_it_one_third(
    seconds: float, expected: datetime
) -> None:
    """A half day and a whole day, a night and a weekend last as long; the clock stops after the data."""
    reached = later(FRIDAY.open, seconds, SESSIONS, 60)
    assert abs(reached - expected) < timedelta(milliseconds=1)


@given(pauses=st.lists(st.floats(0, 30), max_size=20), seconds=st.floats(0.1, 600))
def test_time_never_goes_back_and_small_steps_come_as_far_as_a_large_one(
    pauses: list[float], seconds: float
) -> None:
    """Asking often is the same as asking once, to within rounding."""
    now = FRIDAY.open
    for pause in pauses:
        after = later(now, pause, SESSIONS, seconds)
        assert after >= now
        now = after
    at_once = later(FRIDAY.open, sum(pauses), SESSIONS, seconds)
    assert abs(now - at_once) < timedelta(seconds=1)
