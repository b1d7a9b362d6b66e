"""A series up to one closed bar: from the store, with the missing tail from the market data, written back.

Runs judge what `closed_series` answers, charts and routes that must work while Alpaca is down read
`stored_series`. The newest stored bar is always fetched once more, for Alpaca publishes minutes again
half a minute after their close; the bar before it is the anchor: when that one has moved, the
symbol was split (or paid, in series adjusted for dividends), and every bar is fetched anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import date, datetime, timedelta
from functools import partial
from math import ceil
from typing import Protocol

from alpaquero.broker.protocol import Adjustment
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.regular_hours import BARS_A_SESSION, in_session
from alpaquero.prices.sessions import NEW_YORK, Session
from alpaquero.quickly_made import dataclass
from alpaquero.store import bars as bar_store
from alpaquero.store.bars import Chunk, Key

DAYS_A_SESSION = 1.6  # calendar days to fetch for each session wanted; 252 sessions are 365 days
DAYS_CLOSED = 5  # the longest stretch without a session, for short windows
SAME_PRICE = 1e-9
NEAR_DAYS = 7  # who is further behind is fetched in a request of its own

Sessions = Callable[[date, date], Sequence[Session]]
"""The trading sessions between two dates, as `ClockReader.sessions`."""


class BarReader(Protocol):
    """The part of `MarketDataReader` that a series needs."""

    def bars(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        adjustment: Adjustment = "split",
    ) -> dict[str, Columns]: ...


@dataclass(frozen=True, slots=True)
class Series:
    """The closed bars of a symbol, and which revision of each chunk they come from, where above 0."""

    columns: Columns
    revisions: Mapping[str, int] = field(default_factory=dict)


def closed_series(
    symbols: Sequence[str],
    last_start: datetime,
    count: int,
    market_data: BarReader,
    *,
    timeframe: Timeframe = Timeframe.DAY,
    adjustment: Adjustment = "split",
    sessions: Sessions | None = None,
) -> dict[str, Series]:
    """The bars of each symbol up to the one that starts at `last_start`, at least `count` if they exist.

    Bars of a part of the day need `sessions`: only those of the regular session are kept. A symbol
    found wrong that cannot be fetched anew has none. Raises what the market data raises.
    """
    first = window_start(timeframe, last_start, count)
    periods = bar_store.periods(timeframe, first, last_start)
    reading = _Reading(timeframe, adjustment, last_start, first, periods)
    known = reading.stored(symbols)
    fresh = [s for s in symbols if not reading.is_complete(s, known)]
    complete = {s: reading.columns(s, known) for s in symbols if reading.is_complete(s, known)}
    rescaled: list[str] = []
    for since, behind in reading.behind(complete):
        tails = _fetched(behind, since, reading, market_data, sessions)
        sound = {s: tail for s, tail in tails.items() if not is_rescaled(complete[s], tail)}
        rescaled += [s for s in tails if s not in sound]
        known.update(reading.merge(sound, since, known))
    if fresh or rescaled:
        bars = _fetched([*fresh, *rescaled], reading.first, reading, market_data, sessions)
        rescaled_before(
            reading.with_older(fresh), reading.first, market_data, timeframe=timeframe, adjustment=adjustment
        )
        known = {key: chunk for key, chunk in known.items() if key[0] not in set(rescaled)}
        bar_store.retire(rescaled, reading.first, timeframe=timeframe, adjustment=adjustment)
        known.update(reading.merge(bars, reading.first, None))
    return {s: reading.series(s, known) for s in symbols}


def stored_series(
    symbols: Sequence[str],
    last_start: datetime,
    count: int,
    *,
    timeframe: Timeframe = Timeframe.DAY,
    adjustment: Adjustment = "split",
) -> dict[str, Columns]:
    """What is stored of the bars that `closed_series` would answer; no call leaves for the broker."""
    first = window_start(timeframe, last_start, count)
    return bar_store.read(symbols, first, last_start, timeframe=timeframe, adjustment=adjustment)


def window_start(timeframe: Timeframe, last_start: datetime, count: int) -> datetime:
    """The beginning of the chunk's period that certainly holds the first of `count` bars.

    >>> from datetime import UTC
    >>> window_start(Timeframe.DAY, datetime(2012, 12, 31, 5, tzinfo=UTC), 250).isoformat()
    '2011-01-01T00:00:00-05:00'
    """
    days = int(ceil(count / BARS_A_SESSION[timeframe]) * DAYS_A_SESSION)
    if timeframe is not Timeframe.DAY:
        days += DAYS_CLOSED
    return bar_store.start_of(bar_store.period(timeframe, last_start - timedelta(days=days)))


def is_rescaled(stored: Columns, tail: Columns) -> bool:
    """Whether the first bar that both have has another close, or they share none: all is in doubt."""
    if not len(stored):
        return False
    places = {start: n for n, start in enumerate(stored.start)}
    for n, start in enumerate(tail.start):
        if start in places:
            return is_other_price(stored.close[places[start]], tail.close[n])
    return True


def is_other_price(before: float, now: float) -> bool:
    """Whether a price has changed by more than what a float is told with."""
    return abs(now - before) > SAME_PRICE * abs(before)


def rescaled_before(
    symbols: Iterable[str],
    moment: datetime,
    market_data: BarReader,
    *,
    timeframe: Timeframe,
    adjustment: Adjustment,
) -> list[str]:
    """Takes out what is stored of the periods before that of `moment` where a split has moved it since.

    Answers those symbols; what is fetched from `moment` on would not fit on their older bars.
    """
    near = partial(bar_store.last_before, moment=moment, timeframe=timeframe, adjustment=adjustment)
    moved = _moved(symbols, near, market_data, timeframe, adjustment)
    bar_store.retire(moved, moment, timeframe=timeframe, adjustment=adjustment)
    return moved


def rescaled_after(
    symbols: Iterable[str],
    moment: datetime,
    market_data: BarReader,
    *,
    timeframe: Timeframe,
    adjustment: Adjustment,
) -> list[str]:
    """Takes out what is stored of the periods behind that of `moment` where a split has moved it since.

    Answers those symbols; what is fetched up to `moment` would not fit under their newer bars.
    """
    near = partial(bar_store.first_after, moment=moment, timeframe=timeframe, adjustment=adjustment)
    moved = _moved(symbols, near, market_data, timeframe, adjustment)
    bar_store.retire_after(moved, moment, timeframe=timeframe, adjustment=adjustment)
    return moved


def _moved(
    symbols: Iterable[str],
    near: Callable[[str], Columns],
    market_data: BarReader,
    timeframe: Timeframe,
    adjustment: Adjustment,
) -> list[str]:
    """The symbols whose first bar `near` is told at another price now; market data is asked day by day."""
    if adjustment == "raw":
        return []
    kept = {symbol: near(symbol) for symbol in symbols}
    by_day: dict[date, list[str]] = {}
    for symbol, columns in kept.items():
        if len(columns):
            by_day.setdefault(columns.start_at(0).astimezone(NEW_YORK).date(), []).append(symbol)
    moved: list[str] = []
    for together in by_day.values():
        starts = [kept[symbol].start_at(0) for symbol in together]
        found = market_data.bars(sorted(together), timeframe, min(starts), max(starts), adjustment)
        moved += [symbol for symbol, now in found.items() if is_rescaled(kept[symbol], now)]
    return moved


@dataclass(frozen=True, slots=True)
class _Reading:
    """One call of `closed_series`: which bars, and the chunks that hold them."""

    timeframe: Timeframe
    adjustment: Adjustment
    last: datetime
    first: datetime
    periods: Sequence[str]

    def stored(self, symbols: Iterable[str]) -> dict[Key, Chunk]:
        keys = [(symbol, name) for symbol in symbols for name in self.periods]
        return bar_store.stored(keys, timeframe=self.timeframe, adjustment=self.adjustment)

    def is_complete(self, symbol: str, known: Mapping[Key, Chunk]) -> bool:
        """Whether every period is stored, be it with no bar."""
        chunks = [known.get((symbol, name)) for name in self.periods]
        return all(chunk is not None and not chunk.retired for chunk in self._up_to_newest(chunks))

    def _up_to_newest(self, chunks: Sequence[Chunk | None]) -> Sequence[Chunk | None]:
        """Without the periods at the end that nobody asked for yet: the tail brings them."""
        last = max((n for n, chunk in enumerate(chunks) if chunk is not None), default=len(chunks) - 1)
        return chunks[: last + 1]

    def with_older(self, symbols: Iterable[str]) -> list[str]:
        """The symbols of which something is stored right before the first period."""
        before = self.first - timedelta(days=NEAR_DAYS), self.first - timedelta(days=1)
        names = bar_store.periods(self.timeframe, *before)
        return sorted({symbol for symbol, _ in replace(self, periods=names).stored(symbols)})

    def columns(self, symbol: str, known: Mapping[Key, Chunk]) -> Columns:
        columns = Columns.empty()
        for name in self.periods:
            if (symbol, name) in known:
                columns = columns + known[symbol, name].columns
        return columns.until(self.last)

    def behind(self, complete: Mapping[str, Columns]) -> list[tuple[datetime, list[str]]]:
        """Who lacks the newest bar, together with those about as far behind, and since when."""
        near = self.last - timedelta(days=NEAR_DAYS)
        groups: dict[bool, list[tuple[datetime, str]]] = {True: [], False: []}
        for symbol, columns in complete.items():
            if not len(columns):
                groups[False].append((self.first, symbol))
            elif columns.start_at(-1) < self.last:
                anchor = columns.start_at(-2 if len(columns) > 1 else -1)
                groups[anchor >= near].append((anchor, symbol))
        return [(min(group)[0], [symbol for _, symbol in group]) for group in groups.values() if group]

    def merge(
        self, bars: Mapping[str, Columns], since: datetime, known: Mapping[Key, Chunk] | None
    ) -> dict[Key, Chunk]:
        return bar_store.merge(
            bars, since, self.last, timeframe=self.timeframe, adjustment=self.adjustment, known=known
        )

    def series(self, symbol: str, known: Mapping[Key, Chunk]) -> Series:
        revisions = {
            name: known[symbol, name].revision
            for name in self.periods
            if (symbol, name) in known and known[symbol, name].revision
        }
        return Series(self.columns(symbol, known), revisions)


def _fetched(
    symbols: Sequence[str],
    since: datetime,
    reading: _Reading,
    market_data: BarReader,
    sessions: Sessions | None,
) -> dict[str, Columns]:
    """Bars from `since` to the one judged, both included; the one still forming starts later."""
    found = market_data.bars(symbols, reading.timeframe, since, reading.last, reading.adjustment)
    cut = {s: columns.since(since).until(reading.last) for s, columns in found.items()}
    if reading.timeframe is not Timeframe.DAY:
        if sessions is None:
            raise TypeError("bars of a part of the day need sessions; pass a ClockReader's")
        days = sessions(since.astimezone(NEW_YORK).date(), reading.last.astimezone(NEW_YORK).date())
        cut = {s: in_session(columns, reading.timeframe, days) for s, columns in cut.items()}
    return {s: columns for s, columns in cut.items() if len(columns)}
