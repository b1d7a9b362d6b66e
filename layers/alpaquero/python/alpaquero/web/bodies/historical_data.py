"""The bodies of stored bars and of their ingests."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from alpaquero.prices.bars import Timeframe
from alpaquero.store.ingests import IngestState


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A page of stored bars. They are served from our own store: `as_of` is when they last changed there."""

    symbol: str
    timeframe: Timeframe
    adjustment: str
    source: str
    as_of: datetime
    age_seconds: int
    items: list[Bar]
    next: str | None


class Ingest(msgspec.Struct, frozen=True, kw_only=True):
    """Bars being fetched into the store. `without_bars` had none in any step so far."""

    id: str
    state: IngestState
    symbols: list[str]
    timeframe: Timeframe
    adjustment: str
    start: date
    end: date
    steps: int
    steps_done: int
    bars: int
    without_bars: list[str]
    message: str
    requested_by: str
    begun: datetime
    updated: datetime


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Bars that the calendar promises and the store lacks, in a row."""

    first: datetime
    last: datetime
    bars: int


class Gaps(msgspec.Struct, frozen=True, kw_only=True):
    """What is missing of a stored series; `items` are the first of `gaps` in all."""

    symbol: str
    timeframe: Timeframe
    adjustment: str
    start: date
    end: date
    expected: int
    missing: int
    gaps: int
    items: list[Gap]


class CacheStatistics(msgspec.Struct, frozen=True, kw_only=True):
    series: int
    chunks: int
    bars: int
    stored_bytes: int
    newest: date | None
    as_of: datetime
