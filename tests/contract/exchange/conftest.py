"""Exchanges for the tests to drive with alpaca-py: real processes on free ports, or one in a thread.

A process is what users run, and what a test of starting, killing and running clocks needs. A thread
serves the same app over the same HTTP without a second of start-up, for the many tests of trading.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import select
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx
import pytest
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.trading.client import TradingClient
from starlette.types import ASGIApp

import alpaquero
import laptop
from alpaquero.simulation import MatchingTerms
from laptop.exchange.app import build_app
from laptop.exchange.client import ExchangeAdmin
from laptop.exchange.gate import Keys
from laptop.exchange.history import folder_history
from laptop.exchange.opening import AnnouncingServer, open_venue

from .exceptions import SPOILT
from .official import Answer, problems
from .watching import watching

READY_WITHIN_SECONDS = 30
# The exchange speaks plain HTTP: loading the certificates of all authorities takes longer than a test.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
KEYS = Keys("test-key", "test-secret", "test-admin-token", "test-faults-token")
SESSION_DATES = ["2012-11-19", "2012-11-20", "2012-11-21", "2012-11-23", "2012-11-26", "2012-11-27"]
_SOURCES = [Path(module.__path__[0]).parent for module in (alpaquero, laptop)]
Prices = Mapping[str, Sequence[tuple[float, float, float, float]]]


@dataclass(frozen=True)
class RunningExchange:
    """An exchange and its clients."""

    url: str
    admin: ExchangeAdmin
    trading: TradingClient
    data: StockHistoricalDataClient

    def get(self, path: str, **params: object) -> httpx.Response:
        """A plain request with the right keys, for what alpaca-py does not show."""
        headers = {"APCA-API-KEY-ID": KEYS.key_id, "APCA-API-SECRET-KEY": KEYS.secret_key}
        shown = {name: str(value) for name, value in params.items()}
        return httpx.get(
            self.url + path, headers=headers, params=shown, trust_env=False, verify=NO_AUTHORITIES
        )


@dataclass(frozen=True)
class ExchangeProcess(RunningExchange):
    """An exchange in a process of its own."""

    process: subprocess.Popen[str]


@pytest.fixture(autouse=True)
def as_the_official_specs_say(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold every answer that a test gets, through whatever client, against Alpaca's official specs."""
    if request.module.__name__.rsplit(".", 1)[-1] in SPOILT:
        yield
        return

    def hold(answer: Answer) -> None:
        found = problems(answer)
        assert not found, "\n".join(found)

    with watching(hold):
        yield


Start = Callable[..., ExchangeProcess]
Serve = Callable[..., RunningExchange]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts exchange processes with the given arguments; all are ended with the module's tests."""
    token_file = tmp_path_factory.mktemp("token") / "token"
    token_file.write_text(KEYS.admin_token)
    secret_file, faults_file = token_file.with_name("secret"), token_file.with_name("faults")
    secret_file.write_text(KEYS.secret_key)
    faults_file.write_text(KEYS.faults_token)
    with ExitStack() as stack:

        def begin(state: Path, *arguments: str, seed: int = 1, clock: str = "stepped") -> ExchangeProcess:
            required = {"--state": state, "--port": 0, "--seed": seed, "--clock": clock}
            access = {
                "--key": KEYS.key_id,
                "--secret-file": secret_file,
                "--admin-token-file": token_file,
                "--faults-token-file": faults_file,
            }
            options = [str(part) for pair in {**required, **access}.items() for part in pair]
            process = subprocess.Popen(
                [sys.executable, "-m", "laptop.exchange", *options, *arguments],
                stdout=subprocess.PIPE,
                text=True,
                cwd=token_file.parent,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, _SOURCES))},
            )
            stack.callback(end, process)
            return ExchangeProcess(*_clients(_port(process), stack), process)

        yield begin


class PromptServer(AnnouncingServer):
    """Ends when it is told to, not at the next tenth of a second."""

    def __init__(self, app: ASGIApp, announce: Callable[[int], None]) -> None:
        super().__init__(app, announce)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    async def main_loop(self) -> None:
        """Serve until told."""
        self._loop = asyncio.get_running_loop()
        await self.on_tick(0)
        await self._told.wait()

    def stop(self) -> None:
        """Tell it, from another thread."""
        assert self._loop is not None, "the exchange was not ready"
        self._loop.call_soon_threadsafe(self._told.set)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves made prices from a thread, stepped, from the second of SESSION_DATES on."""
    with ExitStack() as stack:

        def begin(data: Path, terms: MatchingTerms | None = None) -> RunningExchange:
            ready: queue.Queue[int] = queue.Queue()
            servers: list[PromptServer] = []

            def run() -> None:
                first = date.fromisoformat(SESSION_DATES[1])
                history = folder_history(data)
                venue = open_venue(history, tmp_path / "state", terms or MatchingTerms(1), first=first)
                servers.append(PromptServer(build_app(venue, KEYS), ready.put))
                servers[0].run(sockets=[listening])

            listening = stack.enter_context(socket.socket())
            listening.bind(("127.0.0.1", 0))
            thread = threading.Thread(target=run)
            thread.start()

            def stop() -> None:
                for server in servers:
                    server.stop()
                thread.join(READY_WITHIN_SECONDS)
                assert not thread.is_alive(), "the exchange did not stop"

            stack.callback(stop)
            return RunningExchange(*_clients(ready.get(timeout=READY_WITHIN_SECONDS), stack))

        yield begin


def _clients(
    port: int, stack: ExitStack
) -> tuple[str, ExchangeAdmin, TradingClient, StockHistoricalDataClient]:
    url = f"http://127.0.0.1:{port}"
    admin = stack.enter_context(ExchangeAdmin(url, KEYS.admin_token))
    keys = (KEYS.key_id, KEYS.secret_key)
    trading = TradingClient(*keys, url_override=url)
    return url, admin, trading, StockHistoricalDataClient(*keys, url_override=url)


@pytest.fixture
def prices(tmp_path: Path) -> Callable[[Prices], Path]:
    """Writes a folder of daily CSV files: open, high, low, close for SESSION_DATES in order."""

    def write(by_symbol: Prices) -> Path:
        folder = tmp_path / "prices"
        folder.mkdir()
        for symbol, days in by_symbol.items():
            rows = [
                f"{day},{','.join(map(str, four))},10000"
                for day, four in zip(SESSION_DATES, days, strict=False)
            ]
            text = "\n".join(["timestamp,open,high,low,close,volume", *rows])
            (folder / f"{symbol}.csv").write_text(text + "\n")
        return folder

    return write


def end(process: subprocess.Popen[str]) -> None:
    """End a process that may have ended before."""
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=READY_WITHIN_SECONDS)


def _port(process: subprocess.Popen[str]) -> int:
    """The port of the ready line."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], READY_WITHIN_SECONDS)
    line = process.stdout.readline() if ready else ""
    assert line, "the exchange did not say that it is ready"
    said = json.loads(line)
    assert said["ready"] is True
    return int(said["port"])
