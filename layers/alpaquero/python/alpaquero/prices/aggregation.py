"""Adds bars up to longer ones: minutes to the bars of a timeframe, parts of a day to days.

Asked by backtests of bars shorter than a day, for what is told a session: report, benchmark, true range.
"""

from __future__ import annotations

from array import array
from typing import Any

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import LENGTHS, Session, bar_start

_DAY_SECONDS = 86_400


def aggregated(columns: Columns, timeframe: Timeframe) -> Columns:
    """The bars of `timeframe` that shorter ones of the regular session add up to, oldest first.

    A longer bar has the first open, the highest high, the lowest low, the last close and all volume of
    those that start in it, and is there when one of them is. It starts on a whole multiple of its length,
    a day at its midnight in New York.

    >>> prices = (array("d", [3.0, 1.0, 2.0]) for _ in range(4))
    >>> minutes = Columns(array("q", [60, 120, 300]), *prices, array("q", [3, 1, 2]))
    >>> found = aggregated(minutes, Timeframe.FIVE_MINUTES)
    >>> list(found.start), list(found.open), list(found.high), list(found.close), list(found.volume)
    ([0, 300], [3.0, 2.0], [3.0, 2.0], [1.0, 2.0], [4, 2])
    """
    import numpy as np

    if not len(columns):
        return columns
    daily = timeframe is Timeframe.DAY
    length = _DAY_SECONDS if daily else int(LENGTHS[timeframe].total_seconds())
    # A regular session lies within one day of UTC, which has the date of New York's.
    spans = np.frombuffer(columns.start, np.int64) // length
    firsts = np.flatnonzero(np.diff(spans, prepend=spans[0] - 1))
    lasts = np.append(firsts[1:], len(spans)) - 1
    starts = spans[firsts] * length
    if daily:
        starts = np.fromiter((_midnight(second) for second in starts.tolist()), np.int64, len(starts))
    opens, highs, lows, closes = (
        np.frombuffer(column, np.float64)
        for column in (columns.open, columns.high, columns.low, columns.close)
    )
    volumes = np.frombuffer(columns.volume, np.int64)
    return Columns(
        _array("q", starts),
        _array("d", opens[firsts]),
        _array("d", np.maximum.reduceat(highs, firsts)),
        _array("d", np.minimum.reduceat(lows, firsts)),
        _array("d", closes[lasts]),
        _array("q", np.add.reduceat(volumes, firsts)),
    )


def chosen(columns: Columns, wanted: Any) -> Columns:
    """The bars of which `wanted`, an array of truth values, says so."""
    import numpy as np

    kept = (
        _array(column.typecode, np.frombuffer(column, column.typecode)[wanted])
        for column in (
            columns.start, columns.open, columns.high, columns.low, columns.close, columns.volume,
        )
    )  # fmt: skip
    return Columns(*kept)


def _array(code: str, values: Any) -> array[Any]:
    made: array[Any] = array(code)
    made.frombytes(values.tobytes())
    return made


def _midnight(second: int) -> int:
    """The start of the daily bar of the date that begins at `second` in UTC."""
    from datetime import UTC, datetime

    day = datetime.fromtimestamp(second, UTC)
    return int(bar_start(Session(day.date(), day, day)).timestamp())
