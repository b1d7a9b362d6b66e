"""Every signal of a backtest, judged ahead: each bar on the bars that had closed by then, and no other.

A strategy with array forms is judged on all bars of all symbols at once, any other bar by bar.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from alpaquero.orders.intent import Side
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import LENGTHS, Session, bar_start
from alpaquero.prices.splits import SplitDay
from alpaquero.quickly_made import dataclass, maker
from alpaquero.simulation.backtest.parts import Closes, Parts
from alpaquero.simulation.backtest.terms import AFTER_CLOSE
from alpaquero.strategy import judging, registry, sweep
from alpaquero.strategy.panel import Panel
from alpaquero.strategy.settings import MOST_SESSIONS_VALID, StrategySettings
from alpaquero.strategy.signal import Signal, Withheld, WithheldCode

_signal = maker(Signal)
_DAILY = Timeframe.DAY  # Python 3.11 takes ten times as long to find it in its enum
AROUND = timedelta(days=14)  # how much of the calendar the rules see
_DAY = timedelta(days=1)
_PLACES = Decimal("0.000001")  # what an adjusted price is rounded to
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Source:
    """What the signals of a symbol by one strategy have in common."""

    symbol: str
    strategy: str
    settings: StrategySettings
    columns: Columns
    tags: Sequence[str]
    shadow: bool


class Raised(msgspec.Struct, frozen=True, gc=False):
    """A condition that held: on which of the source's bars, how strongly, and which of its tags."""

    source: Source
    side: Side
    bar: int
    strength: int
    tag: int

    def signal(self, session: Session) -> Signal:
        """The signal, given the session or the part of one that is its bar's; most need none."""
        source, settings = self.source, self.source.settings
        daily = settings.timeframe is _DAILY
        return _signal(
            symbol=source.symbol,
            side=self.side,
            strategy=source.strategy,
            timeframe=settings.timeframe,
            bar_start=bar_start(session) if daily else source.columns.start_at(self.bar),
            bar_close=session.close,
            strength=self.strength,
            reference_price=Decimal(repr(source.columns.close[self.bar])),
            reason=source.tags[self.tag],
            shadow=source.shadow,
        )


@dataclass(slots=True)
class Found:
    """What was raised by the place of its bar, and how often a symbol could not be judged, by code."""

    by_place: dict[int, list[Raised]] = field(default_factory=lambda: defaultdict(list))
    withheld: Counter[str] = field(default_factory=Counter)

    def take(self, other: Found, places: Sequence[int]) -> None:
        """Takes in what was found on longer bars; for each place of theirs `places` has the one here."""
        for place, raised in other.by_place.items():
            self.by_place[places[place]] += raised
        self.withheld.update(other.withheld)


def start_seconds(session: Session) -> int:
    """When the session's daily bar starts, in seconds since the epoch."""
    return _start_seconds(session.date)


@lru_cache(maxsize=32768)
def _start_seconds(day: date) -> int:
    return int(bar_start(Session(day, _NEVER, _NEVER)).timestamp())


_NEVER = datetime.min.replace(tzinfo=UTC)  # a bar's start goes by the session's date alone


_NO_END = 2**62


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a symbol's bars; those that start from `since` on, before `until`, are judged.

    Both are seconds since the epoch. `cut` is how many earlier bars were left out, because no window
    reaches them.
    """

    symbol: str
    columns: Columns
    since: int = 0
    until: int = _NO_END
    cut: int = 0


_date = attrgetter("date")


class _Known:
    """A list of sessions by which it is, so that one calendar serves all runs of a grid over it."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.sessions, self.length = sessions, len(sessions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self.sessions is other.sessions and self.length == other.length

    def __hash__(self) -> int:
        return id(self.sessions)


@lru_cache(maxsize=2)
def _calendar(known: _Known, first: int, last: int, timeframe: Timeframe) -> Calendar:
    sessions, days = known.sessions, known.sessions[first : last + 1]
    dates = list(map(_date, sessions))
    if timeframe is not _DAILY:
        parts = Parts(sessions[first : last + 1 + 2 * MOST_SESSIONS_VALID], timeframe, len(days))
        closes, numbers, begins = Closes(parts), parts.numbers, parts.begins
        return Calendar(sessions, first, last, days, parts, parts.starts, dates, closes, numbers, begins)
    starts = np.fromiter(map(_start_seconds, map(_date, days)), np.int64, len(days))
    evenings = [session.close + AFTER_CLOSE for session in days]
    every = range(len(sessions) - first)
    begins = range(len(every) + 1)
    return Calendar(sessions, first, last, days, days, starts, dates, evenings, every, begins)


@dataclass(frozen=True)
class Calendar:
    """What a backtest goes through, when it is looked at, and where each symbol's bars lie in it.

    The sessions from `first` to `last`, the `days`, are traded, each as a whole on daily bars, else a part
    for each bar. A place is the number of such a step, `traded[place]` its session or part,
    `evenings[place]` when it is looked at. `numbers[place]` is the number of its session from `first` on,
    `begins[number]` the place of that session's first step; both go on behind what is traded.
    """

    sessions: Sequence[Session]
    first: int
    last: int
    days: Sequence[Session]
    traded: Sequence[Session]
    starts: npt.NDArray[np.int64]
    dates: Sequence[date]
    evenings: Sequence[datetime]
    numbers: Sequence[int]
    begins: Sequence[int]
    _around: dict[int, tuple[Session, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, sessions: Sequence[Session], first: int, last: int, timeframe: Timeframe = Timeframe.DAY
    ) -> Calendar:
        """The calendar of the sessions from place `first` to `last`, both traded."""
        return _calendar(_Known(sessions), first, last, timeframe)

    def place_of(self, day: date) -> int | None:
        """The place of the first step of a day, None when it is not traded."""
        at = bisect_left(self.dates, day)
        known = self.first <= at <= self.last and self.dates[at] == day
        return self.begins[at - self.first] if known else None

    def close_after(self, place: int, bars: int) -> datetime:
        """The close of the bar that is `bars` after the one at `place`: see `planning.valid_until`."""
        parts = self.traded
        if isinstance(parts, Parts):
            return parts.part(place + bars).close
        return self.sessions[self.first + place + bars].close

    def last_closed(self, place: int) -> Session | None:
        """The newest session that has closed when the step at `place` is looked at."""
        number = self.numbers[place]
        closed = self.first + number - (place + 1 < self.begins[number + 1])
        return self.sessions[closed] if closed >= 0 else None

    def around(self, place: int) -> tuple[Session, ...]:
        """The sessions within `AROUND` of the day of the step at `place`, as live's rules see them."""
        at = self.first + self.numbers[place]
        found = self._around.get(at)
        if found is None:
            today = self.dates[at]
            low, high = max(at - AROUND.days - 1, 0), min(at + AROUND.days + 1, len(self.sessions))
            begin = bisect_left(self.dates, today - AROUND, low, at)
            end = bisect_left(self.dates, today + AROUND + _DAY, at, high)
            found = self._around[at] = tuple(self.sessions[begin:end])
        return found

    def closing_with(self, longer: Calendar) -> Sequence[int]:
        """For each step of a calendar of longer bars the place of the step here that closes with it."""
        if not isinstance(longer.traded, Parts):
            return [end - 1 for end in self.begins[1 : len(longer.traded) + 1]]
        ends = longer.starts + int(LENGTHS[longer.traded.timeframe].total_seconds())
        found: list[int] = (np.searchsorted(self.starts, ends) - 1).tolist()
        return found

    def places(self, columns: Columns) -> Sequence[int]:
        """For each step the index of its bar, -1 without one."""
        whole = self._bar_each(columns)
        if whole is not None:
            return whole
        found, there = self.bars_from(columns)
        listed: list[int] = np.where(there, found, -1).tolist()
        return listed

    def bars_from(self, columns: Columns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """For each step the index of the first bar from its start on, and if that is its own."""
        whole = self._bar_each(columns)
        if whole is not None:
            return np.arange(whole.start, whole.stop), np.ones(len(whole), np.bool_)
        starts = np.frombuffer(columns.start, dtype=np.int64)
        found = np.searchsorted(starts, self.starts)
        return found, (found < len(starts)) & (starts[np.minimum(found, len(starts) - 1)] == self.starts)

    def _bar_each(self, columns: Columns) -> range | None:
        """Where the bars of a symbol lie that has one in each step; else None."""
        first = bisect_left(columns.start, self.starts[0])
        bars = columns.start[first : first + len(self.starts)]
        return range(first, first + len(bars)) if bars.tobytes() == self.starts.tobytes() else None


def find(  # noqa: PLR0917 - what is judged, on what, and where it goes
    name: str,
    settings: StrategySettings,
    bars: Mapping[str, Columns],
    splits: Mapping[str, Sequence[SplitDay]],
    calendar: Calendar,
    found: Found,
) -> None:
    """Adds what the strategy `name` says of every bar traded to `found`."""
    groups: dict[Any, list[str]] = defaultdict(list)
    for symbol in bars:
        groups[settings.parameters_for(symbol)].append(symbol)
    vectorised = registry.vectorised(settings.rule)
    for parameters, symbols in groups.items():
        whole = [symbol for symbol in symbols if not splits.get(symbol)]
        parts = [Part(symbol, bars[symbol]) for symbol in whole]
        for symbol in symbols:
            if splits.get(symbol):
                parts += _epochs(symbol, bars[symbol], splits[symbol], settings.minimum_history_bars)
        if vectorised is None:
            for part in parts:
                _one_by_one(name, settings, part, calendar, found)
        elif parts:
            _all_at_once(name, settings, parameters, parts, calendar, found)


def adjusted(columns: Columns, splits: Iterable[SplitDay]) -> Columns:
    """The bars as if the splits had been before them all: as a feed tells them on the last one's day."""
    for split in splits:
        count = _before(columns, split)
        if not count:
            continue
        prices = {
            name: [
                float((Decimal(repr(price)) / split.ratio).quantize(_PLACES))
                for price in getattr(columns, name)[:count]
            ]
            for name in _PRICES
        }
        volume = [round(shares * float(split.ratio)) for shares in columns.volume[:count]]
        before = Columns(
            columns.start[:count],
            array("d", prices["open"]),
            array("d", prices["high"]),
            array("d", prices["low"]),
            array("d", prices["close"]),
            array("q", volume),
        )
        columns = before + columns[count:]
    return columns


def _before(columns: Columns, split: SplitDay) -> int:
    """How many bars lie before the morning of a split."""
    return bisect_left(columns.start, _start_seconds(split.ex_date))


def _epochs(symbol: str, columns: Columns, splits: Sequence[SplitDay], window: int) -> list[Part]:
    """The stretches between splits, each with the bars before it adjusted for the splits by then."""
    ordered = sorted(splits, key=lambda split: split.ex_date)
    bounds = [0, *(_before(columns, split) for split in ordered), len(columns)]
    found = []
    for number in range(len(ordered) + 1):
        begin, end = bounds[number], bounds[number + 1]
        if begin < end:
            cut = max(begin - window + 1, 0)
            known = adjusted(columns[:end], ordered[:number])
            since = columns.start[begin] if begin else 0
            until = columns.start[end] if end < len(columns) else _NO_END
            found.append(Part(symbol, known[cut:], since, until, cut))
    return found


def _all_at_once(  # noqa: PLR0917 - as `find`
    name: str,
    settings: StrategySettings,
    parameters: Any,
    parts: Sequence[Part],
    calendar: Calendar,
    found: Found,
) -> None:
    panel = Panel.of([part.columns for part in parts])
    judged = sweep.judged(settings.rule, panel, parameters, settings.minimum_history_bars)
    decided, undefined = judged.decisions, judged.undefined
    least = settings.minimum_history_bars
    for row, part in enumerate(parts):
        columns = part.columns
        offset = panel.bars - len(columns)
        places, at = _judgeable(part, least, calendar, found)
        cells = at + offset
        missing = undefined[row].take(cells)
        found.withheld[WithheldCode.UNDEFINED] += int(np.count_nonzero(missing))
        raised = np.flatnonzero((decided.side[row].take(cells) != 0) & ~missing)
        bars, cells = at[raised].tolist(), cells[raised]
        sides, strengths, tags = (
            each[row].take(cells).tolist() for each in (decided.side, decided.strength, decided.tag)
        )
        source = Source(part.symbol, name, settings, columns, decided.tags, settings.shadow)
        by_place, buy, sell = found.by_place, Side.BUY, Side.SELL
        bought = [buy if one > 0 else sell for one in sides]
        each = map(Raised, repeat(source), bought, bars, strengths, tags)
        for place, one in zip(places[raised].tolist(), each, strict=True):
            by_place[place].append(one)


def _judgeable(
    part: Part, least: int, calendar: Calendar, found: Found
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The places that have a bar with enough before it, and where it lies; others are withheld."""
    starts, (bars, there) = calendar.starts, calendar.bars_from(part.columns)
    mine = (starts >= part.since) & (starts < part.until)
    enough = part.cut + bars + there >= least
    found.withheld[WithheldCode.SHORT_HISTORY] += int(np.count_nonzero(mine & ~enough))
    mine &= enough
    places = np.flatnonzero(mine & there)
    found.withheld[WithheldCode.STALE] += int(np.count_nonzero(mine)) - len(places)
    return places, bars[places]


def _one_by_one(name: str, settings: StrategySettings, part: Part, calendar: Calendar, found: Found) -> None:
    least, columns = settings.minimum_history_bars, part.columns
    places, bars = _judgeable(part, least, calendar, found)
    for place, bar in zip(places.tolist(), bars.tolist(), strict=True):
        judged = judging.judge(
            part.symbol,
            columns[max(bar + 1 - least, 0) : bar + 1],
            strategy=name,
            settings=settings,
            bar_start=datetime.fromtimestamp(columns.start[bar], UTC),
            bar_close=calendar.traded[place].close,
        )
        if isinstance(judged, Withheld):
            if judged.code is WithheldCode.FAILED:
                day = calendar.traded[place].date
                raise ValueError(f"{name} on {part.symbol}, {day}: {judged.message}")
            found.withheld[judged.code] += 1
        elif judged is not None:
            source = Source(part.symbol, name, settings, columns, (judged.reason,), settings.shadow)
            found.by_place[place].append(Raised(source, judged.side, bar, judged.strength, 0))
