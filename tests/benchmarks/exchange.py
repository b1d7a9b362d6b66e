"""How fast the paper exchange is: orders a second, and a whole universe of bars, over HTTP.

The exchange is a process as users start it. The client keeps its connections open and parses nothing
while the clock runs, so that it is not what is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

import uvloop
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.models import BarSet
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame

import alpaquero
import laptop
from laptop.exchange.client import ExchangeAdmin
from tests.benchmarks.rows import Goal, Row, percentile

SYMBOLS, SESSIONS, PAGES, PAGE_BARS = 500, 250, 13, 10_000
ORDERS, IN_FLIGHT, REPETITIONS = 2000, 8, 5
_KEYS, _TOKEN = ("bench-key", "bench-secret"), "bench-token"
_HEAD = f"host: exchange\r\napca-api-key-id: {_KEYS[0]}\r\napca-api-secret-key: {_KEYS[1]}\r\n"
_READY_WITHIN_SECONDS = 60
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Answered:
    """An answer and how long it took."""

    status: int
    body: bytes
    seconds: float


class Connection:
    """One keep-alive connection that sends prepared requests, one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, request: bytes) -> Answered:
        """Send a request and read its answer."""
        began = perf_counter()
        self._writer.write(request)
        head = await self._reader.readuntil(_END_OF_HEAD)
        lower = head.lower()
        length = int(lower[lower.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
        body = await self._reader.readexactly(length)
        return Answered(int(head[9:12]), body, perf_counter() - began)

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def _connect(port: int) -> Connection:
    return Connection(*await asyncio.open_connection("127.0.0.1", port, limit=2**24))


def get(path: str) -> bytes:
    """A GET request as bytes."""
    return f"GET {path} HTTP/1.1\r\n{_HEAD}\r\n".encode()


def placement(number: int, symbol: str) -> bytes:
    """A request that places a limit order far below the market."""
    order = {
        "symbol": symbol,
        "qty": "1",
        "side": "buy",
        "type": "limit",
        "limit_price": "1",
        "time_in_force": "gtc",
        "client_order_id": f"bench-{number}",
    }
    body = json.dumps(order)
    return (
        f"POST /v2/orders HTTP/1.1\r\n{_HEAD}content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


@contextmanager
def exchange(*arguments: str) -> Iterator[int]:
    """The port of an exchange process that ends with the block."""
    sources = [str(Path(module.__path__[0]).parent) for module in (alpaquero, laptop)]
    with tempfile.TemporaryDirectory(prefix="alpaquero-bench-") as folder:
        secret, token = Path(folder, "secret"), Path(folder, "token")
        secret.write_text(_KEYS[1])
        token.write_text(_TOKEN)
        access = ["--key", _KEYS[0], "--secret-file", str(secret), "--admin-token-file", str(token)]
        options = ["--state", f"{folder}/state", "--port", "0", "--clock", "stepped"]
        process = subprocess.Popen(
            [sys.executable, "-m", "laptop.exchange", *options, *access, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
        )
        try:
            yield _port(process)
        finally:
            process.terminate()
            process.communicate(timeout=_READY_WITHIN_SECONDS)


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _READY_WITHIN_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not line:
        raise RuntimeError("the exchange did not start; what it wrote is above")
    return int(json.loads(line)["port"])


async def place(port: int, requests: Sequence[bytes]) -> tuple[float, list[float]]:
    """Place orders, IN_FLIGHT at a time: the seconds they took in all, and each one's."""
    connections = [await _connect(port) for _ in range(IN_FLIGHT)]
    waiting = iter(requests)
    latencies: list[float] = []

    async def work(connection: Connection) -> None:
        for request in waiting:
            answered = await connection.ask(request)
            if answered.status != 200:
                raise RuntimeError(f"an order was refused: {answered.body.decode()}")
            latencies.append(answered.seconds)

    began = perf_counter()
    await asyncio.gather(*map(work, connections))
    seconds = perf_counter() - began
    for connection in connections:
        connection.close()
    return seconds, latencies


async def read_bars(port: int, symbols: Sequence[str], start: str) -> list[Answered]:
    """All pages of the daily bars of some symbols, one after the other over one connection."""
    connection = await _connect(port)
    path = f"/v2/stocks/bars?timeframe=1Day&start={start}&limit={PAGE_BARS}&symbols={','.join(symbols)}"
    pages: list[Answered] = []
    token = ""
    while token or not pages:
        page = await connection.ask(get(path + (f"&page_token={token}" if token else "")))
        if page.status != 200:
            raise RuntimeError(f"a page was refused: {page.body.decode()}")
        pages.append(page)
        token = next_token(page.body)
    connection.close()
    return pages


def next_token(body: bytes) -> str:
    """The token of the next page, found without parsing the bars: it is at one end of the body."""
    key = b'"next_page_token":'
    where = body.find(key, 0, 400) if body.find(key, 0, 400) >= 0 else body.rfind(key)
    value = body[where + len(key) :].lstrip()
    return "" if value.startswith(b"null") else value[1 : value.index(b'"', 1)].decode()


def measure() -> Iterator[Row]:
    """The rows of this part."""
    yield from measure_orders()
    yield from measure_bars()


def measure_orders() -> Iterator[Row]:
    """Orders a second into one process on the shipped prices, and how long one takes."""
    symbols = ("AAPL", "GOOG", "IBM", "MSFT")
    requests = [
        placement(number, symbols[number % len(symbols)]) for number in range(ORDERS * (REPETITIONS + 1))
    ]
    rates: list[float] = []
    latencies: list[float] = []
    with exchange("--sessions", "5") as port:
        uvloop.run(place(port, requests[:ORDERS]))
        for repetition in range(1, REPETITIONS + 1):
            seconds, each = uvloop.run(place(port, requests[repetition * ORDERS :][:ORDERS]))
            rates.append(ORDERS / seconds)
            latencies += each
    shown = f"exchange order placement, {IN_FLIGHT} in flight"
    yield Row(shown, median(rates), "orders/s", goal=Goal(at_least=1000))
    yield Row(f"{shown}, p50", percentile(latencies, 0.5) * 1000, "ms")
    yield Row(f"{shown}, p99", percentile(latencies, 0.99) * 1000, "ms")


def measure_bars() -> Iterator[Row]:
    """The daily bars of a made-up universe in pages, as bytes and through alpaca-py."""
    fresh: list[float] = []
    again: list[float] = []
    each: list[float] = []
    with exchange("--synthetic", str(SYMBOLS), "--sessions", str(REPETITIONS + 1)) as port:
        symbols, start = asyncio.run(_universe(port))
        admin = ExchangeAdmin(f"http://127.0.0.1:{port}", _TOKEN)
        for repetition in range(REPETITIONS + 1):
            for totals in (fresh, again):
                pages = uvloop.run(read_bars(port, symbols, start))
                if len(pages) != PAGES:
                    raise RuntimeError(f"{len(pages)} pages instead of {PAGES}")
                totals.append(sum(page.seconds for page in pages))
                each += [page.seconds for page in pages] if repetition else []
            if repetition < REPETITIONS:
                admin.step()
                _, start = asyncio.run(_universe(port))
        admin.close()
        client = StockHistoricalDataClient(*_KEYS, url_override=f"http://127.0.0.1:{port}")
        parsed = [_through_alpaca_py(client, symbols, start) for _ in range(2)]
    shown = f"exchange {SYMBOLS} x {SESSIONS} daily bars"
    goal = Goal(at_most=300)
    yield Row(
        f"{shown}, {PAGES} pages, first asked after a session", median(fresh[1:]) * 1000, "ms", goal=goal
    )
    yield Row(f"{shown}, {PAGES} pages, asked again", median(again[1:]) * 1000, "ms", goal=goal)
    yield Row(f"{shown}, {PAGES} pages, first asked after the start", fresh[0] * 1000, "ms")
    yield Row(f"{shown}, p99 of a page", percentile(each, 0.99) * 1000, "ms")
    yield Row(f"{shown}, parsed by alpaca-py", median(parsed) * 1000, "ms")


def pages_of_universe(port: int, sessions: int) -> list[bytes]:
    """The daily bars of the last sessions of all that the exchange trades, a body a page."""

    async def read() -> list[Answered]:
        symbols, start = await _universe(port, sessions)
        return await read_bars(port, symbols, start)

    return [page.body for page in asyncio.run(read())]


async def _universe(port: int, sessions: int = SESSIONS) -> tuple[list[str], str]:
    """The symbols that the exchange trades, and the date of the first of the last sessions."""
    connection = await _connect(port)

    async def read(path: str) -> object:
        return json.loads((await connection.ask(get(path))).body)

    assets, clock = await read("/v2/assets"), await read("/v2/clock")
    assert isinstance(assets, list)
    assert isinstance(clock, dict)
    today = clock["timestamp"][:10]
    calendar = await read(f"/v2/calendar?start=2000-01-01&end={today}")
    assert isinstance(calendar, list)
    connection.close()
    return sorted(asset["symbol"] for asset in assets), calendar[-sessions]["date"]


def _through_alpaca_py(client: StockHistoricalDataClient, symbols: list[str], start: str) -> float:
    """Seconds in which alpaca-py reads the same bars into its models."""
    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    wanted = StockBarsRequest(symbol_or_symbols=symbols, timeframe=TimeFrame.Day, start=first)
    began = perf_counter()
    bars = client.get_stock_bars(wanted)
    seconds = perf_counter() - began
    assert isinstance(bars, BarSet)
    if sum(map(len, bars.data.values())) != SYMBOLS * SESSIONS:
        raise RuntimeError("alpaca-py read another number of bars")
    return seconds
