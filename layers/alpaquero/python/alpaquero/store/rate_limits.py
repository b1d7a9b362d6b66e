"""The RateLimits table: how many requests each caller has taken, of his own, in a span of time.

`alpaquero.web.user_limit` takes blocks of requests here for whoever asks a lot; others never reach it.
An item is `<caller>` / `<seconds of the span>#<number of the span>` and goes when its span has passed.
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException, UpdateError
from pynamodb.models import Model

from alpaquero.errors import SharedStateLost
from alpaquero.store.tables import REGION, table_name


class RateLimitItem(Model):
    """What a caller has taken in a span; `expires_at` in epoch seconds."""

    class Meta:
        table_name = table_name("RATE_LIMITS_TABLE")
        region = REGION
        connect_timeout_seconds = 1
        read_timeout_seconds = 2
        max_retry_attempts = 1

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    taken = NumberAttribute()
    expires_at = NumberAttribute()


def take(caller: str, seconds: int, number: int, block: int, most: int) -> bool:
    """Takes `block` requests of the caller's `most` in this span; False when fewer are left.

    One conditional write, so that functions which ask at once never take more between them. Raises
    `SharedStateLost` when the table does not answer.
    """
    item = RateLimitItem(caller, f"{seconds}#{number}")
    fits = RateLimitItem.taken.does_not_exist() | (RateLimitItem.taken <= most - block)
    ends_at = (number + 1) * seconds
    try:
        item.update([RateLimitItem.taken.add(block), RateLimitItem.expires_at.set(ends_at + 60)], fits)
    except UpdateError as error:
        if error.cause_response_code == "ConditionalCheckFailedException":
            return False
        raise SharedStateLost(str(error)) from error
    except PynamoDBException as error:
        raise SharedStateLost(str(error)) from error
    return True
