"""Which bars belong to the regular session, and how many it has: what the store keeps of a day's parts.

`store.series`, ingest and downloads leave out what traded before the open and after the close.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import compress

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import LENGTHS, NEW_YORK, Session

BARS_A_SESSION = {
    Timeframe.MINUTE: 390,
    Timeframe.FIVE_MINUTES: 78,
    Timeframe.FIFTEEN_MINUTES: 26,
    Timeframe.HOUR: 7,
    Timeframe.DAY: 1,
}


def in_session(columns: Columns, timeframe: Timeframe, sessions: Iterable[Session]) -> Columns:
    """The bars with a part in a regular session."""
    if timeframe is Timeframe.DAY:
        return columns
    length = int(LENGTHS[timeframe].total_seconds())
    hours = {s.date: (int(s.open.timestamp()), int(s.close.timestamp())) for s in sessions}
    none = (0, 0)
    kept = []
    for n, start in enumerate(columns.start):
        first, last = hours.get(columns.start_at(n).astimezone(NEW_YORK).date(), none)
        kept.append(start < last and start + length > first)
    if all(kept):
        return columns
    opened, high, low, closed = (
        array("d", compress(column, kept))
        for column in (columns.open, columns.high, columns.low, columns.close)
    )
    starts, volumes = (array("q", compress(column, kept)) for column in (columns.start, columns.volume))
    return Columns(starts, opened, high, low, closed, volumes)
