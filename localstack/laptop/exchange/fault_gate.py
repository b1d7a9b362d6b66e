"""Injects the switchboard's faults into HTTP requests, between the gate and the routes. `app` puts it there.

A fault "after" runs the request whole, so that its effect is in the ledger, and loses the answer. Admin
requests are never hit. To cut a connection it needs the socket: `CuttableProtocol` hands it in; where
there is none, in a process that calls the app itself, `ConnectionCutError` is raised instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs

import msgspec
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from laptop.exchange.answers import json_answer
from laptop.exchange.arrival import ARRIVAL, BEHIND, Arrival
from laptop.exchange.faults import Asked, FaultKind, FaultRule, Switchboard
from laptop.exchange.gate import ADMIN_PREFIX
from laptop.exchange.venue import Venue

_CUT: Final = "exchange.cut"
_ORDER_PATH: Final = "/v2/orders/"
_BLOCKED: Final = {"account_blocked": True, "trading_blocked": True, "transfers_blocked": True}

# What is answered instead of serving the request: status and body.
_REFUSALS: Final[Mapping[FaultKind, tuple[int, dict[str, object]]]] = {
    FaultKind.RATE_LIMITED: (429, {"code": 42910000, "message": "rate limit exceeded"}),
    FaultKind.SERVER_ERROR: (500, {"code": 50010000, "message": "internal server error occurred"}),
    FaultKind.UNAVAILABLE: (503, {"message": "service unavailable"}),
    FaultKind.TIMEOUT_BEFORE: (504, {"message": "request timed out"}),
    FaultKind.ACCOUNT_BLOCKED: (403, {"code": 40310000, "message": "account is not authorized to trade"}),
}


class ConnectionCutError(ConnectionResetError):
    """The connection was cut, for a caller in the same process; the message says when."""


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a way for the app to drop the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give every request of the connection the transport's `abort`."""
        super().connection_made(transport)
        serve = self.app

        async def with_cut(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[_CUT] = transport.abort
            await serve(scope, receive, send)

        self.app = with_cut


@dataclass(slots=True)
class _Answer:
    """What the routes answered, held back."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def take(self, message: Message) -> None:
        """Be the `send` of the routes."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
        else:
            self.body += message.get("body", b"")


class FaultGate:
    """ASGI middleware in front of the routes and the ledger, behind the gate."""

    def __init__(
        self,
        app: ASGIApp,
        venue: Venue,
        faults: Switchboard,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._app, self._venue, self._faults, self._sleep = app, venue, faults, sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or spoil it as the switchboard says."""
        spared = scope["type"] != "http" or not self._faults or scope["path"].startswith(ADMIN_PREFIX)
        if spared:
            await self._app(scope, receive, send)
            return
        arrival: Arrival = scope[ARRIVAL]
        wrong: FaultRule | None = None
        for hit in self._faults.draw(self._asked(arrival)):
            if hit.kind is FaultKind.LATENCY:
                await self._sleep(hit.delay)
            else:
                wrong = hit.rule
        if wrong is None:
            await self._app(scope, receive, send)
            return
        scope[ARRIVAL] = replace(arrival, fault=wrong.kind.value)
        await self._spoil(wrong, scope, receive, send)

    async def _spoil(self, rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
        """Do to a request what a rule says."""
        kind = rule.kind
        if kind is FaultKind.STALE_CLOCK:
            scope[BEHIND] = timedelta(seconds=rule.age_seconds)
            await self._app(scope, receive, send)
            return
        if kind is FaultKind.CUT_BEFORE:
            await _cut(scope, receive, "before")
            return
        reads_account = kind is FaultKind.ACCOUNT_BLOCKED and scope["method"] == "GET"
        if kind in _REFUSALS and not reads_account:
            await _refusal(rule, scope[ARRIVAL])(scope, receive, send)
            return
        answer = _Answer()
        await self._app(scope, receive, answer.take)
        if kind is FaultKind.CUT_AFTER:
            await _cut(scope, receive, "after")
            return
        await _spoilt(rule, answer)(scope, receive, send)

    def _asked(self, arrival: Arrival) -> Asked:
        def client_order_id() -> str | None:
            return _client_order_id(arrival, self._venue)

        return Asked(arrival.method, arrival.path, self._venue.now, arrival.request_id, client_order_id)


def _refusal(rule: FaultRule, arrival: Arrival) -> Response:
    """The answer of a request that was not served."""
    status, body = _REFUSALS[rule.kind]
    answer = json_answer(body, status)
    if rule.kind is FaultKind.RATE_LIMITED:
        answer.headers["Retry-After"] = str(rule.retry_after)
        answer.headers["X-RateLimit-Remaining"] = "0"
        answer.headers["X-RateLimit-Reset"] = str(int(arrival.wall.timestamp()) + rule.retry_after)
    return answer


def _spoilt(rule: FaultRule, answer: _Answer) -> Response:
    """The answer instead of the right one, to a request that was served."""
    if rule.kind is FaultKind.HTML:
        page = f"<html><head><title>{rule.status}</title></head><body><h1>{rule.status}</h1></body></html>\n"
        return HTMLResponse(page, rule.status)
    if rule.kind is FaultKind.TRUNCATED:
        # An empty body (204) has no half: half of an object stands for it.
        half, status = (answer.body[: len(answer.body) // 2], answer.status) if answer.body else (b"{", 200)
        return Response(half, status, media_type="application/json")
    if rule.kind is FaultKind.ACCOUNT_BLOCKED:
        account = msgspec.json.decode(answer.body, type=dict[str, object])
        return json_answer({**account, **_BLOCKED} if answer.status == 200 else account, answer.status)
    return json_answer({"message": "request timed out"}, 504)


async def _cut(scope: Scope, receive: Receive, when: str) -> None:
    """Drop the connection without an answer."""
    abort = scope.get("extensions", {}).get(_CUT)
    if abort is None:
        raise ConnectionCutError(f"the connection was cut {when} the effect")
    abort()
    # The server must know that nobody is there any more, else it would say that no answer came.
    while (await receive())["type"] != "http.disconnect":
        pass


def _client_order_id(arrival: Arrival, venue: Venue) -> str | None:
    """The client order id that a request names, in its query, its body or by the order's id."""
    if named := parse_qs(arrival.query).get("client_order_id"):
        return named[0]
    if arrival.path.startswith(_ORDER_PATH):
        order = venue.book.orders.get(arrival.path.removeprefix(_ORDER_PATH))
        return order.client_order_id if order else None
    try:
        body = msgspec.json.decode(arrival.body or b"{}")
    except msgspec.DecodeError:
        return None
    found = body.get("client_order_id") if isinstance(body, dict) else None
    return found if isinstance(found, str) else None
