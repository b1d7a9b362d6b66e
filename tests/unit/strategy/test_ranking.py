"""Signals become intents in one order: exits, then strength, then symbol."""

from __future__ import annotations

import random
from decimal import Decimal

from alpaquero.orders.intent import Side
from alpaquero.strategy.ranking import rank
from alpaquero.strategy.signal import Signal
from tests.unit.orders.builders import NOON


def signal(side: Side, strength: int, symbol: str) -> Signal:
    """A signal at noon."""
    return Signal(
        symbol=symbol,
        side=side,
        strategy="stochrsi_ema",
        timeframe="1Day",
        bar_start=NOON,
        bar_close=NOON,
        strength=strength,
        reference_price=Decimal(1),
        reason="test",
    )


def test_exits_come_first_then_strength_then_symbol() -> None:
    """The order does not depend on the order in which shards report."""
    expected = [
        signal(Side.SELL, 90, "MSFT"),
        signal(Side.SELL, 75, "AAPL"),
        signal(Side.SELL, 75, "IBM"),
        signal(Side.BUY, 90, "GOOG"),
        signal(Side.BUY, 75, "FB"),
        signal(Side.BUY, 75, "ORCL"),
    ]
    for seed in range(20):
        assert expected == rank(random.Random(seed).sample(expected, len(expected))), seed
