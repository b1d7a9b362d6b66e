"""The lease of the live price feed: who may poll next, so that however many watch, one message goes round.

A life begins when somebody watches and none is alive, and ends when nobody does. Within a life each
beat is claimed once: a message that SQS delivers twice, or of an earlier life, finds its beat gone. A
life whose message was lost is over when `alive_until` has passed, and whoever watches begins a new one.
The item is `FEED` / `PRICES` of the Connections table.
"""

from __future__ import annotations

import secrets

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DeleteError, PutError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from alpaquero import wall
from alpaquero.events.commands import FeedBeat
from alpaquero.store.tables import REGION, table_name

FEED, PRICES_LEASE = "FEED", "PRICES"
BEAT_SECONDS = 20  # a beat that has not sent its successor by then is taken for lost
KEEP_SECONDS = 86_400
_CONFLICT = "ConditionalCheckFailedException"


class LeaseItem(Model):
    """`FEED` / `PRICES`; `alive_until` and `expires_at` in epoch seconds, `beat` is the one due next."""

    class Meta:
        table_name = table_name("CONNECTIONS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    life = UnicodeAttribute()
    beat = NumberAttribute()
    alive_until = NumberAttribute()
    expires_at = NumberAttribute()


def begin() -> FeedBeat | None:
    """The first beat of a new life, for the caller to send; None while one is alive."""
    now = wall.seconds()
    try:
        if LeaseItem.get(FEED, PRICES_LEASE, consistent_read=True).alive_until >= now:
            return None
    except LeaseItem.DoesNotExist:
        pass
    first = FeedBeat(life=secrets.token_hex(8), beat=0)
    item = LeaseItem(
        FEED,
        PRICES_LEASE,
        life=first.life,
        beat=first.beat,
        alive_until=now + BEAT_SECONDS,
        expires_at=int(now) + KEEP_SECONDS,
    )
    try:
        item.save(LeaseItem.pk.does_not_exist() | (LeaseItem.alive_until < now))
    except PutError as error:
        if error.cause_response_code != _CONFLICT:
            raise
        return None  # somebody else began it in this moment
    return first


def claim(beat: FeedBeat) -> FeedBeat | None:
    """The beat to send next, when this one was due; None for a repeat and for what an ended life left."""
    following = FeedBeat(life=beat.life, beat=beat.beat + 1)
    return following if _moved(beat, following, BEAT_SECONDS) else None


def wait(beat: FeedBeat, seconds: float) -> None:
    """Says that the beat due next comes after a pause of `seconds`."""
    _moved(beat, beat, seconds + BEAT_SECONDS)


def end(beat: FeedBeat) -> None:
    """Ends the life that `beat` was to go on with; one that is over already is fine."""
    try:
        LeaseItem(FEED, PRICES_LEASE).delete(_is_due(beat))
    except DeleteError as error:
        if error.cause_response_code != _CONFLICT:
            raise


def _moved(beat: FeedBeat, following: FeedBeat, alive_seconds: float) -> bool:
    now = wall.seconds()
    changes: list[Action] = [
        LeaseItem.beat.set(following.beat),
        LeaseItem.alive_until.set(now + alive_seconds),
        LeaseItem.expires_at.set(int(now) + KEEP_SECONDS),
    ]
    try:
        LeaseItem(FEED, PRICES_LEASE).update(changes, _is_due(beat))
    except UpdateError as error:
        if error.cause_response_code != _CONFLICT:
            raise
        return False
    return True


def _is_due(beat: FeedBeat) -> Condition:
    same: Condition = (LeaseItem.life == beat.life) & (LeaseItem.beat == beat.beat)
    return same
