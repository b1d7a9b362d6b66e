"""The bodies of charts, quotes and the market's clock."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from alpaquero.prices.bars import Timeframe

Source = Literal["live", "cache"]


class BarColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Bars as columns of one length, oldest first: less than half of the bytes of a row a bar.

    `time` is the start of each bar in whole seconds since 1970 (UTC); prices are US dollars, `volume` is
    whole shares.
    """

    time: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[int]


class Plotted(msgspec.Struct, frozen=True, kw_only=True):
    """One of a strategy's values at each bar of a chart, null where undefined or not judged yet.

    `pane` is price (drawn over the bars) or oscillator, `unit` USD, points or percent; `levels` are
    horizontal lines by the name of the strategy's parameter.
    """

    name: str
    label: str
    pane: str
    unit: str
    levels: dict[str, float]
    values: list[float | None]


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """Something the bot did on the chart: `kind` is signal, fill or order.

    Of a signal `outcome` is raised or withheld, `shadow` says that its strategy trades nothing. An order
    is one that ended without its fill: `outcome` is canceled, rejected or expired.
    """

    kind: Literal["signal", "fill", "order"]
    outcome: str
    shadow: bool
    strategy: str
    time: datetime
    side: str
    price: Decimal | None
    quantity: Decimal | None
    text: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Bars with what the bot saw and did on them; `forming` tells that the last bar has not closed.

    `source` is live, or cache while the feed does not answer: then the bars are the stored ones, and
    `age_seconds` is how long ago (wall time) they last changed. `synthetic` says that prices were made
    up, null where nobody can say. `strategy` names the instance whose `indicators` are drawn.
    `as_of` is market time.
    """

    symbol: str
    timeframe: Timeframe
    adjustment: str
    feed: str
    synthetic: bool | None
    source: Source
    age_seconds: int
    strategy: str | None
    bars: BarColumns
    forming: bool
    indicators: list[Plotted]
    markers: list[Marker]
    as_of: datetime


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is live, or cache for the last known one while the feed does not answer.

    `age_seconds` is how long ago (wall time) that one was asked for; 0 when it is live.
    """

    symbol: str
    bid: Decimal
    ask: Decimal
    last: Decimal
    at: datetime
    source: Source = "live"
    age_seconds: int = 0


class MarketStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The market's clock; `source` and `age_seconds` as in `Quote`."""

    is_open: bool
    now: datetime
    next_open: datetime
    next_close: datetime
    source: Source = "live"
    age_seconds: int = 0
