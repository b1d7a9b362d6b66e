"""What each user wants to be told, and how; kept by `store.notifications`, set through the service's API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from alpaquero.errors import InvalidRequest
from alpaquero.events.mails import Category, Severity

ChannelKind = Literal["email", "sms", "webhook"]
WebhookFormat = Literal["json", "slack", "discord", "telegram"]
Digest = Literal["none", "hourly", "daily"]
ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
OWNER = "owner"  # who is told when nobody's settings name the owner's address
WEBHOOK_SECRETS = "alpaquero/webhooks/"  # the template lets the functions read what begins so
MOST_CHANNELS = 10
MOST_PER_HOUR = 1000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to reach a user, and what goes over it.

    `address` is an e-mail address or a number such as +15551234567; of a webhook the name of its
    secret under `alpaquero/webhooks/`, which holds `{"url", "signing_key"}` (Telegram: `chat_id` too).
    `severity` is the least that is sent, `categories` are all when empty. Below critical, `digest`
    collects messages. What passes `most_per_hour` waits for the next hour, the critical no longer.
    """

    name: str
    kind: ChannelKind
    address: str
    format: WebhookFormat = "json"
    severity: Severity = "info"
    categories: list[Category] = []
    digest: Digest = "none"
    most_per_hour: Annotated[int, msgspec.Meta(ge=1, le=MOST_PER_HOUR)] = 60


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """A user's channels and quiet hours; times are of his own `time_zone`, an IANA name.

    From `quiet_from` to `quiet_until` (over midnight too) only what is critical is sent; the rest
    waits. A daily digest goes at `digest_at`. `version` rises with each change, 0 is the default.
    """

    user: str
    channels: list[Channel] = []
    time_zone: str = "America/New_York"
    quiet_from: ClockTime | None = None
    quiet_until: ClockTime | None = None
    digest_at: ClockTime = "18:00"
    version: int = 0
    changed_at: datetime | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The user's time zone."""
        return ZoneInfo(self.time_zone)


def owners(mail_to: str) -> Preferences:
    """The owner's settings as long as nobody has set any: all that happens, by e-mail."""
    mail = Channel(name="email", kind="email", address=mail_to, most_per_hour=MOST_PER_HOUR)
    return Preferences(user=OWNER, channels=[mail])


def recipients(stored: Sequence[Preferences], mail_to: str) -> list[Preferences]:
    """Everyone who is told, the owner among them as long as no settings name his address.

    Others who set their channels never silence the owner; he is silenced by his own settings alone.
    """
    named = {c.address.lower() for p in stored for c in p.channels if c.kind == "email"}
    known = any(p.user == OWNER for p in stored)
    return [*stored] if known or mail_to.lower() in named else [owners(mail_to), *stored]


def check(preferences: Preferences) -> None:
    """Raises `InvalidRequest` that names the field which cannot be used."""
    try:
        _ = preferences.zone
    except (KeyError, ValueError, OSError):
        raise InvalidRequest(
            f"time_zone {preferences.time_zone[:40]!r} is not known; use an IANA name such as Europe/Berlin",
            "time_zone",
        ) from None
    if (preferences.quiet_from is None) != (preferences.quiet_until is None):
        raise InvalidRequest("give both quiet_from and quiet_until, or neither", "quiet_until")
    if preferences.quiet_from is not None and preferences.quiet_from == preferences.quiet_until:
        raise InvalidRequest("quiet_from and quiet_until are the same; leave both out", "quiet_until")
    if len(preferences.channels) > MOST_CHANNELS:
        raise InvalidRequest(f"{MOST_CHANNELS} channels at most", "channels")
    names = [channel.name for channel in preferences.channels]
    for number, channel in enumerate(preferences.channels):
        _check_channel(channel, f"channels[{number}]")
        if names.count(channel.name) > 1:
            raise InvalidRequest(
                f"two channels are named {channel.name}; give each its own name", f"channels[{number}].name"
            )


def _check_channel(channel: Channel, field: str) -> None:
    if not _NAME.fullmatch(channel.name):
        raise InvalidRequest(
            "a channel's name is 1 to 32 of a-z, 0-9 and dashes, such as my-phone", f"{field}.name"
        )
    patterns: dict[ChannelKind, tuple[re.Pattern[str], str]] = {
        "email": (_EMAIL, "must be one e-mail address"),
        "sms": (_PHONE, "must be a phone number in E.164 form, such as +15551234567"),
        "webhook": (_SECRET, f"must be the name of a secret under {WEBHOOK_SECRETS}, without that part"),
    }
    pattern, why = patterns[channel.kind]
    if len(channel.address) > 254 or not pattern.fullmatch(channel.address):
        raise InvalidRequest(f"address {why}", f"{field}.address")
    if channel.kind != "webhook" and channel.format != "json":
        raise InvalidRequest("format is for webhooks alone; leave it out", f"{field}.format")


def as_time(text: ClockTime) -> time:
    """A time of day such as 22:00."""
    return time.fromisoformat(text)
