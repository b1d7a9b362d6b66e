"""The parts of sessions that bars shorter than a day cover: what a backtest of such bars goes through.

A part is traded as a session is in a backtest of days: a `Session` from the open of its bar to the close,
within regular hours. `signals.Calendar` holds them, `engine.run` asks which bars lie in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import overload

import numpy as np
import numpy.typing as npt

from alpaquero.prices.aggregation import aggregated, chosen
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import LENGTHS, NEW_YORK, Session, bar_start, bars_of

_KEPT = 32  # sessions whose parts are made; a signal is valid for fewer
_OTHER_SCALE = 1.2  # closes this far apart are of other shares; a day's last trade lies nearer to its close


class Parts(Sequence[Session]):
    """The parts of sessions, one for each bar of `timeframe`, oldest first; made when they are asked for.

    Attributes
    ----------
    begins
        The place of each session's first part, and behind the last one how many there are.
    numbers
        For each part the place of its session.
    starts
        When each part's bar starts, in seconds since the epoch.
    """

    def __init__(self, sessions: Sequence[Session], timeframe: Timeframe, traded: int) -> None:
        """`traded` of the `sessions` are gone through, from the first one on."""
        self.sessions, self.timeframe = sessions, timeframe
        starts, counts = bar_starts(sessions, timeframe)
        self.begins: Sequence[int] = [0, *np.cumsum(counts).tolist()]
        self._traded = self.begins[traded]
        self.numbers = np.repeat(np.arange(len(sessions)), counts).tolist()
        self.starts = starts[: self._traded]
        self._made: dict[int, list[Session]] = {}

    def __len__(self) -> int:
        return self._traded

    @overload
    def __getitem__(self, place: int) -> Session: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Session]: ...
    def __getitem__(self, place: int | slice) -> Session | Sequence[Session]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(self._traded))]
        if place >= self._traded:
            raise IndexError(f"{place} is behind the last of {self._traded} parts")
        return self.part(place)

    def part(self, place: int) -> Session:
        """The part at a place, also behind the last one that is traded."""
        number = self.numbers[place]
        made = self._made.get(number)
        if made is None:
            made = self._parts_of(number)
        return made[place - self.begins[number]]

    def _parts_of(self, number: int) -> list[Session]:
        if len(self._made) >= _KEPT:
            self._made.clear()
        session = self.sessions[number]
        self._made[number] = made = [
            Session(session.date, max(start, session.open), close)
            for start, close in bars_of(session, self.timeframe)
        ]
        return made


class Closes(Sequence[datetime]):
    """When each part is looked at: as its bar closes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, place: int) -> datetime: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[datetime]: ...
    def __getitem__(self, place: int | slice) -> datetime | Sequence[datetime]:
        if isinstance(place, slice):
            return [part.close for part in self._parts[place]]
        return self._parts[place].close


def bar_starts(
    sessions: Sequence[Session], timeframe: Timeframe
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The start of each bar of the sessions in seconds, as `bars_of` has them; how many a session has."""
    length = int(LENGTHS[timeframe].total_seconds())
    midnights, opens, closes = (
        np.fromiter((int(at.timestamp()) for at in times), np.int64, len(sessions))
        for times in (
            map(bar_start, sessions),
            (session.open for session in sessions),
            (session.close for session in sessions),
        )
    )
    firsts = midnights + (opens - midnights) // length * length
    counts = -((firsts - closes) // length)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(firsts, counts) + within * length, counts


def regular(
    bars: Mapping[str, Columns], sessions: Sequence[Session], timeframe: Timeframe
) -> dict[str, Columns]:
    """The bars that start where a bar of the sessions' regular hours does; others no strategy sees live.

    Daily bars are answered as they are.
    """
    if timeframe is Timeframe.DAY:
        return dict(bars)
    held = [columns.start for columns in bars.values() if len(columns)]
    since, until = (
        datetime.fromtimestamp(second, NEW_YORK).date()
        for second in (
            min((start[0] for start in held), default=0),
            max((start[-1] for start in held), default=0),
        )
    )
    known, _ = bar_starts([one for one in sessions if since <= one.date <= until], timeframe)
    found = {}
    for symbol, columns in bars.items():
        starts = np.frombuffer(columns.start, np.int64)
        inside = np.isin(starts, known)
        found[symbol] = columns if inside.all() else chosen(columns, inside)
    return found


def check_same_scale(
    shorter: Mapping[str, Columns], longer: Mapping[str, Columns], timeframe: Timeframe
) -> None:
    """Raises `ValueError` naming a symbol whose `longer` bars do not close where its shorter ones do.

    They are stored by themselves, so a split may have moved one of the two and not yet the other. A bar or
    two apart are those of a thin symbol, whose last trade was hours before the close.
    """
    for symbol in sorted(shorter.keys() & longer.keys()):
        made, told = aggregated(shorter[symbol], timeframe), longer[symbol]
        _, here, there = np.intersect1d(made.start, told.start, assume_unique=True, return_indices=True)
        closes, others = np.frombuffer(made.close)[here], np.frombuffer(told.close)[there]
        apart = np.maximum(closes / others, others / closes) > _OTHER_SCALE
        in_a_row = np.flatnonzero(apart[:-2] & apart[1:-1] & apart[2:])
        if len(in_a_row) or (len(apart) and apart.all()):
            at = in_a_row[0] if len(in_a_row) else 0
            day = told.start_at(int(there[at])).astimezone(NEW_YORK).date()
            raise ValueError(
                f"{symbol}: the bar of {timeframe} on {day} closes at {others[at]:g}, shorter ones at "
                f"{closes[at]:g}, as before and after a split; fetch the bars of both timeframes anew"
            )
