"""Which bars are to be judged, for which symbols: pure rules over settings and a calendar.

Called by `signal/plan`, and by `explain` and `replay` for what should have been planned. A run is
keyed by the close of its bar, so whatever the schedule does these rules give the same runs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from alpaquero.prices.bars import Timeframe
from alpaquero.prices.sessions import Session, bars_of
from alpaquero.quickly_made import dataclass
from alpaquero.strategy.settings import StrategySettings

MOST_LATE_BARS = 5  # of one timeframe are caught up in a tick; those before are told as missed

Strategies = Mapping[str, StrategySettings]


@dataclass(frozen=True, slots=True)
class ClosedBar:
    """A bar that may be judged: its start and its close in market time."""

    start: datetime
    close: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """The bars to plan now, oldest first: the last is the newest that closed, those before are late.

    `missed` bars from the close `missed_since` on are too many to catch up.
    """

    bars: tuple[ClosedBar, ...]
    missed: int = 0
    missed_since: datetime | None = None


def of_timeframe(strategies: Strategies, timeframe: str) -> dict[str, StrategySettings]:
    """The strategies that judge bars of `timeframe`, by name, in the order of their names."""
    return {name: one for name, one in sorted(strategies.items()) if one.timeframe == timeframe}


def timeframes(strategies: Strategies) -> list[Timeframe]:
    """The timeframes that some strategy judges, shortest first."""
    used = {one.timeframe for one in strategies.values()}
    return [timeframe for timeframe in Timeframe if timeframe in used]


def symbols_judged(strategies: Strategies, watchlist: Sequence[str], timeframe: str) -> tuple[str, ...]:
    """The symbols that the strategies of `timeframe` judge: the watchlist's first, then their own."""
    lists = [
        watchlist if one.symbols is None else one.symbols
        for one in of_timeframe(strategies, timeframe).values()
    ]
    wanted = {symbol for symbols in lists for symbol in symbols}
    ordered = dict.fromkeys([*watchlist, *(symbol for symbols in lists for symbol in symbols)])
    return tuple(symbol for symbol in ordered if symbol in wanted)


def judges(one: StrategySettings, symbol: str, watchlist: Sequence[str] | frozenset[str]) -> bool:
    """Whether this strategy judges `symbol`."""
    return symbol in (watchlist if one.symbols is None else one.symbols)


def shards_of(symbols: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """The symbols in shards of at most `size`."""
    return [tuple(symbols[start : start + size]) for start in range(0, len(symbols), size)]


def settling(timeframe: Timeframe, *, daily_minutes: int, intraday_seconds: int) -> timedelta:
    """How long after its close a bar is taken for final."""
    if timeframe is Timeframe.DAY:
        return timedelta(minutes=daily_minutes)
    return timedelta(seconds=intraday_seconds)


def closed_bars(
    calendar: Sequence[Session], timeframe: Timeframe, now: datetime, settle: timedelta
) -> list[ClosedBar]:
    """The bars of the calendar's sessions that closed `settle` or more before `now`, oldest first."""
    return [
        ClosedBar(start, close)
        for session in calendar
        if session.open < now
        for start, close in bars_of(session, timeframe)
        if close <= now - settle
    ]


def due(closed: Sequence[ClosedBar], judged_to: datetime | None) -> Due:
    """What to plan when bars up to the close `judged_to` have runs; the newest alone when none has.

    >>> from datetime import UTC
    >>> bars = [ClosedBar(datetime(2024, 1, day, 5, tzinfo=UTC), datetime(2024, 1, day, 21, tzinfo=UTC))
    ...         for day in range(1, 10)]
    >>> found = due(bars, bars[0].close)
    >>> [bar.close.day for bar in found.bars], found.missed, found.missed_since.day
    ([4, 5, 6, 7, 8, 9], 2, 2)
    """
    if judged_to is None:
        return Due(tuple(closed[-1:]))
    newer = closed[bisect_right(closed, judged_to, key=_close) :]
    kept = newer[-(MOST_LATE_BARS + 1) :]
    missed = newer[: len(newer) - len(kept)]
    return Due(tuple(kept), len(missed), missed[0].close if missed else None)


def valid_until(calendar: Sequence[Session], timeframe: Timeframe, close: datetime, bars: int) -> datetime:
    """The close of the last of the `bars` bars in which a signal on this one may still be traded.

    Raises `LookupError` when the calendar ends before.
    """
    first, left = bisect_right(calendar, close, key=_close), bars
    if timeframe is Timeframe.DAY and first + bars <= len(calendar):  # a backtest asks thousands of times
        return calendar[first + bars - 1].close
    for session in calendar[first:]:
        later = [bar_close for _, bar_close in bars_of(session, timeframe) if bar_close > close]
        if len(later) >= left:
            return later[left - 1]
        left -= len(later)
    raise LookupError(f"the calendar ends before {bars} more bars; lower signal_validity_bars")


_close = attrgetter("close")
