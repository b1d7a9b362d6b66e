"""The bodies of notification settings, messages and the delivery log."""

from __future__ import annotations

from datetime import datetime

import msgspec

from alpaquero.events.mails import Category, Severity
from alpaquero.notifications.preferences import ChannelKind, Digest, WebhookFormat
from alpaquero.store.notifications import State


class NotificationChannel(msgspec.Struct, frozen=True, kw_only=True):
    """One way to reach a user; a webhook's `address` is the name of its secret, never the secret."""

    name: str
    kind: ChannelKind
    address: str
    format: WebhookFormat
    severity: Severity
    categories: list[Category]
    digest: Digest
    most_per_hour: int


class NotificationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a user wants to be told; `version` goes back with a change, 0 means none was set yet.

    `events` and `categories` are what there is to tell; `owner_is_mailed` says that the owner gets
    everything by e-mail, because nobody's settings name his address.
    """

    user: str
    version: int
    channels: list[NotificationChannel]
    time_zone: str
    quiet_from: str | None
    quiet_until: str | None
    digest_at: str
    changed_at: datetime | None
    events: list[str]
    categories: list[Category]
    owner_is_mailed: bool


class NotificationDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the delivery log: one message over one channel to one user.

    `state` is sending, sent, failed (it is tried again), given_up (a dead letter), held or repeated;
    `outcome` the other side's id for it, or why it failed or waits.
    """

    event_id: str
    event: str
    user: str
    channel: str
    kind: str
    category: str
    severity: str
    subject: str
    state: State
    attempts: int
    outcome: str
    first_at: datetime
    changed_at: datetime


class NotificationAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is on its way; the log tells what became of it under this id."""

    id: str
