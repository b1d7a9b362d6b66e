"""What every request passes before its route: keys or admin token, the request budget, the clock."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest
from time import monotonic, time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from laptop.exchange.answers import json_answer
from laptop.exchange.clock import ClockMode
from laptop.exchange.venue import Venue

_ALPACA_LIMIT = 200  # requests a minute, at the speed of real time
_SECONDS_PER_DAY = 86_400
_STEPPED_SECONDS = 60.0
_WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Keys:
    """What a caller must show."""

    key_id: str
    secret_key: str
    admin_token: str


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
        headers = Headers(scope=scope)
        if not self._known(scope["path"], headers):
            await json_answer({"message": "unauthorized."}, status=401)(scope, receive, send)
            return
        self._venue.run_to(monotonic())
        if scope["path"].startswith("/admin/"):
            await self._app(scope, receive, send)
            return
        budget = self._spend()

        async def send_with_budget(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(budget)
            await send(message)

        if int(budget["X-RateLimit-Remaining"]) < 0:
            budget["X-RateLimit-Remaining"] = "0"
            answer = json_answer({"code": 42910000, "message": "rate limit exceeded"}, status=429)
            await answer(scope, receive, send_with_budget)
            return
        await self._app(scope, receive, send_with_budget)

    def _known(self, path: str, headers: Headers) -> bool:
        if path.startswith("/admin/"):
            return _same(headers.get("authorization", ""), f"Bearer {self._keys.admin_token}")
        key_ok = _same(headers.get("apca-api-key-id", ""), self._keys.key_id)
        return _same(headers.get("apca-api-secret-key", ""), self._keys.secret_key) and key_ok

    def _spend(self) -> dict[str, str]:
        """Take a request off this minute's budget; the headers that say so."""
        window = int(time()) // _WINDOW_SECONDS
        if window != self._window:
            self._window, self._used = window, 0
        self._used += 1
        limit = self._limit()
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(limit - self._used),
            "X-RateLimit-Reset": str((window + 1) * _WINDOW_SECONDS),
        }

    def _limit(self) -> int:
        """Alpaca's limit times how much faster than real time the days pass."""
        running = self._venue.mode is ClockMode.RUNNING
        seconds = self._venue.seconds_per_session if running else _STEPPED_SECONDS
        return int(_ALPACA_LIMIT * max(1.0, _SECONDS_PER_DAY / seconds))


def _same(given: str, wanted: str) -> bool:
    return compare_digest(given.encode(), wanted.encode())
