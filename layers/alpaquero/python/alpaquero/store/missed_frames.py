"""The events of the last ten minutes, so that a dashboard that was away gets what it missed.

`functions/gateway/push` keeps each frame before it sends it, `functions/gateway/connect` reads back what
came after the last one that a dashboard has seen. Items of the Connections table, ordered by when the
event was put on the queue, which is the same however often it is delivered.
"""

from __future__ import annotations

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from alpaquero import wall
from alpaquero.store.tables import REGION, table_name

EVENTS = "EVENTS"
KEPT_SECONDS = 600
# Two functions push at once, so events may arrive in another order than they were queued.
OVERLAP_MILLISECONDS = 10_000
MOST_FRAMES = 200
MOST_BYTES = 100_000  # API Gateway ends a message at 128 KB


class FrameItem(Model):
    """A frame as dashboards got it; `sk` is `<milliseconds>#<event id>`, `expires_at` in epoch seconds."""

    class Meta:
        table_name = table_name("CONNECTIONS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    name = UnicodeAttribute()
    frame = UnicodeAttribute()
    expires_at = NumberAttribute()


class Kept(msgspec.Struct, frozen=True):
    """An event's name and its frame."""

    name: str
    frame: str


def keep(event_id: str, kept: Kept, queued_at: int | None = None) -> None:
    """Keeps a frame; the same event queued at the same millisecond is kept once."""
    at = queued_at if queued_at is not None else int(wall.seconds() * 1000)
    FrameItem(
        EVENTS,
        f"{at:015d}#{event_id}",
        name=kept.name,
        frame=kept.frame,
        expires_at=int(wall.seconds()) + KEPT_SECONDS,
    ).save()


def missed_since(event_id: str) -> list[Kept] | None:
    """What came after the event, oldest first, some before it too: a reader drops repeats by their ids.

    None when the event is not kept any more, or when too much came since.
    """
    now = int(wall.seconds() * 1000)
    oldest = f"{now - KEPT_SECONDS * 1000:015d}"
    found: list[Kept] = []
    since: int | None = None
    size = 0
    for item in FrameItem.query(EVENTS, FrameItem.sk >= oldest, scan_index_forward=False):
        at, _, identifier = item.sk.partition("#")
        if since is not None and int(at) < since - OVERLAP_MILLISECONDS:
            break
        if identifier == event_id:
            since = int(at)
            continue
        size += len(item.frame)
        if len(found) == MOST_FRAMES or size > MOST_BYTES:
            # What is from before the event is a courtesy; what is from after it may not be left out.
            break
        found.append(Kept(item.name, item.frame))
    return None if since is None else found[::-1]
