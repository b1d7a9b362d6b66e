"""The two brokers the contract holds for: the tests' fake, and our adapter against the paper exchange."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol
from urllib.request import Request, urlopen

import pytest
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.trading.client import TradingClient

from alpaquero.broker.alpaca import AlpacaSubmitter
from alpaquero.broker.market_data import AlpacaMarketData
from alpaquero.broker.protocol import MarketDataReader, OrderSubmitter
from alpaquero.broker.transport import BrokerTransport, OrderTransport
from alpaquero.prices.bars import Bar
from alpaquero.prices.sessions import Session, bar_start
from tests.fakes.broker import START, FakeBroker, FakeMarketData

FIRST_DAY = date(2012, 1, 9)
HOLIDAYS = {date(2012, 1, 16), date(2012, 2, 20)}
CALM_SESSIONS, ALL_SESSIONS, TRADED_SESSIONS = 10, 20, 14
CALM, HIGH = Decimal(100), Decimal(120)
TOKEN = "admin-token-of-the-tests"


class World(Protocol):
    """A broker with one symbol, AAPL, at 100 dollars until `rise`, and a clock that tests move."""

    @property
    def broker(self) -> OrderSubmitter:
        """Where orders go."""

    @property
    def data(self) -> MarketDataReader:
        """Where prices come from."""

    def step(self) -> None:
        """One session passes."""

    def rise(self) -> None:
        """Sessions pass until AAPL has gone from 100 to 120."""


@dataclass
class FakeWorld:
    """The in-memory broker."""

    broker: FakeBroker
    data: FakeMarketData

    def step(self) -> None:
        self.broker.step()

    def rise(self) -> None:
        self.broker.prices["AAPL"] = HIGH
        self.broker.step()


@dataclass
class ExchangeWorld:
    """Our adapter, over alpaca-py and HTTP, against the paper exchange's own process."""

    broker: AlpacaSubmitter
    data: AlpacaMarketData
    url: str

    def step(self) -> None:
        request = Request(  # noqa: S310 - loopback
            f"{self.url}/admin/step", data=b"{}", headers={"Authorization": f"Bearer {TOKEN}"}, method="POST"
        )
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            answer.read()

    def rise(self) -> None:
        for _ in range(ALL_SESSIONS):
            self.step()
            if self.data.latest_trades(["AAPL"])["AAPL"].price > 110:
                return
        raise AssertionError("the made prices never rise")


@pytest.fixture(params=["fake", "exchange"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Each contract test runs against both."""
    if request.param == "fake":
        prices = {"AAPL": CALM}
        bars = [
            Bar(bar_start(session), 100.0, 100.5, 99.5, 100.0, 1_000_000) for session in _sessions_before()
        ]
        yield FakeWorld(FakeBroker(prices), FakeMarketData({"AAPL": bars}, prices))
        return
    with _exchange(tmp_path) as running:
        yield running


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeWorld]:
    """The paper exchange alone, for what only a wire can do wrong."""
    with _exchange(tmp_path) as running:
        yield running


@contextmanager
def _exchange(folder: Path) -> Iterator[ExchangeWorld]:
    process, url = _start_exchange(folder)
    try:
        trading = TradingClient("key", "secret", raw_data=True, url_override=url)
        prices_client = StockHistoricalDataClient("key", "secret", raw_data=True, url_override=url)
        broker = AlpacaSubmitter(OrderTransport(trading))
        yield ExchangeWorld(broker, AlpacaMarketData(BrokerTransport(prices_client)), url)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _sessions_before() -> list[Session]:
    day = START.date()
    return FakeBroker().sessions(day - timedelta(30), day - timedelta(1))


def _start_exchange(folder: Path) -> tuple[subprocess.Popen[str], str]:
    prices = folder / "prices"
    prices.mkdir()
    (prices / "AAPL.csv").write_text(_made_prices())
    token_file = folder / "admin-token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    command = [sys.executable, "-m", "laptop.exchange", "--state", str(folder / "state"), "--port", "0"]
    command += ["--clock", "stepped", "--data", str(prices), "--sessions", str(TRADED_SESSIONS)]
    command += ["--key", "key", "--secret", "secret", "--admin-token-file", str(token_file)]
    root = Path(__file__).parents[3]
    paths = os.pathsep.join([str(root / "layers/alpaquero/python"), str(root / "localstack")])
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    assert process.stdout is not None
    announced = process.stdout.readline()
    if not announced:
        raise AssertionError(f"the paper exchange did not start, it ended with {process.wait(10)}")
    return process, f"http://127.0.0.1:{json.loads(announced)['port']}"


def _made_prices() -> str:
    """Calm days at 100, one day on which AAPL goes up to 120, and days at 120."""
    lines = ["timestamp,open,high,low,close,volume"]
    days = [day for n in range(60) if (day := FIRST_DAY + timedelta(n)).weekday() < 5 and day not in HOLIDAYS]
    for number, day in enumerate(days[:ALL_SESSIONS]):
        if number < CALM_SESSIONS:
            values = "100,100.5,99.5,100"
        elif number == CALM_SESSIONS:
            values = "100,121,99.5,120"
        else:
            values = "120,120.5,119.5,120"
        lines.append(f"{day},{values},1000000")
    return "\n".join(lines) + "\n"
