"""The world around the trading functions; nothing in it reaches a network."""

from __future__ import annotations

import pytest

from tests.fakes.broker import FakeMarketData
from tests.fakes.queues import FakeQueues
from tests.unit.trading.world import World


@pytest.fixture(autouse=True)
def no_data_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Market data without a price, for the tests that bring none."""
    monkeypatch.setattr("functions.trading.sync._market_data", FakeMarketData)


@pytest.fixture
def world(tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> World:
    """An account whose books the first sync has opened."""
    made = World(queues)
    monkeypatch.setattr("functions.trading.execute._broker", lambda: made.broker)
    monkeypatch.setattr("functions.trading.execute._prices", made.feed)
    monkeypatch.setattr("functions.trading.sync._broker", lambda: made.broker)
    monkeypatch.setattr("functions.trading.sync._market_data", made.feed)
    made.sync()
    return made
