"""A client's connection: faults on the way out, and what becomes of a client that takes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest
from starlette.types import Message as Event
from starlette.websockets import WebSocket

from laptop.exchange import connection as connections
from laptop.exchange.connection import (
    CONTROL,
    Connection,
    ConnectionEnd,
    Encoding,
    Message,
    Outgoing,
    Verdict,
)

DEADLINE_SECONDS = 10


class Scripted:
    """Judges a message by its symbol, and notes what it was asked."""

    def __init__(self, verdicts: Mapping[str, Verdict]) -> None:
        self._verdicts = verdicts
        self.asked: list[Outgoing] = []

    def judge(self, message: Outgoing) -> Verdict:
        """The verdict of the script."""
        self.asked.append(message)
        return self._verdicts.get(message.symbol, Verdict.DELIVER)


class Client:
    """The other side of a socket: notes what it is sent; `takes` says when it takes anything."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed = False
        self.takes = asyncio.Event()
        self.takes.set()

    async def receive(self) -> Event:
        """Connect, then say nothing."""
        if not self.sent:
            return {"type": "websocket.connect"}
        return await asyncio.Future()

    async def send(self, event: Event) -> None:
        """Take what the server sends."""
        await self.takes.wait()
        if event["type"] == "websocket.send":
            self.sent.append(msgspec.json.decode(event["text"]))
        self.closed = self.closed or event["type"] == "websocket.close"


def message(symbol: str, kind: str = "t") -> Message:
    """A message about a symbol."""
    return Message(kind, symbol, {"S": symbol})


def run(
    talk: Callable[[Connection, Client], Awaitable[None]], faults: Mapping[str, Verdict] | None = None
) -> tuple[Client, Connection, Scripted]:
    """Let `talk` be the job of a connection; every task must be gone afterwards."""

    async def whole() -> tuple[Client, Connection, Scripted]:
        client, scripted = Client(), Scripted(faults or {})
        socket = WebSocket({"type": "websocket"}, client.receive, client.send)
        await socket.accept()
        encoding = Encoding(msgpack=False, binary=False, listed=True)
        connection = Connection(socket, encoding, scripted, stream="data", feed="iex", number=7)

        async def job() -> None:
            await talk(connection, client)

        async with asyncio.timeout(DEADLINE_SECONDS):
            await connection.run(job())
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return client, connection, scripted

    return asyncio.run(whole())


async def send_abc(connection: Connection, _: Client) -> None:
    """Send three messages in frames of their own, then close."""
    for symbol in "ABC":
        await connection.feed([message(symbol)])
    await connection.finish()


@pytest.mark.parametrize(
    ("verdict", "sent"),
    [
        (Verdict.DELIVER, "ABC"),
        (Verdict.DUPLICATE, "ABBC"),
        (Verdict.HOLD, "ACB"),
        (Verdict.SWALLOW, "AC"),
        (Verdict.CUT, "A"),
    ],
)
def test_each_verdict_does_to_a_message_what_it_says(verdict: Verdict, sent: str) -> None:
    """The others are not touched; after a cut nothing is sent and no closing handshake either."""
    client, _, _ = run(send_abc, {"B": verdict})
    assert "".join(point["S"] for frame in client.sent for point in frame) == sent
    assert client.closed is (verdict is not Verdict.CUT)


def test_messages_of_one_frame_are_judged_one_by_one() -> None:
    """What is left of the frame goes out together, in the order that the verdicts make."""

    async def talk(connection: Connection, _: Client) -> None:
        await connection.feed([message(symbol) for symbol in "ABCD"])
        await connection.finish()

    client, _, _ = run(talk, {"A": Verdict.HOLD, "C": Verdict.DUPLICATE, "D": Verdict.CUT})
    assert [[point["S"] for point in frame] for frame in client.sent] == [["B", "A", "C", "C"]]


def test_the_switchboard_is_told_which_message_it_judges() -> None:
    """Stream, feed, kind, symbol and the connection's number; control messages too."""

    async def talk(connection: Connection, _: Client) -> None:
        connection.offer(Message(CONTROL, "", {"T": "success"}))
        connection.offer(message("A", "q"))
        await connection.finish()

    _, _, scripted = run(talk)
    assert scripted.asked == [
        Outgoing("data", "iex", "control", "", 7),
        Outgoing("data", "iex", "q", "A", 7),
    ]


def test_a_client_that_lets_its_queue_run_full_is_dropped_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Offering never waits: the connection ends although the client takes nothing."""
    monkeypatch.setattr(connections, "QUEUED_FRAMES", 10)

    async def talk(connection: Connection, client: Client) -> None:
        client.takes.clear()
        for _ in range(20):
            connection.offer(message("A"))
        await asyncio.Future()

    client, connection, _ = run(talk)
    assert connection.slow
    assert client.sent == []


def test_a_producer_waits_for_a_client_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeding keeps the pace of a client that takes late, and gives up one that takes nothing."""
    monkeypatch.setattr(connections, "QUEUED_FRAMES", 2)

    async def feed_fifty(connection: Connection) -> None:
        for _ in range(50):
            await connection.feed([message("A")])

    async def late(connection: Connection, client: Client) -> None:
        client.takes.clear()
        asyncio.get_running_loop().call_later(0.01, client.takes.set)
        await feed_fifty(connection)
        await connection.finish()

    client, connection, _ = run(late)
    assert (len(client.sent), connection.slow) == (50, False)
    monkeypatch.setattr(connections, "SLOW_AFTER_SECONDS", 0.01)

    async def never(connection: Connection, client: Client) -> None:
        client.takes.clear()
        with pytest.raises(ConnectionEnd):
            await feed_fifty(connection)

    client, connection, _ = run(never)
    assert (client.sent, connection.slow) == ([], True)


def test_a_client_that_was_too_slow_is_told_why_if_it_takes_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last message goes out with the close; a client that still takes nothing is not waited for."""
    monkeypatch.setattr(connections, "_LAST_WORD_SECONDS", 0.05)

    async def part(*, takes: bool) -> Client:
        client = Client()
        socket = WebSocket({"type": "websocket"}, client.receive, client.send)
        await socket.accept()
        encoding = Encoding(msgpack=False, binary=False, listed=True)
        connection = Connection(socket, encoding, Scripted({}), stream="data", feed="iex", number=1)
        if not takes:
            client.takes.clear()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await connection.last_word(message("slow"))
        return client

    taking, stuck = asyncio.run(part(takes=True)), asyncio.run(part(takes=False))
    assert (taking.sent, taking.closed) == ([[{"S": "slow"}]], True)
    assert (stuck.sent, stuck.closed) == ([], False)


def test_what_a_job_raises_is_raised_by_the_connection() -> None:
    """A mistake is not taken for a client that left."""

    async def talk(_: Connection, __: Client) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(talk)
