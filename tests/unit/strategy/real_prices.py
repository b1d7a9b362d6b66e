"""Real daily bars of five symbols to March 2013, as the package bokeh-sampledata ships them (raw)."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from alpaquero.prices.bars import Bar

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
NEW_YORK = ZoneInfo("America/New_York")
SESSION = timedelta(hours=16)  # from the midnight a daily bar starts at to the close


@cache
def real_bars() -> dict[str, list[Bar]]:
    """The bars of each symbol, oldest first."""
    packed = resources.files("bokeh_sampledata").joinpath("_data", "stocks.csv.gz").read_bytes()
    bars: dict[str, list[Bar]] = {symbol: [] for symbol in SYMBOLS}
    for row in csv.reader(gzip.decompress(packed).decode().splitlines()[1:]):
        symbol, day, *prices = row
        start = datetime.fromisoformat(day).replace(tzinfo=NEW_YORK).astimezone(UTC)
        if symbol in bars:
            bars[symbol].append(Bar(start, *map(float, prices[:4]), int(prices[4])))
    return {symbol: sorted(found, key=lambda bar: bar.start) for symbol, found in bars.items()}
