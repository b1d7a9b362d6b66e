"""Which bars the calendar promises and a series lacks, for the history's routes and `alpaquero history`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.sessions import Session, bars_of
from alpaquero.quickly_made import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """Bars missing in a row: the starts of the first and the last of them, and how many."""

    first: datetime
    last: datetime
    bars: int


def gaps(starts: Iterable[int], timeframe: Timeframe, sessions: Sequence[Session]) -> list[Gap]:
    """The gaps of a series over `sessions`, oldest first; `starts` are its bars' in epoch seconds.

    A minute without a trade has no bar, so gaps within a session need not be losses.
    """
    have = set(starts)
    found: list[Gap] = []
    first = last = None
    count = 0
    for session in sessions:
        for start, _ in bars_of(session, timeframe):
            if int(start.timestamp()) not in have:
                first, last, count = first or start, start, count + 1
            elif first is not None and last is not None:
                found.append(Gap(first, last, count))
                first, last, count = None, None, 0
    if first is not None and last is not None:
        found.append(Gap(first, last, count))
    return found
