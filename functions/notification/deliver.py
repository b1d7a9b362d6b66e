"""Tells people what happened, over the channels they chose; started by NotificationQueue.

At least once, and in normal running once: each delivery is claimed before it is sent and recorded
after it (`store.notifications`). An event that somebody could not be told of comes again, after
longer and longer, and goes only to those who have not had it; after the fifth time it is a dead letter.
A channel that keeps failing is left alone for a while, and what it should have had is held for `digest`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alpaquero import deadline, wall
from alpaquero.errors import AlpaqueroError, LeftAlone
from alpaquero.events import queues
from alpaquero.events.bus import received
from alpaquero.events.mails import Mail, mail_of
from alpaquero.events.schemas import Event, NoticeGiven
from alpaquero.last_work import worked_through
from alpaquero.notifications import channels
from alpaquero.notifications.channels import TIMEOUT_SECONDS, NoAnswer, NotTaken
from alpaquero.notifications.decision import (
    SAME_NEWS_SECONDS,
    Hold,
    Skip,
    decide,
    is_repeatable,
    over_the_limit,
)
from alpaquero.notifications.preferences import Channel, Preferences, recipients
from alpaquero.observability import correlation, count, logger, observed, record_failed
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import notifications as store
from alpaquero.store.notifications import DONE, Delivery, State

TRIES = 5  # the queue's maxReceiveCount
PAUSES_SECONDS = (15, 60, 300, 900)  # before the second, third, fourth and fifth try
REASON_MOST = 300  # characters of a failure that the log keeps


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """From whom, to which owner, and the queue whose messages come again."""

    mail_from: Text
    mail_to: Text
    notification_queue: Text


settings = load(Settings)


class NotDelivered(AlpaqueroError):
    """Somebody could not be told; the event comes again after `retry_after_seconds`."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


@observed("notification")
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Tells of a batch of events and answers which of them go back to the queue."""
    told = recipients(store.preferences(settings.account), settings.mail_to)
    silent: set[tuple[str, str]] = set()  # channels whose host did not answer; a second wait helps nobody
    done = queues.work_through(event, lambda record: _deliver(record, told, silent), _failed)
    return worked_through("notification", event, done, detail="deliver")


def _failed(record: dict[str, Any], error: Exception) -> None:
    record_failed(record, error)
    last = queues.times_received(record) >= TRIES  # what comes back now is a dead letter at once
    if isinstance(error, NotDelivered) and not last:
        queues.deliver_again_after(settings.notification_queue, record, int(error.retry_after_seconds))


def _deliver(record: dict[str, Any], told: list[Preferences], silent: set[tuple[str, str]]) -> None:
    event = received(record["body"])
    correlation(event.correlation_id)
    mail, tries = mail_of(event), queues.times_received(record)
    pause = float(PAUSES_SECONDS[min(tries, len(PAUSES_SECONDS)) - 1])
    problems: list[str] = []
    for preferences, channel in _audience(event, told):
        way = preferences.user, channel.name
        if way in silent:
            problems.append(f"{preferences.user}'s {channel.name}: its host did not answer a moment ago")
            continue
        try:
            _tell(event, mail, preferences, channel, is_last=tries >= TRIES)
        except Exception as error:
            if isinstance(error, NoAnswer):
                silent.add(way)
            logger.warning("not delivered", user=preferences.user, channel=channel.name, exc_info=error)
            count("NotDelivered", channel=channel.kind)
            problems.append(f"{preferences.user}'s {channel.name}: {error}")
            pause = max(pause, getattr(error, "retry_after_seconds", None) or 0)
    if problems:
        raise NotDelivered(f"{type(event).__name__} {event.id}: {'; '.join(problems)}", pause)


def _audience(event: Event, told: list[Preferences]) -> list[tuple[Preferences, Channel]]:
    """Whom an event is for: everybody's channels, unless a person named a user or one of his channels."""
    user, name = (event.user, event.channel) if isinstance(event, NoticeGiven) else (None, None)
    return [
        (preferences, channel)
        for preferences in told
        if user in {None, preferences.user}
        for channel in preferences.channels
        if name in {None, channel.name}
    ]


def _tell(event: Event, mail: Mail, preferences: Preferences, channel: Channel, *, is_last: bool) -> None:
    now, account = wall.now(), event.account or settings.account
    decided = decide(mail, channel, preferences, now)
    if isinstance(decided, Skip):
        return
    delivery = Delivery(
        event_id=event.id,
        event=type(event).__name__,
        user=preferences.user,
        channel=channel.name,
        kind=channel.kind,
        category=mail.category,
        severity=mail.severity,
        subject=mail.subject,
    )
    if deadline.seconds_left() < TIMEOUT_SECONDS:
        raise NotTaken("no time was left in this invocation")
    if not store.claim(account, delivery, now):
        if store.state_of(account, delivery) in DONE:
            return
        raise NotTaken("another worker has it in hand", store.LEASE_SECONDS)
    if not is_repeatable(mail) and not store.is_news(account, delivery, mail, now, seconds=SAME_NEWS_SECONDS):
        store.record(account, delivery, State.REPEATED, "the same was told minutes ago", now)
        return
    if not isinstance(decided, Hold) and not store.within_limit(account, preferences.user, channel, now):
        decided = over_the_limit(mail, preferences, channel, now)
    if isinstance(decided, Hold):
        store.hold(account, delivery, mail, decided.until, why=decided.why, now=now)
        return
    _send(account, delivery, mail, channel, is_last=is_last)


def _send(account: str, delivery: Delivery, mail: Mail, channel: Channel, *, is_last: bool) -> None:
    try:
        outcome = channels.send(
            mail,
            channel,
            delivery.id,
            mail_from=settings.mail_from,
            local=settings.environment == "local",
        )
    except LeftAlone as error:
        now = wall.now()
        until = now + timedelta(seconds=error.retry_after_seconds)
        store.hold(
            account, delivery, mail, until, why=f"{channel.name} keeps failing and is left alone", now=now
        )
        return
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:REASON_MOST]
        failed = State.GIVEN_UP if is_last else State.FAILED
        store.record(account, delivery, failed, reason, wall.now())
        raise
    store.record(account, delivery, State.SENT, outcome, wall.now())
    count("Delivered", channel=channel.kind)
