"""Which request each `Idempotency-Key` belongs to, so that a key is never two orders; for the orders API.

In the Runs table, as long as runs are kept. An order's id holds its symbol, so the id alone would not
show that a key was used for another symbol.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from alpaquero.store.tables import REGION, kept_seconds, table_name, to_body

REQUEST = "REQUEST#"
KEEP_SECONDS = kept_seconds("RUNS_KEPT_DAYS", 400)


class RequestItem(Model):
    """A key that was used, and the digest of the request that used it."""

    class Meta:
        table_name = table_name("RUNS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    expires_at = NumberAttribute()


def claim(account: str, key: str, what: str, body: Any) -> bool:
    """Keeps the key for this request; False when another request has it.

    `what` names the route and what is in its path, `body` is the request's struct.
    """
    digest = hashlib.sha256(f"{what}\n{to_body(body)}".encode()).hexdigest()
    pk = REQUEST + hashlib.sha256(f"{account}\n{key}".encode()).hexdigest()
    item = RequestItem(pk, "CLAIM", body=to_body(digest), expires_at=int(time.time()) + KEEP_SECONDS)
    try:
        item.save(condition=RequestItem.pk.does_not_exist())
    except PutError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return RequestItem.get(pk, "CLAIM", consistent_read=True).body == to_body(digest)
    return True
