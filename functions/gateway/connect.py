"""Keeps the list of open dashboards; the WebSocket API calls it for $connect, $disconnect and messages.

The authorizer has let the caller in before $connect arrives here. The ticket in the query string
is never read nor logged.
"""

from __future__ import annotations

from typing import Any

import msgspec

from alpaquero.observability import observed
from alpaquero.store.connections import forget_connection, remember_connection

PONG = '{"type":"Pong"}'


class Message(msgspec.Struct):
    """What a dashboard may send."""

    action: str


@observed("gateway")
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers one WebSocket event."""
    request = event["requestContext"]
    return ROUTES.get(request["routeKey"], _message)(request, event)


def _connect(request: dict[str, Any], _event: dict[str, Any]) -> dict[str, Any]:
    caller = request.get("authorizer") or {}
    if not caller.get("username") or not caller.get("role"):
        return {"statusCode": 401}
    remember_connection(request["connectionId"], caller["username"], caller["role"])
    return {"statusCode": 200}


def _disconnect(request: dict[str, Any], _event: dict[str, Any]) -> dict[str, Any]:
    forget_connection(request["connectionId"])
    return {"statusCode": 200}


def _message(_request: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(event.get("body") or "", type=Message)
    except msgspec.MsgspecError:
        return {"statusCode": 400}
    if message.action != "ping":
        return {"statusCode": 400}
    return {"statusCode": 200, "body": PONG}


ROUTES = {"$connect": _connect, "$disconnect": _disconnect}
