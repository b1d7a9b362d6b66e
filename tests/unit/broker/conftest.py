"""The adapters connected to a scripted server, without waiting between tries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.trading.client import TradingClient

from alpaquero.broker.alpaca import AlpacaSubmitter
from alpaquero.broker.market_data import AlpacaMarketData
from alpaquero.broker.transport import BrokerTransport, OrderTransport
from tests.fakes.http_server import ScriptedServer, scripted_server


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """The seconds the transport would have slept, in order."""
    return []


@pytest.fixture
def broker(server: ScriptedServer, waits: list[float]) -> AlpacaSubmitter:
    client = TradingClient("key", "secret", raw_data=True, url_override=server.url)
    return AlpacaSubmitter(OrderTransport(client, sleep=waits.append, jitter=lambda: 0.0))


@pytest.fixture
def market_data(server: ScriptedServer, waits: list[float]) -> AlpacaMarketData:
    client = StockHistoricalDataClient("key", "secret", raw_data=True, url_override=server.url)
    return AlpacaMarketData(BrokerTransport(client, sleep=waits.append, jitter=lambda: 0.0))
