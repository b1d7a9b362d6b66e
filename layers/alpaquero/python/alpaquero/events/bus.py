"""Puts facts on the EventBridge bus, and reads them where queues deliver them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from alpaquero import aws
from alpaquero.errors import AlpaqueroError
from alpaquero.events.schemas import Event, decode, encode

BATCH = 10  # EventBridge takes at most ten entries a call


class EventsNotPublished(AlpaqueroError):
    """The bus refused some entries; `failed` holds their event ids. Publish them again."""

    def __init__(self, failed: Sequence[str]) -> None:
        super().__init__(
            f"{len(failed)} events did not reach the bus; they stay in the outbox and are sent again"
        )
        self.failed = tuple(failed)


class EncodedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it waits in an outbox: name, source and encoded detail."""

    id: str
    name: str
    source: str
    detail: str


def encoded(event: Event, service: str) -> EncodedEvent:
    """`event` as `alpaquero.<service>` tells it."""
    return EncodedEvent(
        id=event.id, name=type(event).__name__, source=f"alpaquero.{service}", detail=encode(event)
    )


@lru_cache(maxsize=1)
def _client() -> Any:
    return aws.client("events")


def publish(events: Sequence[EncodedEvent], bus: str, client: Any = None) -> None:
    """Puts `events` on `bus`, in order, ten a call.

    Raises `EventsNotPublished` with the ids the bus refused, after trying them all.
    """
    client = client or _client()
    failed: list[str] = []
    for start in range(0, len(events), BATCH):
        chunk = events[start : start + BATCH]
        answer = client.put_events(
            Entries=[
                {"EventBusName": bus, "Source": e.source, "DetailType": e.name, "Detail": e.detail}
                for e in chunk
            ]
        )
        if answer.get("FailedEntryCount"):
            failed += [
                e.id for e, entry in zip(chunk, answer["Entries"], strict=True) if entry.get("ErrorCode")
            ]
    if failed:
        raise EventsNotPublished(failed)


def received(body: str) -> Event:
    """The event in an SQS record's body, as EventBridge (or SNS with raw delivery) puts it there.

    Raises `KeyError` or `msgspec.ValidationError` when it is not one of ours.
    """
    envelope = msgspec.json.decode(body)
    return decode(envelope["detail-type"], envelope["detail"])
