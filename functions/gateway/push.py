"""Sends each event to the open dashboards that want it, and watched prices to those who watch.

Started by PushQueue. An event is kept for ten minutes, so that a dashboard that comes back can resume.
At least once: when one dashboard could not be reached, the event goes back to the queue and all
get it again, so a dashboard drops repeats by `detail.id`. Prices are sent once: newer ones follow. A
closed dashboard is forgotten.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from alpaquero import aws
from alpaquero.errors import AlpaqueroError
from alpaquero.events.live import PRICES, PricesChanged, wants
from alpaquero.events.queues import work_through
from alpaquero.last_work import worked_through
from alpaquero.observability import correlation, logger, observed, record_failed
from alpaquero.settings import FunctionSettings, Url, load
from alpaquero.store import missed_frames
from alpaquero.store.connections import forget_connection, open_connections


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """Where pushes go; nowhere on an engine without sockets, where no dashboard ever connects."""

    websocket_endpoint: Url | None = None


class Envelope(msgspec.Struct, rename={"name": "detail-type"}):
    """The part of an EventBridge event that a dashboard gets."""

    name: str
    detail: msgspec.Raw


class Told(msgspec.Struct):
    """The part of every event's detail that the frame needs."""

    id: str
    occurred_at: datetime
    correlation_id: str = ""


class Frame(msgspec.Struct):
    """One text frame on the dashboard's socket."""

    type: str
    at: datetime
    detail: msgspec.Raw | PricesChanged


class NotPushedError(AlpaqueroError):
    """Some open dashboards did not get an event; it is sent again."""


Connections = dict[str, frozenset[str]]

settings = load(Settings)
_ENCODER = msgspec.json.Encoder(decimal_format="string")


@lru_cache(maxsize=1)
def socket() -> Any:
    """The client that pushes, made at the first event."""
    from botocore.config import Config

    patience = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
    return aws.client("apigatewaymanagementapi", endpoint_url=settings.websocket_endpoint, config=patience)


@observed("gateway")
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Pushes a batch of events and answers which of them go back to the queue."""
    connections = open_connections()
    done = work_through(event, lambda record: _push(record, connections), record_failed)
    return worked_through("gateway", event, done, detail="push")


def _push(record: dict[str, Any], connections: Connections) -> None:
    envelope = msgspec.json.decode(record["body"], type=Envelope)
    if envelope.name == PricesChanged.__name__:
        _push_prices(msgspec.json.decode(envelope.detail, type=PricesChanged), connections)
        return
    told = msgspec.json.decode(envelope.detail, type=Told)
    correlation(told.correlation_id)
    frame = _ENCODER.encode(Frame(envelope.name, told.occurred_at, envelope.detail))
    queued_at = record.get("attributes", {}).get("SentTimestamp")
    kept = missed_frames.Kept(envelope.name, frame.decode())
    missed_frames.keep(told.id, kept, None if queued_at is None else int(queued_at))
    wanting = sorted(one for one, topics in connections.items() if wants(topics, envelope.name))
    missed = [one for one in wanting if not _sent(one, frame, connections)]
    if missed:
        raise NotPushedError(f"{len(missed)} of {len(wanting)} dashboards were not reached; sent again")


def _push_prices(told: PricesChanged, connections: Connections) -> None:
    for connection_id, topics in sorted(connections.items()):
        wanted = tuple(price for price in told.prices if PRICES + price.symbol in topics)
        if wanted:
            detail = msgspec.structs.replace(told, prices=wanted)
            frame = _ENCODER.encode(Frame(PricesChanged.__name__, told.occurred_at, detail))
            _sent(connection_id, frame, connections)


def _sent(connection_id: str, frame: bytes, connections: Connections) -> bool:
    """Whether this dashboard needs the frame no more: it has it, or it is gone."""
    client = socket()
    try:
        client.post_to_connection(ConnectionId=connection_id, Data=frame)
    except client.exceptions.GoneException:
        forget_connection(connection_id)
        connections.pop(connection_id, None)
    except Exception:
        logger.exception("a dashboard was not reached", connection_id=connection_id)
        return False
    return True
