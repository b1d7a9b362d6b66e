"""Made bars, runs and settings for the tests of a signal run."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from alpaquero.orders.intent import Side
from alpaquero.prices.bars import Bar
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.rules_version import RULES_VERSION
from alpaquero.store import trading_settings
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.strategy.run import Judged, Run, ShardReport, run_id
from alpaquero.strategy.signal import Signal

FRIDAY = date(2024, 1, 5)
CLOSE = datetime(2024, 1, 5, 21, tzinfo=UTC)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).astimezone(UTC)


def bars_to(last: date, count: int = 260, scale: float = 1.0) -> list[Bar]:
    """`count` daily bars on weekdays, the last one on `last`; prices wave around 100 times `scale`."""
    days: list[date] = []
    day = last
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day -= timedelta(days=1)
    found = []
    for day in reversed(days):
        close = scale * (100 + 10 * math.sin(day.toordinal() / 9))
        found.append(Bar(midnight(day), close, close + scale, close - scale, close, 1000))
    return found


def save_settings(**changes: Any) -> int:
    """Saves settings with a watchlist; answers their version."""
    version = trading_settings.current().version
    settings = TradingSettings(**{"watchlist": ("AAPL",), **changes})
    trading_settings.save(
        settings, author="ana", reason="test", after_version=version, now=datetime(2024, 1, 1, tzinfo=UTC)
    )
    return version + 1


def a_run(**changes: Any) -> Run:
    """A run of Friday's bar, two shards of one symbol."""
    given: dict[str, Any] = {
        "id": run_id("1Day", CLOSE),
        "account": "paper",
        "timeframe": "1Day",
        "bar_start": midnight(FRIDAY),
        "bar_close": CLOSE,
        "valid_until": {"stochrsi_ema": CLOSE + timedelta(days=5)},
        "shards": 2,
        "symbols": 2,
        "settings_version": 0,
        "rules_version": RULES_VERSION,
        "correlation_id": "c",
        "planned_at": 0.0,
        "planned_market_at": CLOSE + timedelta(minutes=30),
    }
    return Run(**{**given, **changes})


def a_signal(symbol: str, side: Side = Side.BUY, strength: int = 80) -> Signal:
    return Signal(
        symbol=symbol,
        side=side,
        strategy="stochrsi_ema",
        timeframe="1Day",
        bar_start=midnight(FRIDAY),
        bar_close=CLOSE,
        strength=strength,
        reference_price=Decimal(100),
        reason="oversold in an uptrend",
        values={"k": 12.5},
    )


def a_report(*signals: Signal) -> ShardReport:
    judged = {signal.symbol: Judged(bars=250, digest="0123456789abcdef") for signal in signals}
    return ShardReport(raised=signals, withheld=(), judged=judged, rules_version=RULES_VERSION)
