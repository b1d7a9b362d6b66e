"""Mounts the exchange's websockets beside its routes and knows every open connection. `app` makes it.

| path | what | in |
|---|---|---|
| `/stream` | `trade_updates` | `trade_stream` |
| `/v2/iex`, `/v2/sip`, `/v2/delayed_sip`, `/v2/test` | market data | `data_stream` |

The server sends a ping every 20 seconds and drops a client that leaves one unanswered for 20 seconds.
"""

from __future__ import annotations

from itertools import count

from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from laptop.exchange.connection import Connection, Encoding, StreamFaults
from laptop.exchange.data_stream import DataStreams, Plan
from laptop.exchange.gate import Keys
from laptop.exchange.trade_stream import TradeStream
from laptop.exchange.venue import Venue

_MSGPACK = "application/msgpack"
_FREE_PLAN = Plan()


class Streams:
    """All websockets of one venue."""

    def __init__(self, venue: Venue, keys: Keys, faults: StreamFaults, plan: Plan = _FREE_PLAN) -> None:
        self._faults = faults
        self._trade, self._data = TradeStream(venue, keys), DataStreams(venue, keys, plan)
        self._numbers = count(1)
        self._open: set[Connection] = set()
        self.routes = [
            WebSocketRoute("/stream", self._trade_updates),
            WebSocketRoute("/v2/{feed}", self._market_data),
            WebSocketRoute("/{path:path}", self._nothing),
        ]

    def cut_all(self) -> int:
        """Drop every open connection as a broken line does; how many there were."""
        for connection in self._open:
            connection.drop()
        return len(self._open)

    async def _trade_updates(self, socket: WebSocket) -> None:
        encoding = Encoding(msgpack=_asks_msgpack(socket), binary=True, listed=False)
        connection = await self._accepted(socket, encoding, "trade_updates", "")
        try:
            await self._trade.serve(connection)
        finally:
            self._open.discard(connection)

    async def _market_data(self, socket: WebSocket) -> None:
        feed: str = socket.path_params["feed"]
        if feed not in self._data.feeds:
            await self._nothing(socket)
            return
        packed = _asks_msgpack(socket)
        connection = await self._accepted(socket, Encoding(packed, packed, listed=True), "data", feed)
        try:
            await self._data.serve(connection, feed, socket.headers)
        finally:
            self._open.discard(connection)

    async def _nothing(self, socket: WebSocket) -> None:
        """A path that is no stream. Closing alone would answer 403, as if the keys were wrong."""
        streams = ", ".join(["/stream", *(f"/v2/{feed}" for feed in sorted(self._data.feeds))])
        await socket.send_denial_response(Response(f"no such stream; there are {streams}", status_code=404))

    async def _accepted(self, socket: WebSocket, encoding: Encoding, stream: str, feed: str) -> Connection:
        await socket.accept()
        number = next(self._numbers)
        connection = Connection(socket, encoding, self._faults, stream=stream, feed=feed, number=number)
        self._open.add(connection)
        return connection


def _asks_msgpack(socket: WebSocket) -> bool:
    return socket.headers.get("content-type", "").partition(";")[0].strip() == _MSGPACK
