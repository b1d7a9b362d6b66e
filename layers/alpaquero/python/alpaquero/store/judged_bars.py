"""Reads the bars that a run judged, as they were stored then; for `replay` and `explain`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.store import bars
from alpaquero.store.series import window_start
from alpaquero.strategy.run import Judged


def read(
    timeframe: str, last_start: datetime, count: int, judged: Mapping[str, Judged]
) -> dict[str, Columns]:
    """The bars judged up to `last_start`, by symbol, where `count` were wanted; fewer when some got lost.

    Raises `BrokenChunk` and `NoSuchRevision`.
    """
    kind = Timeframe(timeframe)
    series = bars.read(
        list(judged),
        window_start(kind, last_start, count),
        last_start,
        timeframe=kind,
        as_of={symbol: one.revisions for symbol, one in judged.items()},
    )
    return {symbol: _judged(columns, judged[symbol]) for symbol, columns in series.items()}


def _judged(columns: Columns, one: Judged) -> Columns:
    """Without the bars that came later, behind or in front of those that were there to be judged."""
    there = columns if one.last is None else columns.until(one.last)
    return there[max(len(there) - one.bars, 0) :]
