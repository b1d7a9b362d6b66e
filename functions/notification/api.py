"""Who is told, of what, and what became of it; both APIs call it."""

from __future__ import annotations

import uuid
from functools import cache
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta, Struct

from alpaquero import aws, wall
from alpaquero.errors import InvalidRequest, NotAllowed, NotFound
from alpaquero.events.mails import MAILED_EVENTS, Category, Severity
from alpaquero.events.schemas import NoticeGiven, encode
from alpaquero.notifications.preferences import (
    OWNER,
    Channel,
    ClockTime,
    Preferences,
    check,
    owners,
    recipients,
)
from alpaquero.observability import correlation_id
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import notifications as store
from alpaquero.store.notifications import Logged, State
from alpaquero.web.app import after, service_app, to_cursor
from alpaquero.web.bodies import Page
from alpaquero.web.bodies import notification as bodies
from alpaquero.web.endpoint import Paged


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """Whom by default, and the topic that a person's word goes to."""

    mail_to: Text
    topic: Text


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user's settings as he wants them; `version` is that of those he has read."""

    version: int
    channels: list[Channel]
    time_zone: str = "America/New_York"
    quiet_from: ClockTime | None = None
    quiet_until: ClockTime | None = None
    digest_at: ClockTime = "18:00"


class Notice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's word, or a test: to everybody, to one `user`, or over one of his channels."""

    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=150)] = "A test of this channel"
    text: Annotated[str, msgspec.Meta(max_length=4000)] = ""
    severity: Severity = "info"
    user: str | None = None
    channel: str | None = None


SETTINGS = load(Settings)
app = service_app("notification", {"preferences": lambda: store.preferences(SETTINGS.account)}, works=True)


@cache
def sns() -> Any:
    """The topic's client, made at the first message."""
    return aws.client("sns")


class UserAsked(Struct, frozen=True, kw_only=True):
    """Whose settings."""

    user: (
        Annotated[str, Meta(max_length=128, pattern="^[^#]*$", description="Another user's, for an admin.")]
        | None
    ) = None


@app.endpoint(
    "GET",
    public="/api/notifications/settings",
    service="/notification/notifications/settings",
    query=UserAsked,
)
def notification_settings(query: UserAsked) -> bodies.NotificationSettings:
    """The caller's settings, or those of `user` for an admin; defaults when none were set."""
    return settings_body(_settings_of(_whose(query.user)))


@app.endpoint(
    "PUT",
    public="/api/notifications/settings",
    service="/notification/notifications/settings",
    role="trader",
    people=True,  # what a key had sent elsewhere would go on when the key is revoked
    query=UserAsked,
    body=Wanted,
    refuses=(409,),
)
def change(query: UserAsked, body: Wanted) -> bodies.NotificationSettings:
    """Puts the caller's settings, or those of `user` for an admin, in place of the ones before."""
    user = _whose(query.user)
    settings = Preferences(
        user=user,
        channels=body.channels,
        time_zone=body.time_zone,
        quiet_from=body.quiet_from,
        quiet_until=body.quiet_until,
        digest_at=body.digest_at,
        version=body.version,
    )
    check(settings)
    return settings_body(store.save_preferences(SETTINGS.account, settings, wall.now()))


class LogAsked(Paged, frozen=True, kw_only=True):
    """Which lines of the log."""

    state: Annotated[State, Meta(description="Those that stand so alone.")] | None = None


@app.endpoint(
    "GET",
    public="/api/notifications/log",
    service="/notification/notifications/log",
    query=LogAsked,
)
def log(query: LogAsked) -> Page[bodies.NotificationDelivery]:
    """What was delivered, newest first: to whom, over what, with what outcome; `state` filters."""
    page, last = store.newest(SETTINGS.account, query.limit, after(query.cursor), state=query.state)
    return Page(items=[delivery_body(one) for one in page], next=to_cursor(last) if last else None)


@app.endpoint(
    "POST",
    public="/api/notifications/send",
    service="/notification/notifications/send",
    role="trader",
    body=Notice,
    status=202,
    refuses=(404,),
)
def send(body: Notice) -> bodies.NotificationAccepted:
    """Sends a person's word the way all messages go; the log tells what became of it."""
    if not body.subject.strip():
        raise InvalidRequest("subject is empty; say in a line what it is about", "subject")
    _refuse_unknown(body)
    notice = NoticeGiven(
        id=f"notice:{uuid.uuid4().hex}",
        occurred_at=wall.now(),
        correlation_id=correlation_id(),
        account=SETTINGS.account,
        author=app.principal().username,
        subject=body.subject.strip(),
        text=body.text.strip(),
        severity=body.severity,
        user=body.user,
        channel=body.channel,
    )
    envelope = {
        "source": "alpaquero.notification",
        "detail-type": type(notice).__name__,
        "detail": msgspec.Raw(encode(notice).encode()),
    }
    sns().publish(TopicArn=SETTINGS.topic, Message=msgspec.json.encode(envelope).decode())
    return bodies.NotificationAccepted(id=notice.id)


def _refuse_unknown(wanted: Notice) -> None:
    """Raises `InvalidRequest` for a channel without its user, `NotFound` for what nobody has."""
    if wanted.user is None and wanted.channel is None:
        return
    if wanted.user is None:
        raise InvalidRequest("name the user whose channel it is", "user")
    told = recipients(store.preferences(SETTINGS.account), SETTINGS.mail_to)
    names = [c.name for one in told if one.user == wanted.user for c in one.channels]
    if not names:
        raise NotFound(f"{wanted.user[:40]!r} has no channel; set one first", {"field": "user"})
    if wanted.channel is not None and wanted.channel not in names:
        raise NotFound(
            f"{wanted.user[:40]} has no channel {wanted.channel[:40]!r}, but {', '.join(names)}",
            {"field": "channel"},
        )


def _whose(user: str | None) -> str:
    """The caller, or the user an admin names. Raises `NotAllowed` for anyone else who names one."""
    caller = app.principal()
    if user is None or user == caller.username:
        return caller.username
    if not caller.may("admin"):
        raise NotAllowed("Only an admin may see or change another user's settings; leave out user.")
    return user


def _settings_of(user: str) -> Preferences:
    stored = store.preferences_of(SETTINGS.account, user)
    if stored is not None:
        return stored
    return owners(SETTINGS.mail_to) if user == OWNER else Preferences(user=user)


def settings_body(settings: Preferences) -> bodies.NotificationSettings:
    """Settings as the API answers them, with what can be chosen."""
    return bodies.NotificationSettings(
        user=settings.user,
        version=settings.version,
        channels=[
            bodies.NotificationChannel(**msgspec.structs.asdict(channel)) for channel in settings.channels
        ],
        time_zone=settings.time_zone,
        quiet_from=settings.quiet_from,
        quiet_until=settings.quiet_until,
        digest_at=settings.digest_at,
        changed_at=settings.changed_at,
        events=MAILED_EVENTS,
        categories=list(get_args(Category)),
        owner_is_mailed=any(
            one.user == OWNER and one.version == 0
            for one in recipients(store.preferences(SETTINGS.account), SETTINGS.mail_to)
        ),
    )


def delivery_body(logged: Logged) -> bodies.NotificationDelivery:
    """A line of the log as the API answers it."""
    one = logged.delivery
    return bodies.NotificationDelivery(
        event_id=one.event_id,
        event=one.event,
        user=one.user,
        channel=one.channel,
        kind=one.kind,
        category=one.category,
        severity=one.severity,
        subject=one.subject,
        state=logged.state,
        attempts=logged.attempts,
        outcome=logged.outcome,
        first_at=logged.first_at,
        changed_at=logged.changed_at,
    )
