"""Reads the outbox: puts events written with the books on the bus, then deletes them from the books.

Started by the stream of Books, which carries only new `OUTBOX#` items. What a stream loses, the
sweeper in `sync` finds.
"""

from __future__ import annotations

from typing import Any

from alpaquero.events import bus
from alpaquero.events.bus import EncodedEvent, EventsNotPublished
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
    refused: tuple[str, ...] = ()
    try:
        bus.publish(waiting, SETTINGS.bus)
    except EventsNotPublished as error:
        logger.warning(str(error))
        refused = error.failed
    Books(SETTINGS.account).published(e.id for e in waiting if e.id not in refused)
    failures = [
        {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
        for record, e in zip(records, waiting, strict=True)
        if e.id in refused
    ]
    return {"batchItemFailures": failures}
