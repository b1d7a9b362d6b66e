"""HTTP/1.1 as the port mappings need it: read a request, pass it on, pass its answer back.

``laptop.ports`` calls it. Bytes of a body are never touched, so that a signature over them holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from laptop.processes import LOOPBACK

# As API Gateway limits a body; a head is limited by the readers' own limit.
MAX_BODY: Final = 10 * 1024 * 1024
MAX_HEAD: Final = 64 * 1024
# Under the engine's keep-alive of 75 s, so that it never closes a connection we are about to use.
_IDLE_SECONDS: Final = 60
_CHUNK: Final = 64 * 1024
_CONTROL: Final = re.compile(r"[\r\n\0]")
_REASONS: Final = {
    200: "OK",
    304: "Not Modified",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
}


class RefusedError(Exception):
    """A request that is not passed on: its status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Request:
    """A request with its body read whole."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first value of a header (its name in lower case), or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def is_socket(self) -> bool:
        return self.header("upgrade").lower() == "websocket"

    @property
    def keeps_alive(self) -> bool:
        return self.header("connection").lower() != "close"

    def to(self, host: str, target: str) -> Request:
        """The same request for another host and target."""
        kept = tuple((key, value) for key, value in self.headers if key.lower() != "host")
        return replace(self, target=target, headers=(("Host", host), *kept))

    def encoded(self) -> bytes:
        """Head and body as they go on; the body's length is always told."""
        dropped = {"content-length", "transfer-encoding", "expect"}
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{key}: {value}" for key, value in self.headers if key.lower() not in dropped]
        if self.body or self.method in {"POST", "PUT", "PATCH"}:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


def _headers(lines: list[str]) -> list[tuple[str, str]]:
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        # A bare line feed is a line's end to some servers: it could hide a second header.
        if not colon or not name or name != name.strip() or _CONTROL.search(line):
            raise RefusedError(400, "bad_request", "A header line is not `name: value`.")
        headers.append((name, value.strip()))
    return headers


def parse_head(head: bytes) -> Request:
    """The request of a head that ends in an empty line.

    Raises
    ------
    RefusedError
        When it is not HTTP/1 with a path.
    """
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    parts = first.split(" ")
    sound = len(parts) == 3 and parts[1].startswith("/") and parts[2].startswith("HTTP/1.")
    if not sound or _CONTROL.search(first):
        raise RefusedError(400, "bad_request", "This port speaks HTTP/1.1; the path starts with a slash.")
    headers = _headers(lines)
    if parts[2] == "HTTP/1.0":
        headers.append(("Connection", "close"))
    return Request(parts[0], parts[1], tuple(headers))


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The connection's next request, or None when the client is done.

    Raises
    ------
    RefusedError
        When it cannot be read or is too large.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except asyncio.LimitOverrunError:
        raise RefusedError(431, "bad_request", "The request's head is too large.") from None
    request = parse_head(head)
    length, coding = request.header("content-length"), request.header("transfer-encoding").lower()
    if length and coding:
        raise RefusedError(400, "bad_request", "A body has a length or a transfer coding, not both.")
    if request.header("expect").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if coding:
        return replace(request, body=await _chunked_body(reader))
    if length:
        return replace(request, body=await _body(reader, length))
    return request


async def _body(reader: asyncio.StreamReader, length: str) -> bytes:
    if not (length.isascii() and length.isdigit()):
        raise RefusedError(400, "bad_request", "Content-Length is not a number.")
    if int(length) > MAX_BODY:
        raise RefusedError(413, "too_large", "The body is larger than 10 MB.")
    return await reader.readexactly(int(length))


async def _chunked_body(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 1
    while size:
        line = (await reader.readuntil(b"\r\n")).split(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError:
            size = -1
        if size < 0:
            raise RefusedError(400, "bad_request", "A chunk's size is not a number.")
        if sum(map(len, parts)) + size > MAX_BODY:
            raise RefusedError(413, "too_large", "The body is larger than 10 MB.")
        parts.append((await reader.readexactly(size + 2))[:-2])
    return b"".join(parts)


def refusal(error: RefusedError) -> bytes:
    """The answer to a refused request, in the shape every error has."""
    correlation_id = str(uuid4())
    body = {
        "error": {"code": error.code, "message": str(error), "details": {}, "correlation_id": correlation_id}
    }
    return answer(error.status, {"Content-Type": "application/json"}, json.dumps(body).encode())


def answer(status: int, headers: dict[str, str], body: bytes, *, with_body: bool = True) -> bytes:
    """An answer of the port's own."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head + body if with_body else head


@dataclass
class Upstream:
    """One client connection's own connection to the engine, used again while it is fresh."""

    port: int
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    _used_at: float = 0.0

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and time.monotonic() - self._used_at > _IDLE_SECONDS:
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self.port, limit=MAX_HEAD)
        return self._streams

    def close(self) -> None:
        """Drop the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def send(self, request: Request) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        """Pass a request on; gives the answer's head and the connection it came on.

        A request is never sent twice: it might be an order.

        Raises
        ------
        RefusedError
            502 when the engine does not answer.
        """
        try:
            reader, writer = await self._open()
            writer.write(request.encoded())
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.close()
            raise RefusedError(
                502, "unavailable", "The engine does not answer: see `alpaquero status` and logs/engine.log."
            ) from None
        self._used_at = time.monotonic()
        return head, reader, writer

    async def pass_back(self, request: Request, client: asyncio.StreamWriter) -> bool:
        """Send a request and stream its answer to the client; False when the connection must end."""
        head, reader, _ = await self.send(request)
        client.write(head)
        status_line, *lines = head[:-4].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in _headers(lines)}
        status = int(status_line.split(" ", 2)[1])
        if request.method != "HEAD" and status not in {204, 304}:
            await _copy_body(headers, reader, client)
        await client.drain()
        ends = headers.get("connection", "").lower() == "close" or not (
            "content-length" in headers or "transfer-encoding" in headers or status in {204, 304}
        )
        if ends:
            self.close()
        return not ends


async def _copy_body(
    headers: dict[str, str], reader: asyncio.StreamReader, client: asyncio.StreamWriter
) -> None:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        size = 1
        while size:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            client.write(line + await reader.readexactly(size + 2))
            await client.drain()
        return
    left = int(headers["content-length"]) if "content-length" in headers else None
    while left is None or left > 0:
        data = await reader.read(_CHUNK if left is None else min(left, _CHUNK))
        if not data:
            return
        client.write(data)
        await client.drain()
        left = None if left is None else left - len(data)


async def tunnel(
    request: Request, upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Join a WebSocket's two ends until either closes."""
    head, far_reader, far_writer = await upstream.send(request)
    writer.write(head)

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(_CHUNK):
                target.write(data)
                await target.drain()
        if target.can_write_eof():
            target.write_eof()

    both = [asyncio.create_task(copy(reader, far_writer)), asyncio.create_task(copy(far_reader, writer))]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for task in both:
        task.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    upstream.close()
