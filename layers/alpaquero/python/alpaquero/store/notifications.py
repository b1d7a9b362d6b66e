"""The Notifications table: what was delivered to whom, so that nobody is told twice; notification's alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from alpaquero.store.tables import REGION, table_name

KEEP_SECONDS = 30 * 24 * 3600

Clock = Callable[[], float]


class DeliveryItem(Model):
    """One delivery of one event over one channel; `expires_at` in epoch seconds."""

    class Meta:
        table_name = table_name("NOTIFICATIONS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    event = UnicodeAttribute()
    subject = UnicodeAttribute()
    message_id = UnicodeAttribute()
    sent_at = NumberAttribute()
    expires_at = NumberAttribute()


def was_sent(account: str, event_id: str, channel: str) -> bool:
    """Whether the event has been delivered over `channel` already."""
    return DeliveryItem.count(account, DeliveryItem.sk == _key(event_id, channel), consistent_read=True) > 0


def record_sent(
    account: str,
    event_id: str,
    channel: str,
    *,
    event: str,
    subject: str,
    message_id: str,
    now: Clock = time.time,
) -> bool:
    """Records a delivery; False when another worker has recorded the same one meanwhile."""
    at = int(now())
    item = DeliveryItem(
        account,
        _key(event_id, channel),
        event=event,
        subject=subject,
        message_id=message_id,
        sent_at=at,
        expires_at=at + KEEP_SECONDS,
    )
    try:
        item.save(DeliveryItem.pk.does_not_exist())
    except PutError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _key(event_id: str, channel: str) -> str:
    return f"SENT#{event_id}#{channel}"
