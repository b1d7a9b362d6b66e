"""The websocket `/stream`: tells clients what happens to their orders. `streams` mounts it.

Protocol: https://docs.alpaca.markets/docs/websocket-streaming. A client authenticates, then listens;
answers and updates are JSON in binary frames, as on Alpaca's paper side, or MessagePack when the
handshake has `Content-Type: application/msgpack`. The form of an `error` is ours: Alpaca documents none.
An update tells of a change that is on disk, and the updates keep the order of the book's changes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from laptop.exchange.connection import CONTROL, Connection, Message, keys_match
from laptop.exchange.gate import Keys
from laptop.exchange.trade_updates import STREAM, TradeUpdates, Update, update_body
from laptop.exchange.venue import Recorded, Venue

_AUTHENTICATE = "authenticate"
_AUTHENTICATE_ACTIONS = frozenset({_AUTHENTICATE, "auth"})
_log = logging.getLogger(__name__)


class TradeStream:
    """All clients of `/stream`."""

    def __init__(self, venue: Venue, keys: Keys) -> None:
        self._venue, self._keys = venue, keys
        self._updates = TradeUpdates(venue.book)
        self._listening: set[Connection] = set()
        venue.listeners.append(self._heard)

    async def serve(self, connection: Connection) -> None:
        """Talk with one client until it leaves."""
        try:
            await connection.run(self._converse(connection))
        finally:
            self._listening.discard(connection)

    def _heard(self, recorded: Recorded) -> None:
        # What was recorded stands, so a stream that fails must not turn it into an error.
        try:
            for update in self._updates.follow(recorded):
                if self._listening:
                    self._tell(update)
        except Exception:
            _log.exception("a trade update could not be told")

    def _tell(self, update: Update) -> None:
        body = update_body(update, self._venue.book, self._venue.seed)
        message = Message(update.event, update.order.symbol, body)
        for connection in self._listening:
            connection.offer(message)

    async def _converse(self, connection: Connection) -> None:
        authorized = False
        while True:
            request = await _request(connection)
            action = request.get("action")
            if action in _AUTHENTICATE_ACTIONS:
                authorized = authorized or self._knows(request)
                connection.offer(_authorization(_AUTHENTICATE, authorized=authorized))
            elif action != "listen":
                connection.offer(_error("invalid action: send authenticate or listen"))
            elif not authorized:
                connection.offer(_authorization("listen", authorized=False))
            else:
                self._listen(connection, request)

    def _knows(self, request: Mapping[str, object]) -> bool:
        """Whether the keys are right, under `data` as the documentation has them or beside the action."""
        data = request.get("data")
        shown = data if isinstance(data, dict) else request
        key_id, secret_key = (shown.get(long, shown.get(short)) for long, short in _NAMES)
        return keys_match(self._keys, key_id, secret_key)

    def _listen(self, connection: Connection, request: Mapping[str, object]) -> None:
        """Set what a client listens to; streams that are not there are left out of the answer."""
        data = request.get("data")
        asked = data.get("streams") if isinstance(data, dict) else None
        if not isinstance(asked, list):
            connection.offer(_error('invalid listen: send {"data": {"streams": ["trade_updates"]}}'))
            return
        streams = [STREAM] if STREAM in asked else []
        connection.offer(_control("listening", {"streams": streams}))
        (self._listening.add if streams else self._listening.discard)(connection)


_NAMES = (("key_id", "key"), ("secret_key", "secret"))


async def _request(connection: Connection) -> Mapping[str, object]:
    """The next request of a client; what is none is answered with an error."""
    while True:
        try:
            request = await connection.receive()
        except msgspec.DecodeError:
            request = None
        if isinstance(request, dict):
            return request
        connection.offer(_error("invalid message: send an object with an action"))


def _authorization(action: str, *, authorized: bool) -> Message:
    status = "authorized" if authorized else "unauthorized"
    return _control("authorization", {"action": action, "status": status})


def _error(message: str) -> Message:
    return _control("error", {"error_message": message})


def _control(stream: str, data: Mapping[str, object]) -> Message:
    return Message(CONTROL, "", {"stream": stream, "data": data})
