"""What becomes of a message on a channel: sent, held until when, or not wanted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.events.mails import Mail
from alpaquero.notifications.decision import Hold, Send, Skip, after_quiet, decide, next_at, over_the_limit
from alpaquero.notifications.preferences import Channel, Preferences, as_time

NOON = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)  # in New York
LATE = datetime(2026, 1, 6, 4, 30, tzinfo=UTC)  # 23:30 in New York
SEVEN = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)  # 07:00 in New York
QUIET: dict[str, Any] = {"quiet_from": "22:00", "quiet_until": "07:00"}


def mail(severity: Any = "info", category: Any = "fill") -> Mail:
    """A message."""
    return Mail("subject", "text", category, severity)


def channel(**more: Any) -> Channel:
    """An e-mail channel."""
    return Channel(**{"name": "mail", "kind": "email", "address": "a@example.com", **more})


def user(**more: Any) -> Preferences:
    """A user of New York."""
    return Preferences(user="ana", **more)


@pytest.mark.parametrize(
    ("message", "over", "decided"),
    [
        (mail(), channel(), Send()),
        (mail(), channel(severity="warning"), Skip()),
        (mail("warning"), channel(severity="warning"), Send()),
        (mail("critical"), channel(categories=["risk"]), Skip()),
        (mail(category="risk"), channel(categories=["risk"]), Send()),
        (mail(category="notice"), channel(severity="critical", categories=["risk"]), Send()),
    ],
)
def test_severity_and_category_decide_what_is_wanted(
    message: Mail, over: Channel, decided: Send | Skip
) -> None:
    """A channel carries what is severe enough and of its categories; a person's word always."""
    assert decide(message, over, user(), NOON) == decided


def test_quiet_hours_hold_what_can_wait() -> None:
    """Over midnight too; what is critical, and what a person sends, wakes the user."""
    assert decide(mail(), channel(), user(**QUIET), LATE) == Hold(SEVEN, "quiet hours")
    assert decide(mail("critical"), channel(), user(**QUIET), LATE) == Send()
    assert decide(mail(category="notice"), channel(), user(**QUIET), LATE) == Send()
    assert decide(mail(), channel(), user(**QUIET), NOON) == Send()


def test_quiet_hours_are_of_the_users_own_zone() -> None:
    """23:30 in New York is half past five in Berlin, and past noon in Tokyo."""
    berlin = user(**QUIET, time_zone="Europe/Berlin")
    assert decide(mail(), channel(), berlin, LATE) == Hold(
        datetime(2026, 1, 6, 6, 0, tzinfo=UTC), "quiet hours"
    )
    assert decide(mail(), channel(), user(**QUIET, time_zone="Asia/Tokyo"), LATE) == Send()


def test_quiet_hours_within_a_day() -> None:
    """From noon to two the message waits until two; at two it goes."""
    siesta = user(quiet_from="12:00", quiet_until="14:00")
    two = datetime(2026, 1, 5, 19, 0, tzinfo=UTC)
    assert decide(mail(), channel(), siesta, NOON) == Hold(two, "quiet hours")
    assert decide(mail(), channel(), siesta, two) == Send()


def test_quiet_hours_over_a_clock_change_end_by_the_users_clock() -> None:
    """On 8 March 2026 New York's night is an hour shorter: seven o'clock is 11:00 UTC, not 12:00."""
    at = datetime(2026, 3, 8, 4, 30, tzinfo=UTC)
    assert after_quiet(at, user(**QUIET)) == datetime(2026, 3, 8, 11, 0, tzinfo=UTC)


def test_quiet_hours_that_end_in_the_hour_that_comes_twice_end_the_same_night() -> None:
    """On 1 November 2026 New York has half past one twice: what comes before the second waits until then."""
    second = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)
    early = user(quiet_from="22:00", quiet_until="01:30")
    assert after_quiet(second, early) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_a_digest_collects_what_is_not_critical() -> None:
    """Hourly to the next full hour, daily to the user's time of day; never past it into quiet hours."""
    assert decide(mail(), channel(digest="hourly"), user(), NOON) == Hold(
        NOON.replace(hour=18), "hourly digest"
    )
    assert decide(mail("warning"), channel(digest="daily"), user(), NOON) == Hold(
        NOON.replace(hour=23), "daily digest"
    )
    assert decide(mail("critical"), channel(digest="daily"), user(), NOON) == Send()
    assert decide(mail(), channel(digest="hourly"), user(**QUIET), LATE) == Hold(SEVEN, "hourly digest")


def test_a_daily_digest_whose_time_has_passed_goes_tomorrow() -> None:
    """At its own minute it is tomorrow's, for the present one has just been sent."""
    assert next_at(as_time("12:00"), user(), NOON) == NOON.replace(day=6)
    assert next_at(as_time("12:01"), user(), NOON) == NOON.replace(minute=1)


def test_what_passes_the_rate_limit_waits_for_the_next_hour() -> None:
    """Nothing is lost by a limit."""
    held = over_the_limit(mail(), user(), channel(most_per_hour=5), NOON.replace(minute=59))
    assert held == Hold(NOON.replace(hour=18), "more than 5 in an hour")


@given(
    minutes=st.integers(0, 2 * 366 * 24 * 60),
    begin=st.times(),
    end=st.times(),
    zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Asia/Kolkata"]),
)
def test_nothing_waits_longer_than_a_day_for_quiet_hours(
    minutes: int, begin: Any, end: Any, zone: str
) -> None:
    """However they lie, and over clock changes: held until later, at most 25 hours, and then it goes."""
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    one = user(quiet_from=f"{begin:%H:%M}", quiet_until=f"{end:%H:%M}", time_zone=zone)
    until = after_quiet(at, one)
    assert 0 <= (until - at).total_seconds() <= 25 * 3600
