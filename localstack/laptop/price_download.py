"""Downloads prices into a folder of CSV files that the exchange and backtests read with ``--data DIR``.

Prices are raw, as they were traded, with the splits beside them in ``splits.csv``. ``history.json`` of
the folder says how far each symbol has come, so a download that was broken off goes on, and one that is
asked for again later fetches what is new. ``alpaquero history download`` is the command.
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from alpaquero.errors import BrokerUnavailable
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.gaps import Gap, gaps
from alpaquero.prices.regular_hours import in_session
from alpaquero.prices.sessions import NEW_YORK, Session
from laptop.errors import LaptopError
from laptop.exchange.price_files import COLUMNS, SPLIT_COLUMNS

if TYPE_CHECKING:
    from alpaquero.broker.protocol import CorporateAction, MarketDataReader

PROGRESS_FILE: Final = "history.json"
SPLITS_FILE: Final = "splits.csv"
STRETCH_DAYS: Final = {Timeframe.DAY: 3650, Timeframe.MINUTE: 30}  # about a page of Alpaca's
SPLIT_KINDS: Final = frozenset({"forward_split", "reverse_split", "unit_split"})
TRIES: Final = 10
PAUSE_SECONDS: Final = 5.0
SETTLE: Final = timedelta(minutes=20)  # by then the bar of a session is as good as final

T = TypeVar("T")
Told = Callable[[str, int, int], None]
"""Hears of each stretch: the symbol, how many days are done of how many."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to download: days or minutes, New York dates, both included."""

    symbols: tuple[str, ...]
    timeframe: Timeframe
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Covered:
    """What the folder holds of a symbol: everything from `first` to `last`."""

    timeframe: str
    first: date
    last: date


class PriceFolder:
    """A folder of `SYMBOL.csv`, `splits.csv` and the progress of their download."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def covered(self) -> dict[str, Covered]:
        """How far each symbol has come. Raises `LaptopError` when the file is not ours."""
        path = self.root / PROGRESS_FILE
        if not path.exists():
            return {}
        try:
            rows = json.loads(path.read_text("utf-8"))
            return {
                symbol: Covered(
                    row["timeframe"], date.fromisoformat(row["first"]), date.fromisoformat(row["last"])
                )
                for symbol, row in rows.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            raise LaptopError(f"{path} is no progress of a download: delete it to begin again") from None

    def cover(self, symbol: str, covered: Covered) -> None:
        """Writes down how far a symbol has come."""
        known = {**self.covered(), symbol: covered}
        rows = {
            name: {"timeframe": one.timeframe, "first": one.first.isoformat(), "last": one.last.isoformat()}
            for name, one in sorted(known.items())
        }
        self._write(PROGRESS_FILE, json.dumps(rows, indent=1) + "\n")

    def columns(self, symbol: str) -> Columns:
        """The bars in a symbol's file, none without one; a line that was not written whole is left out."""
        path = self.root / f"{symbol}.csv"
        if not path.exists():
            return Columns.empty()
        whole = path.read_text("utf-8").rpartition("\n")[0].splitlines()[1:]
        return Columns.of(_bar(row) for row in csv.reader(whole))

    def keep(self, symbol: str, columns: Columns, timeframe: Timeframe) -> None:
        """Puts the bars in the place of the symbol's file, all at once."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_rows(columns, timeframe))
        self._write(f"{symbol}.csv", text.getvalue())

    def append(self, symbol: str, columns: Columns, timeframe: Timeframe) -> None:
        """Adds bars behind those of the file, whose last line must be whole."""
        with (self.root / f"{symbol}.csv").open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(_rows(columns, timeframe))

    def keep_splits(self, symbols: Iterable[str], splits: Iterable[tuple[str, date, int, int]]) -> None:
        """Puts the splits of `symbols` in the place of those in the table."""
        path = self.root / SPLITS_FILE
        asked = set(symbols)
        kept = [row for row in csv.reader(path.open(encoding="utf-8")) if row][1:] if path.exists() else []
        rows = [row for row in kept if row[0] not in asked]
        rows += [[symbol, day.isoformat(), str(new), str(old)] for symbol, day, new, old in splits]
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(SPLIT_COLUMNS)
        writer.writerows(sorted(rows))
        self._write(SPLITS_FILE, text.getvalue())

    def _write(self, name: str, text: str) -> None:
        path = self.root / f".{name}.part"
        path.write_text(text, encoding="utf-8")
        os.replace(path, self.root / name)  # noqa: PTH105 -- replaces in one step


def download(
    wanted: Wanted,
    folder: PriceFolder,
    market_data: MarketDataReader,
    sessions: Sequence[Session],
    now: datetime,
    *,
    told: Told = lambda _symbol, _done, _of: None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Brings the folder up to what is wanted; answers the symbols of which there is no bar at all.

    Bars that are not final at `now` are left for the next time. Raises what the market data raises,
    after some tries; what came before is kept, and the next call goes on there.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    closed = [s for s in sessions if s.close <= now - SETTLE and s.date <= wanted.last]
    if not closed or closed[-1].date < wanted.first:
        raise LaptopError(f"no session from {wanted.first} on has closed yet: give an earlier --from")
    source = _Patient(market_data, sleep)
    for symbol in wanted.symbols:
        for done, days in _one(symbol, wanted, folder, source, closed):
            told(symbol, done, days)
    folder.keep_splits(wanted.symbols, _splits(source, wanted, closed[-1].date))
    return [symbol for symbol in wanted.symbols if not len(folder.columns(symbol))]


def _one(
    symbol: str,
    wanted: Wanted,
    folder: PriceFolder,
    source: _Patient,
    sessions: Sequence[Session],
) -> Iterator[tuple[int, int]]:
    """Brings one symbol up to the last session; tells how many days are done, of how many."""
    last = sessions[-1].date
    before = folder.covered().get(symbol)
    if before is not None and before.timeframe != wanted.timeframe:
        raise LaptopError(
            f"{folder.root} holds {before.timeframe} bars of {symbol}: give another --data for these"
        )
    if before is None or wanted.first < before.first or wanted.first > before.last + timedelta(days=1):
        folder.keep(symbol, Columns.empty(), wanted.timeframe)
        before = None
    first = wanted.first if before is None else before.first
    done = before.last if before is not None else first - timedelta(days=1)
    kept = folder.columns(symbol)
    complete = kept.until(_midnight(done + timedelta(days=1)) - timedelta(seconds=1))
    if len(complete) != len(kept) or before is not None:
        folder.keep(symbol, complete, wanted.timeframe)  # what was broken off in a stretch is fetched again
    days = (last - first).days + 1
    while done < last:
        until = min(last, done + timedelta(days=STRETCH_DAYS[wanted.timeframe]))
        folder.append(symbol, source.bars(symbol, wanted.timeframe, done, until, sessions), wanted.timeframe)
        done = until
        folder.cover(symbol, Covered(wanted.timeframe, first, done))
        yield (done - first).days + 1, days
    yield days, days


class _Patient:
    """Market data that is asked again when it does not answer, as long as it says or a few seconds."""

    def __init__(self, market_data: MarketDataReader, sleep: Callable[[float], None]) -> None:
        self._market_data = market_data
        self._sleep = sleep

    def bars(
        self, symbol: str, timeframe: Timeframe, after: date, until: date, sessions: Sequence[Session]
    ) -> Columns:
        """The regular sessions' bars of the days behind `after`, up to `until`."""
        first, end = _midnight(after + timedelta(days=1)), _midnight(until + timedelta(days=1))
        found = self._asked(
            lambda: self._market_data.bars([symbol], timeframe, first, end - timedelta(seconds=1), "raw").get(
                symbol, Columns.empty()
            )
        )
        inside = found.since(first).until(end - timedelta(seconds=1))
        return in_session(inside, timeframe, sessions)

    def splits(self, symbols: Sequence[str], first: date, last: date) -> list[CorporateAction]:
        """The splits of these symbols."""
        found = self._asked(lambda: self._market_data.corporate_actions(symbols, first, last))
        return [action for action in found if action.kind in SPLIT_KINDS]

    def _asked(self, ask: Callable[[], T]) -> T:
        for _ in range(TRIES - 1):
            try:
                return ask()
            except BrokerUnavailable as error:
                self._sleep(error.retry_after_seconds or PAUSE_SECONDS)
        return ask()


def _splits(source: _Patient, wanted: Wanted, last: date) -> Iterator[tuple[str, date, int, int]]:
    for action in source.splits(wanted.symbols, wanted.first, last):
        if action.share_ratio is not None and action.ex_date is not None:
            ratio = Fraction(action.share_ratio).limit_denominator(1000)
            yield action.symbol, action.ex_date, ratio.numerator, ratio.denominator


def _rows(columns: Columns, timeframe: Timeframe) -> Iterator[list[str]]:
    for bar in columns.bars():
        if timeframe is Timeframe.DAY:
            stamp = bar.start.astimezone(NEW_YORK).date().isoformat()
        else:
            stamp = bar.start.isoformat().replace("+00:00", "Z")
        yield [stamp, *(_number(value) for value in (bar.open, bar.high, bar.low, bar.close, bar.volume))]


def _number(value: float) -> str:
    """A float as the shortest text that reads back as the same."""
    return f"{value:.0f}" if value == int(value) else repr(value)


def _bar(row: list[str]) -> Bar:
    stamp = datetime.fromisoformat(row[0])
    start = stamp if stamp.tzinfo else stamp.replace(tzinfo=NEW_YORK)
    numbers = [float(field) for field in row[1:]]
    return Bar(start.astimezone(UTC), numbers[0], numbers[1], numbers[2], numbers[3], round(numbers[4]))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time_of_day(), tzinfo=NEW_YORK)


def missing(folder: PriceFolder, symbol: str, sessions: Sequence[Session]) -> list[Gap]:
    """What the calendar promises of a symbol from its first bar on, and the file lacks."""
    covered, columns = folder.covered()[symbol], folder.columns(symbol)
    first = columns.start_at(0).astimezone(NEW_YORK).date()
    inside = [session for session in sessions if first <= session.date <= covered.last]
    return gaps(columns.start, Timeframe(covered.timeframe), inside)
