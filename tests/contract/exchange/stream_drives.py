"""Drives alpaca-py's two streams through every public method; `test_operations.py` runs it.

What a method did is read from what the exchange answered: an acknowledgement names the channels
that are subscribed after it.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgpack
from alpaca.data.live import StockDataStream
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from alpaca.trading.stream import TradingStream
from websockets.legacy.protocol import WebSocketCommonProtocol

from laptop.exchange.client import ExchangeAdmin

SYMBOL = "CALM"
_ALWAYS = "HELD"  # subscribed to before the start and never left
_WITHIN_SECONDS = 20
_SENT_BY_A_SESSION = {"trades", "quotes", "bars", "daily_bars"}

Called = dict[str, set[str]]


class Heard:
    """What both streams received, for a thread to wait on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.frames: list[Any] = []
        self.handled: Counter[str] = Counter()

    def frame(self, data: str | bytes) -> None:
        """Note a frame: JSON on the trading stream, msgpack on the data stream, either of them binary."""
        with self._changed:
            self.frames.extend(_decoded(data))
            self._changed.notify_all()

    def handler(self, name: str) -> Callable[[Any], Any]:
        """A coroutine that counts what it is given."""

        async def handle(_: Any) -> None:
            with self._changed:
                self.handled[name] += 1
                self._changed.notify_all()

        return handle

    def wait(self, reached: Callable[[], bool], what: str) -> None:
        """Wait until it is so; fail with `what` when it takes too long."""
        with self._changed:
            assert self._changed.wait_for(reached, _WITHIN_SECONDS), f"{what}; heard {self.frames[-5:]}"

    def acknowledged(self) -> list[dict[str, Any]]:
        """The acknowledgements of the data stream so far."""
        return [frame for frame in self.frames if frame.get("T") == "subscription"]

    def says(self, **wanted: object) -> bool:
        """Whether some frame has these fields."""
        return any(wanted.items() <= frame.items() for frame in self.frames)


def _decoded(data: str | bytes) -> list[Any]:
    raw = data.encode() if isinstance(data, str) else data
    return [json.loads(raw)] if raw[:1] == b"{" else list(msgpack.unpackb(raw, timestamp=3))


@contextmanager
def _noting(heard: Heard) -> Iterator[None]:
    """Note every frame that a websocket of this process receives."""
    receive = WebSocketCommonProtocol.recv

    async def noted(connection: WebSocketCommonProtocol) -> Any:
        data = await receive(connection)
        heard.frame(data)
        return data

    with patch.object(WebSocketCommonProtocol, "recv", noted):
        yield


@contextmanager
def _running(stream: StockDataStream | TradingStream) -> Iterator[threading.Thread]:
    """The thread in which a stream runs; it is ended with the block."""
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        if thread.is_alive():
            stream.stop()
        thread.join(_WITHIN_SECONDS)


def drive_data_stream(url: str, keys: tuple[str, str], admin: ExchangeAdmin) -> Called:
    """What each method of StockDataStream did on the wire."""
    heard, called = Heard(), Called()
    stream = StockDataStream(*keys, url_override=f"{url.replace('http', 'ws', 1)}/v2/iex")
    channels = [name.removeprefix("subscribe_") for name in dir(stream) if name.startswith("subscribe_")]
    stream.subscribe_bars(heard.handler("always"), _ALWAYS)
    with _noting(heard), _running(stream) as thread:
        heard.wait(lambda: bool(heard.acknowledged()), "the data stream acknowledged nothing")
        assert heard.says(T="success", msg="authenticated")
        called["run"] = {"wss /v2/iex: auth, subscribe"}
        stream.register_trade_corrections(heard.handler("corrections"))
        stream.register_trade_cancels(heard.handler("cancels"))
        for channel in channels:
            subscribe = getattr(stream, f"subscribe_{channel}")
            gained = _change(heard, subscribe, heard.handler(channel), SYMBOL)
            called[f"subscribe_{channel}"] = {f"wss /v2/iex: {name}" for name in gained}
        admin.step()
        heard.wait(
            lambda: heard.handled.keys() >= _SENT_BY_A_SESSION, f"a session sent only {dict(heard.handled)}"
        )
        subscribed = heard.acknowledged()[-1]
        for name, channel in (("corrections", "corrections"), ("cancels", "cancelErrors")):
            assert SYMBOL in subscribed.get(channel, []), f"trades do not bring {channel}"
            called[f"register_trade_{name}"] = {f"wss /v2/iex: {channel}"}
        for channel in channels:
            unsubscribe = getattr(stream, f"unsubscribe_{channel}")
            lost = _change(heard, unsubscribe, SYMBOL)
            called[f"unsubscribe_{channel}"] = {f"wss /v2/iex: {name}" for name in lost}
        stream.stop()
        admin.step()
        thread.join(_WITHIN_SECONDS)
        assert not thread.is_alive(), "the data stream did not stop"
        called["stop"] = {"wss /v2/iex: close"}
    return called


def _change(heard: Heard, act: Callable[..., None], *arguments: object) -> set[str]:
    """The channels that `SYMBOL` joined or left by an act."""
    before = heard.acknowledged()
    act(*arguments)
    heard.wait(lambda: len(heard.acknowledged()) > len(before), "no acknowledgement came")
    return _channels(heard.acknowledged()[len(before)]) ^ _channels(before[-1])


def _channels(acknowledgement: dict[str, Any]) -> set[str]:
    return {name for name, symbols in acknowledgement.items() if name != "T" and SYMBOL in symbols}


def drive_trading_stream(url: str, keys: tuple[str, str], admin: ExchangeAdmin, trading: Any) -> Called:
    """What each method of TradingStream did on the wire."""
    heard, called = Heard(), Called()
    stream = TradingStream(*keys, url_override=f"{url.replace('http', 'ws', 1)}/stream")

    def buy(client_order_id: str) -> None:
        trading.submit_order(
            MarketOrderRequest(
                symbol=SYMBOL,
                qty=1,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.DAY,
                client_order_id=client_order_id,
            )
        )

    def told(event: str) -> bool:
        return event in {frame["data"].get("event") for frame in heard.frames if "data" in frame}

    stream.subscribe_trade_updates(heard.handler("trade_updates"))
    with _noting(heard), _running(stream) as thread:
        heard.wait(lambda: heard.says(stream="listening"), "the trading stream does not listen")
        assert heard.says(stream="authorization")
        called["run"] = {"wss /stream: authenticate"}
        called["subscribe_trade_updates"] = {"wss /stream: trade_updates"}
        buy("stream-1")
        admin.step()
        heard.wait(lambda: told("fill"), "the fill was not told")
        heard.wait(lambda: heard.handled["trade_updates"] > 0, "alpaca-py could not read the update")
        stream.stop()
        buy("stream-2")
        thread.join(_WITHIN_SECONDS)
        assert not thread.is_alive(), "the trading stream did not stop"
        called["stop"] = {"wss /stream: close"}
    return called
