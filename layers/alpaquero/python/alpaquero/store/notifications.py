"""The Notifications table: each delivery and how it stands, what waits, and who wants what.

A delivery is one message over one channel to one user. `deliver` and `digest` move it:

    (none) ──claim──▶ sending ──▶ sent
      │                 │  ▲
      │                 ▼  │claim
      │               failed ──▶ given_up      (its event is a dead letter; a redrive claims again)
      ├──▶ held ──▶ sent                       (with the digest)
      └──▶ repeated                            (the same news was told minutes ago)

A claim is a lease: of two workers one sends. Who dies between sending and recording leaves `sending`
behind, and once the lease is over the message is sent again: at least once, and in normal running once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, LocalSecondaryIndex
from pynamodb.models import Model

from alpaquero.errors import Conflict
from alpaquero.events.mails import Mail
from alpaquero.notifications.preferences import Channel, Preferences
from alpaquero.store.tables import REGION, from_body, kept_seconds, table_name, to_body

KEEP_SECONDS = kept_seconds("NOTIFICATIONS_KEPT_DAYS", 30)
LEASE_SECONDS = 60  # longer than the functions that send may run
SENT = "SENT#"
HOUR_SECONDS = 3600
_CONFLICT = "ConditionalCheckFailedException"


class State(StrEnum):
    """How a delivery stands."""

    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    GIVEN_UP = "given_up"
    HELD = "held"
    REPEATED = "repeated"


DONE = frozenset({State.SENT, State.HELD, State.REPEATED})  # nothing is left for whoever has the event


class ByTime(LocalSecondaryIndex["NotificationItem"]):  # type: ignore[no-untyped-call]
    """Deliveries by when they were first tried; only deliveries carry `listed_at`."""

    class Meta:
        index_name = "by_time"
        projection = AllProjection()

    pk = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class NotificationItem(Model):
    """One item; a delivery's fields are attributes, for conditions, others keep a struct in `body`."""

    class Meta:
        table_name = table_name("NOTIFICATIONS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute(null=True)
    state = UnicodeAttribute(null=True)
    attempts = NumberAttribute(null=True)
    lease_until = NumberAttribute(null=True)
    outcome = UnicodeAttribute(null=True)
    changed_at = UnicodeAttribute(null=True)
    listed_at = UnicodeAttribute(null=True)
    sent = NumberAttribute(null=True)
    version = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True)
    by_time = ByTime()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What is delivered: an event's mail over one channel; its `id` is the same in each try."""

    event_id: str
    event: str
    user: str
    channel: str
    kind: str
    category: str
    severity: str
    subject: str

    @property
    def id(self) -> str:
        """What names this delivery."""
        return f"{self.event_id}#{self.user}#{self.channel}"


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as the log shows it; `outcome` is the other side's id, or why it failed or waits."""

    delivery: Delivery
    state: State
    attempts: int
    outcome: str
    first_at: datetime
    changed_at: datetime


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits for its digest, quiet hours' end or the next hour.

    `tries` digests with it have failed since `since`, when it was due first; each put `due_at` off.
    """

    delivery: Delivery
    mail: Mail
    due_at: datetime
    tries: int = 0
    since: datetime | None = None

    @property
    def due_since(self) -> datetime:
        """When it was due first."""
        return self.since or self.due_at


# deliveries


def claim(account: str, delivery: Delivery, now: datetime) -> bool:
    """Takes the delivery in hand for a minute; False when it is done, or in other hands."""
    free = (
        NotificationItem.pk.does_not_exist()
        | NotificationItem.state.is_in(State.FAILED, State.GIVEN_UP)
        | ((NotificationItem.state == State.SENDING) & (NotificationItem.lease_until < now.timestamp()))
    )
    return _update(account, delivery, State.SENDING, now, condition=free, lease=LEASE_SECONDS)


def state_of(account: str, delivery: Delivery) -> State | None:
    """How a delivery stands, None before its first try."""
    try:
        item = NotificationItem.get(account, SENT + delivery.id, consistent_read=True)
    except DoesNotExist:
        return None
    return State(item.state)


def record(account: str, delivery: Delivery, state: State, outcome: str, now: datetime) -> None:
    """What became of a try. A failure never takes the place of a success that came first."""
    condition = None
    if state not in DONE:
        condition = NotificationItem.state.is_in(State.SENDING, State.HELD)
    _update(account, delivery, state, now, condition=condition, outcome=outcome)


def _update(
    account: str,
    delivery: Delivery,
    state: State,
    now: datetime,
    *,
    condition: Condition | None,
    outcome: str = "",
    lease: int = 0,
) -> bool:
    at = now.isoformat()
    actions: list[Action] = [
        NotificationItem.state.set(state),
        NotificationItem.body.set(to_body(delivery)),
        NotificationItem.changed_at.set(at),
        NotificationItem.outcome.set(outcome),
        NotificationItem.lease_until.set(now.timestamp() + lease),
        NotificationItem.listed_at.set(NotificationItem.listed_at | f"{at}#{delivery.id}"),
        NotificationItem.attempts.add(1 if lease else 0),
        NotificationItem.expires_at.set(int(now.timestamp()) + KEEP_SECONDS),
    ]
    try:
        NotificationItem(account, SENT + delivery.id).update(actions=actions, condition=condition)
    except UpdateError as error:
        if error.cause_response_code != _CONFLICT:
            raise
        return False
    return True


def newest(
    account: str, limit: int, after: str | None = None, *, state: State | None = None
) -> tuple[list[Logged], str | None]:
    """A page of the log, newest first, and where it ends when there may be more."""
    filters = None if state is None else NotificationItem.state == state
    start = None
    if after:
        _, _, identifier = after.partition("#")
        start = {"pk": {"S": account}, "sk": {"S": SENT + identifier}, "listed_at": {"S": after}}
    found = NotificationItem.by_time.query(
        account, filter_condition=filters, limit=limit, scan_index_forward=False, last_evaluated_key=start
    )
    logged = [_logged(item) for item in found]
    last = found.last_evaluated_key
    return logged, last["listed_at"]["S"] if last else None


def troubles(account: str, since: datetime) -> dict[str, int]:
    """How many events of each name people were warned of since `since` (wall time), each counted once."""
    found = NotificationItem.by_time.query(account, NotificationItem.listed_at >= since.isoformat())
    names = {
        one.event_id: one.event
        for one in (from_body(item.body or "", Delivery) for item in found)
        if one.severity != "info" and one.category != "notice"
    }
    return {name: list(names.values()).count(name) for name in names.values()}


def _logged(item: NotificationItem) -> Logged:
    listed_at, _, _ = (item.listed_at or "").partition("#")
    return Logged(
        delivery=from_body(item.body or "", Delivery),
        state=State(item.state),
        attempts=int(item.attempts or 0),
        outcome=item.outcome or "",
        first_at=datetime.fromisoformat(listed_at),
        changed_at=datetime.fromisoformat(item.changed_at or listed_at),
    )


# what waits


def hold(account: str, delivery: Delivery, mail: Mail, due_at: datetime, *, why: str, now: datetime) -> None:
    """Lets a message wait; again is the same as once."""
    _held_item(account, Waiting(delivery=delivery, mail=mail, due_at=due_at)).save()
    record(account, delivery, State.HELD, f"{why}, until {due_at:%Y-%m-%d %H:%M} UTC", now)


def _held_item(account: str, waiting: Waiting) -> NotificationItem:
    return NotificationItem(
        f"{account}#HELD",
        waiting.delivery.id,
        body=to_body(waiting),
        expires_at=int(waiting.due_at.timestamp()) + KEEP_SECONDS,
    )


def put_off(account: str, failed: Iterable[Waiting], due_at: datetime) -> None:
    """Lets what a digest could not bring wait until `due_at`; what is gone meanwhile stays gone."""
    for one in failed:
        later = msgspec.structs.replace(one, due_at=due_at, tries=one.tries + 1, since=one.due_since)
        _saved(_held_item(account, later), NotificationItem.pk.exists())


def waiting(account: str) -> list[Waiting]:
    """Everything that waits, by delivery."""
    found = NotificationItem.query(f"{account}#HELD", consistent_read=True)
    return [from_body(item.body or "", Waiting) for item in found]


def let_go(account: str, sent: Iterable[Waiting]) -> None:
    """What need not wait any more."""
    for one in sent:
        NotificationItem(f"{account}#HELD", one.delivery.id).delete()


# limits


def within_limit(account: str, user: str, channel: Channel, now: datetime) -> bool:
    """Counts one more message of this hour; False when the channel has had its `most_per_hour`."""
    hour = int(now.timestamp()) // HOUR_SECONDS
    item = NotificationItem(f"{account}#RATE", f"{user}#{channel.name}#{hour}")
    try:
        item.update(
            actions=[
                NotificationItem.sent.add(1),
                NotificationItem.expires_at.set((hour + 2) * HOUR_SECONDS),
            ],
            condition=NotificationItem.sent.does_not_exist()
            | (NotificationItem.sent < channel.most_per_hour),
        )
    except UpdateError as error:
        if error.cause_response_code != _CONFLICT:
            raise
        return False
    return True


def is_news(account: str, delivery: Delivery, mail: Mail, now: datetime, *, seconds: int) -> bool:
    """Whether the channel has not told these words within `seconds`; the same event is always news.

    The words count without their last lines, which name the time and the event. Of a state (`mail.about`)
    they are news as soon as others were told of it: the last word that somebody has must be right.
    """
    lines = [line for line in mail.text.splitlines() if not line.startswith(("When: ", "Account "))]
    digest = hashlib.sha256("\n".join([mail.subject, *lines]).encode()).hexdigest()
    pk, sk = f"{account}#NEWS", f"{delivery.user}#{delivery.channel}#{mail.about or digest}"
    until = int(now.timestamp()) + seconds
    item = NotificationItem(pk, sk, body=delivery.event_id, outcome=digest, expires_at=until)
    free = (
        NotificationItem.pk.does_not_exist()
        | (NotificationItem.expires_at <= int(now.timestamp()))
        | (NotificationItem.body == delivery.event_id)
        | (NotificationItem.outcome != digest)
    )
    return _saved(item, free)


# summaries


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The market day that was told of last, and when (wall time)."""

    day: str
    at: datetime


def last_summary(account: str) -> Summary | None:
    """The newest summary, None before the first."""
    try:
        item = NotificationItem.get(f"{account}#SUMMARY", "LAST", consistent_read=True)
    except DoesNotExist:
        return None
    return from_body(item.body or "", Summary)


def record_summary(account: str, summary: Summary) -> None:
    """A day's summary is on the bus."""
    NotificationItem(f"{account}#SUMMARY", "LAST", body=to_body(summary)).save()


# preferences


def preferences(account: str) -> Sequence[Preferences]:
    """Everybody's settings, by user."""
    found = NotificationItem.query(f"{account}#USERS", consistent_read=True)
    return [from_body(item.body or "", Preferences) for item in found]


def preferences_of(account: str, user: str) -> Preferences | None:
    """A user's settings, None when he has never set any."""
    try:
        item = NotificationItem.get(f"{account}#USERS", user, consistent_read=True)
    except DoesNotExist:
        return None
    return from_body(item.body or "", Preferences)


def save_preferences(account: str, wanted: Preferences, now: datetime) -> Preferences:
    """Keeps settings as the version after the one they were read at.

    Raises `Conflict` when they have changed meanwhile.
    """
    after = msgspec.structs.replace(wanted, version=wanted.version + 1, changed_at=now)
    item = NotificationItem(f"{account}#USERS", wanted.user, body=to_body(after), version=after.version)
    as_read = (
        NotificationItem.version == wanted.version if wanted.version else NotificationItem.pk.does_not_exist()
    )
    if not _saved(item, as_read):
        raise Conflict("the notification settings have changed meanwhile; read them again and decide again")
    return after


def _saved(item: NotificationItem, condition: Condition) -> bool:
    try:
        item.save(condition=condition)
    except PutError as error:
        if error.cause_response_code != _CONFLICT:
            raise
        return False
    return True
