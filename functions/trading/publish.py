"""Reads the outbox: puts events written with the books on the bus, then deletes them from the books.

Started by the stream of Books, which carries only new `OUTBOX#` items. What a stream loses, the
sweeper in `sync` finds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from alpaquero.events.bus import EncodedEvent
from alpaquero.observability import count, logger, observed
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store.books import Books
from alpaquero.store.tables import from_body


class PublishSettings(FunctionSettings, frozen=True, kw_only=True):
    """What publishing needs: the bus."""

    bus: Text


SETTINGS = load(PublishSettings)

# What a trading day is made of, by the event that tells of it.
COUNTED = {
    "OrderSubmitted": "OrdersSubmitted",
    "OrderFilled": "Fills",
    "TradeRejected": "TradesRejected",
}


@observed("trading")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Publishes a batch of new outbox items; those the bus refuses are reported and come again."""
    records = event["Records"]
    waiting = [from_body(r["dynamodb"]["NewImage"]["body"]["S"], EncodedEvent) for r in records]
    refused = Books(SETTINGS.account).publish(waiting, SETTINGS.bus)
    if refused:
        logger.warning("the bus refused events; they stay in the outbox and come again", refused=len(refused))
    measure(e for e in waiting if e.id not in refused)
    failures = [
        {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
        for record, e in zip(records, waiting, strict=True)
        if e.id in refused
    ]
    return {"batchItemFailures": failures}


def measure(published: Iterable[EncodedEvent]) -> None:
    """Counts what was just told as metrics; of the equity marks the last one is the figure."""
    counted: Counter[str] = Counter()
    equity: float | None = None
    for event in published:
        if event.name in COUNTED:
            counted[COUNTED[event.name]] += 1
        elif event.name == "EquityMarked":
            equity = float(msgspec.json.decode(event.detail)["equity"])
    for metric, number in counted.items():
        count(metric, number, account=SETTINGS.account)
    if equity is not None:
        count("EquityDollars", equity, account=SETTINGS.account)
