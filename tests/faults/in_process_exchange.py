"""The paper exchange inside the test's process: the real venue and routes, without a socket.

`InProcessExchange.installed()` takes the place of the send method of requests' adapter, so that
unmodified alpaca-py under the bot's own transport talks to it. Network trouble is made here, at the
wire: see `Wire`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from starlette.types import Message

from alpaquero.simulation import MatchingTerms
from laptop.exchange.app import build_app
from laptop.exchange.gate import Keys
from laptop.exchange.history import History
from laptop.exchange.opening import open_venue
from tests.faults.memory_aws import Around, unhindered

KEY, SECRET = "key", "secret"


class Wire(StrEnum):
    """What can happen to a request on its way and to its answer on the way back."""

    TOO_MANY = "429"
    BROKEN = "500"
    CUT_BEFORE = "cut before"
    TIME_OUT_AFTER = "504 after acceptance"
    CUT_AFTER = "cut after"
    PAGE = "HTML instead of JSON"
    TRUNCATED = "truncated body"


# Trouble that keeps the request from arriving; after any other the exchange has acted.
BEFORE = frozenset({Wire.TOO_MANY, Wire.BROKEN, Wire.CUT_BEFORE})


@dataclass(slots=True)
class Answer:
    """What the app sent back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class InProcessExchange:
    """One venue, its app, and the wire in front of it."""

    def __init__(
        self,
        history: History,
        state: Path,
        terms: MatchingTerms,
        sessions: int,
        first: date | None = None,
    ) -> None:
        self.venue = open_venue(history, state, terms, first=first, count=sessions)
        self._app = build_app(self.venue, Keys(KEY, SECRET, "admin"))
        self.trouble: Callable[[str], Wire | None] = lambda what: None
        self.around: Around = unhindered

    def close(self) -> None:
        """Let go of the book's file."""
        self.venue.close()

    @contextmanager
    def installed(self) -> Iterator[InProcessExchange]:
        """Every request of the requests library goes to this exchange."""
        door = HTTPAdapter.send

        def send(_: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            what = f"{request.method} {urlsplit(request.url or '').path}"
            return self.around(what, lambda: self._send(what, request))

        HTTPAdapter.send = send  # type: ignore[assignment, method-assign]
        try:
            yield self
        finally:
            HTTPAdapter.send = door  # type: ignore[method-assign]

    def _send(self, what: str, request: requests.PreparedRequest) -> requests.Response:
        trouble = self.trouble(what)
        answer = Answer(body=b"{}") if trouble in BEFORE else self._ask(request)
        match trouble:
            case Wire.TOO_MANY:
                answer = Answer(
                    429, {"Retry-After": "1"}, b'{"code":42910000,"message":"rate limit exceeded"}'
                )
            case Wire.BROKEN:
                answer = Answer(500, {}, b'{"code":50010000,"message":"internal server error"}')
            case Wire.TIME_OUT_AFTER:
                answer = Answer(504, {}, b'{"message":"upstream timed out"}')
            case Wire.CUT_BEFORE | Wire.CUT_AFTER:
                raise requests.ConnectionError("the connection was cut")
            case Wire.PAGE:
                answer = Answer(200, {"content-type": "text/html"}, b"<html>maintenance</html>")
            case Wire.TRUNCATED:
                answer.body = answer.body[: len(answer.body) // 2]
        return _response(request, answer)

    def _ask(self, request: requests.PreparedRequest) -> Answer:
        """The app's answer. Its routes await nothing but the request, so one push runs them through."""
        url = urlsplit(request.url or "")
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": url.path,
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "root_path": "",
            "headers": [(n.lower().encode(), str(v).encode()) for n, v in request.headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 1),
        }
        answer = Answer()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {n.decode(): v.decode() for n, v in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        _run(self._app(scope, receive, send))
        return answer


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("a route waited for something; in process nothing comes")


def _response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.headers.update(answer.headers)
    response.request = request
    response.url = request.url or ""
    response.raw = BytesIO(answer.body)
    return response
