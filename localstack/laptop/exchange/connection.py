"""One websocket client of the exchange: what it is sent, in which encoding, and what becomes of a slow one.

`trade_stream` and `data_stream` hold a `Connection` for each client. Everything a client is sent, control
messages too, leaves through `Connection._judged`, the one place that asks the fault switchboard
(`StreamFaults`) what to do with a message: deliver it, send it twice, hold it back behind the next one,
swallow it, or cut the connection.

The queue of a connection is bounded. `offer` never waits: a client that leaves the queue full is slow and
loses the connection. `feed` waits for room, so that a producer keeps the client's pace, up to a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from hmac import compare_digest
from typing import Any, Protocol

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from laptop.exchange.gate import Keys

QUEUED_FRAMES = 4096
SLOW_AFTER_SECONDS = 10.0
_LAST_WORD_SECONDS = 0.5
_POLICY_CLOSE = 1008

CONTROL = "control"


class Verdict(StrEnum):
    """What becomes of a message on its way out."""

    DELIVER = "deliver"
    DUPLICATE = "duplicate"
    HOLD = "hold"
    SWALLOW = "swallow"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What the switchboard is told of a message.

    `stream` is `trade_updates` or `data`, `feed` the data feed or empty; `kind` is `control`, the event of
    a trade update, or the `T` of a data message; `connection` counts the process's connections from 1.
    """

    stream: str
    feed: str
    kind: str
    symbol: str
    connection: int


class StreamFaults(Protocol):
    """Who may spoil messages: the fault switchboard."""

    def judge(self, message: Outgoing) -> Verdict:
        """What to do with this message; called once for each, right before it is encoded."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message before it is encoded. `symbol` is empty when it is about none."""

    kind: str
    symbol: str
    body: Mapping[str, object]


Frame = Sequence[Message]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How messages look on the wire: MessagePack or JSON, and JSON in text or in binary frames.

    `listed` says that a frame is a list of messages, as on the data streams.
    """

    msgpack: bool
    binary: bool
    listed: bool

    def payloads(self, messages: Frame) -> Iterable[bytes]:
        """The frames' contents: one for all messages, or one for each."""
        encode: Callable[[object], bytes] = msgspec.msgpack.encode if self.msgpack else msgspec.json.encode
        bodies = [message.body for message in messages]
        return [encode(bodies)] if self.listed else [encode(body) for body in bodies]

    def decode(self, received: str | bytes) -> object:
        """What a client sent. Raises msgspec.DecodeError; text is JSON whatever was agreed."""
        if isinstance(received, bytes) and self.msgpack:
            return msgspec.msgpack.decode(received)
        return msgspec.json.decode(received)


def keys_match(keys: Keys, key_id: object, secret_key: object) -> bool:
    """Whether a client showed the right keys, whatever it sent as such."""
    if not isinstance(key_id, str) or not isinstance(secret_key, str):
        return False
    right_key = compare_digest(key_id.encode(), keys.key_id.encode())
    return compare_digest(secret_key.encode(), keys.secret_key.encode()) and right_key


class ConnectionEnd(Exception):
    """The connection is over: the client left, or was cut off."""


class Connection:
    """A client's connection, from the accepted handshake to its end."""

    def __init__(
        self,
        socket: WebSocket,
        encoding: Encoding,
        faults: StreamFaults,
        *,
        stream: str,
        feed: str,
        number: int,
    ) -> None:
        self._socket, self._encoding, self._faults = socket, encoding, faults
        self._stream, self._feed, self._number = stream, feed, number
        self._queue: asyncio.Queue[Frame | None] = asyncio.Queue(QUEUED_FRAMES)
        self._held: list[Message] = []
        self._dropped = asyncio.Event()
        self._cut = False
        self.slow = False

    async def run(self, *jobs: Coroutine[Any, Any, None]) -> None:
        """Send what is queued while `jobs` run; ends with the first that ends, and leaves no task behind.

        Raises what a job raised. A connection that was cut gets no closing handshake: whoever called
        this returns, and the server then closes the socket under it.
        """
        tasks = [asyncio.create_task(job) for job in (*jobs, self._send(), self._until_dropped())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            with suppress(ConnectionEnd, WebSocketDisconnect):
                task.result()

    def offer(self, message: Message) -> None:
        """Queue a message without waiting. A client that takes none is dropped."""
        try:
            self._queue.put_nowait([message])
        except asyncio.QueueFull:
            self.slow = True
            self.drop()

    async def feed(self, frame: Frame) -> None:
        """Queue messages as soon as there is room. Raises ConnectionEnd when there is none for long."""
        if not self._queue.full():
            self._queue.put_nowait(frame)
            return
        try:
            async with asyncio.timeout(SLOW_AFTER_SECONDS):
                await self._queue.put(frame)
        except TimeoutError:
            self.slow = True
            raise ConnectionEnd from None

    async def finish(self) -> None:
        """Send what is queued, then close; never returns, the connection ends meanwhile."""
        await self._queue.put(None)
        await self._dropped.wait()

    def drop(self) -> None:
        """Cut the connection at once, as a broken line does."""
        self._dropped.set()

    async def receive(self) -> object:
        """The next message of the client, decoded. Raises ConnectionEnd, msgspec.DecodeError."""
        event = await self._socket.receive()
        if event["type"] != "websocket.receive":
            raise ConnectionEnd
        text: str | None = event.get("text")
        return self._encoding.decode(event["bytes"] if text is None else text)

    async def last_word(self, message: Message) -> None:
        """After `run`: try to tell a client why it is cut off; one that takes nothing is not waited for."""
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await self._put_out([message])
                await self._socket.close(_POLICY_CLOSE)

    async def _until_dropped(self) -> None:
        await self._dropped.wait()

    async def _send(self) -> None:
        while (frame := await self._queue.get()) is not None:
            await self._put_out(self._judged(frame))
            if self._cut:
                raise ConnectionEnd
        await self._socket.close(_POLICY_CLOSE)

    async def _put_out(self, messages: Frame) -> None:
        if not messages:
            return
        for payload in self._encoding.payloads(messages):
            if self._encoding.binary:
                await self._socket.send_bytes(payload)
            else:
                await self._socket.send_text(payload.decode())

    def _judged(self, frame: Frame) -> Frame:
        """What of a frame goes out, in which order; notes it when the line is cut behind that."""
        out: list[Message] = []
        for message in frame:
            told = Outgoing(self._stream, self._feed, message.kind, message.symbol, self._number)
            verdict = self._faults.judge(told)
            if verdict is Verdict.CUT:
                self._cut = True
                break
            if verdict is Verdict.HOLD:
                self._held.append(message)
            elif verdict is not Verdict.SWALLOW:
                out += [message] * (2 if verdict is Verdict.DUPLICATE else 1)
                out += self._held
                self._held.clear()
        return out
