"""Whether a message goes over a channel now, later or not at all; pure, `notification/deliver` asks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import product

from alpaquero.events.mails import Mail
from alpaquero.notifications.preferences import SEVERITIES, Channel, Preferences, as_time
from alpaquero.quickly_made import dataclass

# Facts of trading are each told; of these kinds the same news again within the window is no news.
MAY_REPEAT = frozenset({"order", "fill", "exit", "account", "summary", "notice"})
SAME_NEWS_SECONDS = 600
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Send:
    """It goes out now."""


@dataclass(frozen=True, slots=True)
class Hold:
    """It waits for `until`, then goes with what else has waited."""

    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Skip:
    """The user does not want it over this channel."""


def decide(mail: Mail, channel: Channel, preferences: Preferences, now: datetime) -> Send | Hold | Skip:
    """What becomes of `mail` on a channel at `now` (wall time).

    What is critical, and what a person sends, goes at once; the rest waits for its digest and for
    the end of quiet hours, whichever is later.
    """
    if mail.category == "notice":
        return Send()
    if not _wanted(mail, channel):
        return Skip()
    if mail.severity == "critical":
        return Send()
    due, why = now, "quiet hours"
    if channel.digest == "hourly":
        due, why = next_hour(now), "hourly digest"
    elif channel.digest == "daily":
        due, why = next_at(as_time(preferences.digest_at), preferences, now), "daily digest"
    due = after_quiet(due, preferences)
    return Hold(due, why) if due > now else Send()


def _wanted(mail: Mail, channel: Channel) -> bool:
    matters = SEVERITIES.index(mail.severity) >= SEVERITIES.index(channel.severity)
    return matters and (not channel.categories or mail.category in channel.categories)


def over_the_limit(mail: Mail, preferences: Preferences, channel: Channel, now: datetime) -> Hold:
    """What the channel's limit makes of one more message in this hour; quiet hours hold nothing critical."""
    due = next_hour(now) if mail.severity == "critical" else after_quiet(next_hour(now), preferences)
    return Hold(due, f"more than {channel.most_per_hour} in an hour")


def after_quiet(at: datetime, preferences: Preferences) -> datetime:
    """`at`, or the end of the quiet hours it lies in."""
    if preferences.quiet_from is None or preferences.quiet_until is None:
        return at
    begin, end = as_time(preferences.quiet_from), as_time(preferences.quiet_until)
    of_day = at.astimezone(preferences.zone).time().replace(tzinfo=None)
    quiet = begin <= of_day < end if begin < end else of_day >= begin or of_day < end
    return next_at(end, preferences, at) if quiet else at


def next_at(of_day: time, preferences: Preferences, now: datetime) -> datetime:
    """The next moment after `now` when the user's clock shows `of_day`, in UTC; it may twice a night."""
    today = now.astimezone(preferences.zone).date()
    for days, fold in product((0, 1), (0, 1)):
        local = datetime.combine(today + timedelta(days=days), of_day, preferences.zone)
        moment = local.replace(fold=fold).astimezone(UTC)
        if moment > now:
            break
    return moment


def next_hour(now: datetime) -> datetime:
    """The next full hour."""
    return now.replace(minute=0, second=0, microsecond=0) + HOUR


def is_repeatable(mail: Mail) -> bool:
    """Whether the same words again are another fact, as two fills of one size and price are."""
    return mail.category in MAY_REPEAT
