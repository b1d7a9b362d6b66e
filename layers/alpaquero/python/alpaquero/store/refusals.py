"""Orders that were refused or given up, kept so that they can be listed; in the Runs table, kept as runs are.

`trading/execute` writes one in the transaction that tells of it; GET /api/refusals reads them.
"""

from __future__ import annotations

import time
from datetime import datetime

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from alpaquero import wall
from alpaquero.events.schemas import TradeRejected
from alpaquero.store.tables import REGION, from_body, kept_seconds, table_name, to_body

REFUSED = "REFUSED#"
KEEP_SECONDS = kept_seconds("RUNS_KEPT_DAYS", 400)


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal as it was told; `at` is market time, `wall_at` wall time."""

    id: str
    at: datetime
    wall_at: datetime
    client_order_id: str
    symbol: str
    side: str
    codes: list[str]
    message: str


class RefusedItem(Model):
    """`REFUSED#<account>`, by wall time, for the market's may begin anew on the laptop."""

    class Meta:
        table_name = table_name("RUNS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute()
    expires_at = NumberAttribute()


def place_of(refused: Refused) -> str:
    """What refusals are listed by."""
    return f"{refused.wall_at.isoformat()}#{refused.id}"


def item_of(event: TradeRejected) -> RefusedItem:
    """The item to write beside the event."""
    refused = Refused(
        id=event.id,
        at=event.occurred_at,
        wall_at=wall.now(),
        client_order_id=event.client_order_id,
        symbol=event.symbol,
        side=event.side,
        codes=event.codes,
        message=event.message,
    )
    return RefusedItem(
        REFUSED + event.account,
        place_of(refused),
        body=to_body(refused),
        expires_at=int(time.time()) + KEEP_SECONDS,
    )


def newest(account: str, limit: int, before: str | None = None) -> list[Refused]:
    """A page of refusals, newest first; the next comes `before` the place of the last."""
    older = RefusedItem.sk < before if before else None
    found = RefusedItem.query(REFUSED + account, older, limit=limit, scan_index_forward=False)
    return [from_body(item.body, Refused) for item in found]
