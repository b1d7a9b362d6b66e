"""Paper keys never reach the live host, from any function that talks to the trading API."""

from __future__ import annotations

import os

import pytest

from alpaquero.errors import ConfigurationError
from alpaquero.settings import FunctionSettings, load
from functions.market_data import api as market
from functions.risk import monitor
from functions.signal import plan
from functions.trading import execute, sync


@pytest.mark.parametrize(
    "settings", [execute.SETTINGS, sync.SETTINGS, plan.SETTINGS, monitor.SETTINGS, market.SETTINGS]
)
def test_the_live_host_needs_the_live_environment(settings: FunctionSettings) -> None:
    """A paper stack that is given the live address does not start."""
    live = {**os.environ, "ENVIRONMENT": "paper", "ALPACA_TRADING_URL": "https://api.alpaca.markets"}
    with pytest.raises(ConfigurationError, match="is the live host but ENVIRONMENT is paper"):
        load(type(settings), live)
