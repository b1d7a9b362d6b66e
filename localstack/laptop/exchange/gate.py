"""What every request passes on its way in: keys or a token, the clock, the request budget, the ledger.

`Gate` is the outermost: it checks the caller, brings the clock up to now and notes the request as an
`Arrival`. `Settling` is the innermost, next to the routes: what a request changed is on disk, in one
transaction with the request itself, before the first byte of its answer leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from time import monotonic
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from laptop.exchange.answers import json_answer
from laptop.exchange.arrival import ARRIVAL, Arrival, current_request
from laptop.exchange.clock import ClockMode
from laptop.exchange.venue import Venue

ADMIN_PREFIX = "/admin/"
_FAULTS_PATH = "/admin/faults"
_ADMIN = "admin"
_FAULTS = "faults"
_ALPACA_LIMIT = 200  # requests a minute, at the speed of real time
_SECONDS_PER_DAY = 86_400
_STEPPED_SECONDS = 60.0
_WINDOW_SECONDS = 60
_FAILED = 500


@dataclass(frozen=True, slots=True)
class Keys:
    """What a caller must show. `faults_token` opens the switchboard of faults alone; empty opens nothing."""

    key_id: str
    secret_key: str
    admin_token: str
    faults_token: str = ""


class Gate:
    """ASGI middleware in front of all routes."""

    def __init__(self, app: ASGIApp, venue: Venue, keys: Keys) -> None:
        self._app, self._venue, self._keys = app, venue, keys
        self._window, self._used = 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, bring the clock up to now, and hand on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caller = self._caller(scope["path"], Headers(scope=scope))
        told = {"X-Request-ID": uuid4().hex}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in told.items():
                    headers.setdefault(name, value)
            await send(message)

        if caller is None:
            await json_answer({"message": "unauthorized."}, status=401)(scope, receive, send_with_headers)
            return
        body = await _whole_body(receive) if scope["method"] not in {"GET", "HEAD"} else b""
        if body is None:
            return
        arrival = _arrival(scope, told["X-Request-ID"], caller, body)
        scope[ARRIVAL] = arrival
        self._venue.run_to(monotonic())
        if caller not in {_ADMIN, _FAULTS}:
            left = self._spend(arrival.wall, told)
            if left < 0:
                answer = json_answer({"code": 42910000, "message": "rate limit exceeded"}, status=429)
                await answer(scope, receive, send_with_headers)
                return
        await self._app(scope, _again(body, receive), send_with_headers)

    def _caller(self, path: str, headers: Headers) -> str | None:
        """The key id of who asks, `admin`, `faults`, or None when what he shows is wrong for this path."""
        if path.startswith(ADMIN_PREFIX):
            return self._holder(path, headers.get("authorization", ""))
        key_ok = _same(headers.get("apca-api-key-id", ""), self._keys.key_id)
        secret_ok = _same(headers.get("apca-api-secret-key", ""), self._keys.secret_key)
        return self._keys.key_id if key_ok and secret_ok else None

    def _holder(self, path: str, shown: str) -> str | None:
        """Whose token an admin route was shown; that of the faults opens the switchboard's routes alone."""
        if _same(shown, f"Bearer {self._keys.admin_token}"):
            return _ADMIN
        is_switchboard = path == _FAULTS_PATH or path.startswith(f"{_FAULTS_PATH}/")
        token = self._keys.faults_token
        return _FAULTS if token and is_switchboard and _same(shown, f"Bearer {token}") else None

    def _spend(self, wall: datetime, told: dict[str, str]) -> int:
        """Take a request off this minute's budget and note the headers that say so; what is left."""
        window = int(wall.timestamp()) // _WINDOW_SECONDS
        if window != self._window:
            self._window, self._used = window, 0
        self._used += 1
        limit = self._limit()
        told["X-RateLimit-Limit"] = str(limit)
        told["X-RateLimit-Remaining"] = str(max(limit - self._used, 0))
        told["X-RateLimit-Reset"] = str((window + 1) * _WINDOW_SECONDS)
        return limit - self._used

    def _limit(self) -> int:
        """Alpaca's limit times how much faster than real time the days pass."""
        seconds = {
            ClockMode.REAL: float(_SECONDS_PER_DAY),
            ClockMode.RUNNING: self._venue.seconds_per_session,
            ClockMode.STEPPED: _STEPPED_SECONDS,
        }[self._venue.mode]
        return int(_ALPACA_LIMIT * max(1.0, _SECONDS_PER_DAY / seconds))


class Settling:
    """ASGI middleware next to the routes: the venue settles a request as its answer starts."""

    def __init__(self, app: ASGIApp, venue: Venue) -> None:
        self._app, self._venue = app, venue

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request; nothing is answered that is not on disk."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arrival: Arrival = scope[ARRIVAL]

        async def send_settled(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._venue.settle(arrival, message["status"])
            await send(message)

        token = current_request.set(arrival)
        try:
            await self._app(scope, receive, send_settled)
        except Exception:
            # The effect of a request whose answer could not be made stays, as it does at a broker.
            self._venue.settle(arrival, _FAILED)
            raise
        finally:
            current_request.reset(token)


def _arrival(scope: Scope, request_id: str, caller: str, body: bytes) -> Arrival:
    return Arrival(
        request_id=request_id,
        caller=caller,
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        body=body,
        wall=datetime.now(UTC),
    )


async def _whole_body(receive: Receive) -> bytes | None:
    """A request's body; None when the caller went away before its end."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, then what comes after it."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _same(given: str, wanted: str) -> bool:
    return compare_digest(given.encode(), wanted.encode())
