"""The websockets `/v2/{feed}`: trades, quotes and bars as the market's clock moves. `streams` mounts them.

Protocol and errors: https://docs.alpaca.markets/docs/streaming-market-data. MessagePack (times as
its timestamps) in binary frames when the handshake has `Content-Type: application/msgpack`, else JSON in
text frames. Keys come in a message or in the handshake's headers, within ten seconds. The account has
the free plan: not the feed `sip`, one connection a feed, 30 symbols for trades and quotes together (a
wildcard there is too many), bars without a limit. Alpaca's errors 408 and 411 to 413 do not concern it.

Each client has its own place in market time and is sent what passed since, as fast as it takes it;
one that takes nothing for ten seconds is told 407 and dropped. `ticks` says what is sent.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

import msgspec
from starlette.datastructures import Headers

from laptop.exchange.connection import CONTROL, Connection, ConnectionEnd, Message, keys_match
from laptop.exchange.gate import Keys
from laptop.exchange.ticks import EVERY_SYMBOL, MadeUpSource, MarketSource, Source
from laptop.exchange.venue import Venue

AUTH_WITHIN_SECONDS = 10.0
_SIP_DELAY = timedelta(minutes=15)
_LOOK_EVERY_SECONDS = 0.1
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,31}|\*")

CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
_LIMITED = ("trades", "quotes")
_WITH_TRADES = ("corrections", "cancelErrors")
_OF_OTHER_STREAMS = frozenset({"news", "orderbooks", "imbalances"})
_ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    500: "internal error",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the account's data subscription allows; `symbols` counts trades and quotes together."""

    feeds: frozenset[str] = frozenset({"iex", "delayed_sip", "test"})
    connections: int = 1
    symbols: int = 30


class _RefusedError(Exception):
    """A request that is answered with an error; the connection goes on."""

    def __init__(self, code: int) -> None:
        super().__init__(_ERRORS[code])
        self.code = code


class DataStreams:
    """All clients of all feeds."""

    def __init__(self, venue: Venue, keys: Keys, plan: Plan) -> None:
        self._keys, self._plan = keys, plan
        live = MarketSource(venue)
        self._sources: Mapping[str, Source] = {
            "iex": live,
            "sip": live,
            "delayed_sip": MarketSource(venue, _SIP_DELAY),
            "test": MadeUpSource(),
        }
        self._connected = dict.fromkeys(self._sources, 0)

    @property
    def feeds(self) -> frozenset[str]:
        """The feeds there are, whoever may use them."""
        return frozenset(self._sources)

    async def serve(self, connection: Connection, feed: str, headers: Headers) -> None:
        """Talk with one client until it leaves."""
        session = _Session(connection, self._sources[feed], self._plan)
        try:
            await connection.run(self._converse(session, feed, headers), session.stream())
        except Exception:
            _log.exception("a data stream failed")
            await connection.last_word(_error(500))
        if connection.slow:
            await connection.last_word(_error(407))

    async def _converse(self, session: _Session, feed: str, headers: Headers) -> None:
        """Welcome a client, check its keys, then answer its requests while its data flows."""
        await session.answer({"T": "success", "msg": "connected"})
        try:
            async with asyncio.timeout(AUTH_WITHIN_SECONDS):
                known = await session.shown_keys(headers, self._keys)
        except TimeoutError:
            await session.end_with(404)
        if not known:
            await session.end_with(402)
        if feed not in self._plan.feeds:
            await session.end_with(409)
        if self._connected[feed] >= self._plan.connections:
            await session.end_with(406)
        with self._counted(feed):
            await session.answer({"T": "success", "msg": "authenticated"})
            await session.serve_requests()

    @contextmanager
    def _counted(self, feed: str) -> Iterator[None]:
        self._connected[feed] += 1
        try:
            yield
        finally:
            self._connected[feed] -= 1


class _Session:
    """One client of one feed: what it subscribed to, and how far in market time it was sent."""

    def __init__(self, connection: Connection, source: Source, plan: Plan) -> None:
        self._connection, self._source, self._plan = connection, source, plan
        self._wanted: dict[str, dict[str, datetime]] = {channel: {} for channel in CHANNELS}
        self._begun = asyncio.Event()

    async def answer(self, body: Mapping[str, object]) -> None:
        """Send a control message, in a frame of its own."""
        await self._connection.feed([Message(CONTROL, "", body)])

    async def end_with(self, code: int) -> NoReturn:
        """Tell the client why, and close."""
        await self._connection.feed([_error(code)])
        await self._connection.finish()
        raise ConnectionEnd

    async def shown_keys(self, headers: Headers, keys: Keys) -> bool:
        """Wait for keys, in the headers or in a message; whether they are the right ones."""
        if "apca-api-key-id" in headers:
            return keys_match(keys, headers["apca-api-key-id"], headers.get("apca-api-secret-key"))
        while True:
            try:
                request = await self._request()
            except _RefusedError as refusal:
                await self._connection.feed([_error(refusal.code)])
                continue
            if request["action"] == "auth":
                return keys_match(keys, request.get("key"), request.get("secret"))
            await self._connection.feed([_error(401)])

    async def serve_requests(self) -> None:
        """Answer requests until the client leaves."""
        self._begun.set()
        while True:
            try:
                self._change(await self._request())
                await self.answer(self._subscriptions())
            except _RefusedError as refusal:
                await self._connection.feed([_error(refusal.code)])

    async def stream(self) -> None:
        """Send what passes from the authentication on, as long as the client is there."""
        await self._begun.wait()
        place = self._source.now()
        while True:
            until = self._source.now()
            if until > place:
                for points in self._source.points(place, until, self._wanted):
                    await self._connection.feed(points)
                    await asyncio.sleep(0)
            place = until
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _request(self) -> Mapping[str, object]:
        """The next request, an object with a known action."""
        try:
            request = await self._connection.receive()
        except msgspec.DecodeError:
            raise _RefusedError(400) from None
        if not isinstance(request, dict) or request.get("action") not in {"auth", "subscribe", "unsubscribe"}:
            raise _RefusedError(400)
        return request

    def _change(self, request: Mapping[str, object]) -> None:
        """Add to or take from the subscriptions, all of the request or nothing."""
        if request["action"] == "auth":
            raise _RefusedError(403)
        if not _OF_OTHER_STREAMS.isdisjoint(request):
            raise _RefusedError(410)
        asked = {channel: _symbols(request[channel]) for channel in CHANNELS if channel in request}
        if not asked:
            raise _RefusedError(400)
        if request["action"] == "unsubscribe":
            for channel, symbols in asked.items():
                for symbol in symbols:
                    self._wanted[channel].pop(symbol, None)
            return
        limited = [{*self._wanted[channel], *asked.get(channel, ())} for channel in _LIMITED]
        if any(EVERY_SYMBOL in symbols for symbols in limited) or sum(map(len, limited)) > self._plan.symbols:
            raise _RefusedError(405)
        now = self._source.now()
        for channel, symbols in asked.items():
            for symbol in symbols:
                self._wanted[channel].setdefault(symbol, now)

    def _subscriptions(self) -> Mapping[str, object]:
        listed = {channel: sorted(self._wanted[channel]) for channel in CHANNELS}
        return {"T": "subscription", **listed, **dict.fromkeys(_WITH_TRADES, listed["trades"])}


def _symbols(given: object) -> Sequence[str]:
    """The symbols of a channel in a request."""
    if not isinstance(given, list):
        raise _RefusedError(400)
    symbols = [symbol for symbol in given if isinstance(symbol, str) and _SYMBOL.fullmatch(symbol)]
    if len(symbols) != len(given):
        raise _RefusedError(400)
    return symbols


def _error(code: int) -> Message:
    return Message(CONTROL, "", {"T": "error", "code": code, "msg": _ERRORS[code]})
