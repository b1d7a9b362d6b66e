"""Reads the outbox: puts events written with the books on the bus, then deletes them from the books.

Started by the stream of Books, which carries only new `OUTBOX#` items. What a stream loses, the
sweeper in `sync` finds.
"""

from __future__ import annotations

from typing import Any

from alpaquero.events.bus import EncodedEvent
from alpaquero.observability import logger, observed
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store.books import Books
from alpaquero.store.tables import from_body


class PublishSettings(FunctionSettings, frozen=True, kw_only=True):
    """What publishing needs: the bus."""

    bus: Text


SETTINGS = load(PublishSettings)


@observed("trading")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Publishes a batch of new outbox items; those the bus refuses are reported and come again."""
    records = event["Records"]
    waiting = [from_body(r["dynamodb"]["NewImage"]["body"]["S"], EncodedEvent) for r in records]
    refused = Books(SETTINGS.account).publish(waiting, SETTINGS.bus)
    if refused:
        logger.warning("the bus refused events; they stay in the outbox and come again", refused=len(refused))
    failures = [
        {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
        for record, e in zip(records, waiting, strict=True)
        if e.id in refused
    ]
    return {"batchItemFailures": failures}
