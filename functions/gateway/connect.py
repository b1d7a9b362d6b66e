"""Keeps the list of open dashboards and what they watch; the WebSocket API calls it for $connect,
$disconnect and messages.

The authorizer has let the caller in before $connect arrives here. The ticket in the query string
is never read nor logged.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from alpaquero.errors import InvalidRequest
from alpaquero.events import queues
from alpaquero.events.live import TOPICS_A_CONNECTION, check_topics, priced_symbols, wants
from alpaquero.observability import observed
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import connections, missed_frames, price_feed
from alpaquero.store.connections import forget_connection, remember_connection

PONG = '{"type":"Pong"}'

Topics = Annotated[list[str], msgspec.Meta(max_length=TOPICS_A_CONNECTION)]
EventId = Annotated[str, msgspec.Meta(max_length=200)]


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """Where the price feed is begun."""

    feed_queue: Text


class Message(msgspec.Struct):
    """What a dashboard may send."""

    action: Literal["ping", "subscribe", "unsubscribe", "resume"]
    topics: Topics = []
    after: EventId = ""


SETTINGS = load(Settings)


@observed("gateway")
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers one WebSocket event."""
    request = event["requestContext"]
    return ROUTES.get(request["routeKey"], _message)(request, event)


def _connect(request: dict[str, Any], _event: dict[str, Any]) -> dict[str, Any]:
    caller = request.get("authorizer") or {}
    if not caller.get("username") or not caller.get("role"):
        return {"statusCode": 401}
    if connections.connections_of(caller["username"]) >= connections.CONNECTIONS_A_USER:
        return {"statusCode": 429}
    remember_connection(request["connectionId"], caller["username"], caller["role"])
    return {"statusCode": 200}


def _disconnect(request: dict[str, Any], _event: dict[str, Any]) -> dict[str, Any]:
    forget_connection(request["connectionId"])
    return {"statusCode": 200}


def _message(request: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(event.get("body") or "", type=Message)
    except msgspec.MsgspecError:
        return {"statusCode": 400}
    connection_id = request["connectionId"]
    watched = connections.topics_of(connection_id)
    if message.action == "ping":
        _keep_feed(watched or frozenset())
        return {"statusCode": 200, "body": PONG}
    if watched is None:
        return {"statusCode": 410}
    if message.action == "resume":
        return _resumed(message.after, watched)
    try:
        return _reply("Watching", topics=sorted(_changed(connection_id, watched, message)))
    except InvalidRequest as refusal:
        return _reply("Refused", code=refusal.code, message=str(refusal))


def _resumed(after: str, watched: frozenset[str]) -> dict[str, Any]:
    """What the dashboard missed since an event, in one frame; `complete` tells whether that is all."""
    missed = missed_frames.missed_since(after)
    events = [msgspec.Raw(kept.frame.encode()) for kept in missed or () if wants(watched, kept.name)]
    return _reply("Resumed", complete=missed is not None, events=events)


def _changed(connection_id: str, watched: frozenset[str], message: Message) -> frozenset[str]:
    """What the dashboard watches after its message. Raises `InvalidRequest`."""
    topics = check_topics(message.topics)
    if message.action == "unsubscribe":
        if gone := topics & watched:
            connections.unwatch(connection_id, gone)
        return watched - topics
    if len(watched | topics) > TOPICS_A_CONNECTION:
        raise InvalidRequest(
            f"a connection watches at most {TOPICS_A_CONNECTION} topics; unsubscribe from some first",
            "topics",
        )
    if new := topics - watched:
        connections.watch(connection_id, new)
    _keep_feed(watched | topics)
    return watched | topics


def _keep_feed(topics: frozenset[str]) -> None:
    """Begins the price feed for whoever watches prices, unless it is alive; so a lost beat is healed."""
    if priced_symbols(topics) and (first := price_feed.begin()) is not None:
        queues.send(SETTINGS.feed_queue, first)


def _reply(kind: str, **detail: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": msgspec.json.encode({"type": kind, "detail": detail}).decode()}


ROUTES = {"$connect": _connect, "$disconnect": _disconnect}
