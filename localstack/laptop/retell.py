"""Tells every fill and movement of shares again after a checkpoint was put back; `LaptopCloud` calls it.

A kill loses what was under way in queues: a fill that the books had told may be in no projection
and in no mail. Its event has the id it had before, so whoever has it already changes nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from alpaquero.events.bus import EncodedEvent
from alpaquero.events.movements import movement_told
from alpaquero.events.orders import order_filled
from alpaquero.orders.order import Fill, Order
from alpaquero.portfolio.movements import Moved
from alpaquero.store.tables import from_body, to_body

if TYPE_CHECKING:
    from laptop.engine import Sessions


def fills_again(sessions: Sessions, books: str) -> int:
    """Puts the event of every fill and movement of shares in the table `books` into its outbox.

    Gives how many fills there are.
    """
    dynamodb = sessions.client("dynamodb")
    pages = dynamodb.get_paginator("scan").paginate(TableName=books, ConsistentRead=True)
    items = [item for page in pages for item in page["Items"]]
    orders = {
        order.client_order_id: order
        for item in items
        if item["sk"]["S"].startswith("ORDER#")
        for order in [from_body(item["body"]["S"], Order)]
    }
    fills = [item for item in items if item["sk"]["S"].startswith("FILL#")]
    for item in fills:
        fill = from_body(item["body"]["S"], Fill)
        event = order_filled(fill, orders.get(fill.client_order_id or ""))
        dynamodb.put_item(TableName=books, Item=_outbox_item(item["pk"], event))
    for item in items:
        if item["sk"]["S"].startswith("SHARES#"):
            kept = from_body(item["body"]["S"], Moved)
            moved = kept.split or kept.shares
            if moved is not None:
                dynamodb.put_item(TableName=books, Item=_outbox_item(item["pk"], movement_told(moved)))
    return len(fills)


def _outbox_item(account: Any, event: EncodedEvent) -> dict[str, Any]:
    return {
        "pk": account,
        "sk": {"S": f"OUTBOX#{event.id}"},
        "body": {"S": to_body(event)},
        "written_at": {"N": str(time.time())},
    }
