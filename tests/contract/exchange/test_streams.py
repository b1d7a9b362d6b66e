"""The websocket streams, with alpaca-py's own clients and, for what those hide, with plain websockets."""

from __future__ import annotations

import json
import logging
import socket as socket_library
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alpaca.data.live import StockDataStream
from alpaca.data.models import Bar, Quote, Trade
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.models import Order, TradeUpdate
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from alpaca.trading.stream import TradingStream
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from laptop.exchange import connection, data_stream, opening
from laptop.exchange.ticks import MarketSource

from .conftest import (
    KEYS,
    READY_WITHIN_SECONDS,
    SESSION_DATES,
    ExchangeProcess,
    Prices,
    RunningExchange,
    Serve,
    Start,
)
from .orders import bracket

CALM: Prices = {"CALM": [(100, 101, 99, 100)] * 6, "LIVELY": [(50, 55, 45, 52)] * 6}
HEADERS = {"APCA-API-KEY-ID": KEYS.key_id, "APCA-API-SECRET-KEY": KEYS.secret_key}
AUTH = {"action": "auth", "key": KEYS.key_id, "secret": KEYS.secret_key}
CONNECTED = [{"T": "success", "msg": "connected"}]
AUTHENTICATED = [{"T": "success", "msg": "authenticated"}]
SESSION_MINUTES = 390
PROBE = LimitOrderRequest(
    symbol="LIVELY", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=1
)
WriteFolder = Callable[[Prices], Path]


class Received:
    """What a stream handed to its handlers, for the test to wait on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.items: list[Any] = []

    async def take(self, item: object) -> None:
        """The handler that alpaca-py calls."""
        with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    def wait(self, enough: Callable[[list[Any]], bool], what: str) -> list[Any]:
        """What has come once it is enough; fail with `what` when it takes too long."""
        with self._changed:
            reached = self._changed.wait_for(lambda: enough(self.items), READY_WITHIN_SECONDS)
            assert reached, f"{what}; {len(self.items)} came, the last are {self.items[-3:]}"
            return list(self.items)


@contextmanager
def running(stream: StockDataStream | TradingStream, wake: Callable[[], object]) -> Iterator[None]:
    """Run an alpaca-py stream in a thread, and end it: `wake` has it sent something, so that it looks up."""
    thread = threading.Thread(target=stream.run)
    thread.start()
    try:
        yield
    finally:
        stream.stop()
        wake()
        thread.join(READY_WITHIN_SECONDS)
        assert not thread.is_alive()


@contextmanager
def subscribed(run: AbstractContextManager[None]) -> Iterator[None]:
    """Run a data stream and go on once it was told of its subscription, which alpaca-py logs."""
    told = threading.Event()

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("subscribed to"):
                told.set()

    log, listening = logging.getLogger("alpaca.data.live.websocket"), Listening()
    level = log.level
    log.addHandler(listening)
    log.setLevel(logging.INFO)
    try:
        with run:
            assert told.wait(READY_WITHIN_SECONDS), "the stream was not subscribed"
            yield
    finally:
        log.removeHandler(listening)
        log.setLevel(level)


def address(exchange: RunningExchange, path: str) -> str:
    """Where a stream is."""
    return exchange.url.replace("http", "ws", 1) + path


@contextmanager
def talking(
    exchange: RunningExchange, path: str, headers: Mapping[str, str] | None = None
) -> Iterator[ClientConnection]:
    """A plain websocket."""
    # A client that leaves with messages unread would wait for its own closing handshake.
    with connect(
        address(exchange, path),
        additional_headers=headers,
        proxy=None,
        open_timeout=READY_WITHIN_SECONDS,
        close_timeout=0.1,
    ) as socket:
        yield socket


def heard(socket: ClientConnection) -> Any:
    """The next message, from JSON."""
    return json.loads(socket.recv(timeout=READY_WITHIN_SECONDS))


def unpacked(socket: ClientConnection) -> Any:
    """The next message, from MessagePack."""
    message = socket.recv(timeout=READY_WITHIN_SECONDS)
    assert isinstance(message, bytes)
    return msgspec.msgpack.decode(message)


def ask(socket: ClientConnection, request: object) -> Any:
    """Send a request in JSON and hear the next message."""
    socket.send(json.dumps(request))
    return heard(socket)


def error(code: int, message: str) -> list[dict[str, object]]:
    """An error of the data stream."""
    return [{"T": "error", "code": code, "msg": message}]


@contextmanager
def authenticated(exchange: RunningExchange, feed: str = "iex") -> Iterator[ClientConnection]:
    """A plain websocket of a data feed, past its authentication."""
    with talking(exchange, f"/v2/{feed}") as socket:
        assert heard(socket) == CONNECTED
        assert ask(socket, AUTH) == AUTHENTICATED
        yield socket


def is_closed(socket: ClientConnection) -> bool:
    """Whether the other side ends the connection, with nothing more to say."""
    with pytest.raises(ConnectionClosed):
        socket.recv(timeout=READY_WITHIN_SECONDS)
    return True


@pytest.fixture
def calm(serve: Serve, prices: WriteFolder) -> RunningExchange:
    """A stepped exchange with two symbols, before the second of SESSION_DATES."""
    return serve(prices(CALM))


@pytest.fixture
def process(start: Start, prices: WriteFolder, tmp_path: Path) -> ExchangeProcess:
    """The same in a process of its own."""
    return start(tmp_path / "state", "--data", str(prices(CALM)), "--from", SESSION_DATES[1])


def far_bracket(symbol: str = "CALM") -> MarketOrderRequest:
    """A market bracket whose exits are never reached."""
    return bracket(symbol, shares=5, target=300, stop=10)


def listening_stream(exchange: RunningExchange, received: Received) -> TradingStream:
    """alpaca-py's stream of trade updates."""
    stream = TradingStream(KEYS.key_id, KEYS.secret_key, url_override=address(exchange, "/stream"))
    stream.subscribe_trade_updates(received.take)
    return stream


def updates_from_now_on(exchange: RunningExchange, received: Received) -> None:
    """Wait until the stream listens: an order far from the market is heard of, then cancelled."""
    last = None
    while not received.items:
        order = exchange.trading.submit_order(PROBE)
        assert isinstance(order, Order)
        exchange.trading.cancel_order_by_id(order.id)
        last = order.id
    received.wait(
        lambda items: (items[-1].event, items[-1].order.id) == ("canceled", last),
        "the last probe's cancellation was not told",
    )
    received.items.clear()


def test_alpaca_py_hears_of_every_step_of_an_order(calm: RunningExchange) -> None:
    """Queued, held legs, at work after the open, filled: in the book's order, with the fill's figures."""
    received = Received()
    with running(listening_stream(calm, received), lambda: calm.trading.submit_order(PROBE)):
        updates_from_now_on(calm, received)
        order = calm.trading.submit_order(far_bracket())
        assert isinstance(order, Order)
        calm.admin.step()
        updates = received.wait(lambda items: len(items) >= 6, "the order's life was not told")
    assert all(isinstance(update, TradeUpdate) for update in updates)
    told = [(update.event, str(update.order.type.value)) for update in updates]
    assert told == [
        ("accepted", "market"),
        ("held", "limit"),
        ("held", "stop"),
        ("new", "market"),
        ("fill", "market"),
        ("new", "limit"),
    ]
    fill = updates[4]
    [activity] = calm.get("/v2/account/activities/FILL").json()
    assert str(fill.execution_id) == activity["id"].partition("::")[2]
    assert (fill.qty, fill.position_qty, fill.price) == (5, 5, float(activity["price"]))
    assert (fill.order.id, fill.order.status, fill.order.filled_qty) == (order.id, "filled", "5")
    assert fill.timestamp.isoformat() == activity["transaction_time"].replace("Z", "+00:00")


def test_trade_updates_come_as_json_in_binary_frames(calm: RunningExchange) -> None:
    """As on Alpaca's paper side; with MessagePack in the handshake the same comes in MessagePack."""
    request = {"action": "authenticate", "data": {"key_id": KEYS.key_id, "secret_key": KEYS.secret_key}}
    reply = {"stream": "authorization", "data": {"action": "authenticate", "status": "authorized"}}
    with talking(calm, "/stream") as socket:
        socket.send(json.dumps(request).encode())
        answer = socket.recv(timeout=READY_WITHIN_SECONDS)
        assert isinstance(answer, bytes)
        assert json.loads(answer) == reply
    with talking(calm, "/stream", {"Content-Type": "application/msgpack"}) as socket:
        socket.send(msgspec.msgpack.encode(request))
        assert unpacked(socket) == reply


@pytest.mark.parametrize("action", ["auth", "authenticate"])
@pytest.mark.parametrize("nested", [True, False])
def test_both_ways_to_authenticate_on_the_trading_stream_work(
    calm: RunningExchange, action: str, nested: bool
) -> None:
    """`auth` or `authenticate`, keys under `data` or beside the action; wrong keys are unauthorized."""

    def request(secret: str) -> dict[str, object]:
        if nested:
            return {"action": action, "data": {"key_id": KEYS.key_id, "secret_key": secret}}
        return {"action": action, "key": KEYS.key_id, "secret": secret}

    with talking(calm, "/stream") as socket:
        assert ask(socket, request("wrong"))["data"] == {"action": "authenticate", "status": "unauthorized"}
        assert ask(socket, request(KEYS.secret_key))["data"]["status"] == "authorized"


def test_listening_needs_authorization_and_leaves_out_streams_that_are_not_there(
    calm: RunningExchange,
) -> None:
    """The acknowledgement lists what is listened to; each listen replaces the one before."""

    def listen(*streams: str) -> dict[str, object]:
        return {"action": "listen", "data": {"streams": streams}}

    def listening(*streams: str) -> dict[str, object]:
        return {"stream": "listening", "data": {"streams": list(streams)}}

    with talking(calm, "/stream") as socket:
        refused = {"stream": "authorization", "data": {"action": "listen", "status": "unauthorized"}}
        assert ask(socket, listen("trade_updates")) == refused
        ask(socket, AUTH)
        assert ask(socket, listen("account_updates", "trade_updates")) == listening("trade_updates")
        calm.trading.submit_order(far_bracket())
        assert [heard(socket)["data"]["event"] for _ in range(3)] == ["accepted", "held", "held"]
        assert ask(socket, listen()) == listening()
        calm.trading.submit_order(far_bracket())
        assert ask(socket, listen("trade_updates")) == listening("trade_updates")


@pytest.mark.parametrize("sent", ["no json", "[1]", '{"action": "shout"}', '{"action": "listen", "data": 1}'])
def test_what_the_trading_stream_cannot_read_is_answered_with_an_error(
    calm: RunningExchange, sent: str
) -> None:
    """The connection stays usable."""
    with talking(calm, "/stream") as socket:
        ask(socket, AUTH)
        socket.send(sent)
        assert heard(socket)["stream"] == "error"
        assert ask(socket, AUTH)["stream"] == "authorization"


def test_every_connection_hears_every_update(calm: RunningExchange) -> None:
    """Several clients may listen at once; an order of one client is told to all."""
    listen = {"action": "listen", "data": {"streams": ["trade_updates"]}}
    with ExitStack() as stack:
        sockets = [stack.enter_context(talking(calm, "/stream")) for _ in range(3)]
        for socket in sockets:
            ask(socket, AUTH)
            ask(socket, listen)
        order = calm.trading.submit_order(far_bracket())
        assert isinstance(order, Order)
        calm.trading.cancel_order_by_id(order.id)
        events = [[heard(socket)["data"]["event"] for _ in range(6)] for socket in sockets]
    assert events == [["accepted", "held", "held", "canceled", "canceled", "canceled"]] * 3


def test_alpaca_py_receives_bars_trades_and_quotes_of_a_stepped_session(calm: RunningExchange) -> None:
    """A minute bar for each minute, the day's bar growing to the one of the data route, ticks in between."""
    bars, daily, trades, quotes = Received(), Received(), Received(), Received()
    stream = StockDataStream(KEYS.key_id, KEYS.secret_key, url_override=address(calm, "/v2/iex"))
    stream.subscribe_bars(bars.take, "*")
    stream.subscribe_daily_bars(daily.take, "LIVELY")
    stream.subscribe_trades(trades.take, "LIVELY")
    stream.subscribe_quotes(quotes.take, "LIVELY")
    with subscribed(running(stream, calm.admin.step)):
        calm.admin.step()
        per_day = 2 * SESSION_MINUTES
        minutes = bars.wait(lambda items: len(items) >= per_day, "a session's minute bars did not come")[
            :per_day
        ]
        days = daily.wait(lambda items: len(items) >= SESSION_MINUTES, "daily bars did not come")
        ticks = trades.wait(lambda items: len(items) >= 79, "trades did not come")[:79]
        offers = quotes.wait(lambda items: len(items) >= 79, "quotes did not come")[:79]
    assert {bar.symbol for bar in minutes} == {"CALM", "LIVELY"}
    lively = [bar for bar in minutes if isinstance(bar, Bar) and bar.symbol == "LIVELY"]
    assert len(lively) == SESSION_MINUTES
    assert (lively[0].open, max(b.high for b in lively), min(b.low for b in lively)) == (50, 55, 45)
    assert lively[-1].close == 52
    day = datetime.fromisoformat(SESSION_DATES[1])
    request = StockBarsRequest(
        symbol_or_symbols="LIVELY", timeframe=TimeFrame.Day, start=day, end=day + timedelta(days=1)
    )
    assert calm.data.get_stock_bars(request)["LIVELY"] == [days[SESSION_MINUTES - 1]]
    assert all(isinstance(tick, Trade) and 45 <= tick.price <= 55 for tick in ticks)
    assert all(isinstance(offer, Quote) and offer.bid_price < offer.ask_price for offer in offers)
    assert [tick.timestamp for tick in ticks] == [offer.timestamp for offer in offers]


def test_data_flows_while_the_clock_runs_at_a_bounded_rate(calm: RunningExchange) -> None:
    """Every minute has its bar; trades come some four a wall second, not one a market second."""
    bars, trades = Received(), Received()
    stream = StockDataStream(KEYS.key_id, KEYS.secret_key, url_override=address(calm, "/v2/iex"))
    stream.subscribe_bars(bars.take, "CALM")
    stream.subscribe_trades(trades.take, "CALM")
    with subscribed(running(stream, calm.admin.status)):
        calm.admin.clock(mode="running", seconds_per_session=1)
        last = SESSION_DATES[3]
        minutes = bars.wait(
            lambda items: bool(items) and items[-1].timestamp.date().isoformat() >= last, "bars stopped"
        )
    second = [bar for bar in minutes if bar.timestamp.date().isoformat() == SESSION_DATES[2]]
    assert len(second) == SESSION_MINUTES
    of_second = [trade for trade in trades.items if trade.timestamp.date().isoformat() == SESSION_DATES[2]]
    assert 3 <= len(of_second) <= 5


@pytest.mark.parametrize("keys", [{"key": KEYS.key_id, "secret": "wrong"}, {"key": 1}, {}])
def test_wrong_keys_end_a_data_connection_with_402(calm: RunningExchange, keys: dict[str, object]) -> None:
    """The client is told, then the server closes."""
    with talking(calm, "/v2/iex") as socket:
        assert heard(socket) == CONNECTED
        assert ask(socket, {"action": "auth", **keys}) == error(402, "auth failed")
        assert is_closed(socket)


def test_keys_may_come_in_the_handshake(calm: RunningExchange) -> None:
    """With the headers of the routes no message is needed; wrong ones end the connection."""
    with talking(calm, "/v2/iex", HEADERS) as socket:
        assert [heard(socket), heard(socket)] == [CONNECTED, AUTHENTICATED]
    with talking(calm, "/v2/iex", {**HEADERS, "APCA-API-SECRET-KEY": "wrong"}) as socket:
        assert [heard(socket), heard(socket)] == [CONNECTED, error(402, "auth failed")]
        assert is_closed(socket)


def test_a_client_that_does_not_authenticate_in_time_is_closed_with_404(
    calm: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds as at Alpaca, a moment here."""
    monkeypatch.setattr(data_stream, "AUTH_WITHIN_SECONDS", 0.1)
    with talking(calm, "/v2/iex") as socket:
        assert [heard(socket), heard(socket)] == [CONNECTED, error(404, "auth timeout")]
        assert is_closed(socket)


def test_a_second_connection_to_a_feed_is_refused_with_406_until_the_first_is_gone(
    calm: RunningExchange,
) -> None:
    """One connection a feed; another feed has its own."""
    with authenticated(calm), authenticated(calm, "delayed_sip"), talking(calm, "/v2/iex") as second:
        heard(second)
        assert ask(second, AUTH) == error(406, "connection limit exceeded")
        assert is_closed(second)
    with authenticated(calm) as again:
        assert ask(again, {"action": "subscribe", "bars": ["CALM"]})[0]["bars"] == ["CALM"]


def test_the_sip_feed_needs_another_subscription(calm: RunningExchange) -> None:
    """409 at the authentication, then closed; a feed that does not exist is no websocket at all."""
    with talking(calm, "/v2/sip") as socket:
        heard(socket)
        assert ask(socket, AUTH) == error(409, "insufficient subscription")
        assert is_closed(socket)
    for path in ("/v2/nonsense", "/", "/v1beta1/news"):
        with pytest.raises(InvalidStatus, match="404") as raised, talking(calm, path):
            pass
        assert b"/stream, /v2/delayed_sip, /v2/iex, /v2/sip" in raised.value.response.body


def test_subscriptions_add_up_and_every_answer_lists_them_all(calm: RunningExchange) -> None:
    """Trades bring corrections and cancellations along; unsubscribing takes away."""
    nothing: dict[str, object] = {channel: [] for channel in data_stream.CHANNELS}
    with authenticated(calm) as socket:
        request = {"action": "subscribe", "trades": ["CALM"], "bars": ["*"]}
        trades = {"trades": ["CALM"], "corrections": ["CALM"], "cancelErrors": ["CALM"]}
        assert ask(socket, request) == [{"T": "subscription", **nothing, **trades, "bars": ["*"]}]
        more = {"action": "subscribe", "statuses": ["*"], "bars": ["LIVELY"]}
        assert ask(socket, more)[0]["bars"] == ["*", "LIVELY"]
        less = {"action": "unsubscribe", "bars": ["*"], "trades": ["CALM"]}
        left = {"bars": ["LIVELY"], "statuses": ["*"], "corrections": [], "cancelErrors": []}
        assert ask(socket, less) == [{"T": "subscription", **nothing, **left}]


@pytest.mark.parametrize(
    ("request_sent", "answer"),
    [
        ("no json", error(400, "invalid syntax")),
        ([1], error(400, "invalid syntax")),
        ({"action": "shout"}, error(400, "invalid syntax")),
        ({"action": "subscribe"}, error(400, "invalid syntax")),
        ({"action": "subscribe", "bars": "CALM"}, error(400, "invalid syntax")),
        ({"action": "subscribe", "bars": ["calm symbol"]}, error(400, "invalid syntax")),
        ({"action": "subscribe", "news": ["CALM"]}, error(410, "invalid subscribe action for this feed")),
        (AUTH, error(403, "already authenticated")),
    ],
)
def test_a_request_the_data_stream_cannot_follow_is_answered_with_its_error(
    calm: RunningExchange, request_sent: object, answer: object
) -> None:
    """The connection goes on after each."""
    with authenticated(calm) as socket:
        socket.send(request_sent if isinstance(request_sent, str) else json.dumps(request_sent))
        assert heard(socket) == answer
        assert ask(socket, {"action": "subscribe", "bars": ["CALM"]})[0]["T"] == "subscription"


def test_subscribing_before_authentication_is_refused_with_401(calm: RunningExchange) -> None:
    """And the keys may still follow."""
    with talking(calm, "/v2/iex") as socket:
        heard(socket)
        assert ask(socket, {"action": "subscribe", "bars": ["CALM"]}) == error(401, "not authenticated")
        assert ask(socket, AUTH) == AUTHENTICATED


@pytest.mark.parametrize("too_much", [{"quotes": ["LIVELY"]}, {"trades": ["*"]}])
def test_more_than_30_symbols_of_trades_and_quotes_are_refused_with_405(
    calm: RunningExchange, too_much: dict[str, object]
) -> None:
    """The subscriptions stay as they were, none of the request is taken, and bars do not count."""
    names = [f"S{number}" for number in range(30)]
    with authenticated(calm) as socket:
        assert ask(socket, {"action": "subscribe", "trades": names, "bars": ["*"]})[0]["trades"] == sorted(
            names
        )
        request = {"action": "subscribe", "dailyBars": ["CALM"], **too_much}
        assert ask(socket, request) == error(405, "symbol limit exceeded")
        after = ask(socket, {"action": "unsubscribe", "lulds": []})[0]
        assert (len(after["trades"]), after["quotes"], after["dailyBars"]) == (30, [], [])


def test_message_pack_is_spoken_when_the_handshake_asks_for_it(calm: RunningExchange) -> None:
    """Binary frames with timestamps of MessagePack's own; JSON comes in text frames with RFC 3339 times."""
    with talking(calm, "/v2/iex", {**HEADERS, "Content-Type": "application/msgpack"}) as socket:
        socket.send(msgspec.msgpack.encode({"action": "subscribe", "bars": ["CALM"]}))
        kinds = [unpacked(socket)[0]["T"] for _ in range(3)]
        assert kinds == ["success", "success", "subscription"]
        calm.admin.step()
        [packed] = unpacked(socket)
        assert packed["t"].isoformat() == f"{SESSION_DATES[1]}T14:30:00+00:00"
    with authenticated(calm) as socket:
        ask(socket, {"action": "subscribe", "bars": ["CALM"]})
        calm.admin.step()
        text = socket.recv(READY_WITHIN_SECONDS)
        assert isinstance(text, str)
        assert json.loads(text)[0]["t"] == f"{SESSION_DATES[2]}T14:30:00Z"


def test_nothing_from_before_the_subscription_is_sent(calm: RunningExchange) -> None:
    """A client that subscribes after a session has passed gets the next one from its first minute."""
    with authenticated(calm) as socket:
        calm.admin.step()
        ask(socket, {"action": "subscribe", "bars": ["CALM"]})
        calm.admin.step()
        [bar] = heard(socket)
        assert (bar["T"], bar["S"], bar["t"]) == ("b", "CALM", f"{SESSION_DATES[2]}T14:30:00Z")


def test_a_stream_that_fails_says_so_and_closes(
    calm: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500, and the next connection is served again."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with authenticated(calm) as socket, monkeypatch.context() as broken:
        ask(socket, {"action": "subscribe", "bars": ["CALM"]})
        broken.setattr(MarketSource, "points", fail)
        calm.admin.step()
        assert heard(socket) == error(500, "internal error")
        assert is_closed(socket)
    with authenticated(calm):
        pass


def test_the_test_feed_trades_at_night(calm: RunningExchange) -> None:
    """FAKEPACA has prices though the market is closed and nobody steps it."""
    with authenticated(calm, "test") as socket:
        ask(socket, {"action": "subscribe", "trades": ["FAKEPACA"], "quotes": ["FAKEPACA"]})
        assert [(point["T"], point["S"]) for point in heard(socket)] == [("t", "FAKEPACA"), ("q", "FAKEPACA")]


MANY: Prices = {f"S{number}": [(100, 101, 99, 100)] * 6 for number in range(30)}


@contextmanager
def stuck(exchange: RunningExchange) -> Iterator[None]:
    """A client that subscribes to every bar and then reads nothing, behind the smallest of buffers."""
    with socket_library.socket() as line:
        line.setsockopt(socket_library.SOL_SOCKET, socket_library.SO_RCVBUF, 2048)
        line.connect(("127.0.0.1", int(exchange.url.rpartition(":")[2])))
        # With room for one message the client stops reading its socket at the second.
        with connect(
            address(exchange, "/v2/iex"),
            sock=line,
            compression=None,
            max_queue=1,
            proxy=None,
            close_timeout=0.1,
        ) as reader:
            heard(reader)
            ask(reader, AUTH)
            ask(reader, {"action": "subscribe", "bars": ["*"], "dailyBars": ["*"]})
            yield
            with suppress(OSError):  # it may have been closed when the server left
                line.shutdown(socket_library.SHUT_RDWR)


@pytest.fixture
def lasting() -> Iterator[ExitStack]:
    """Keeps what is entered until the fixtures named after it are gone."""
    with ExitStack() as stack:
        yield stack


def test_a_client_that_reads_nothing_is_dropped_and_holds_up_nobody(
    lasting: ExitStack, serve: Serve, prices: WriteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The market steps on, the connection's place is free again, and stopping does not wait for it."""
    monkeypatch.setattr(connection, "SLOW_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(connection, "QUEUED_FRAMES", 4)
    monkeypatch.setattr(opening, "_STOP_WITHIN_SECONDS", 1)
    exchange = serve(prices(MANY))
    lasting.enter_context(stuck(exchange))
    for _ in SESSION_DATES[1:]:
        exchange.admin.step()
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    answer = None
    while answer != AUTHENTICATED:
        assert time.monotonic() < deadline, "the slow client was not dropped"
        with talking(exchange, "/v2/iex") as second:
            heard(second)
            answer = ask(second, AUTH)


def test_an_exchange_with_open_streams_stops_at_once(process: ExchangeProcess) -> None:
    """Clients are told that the server goes; nothing waits for them."""
    with talking(process, "/stream") as trading, authenticated(process) as data:
        ask(trading, AUTH)
        process.process.terminate()
        assert process.process.wait(READY_WITHIN_SECONDS) == 0
        assert is_closed(trading)
        assert is_closed(data)
