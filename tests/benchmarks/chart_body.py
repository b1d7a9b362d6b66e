"""The body of a chart of 10,000 bars, encoded as the market data API does, against json.dumps of rows.

Both begin with the columns that the store or the feed gave, and end with the bytes that are sent. Times
are processor time.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from statistics import median
from time import process_time
from typing import Final

import msgspec

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.web.app import json_response
from alpaquero.web.bodies.market_data import Chart
from alpaquero.web.charts import bar_columns
from tests.benchmarks import prices
from tests.benchmarks.rows import Goal, Row

BARS: Final = 10_000
ROUNDS: Final = 120
_PEER: Final = "json.dumps of rows"
_MINUTE: Final = 60


def measure() -> Iterator[Row]:
    """The rows of this part."""
    columns = _minutes()
    _require_agreement(ours(columns), theirs(columns))
    times = [(_seconds(ours, columns), _seconds(theirs, columns)) for _ in range(ROUNDS)]
    shown = f"chart body, {BARS:,} bars"
    yield Row(
        f"{shown}, time",
        median(mine for mine, _ in times) * 1000,
        "ms",
        _PEER,
        median(other for _, other in times) * 1000,
        Goal(at_most=0.08, of_ratio=True),
    )
    yield Row(
        f"{shown}, size",
        len(ours(columns)) / 1000,
        "KB",
        _PEER,
        len(theirs(columns)) / 1000,
        Goal(at_most=0.6, of_ratio=True),
    )


def ours(columns: Columns) -> bytes:
    """The answer of `GET /api/chart/{symbol}` without indicators and markers, which no peer has."""
    response = json_response(
        Chart(
            symbol="SYN0001",
            timeframe=Timeframe.MINUTE,
            adjustment="split",
            feed="iex",
            synthetic=True,
            source="live",
            age_seconds=0,
            strategy=None,
            bars=bar_columns(columns),
            forming=False,
            indicators=[],
            markers=[],
            as_of=datetime(2026, 1, 2, tzinfo=UTC),
        )
    )
    return str(response.body).encode()


def theirs(columns: Columns) -> bytes:
    """The same bars as most APIs send them: an object a bar."""
    names = ("time", "open", "high", "low", "close", "volume")
    fields = (columns.start, columns.open, columns.high, columns.low, columns.close, columns.volume)
    return json.dumps([dict(zip(names, row, strict=True)) for row in zip(*fields, strict=True)]).encode()


def _minutes() -> Columns:
    """Made-up bars of several symbols in a row, stamped a minute apart."""
    each = BARS // 4
    joined = Columns.empty()
    for columns in prices.universe(4, each).values():
        joined += columns
    start = array("q", range(joined.start[0], joined.start[0] + BARS * _MINUTE, _MINUTE))
    return Columns(start, joined.open, joined.high, joined.low, joined.close, joined.volume)


def _seconds(work: Callable[[Columns], bytes], columns: Columns) -> float:
    began = process_time()
    work(columns)
    return process_time() - began


def _require_agreement(ours: bytes, theirs: bytes) -> None:
    bars = msgspec.json.decode(ours)["bars"]
    if [dict(zip(bars, row, strict=True)) for row in zip(*bars.values(), strict=True)] != json.loads(theirs):
        raise RuntimeError("our chart and the rows differ: the times mean nothing")
