"""The prices that the exchange replays: what is known of every symbol, and the splits that lie between.

Sources: the package bokeh-sampledata (AAPL, FB, GOOG, IBM, MSFT, 2000-03-01 to 2013-03-01, raw
prices, complete: every session once, no zero, high and low around open and close; used as it is),
or a folder of `SYMBOL.csv` files, daily or minute, and, if there were splits, a `splits.csv` with
`symbol,ex_date,new_shares,old_shares`. A made-up universe comes from `laptop.exchange.synthetic`.
"""

from __future__ import annotations

import gzip
import re
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from alpaquero.prices import Bar, Session, bar_start
from alpaquero.prices.splits import SplitDay
from laptop.exchange.errors import ExchangeError
from laptop.exchange.nyse import nyse_sessions
from laptop.exchange.price_files import (
    COLUMNS,
    SPLIT_COLUMNS,
    Row,
    broken,
    by_day,
    price_rows,
    split_rows,
)

_SPLITS_FILE = "splits.csv"
_SHIPPED = "stocks.csv.gz"
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]*([.-][A-Z]+)?")
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, eq=False)
class MinuteColumns:
    """The minutes of one session that traded: their number from the open on, prices and volumes.

    Compared by identity, because caches are keyed by it.
    """

    indices: Sequence[int]
    opens: Sequence[float]
    highs: Sequence[float]
    lows: Sequence[float]
    closes: Sequence[float]
    volumes: Sequence[int]


@dataclass(frozen=True)
class SymbolHistory:
    """All daily bars of one symbol, raw, in order of date, its splits, and its minutes where known.

    `made_up` tells a symbol of a synthetic universe from one with real prices.
    """

    symbol: str
    dates: Sequence[date]
    bars: Sequence[Bar]
    splits: Sequence[SplitDay]
    minutes: Mapping[date, MinuteColumns] = field(default_factory=dict)
    made_up: bool = False

    def position(self, day: date) -> int | None:
        """Where in `bars` a date is; None when the symbol did not trade."""
        position = bisect_left(self.dates, day)
        return position if position < len(self.dates) and self.dates[position] == day else None

    def bar_on(self, day: date) -> Bar | None:
        """The bar of a date, or None when the symbol did not trade."""
        position = self.position(day)
        return None if position is None else self.bars[position]

    def count_to(self, day: date) -> int:
        """How many bars there are up to and with `day`."""
        return bisect_right(self.dates, day)


@dataclass(frozen=True)
class History:
    """Everything there is to replay. `fingerprint` tells one data set from another.

    `calendar` is every session the exchange knows of, `sessions` those with prices. `notes` are lines
    for whoever starts the exchange: what was left out of the files, and why.
    """

    symbols: Mapping[str, SymbolHistory]
    calendar: Sequence[Session]
    sessions: Sequence[Session]
    fingerprint: str
    notes: Sequence[str] = ()


def shipped_history() -> History:
    """The prices that come with the package bokeh-sampledata, with the splits of our own table.

    Raises ExchangeError when the package is not installed.
    """
    try:
        packed = (files("bokeh_sampledata") / "_data" / _SHIPPED).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise ExchangeError(
            "the shipped prices are missing: pip install bokeh-sampledata, or give --data DIR"
        ) from error
    splits = (files("laptop.exchange") / _SPLITS_FILE).read_text("utf-8")
    lines: dict[str, list[str]] = defaultdict(list)
    for line in gzip.decompress(packed).decode().splitlines()[1:]:
        symbol, row = line.split(",", 1)
        lines[symbol].append(row.rsplit(",", 1)[0])
    header = ",".join(COLUMNS)
    sources = {symbol: (_SHIPPED, "\n".join([header, *rows])) for symbol, rows in lines.items()}
    return _history(sources, (_SPLITS_FILE, splits))


def folder_history(folder: Path) -> History:
    """The prices of a folder of CSV files, each daily or by the minute.

    Raises ExchangeError with file, line and fix when a file is broken.
    """
    if not folder.is_dir():
        raise ExchangeError(f"--data {folder}: no such folder; give a folder of SYMBOL.csv files")
    paths = [path for path in sorted(folder.glob("*.csv")) if path.name != _SPLITS_FILE]
    if not paths:
        raise ExchangeError(f"--data {folder}: no SYMBOL.csv in it; add one with {','.join(COLUMNS)}")
    for path in paths:
        if not _SYMBOL.fullmatch(path.stem):
            raise ExchangeError(
                f"{path.name}: {path.stem} is no symbol; rename it like AAPL.csv or BRK.B.csv"
            )
    sources = {path.stem: (path.name, _text(path)) for path in paths}
    splits = folder / _SPLITS_FILE
    header = ",".join(SPLIT_COLUMNS)
    return _history(sources, (_SPLITS_FILE, _text(splits) if splits.exists() else header))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ExchangeError(
            f"{path.name}: cannot be read as UTF-8 text ({error}); save it as UTF-8"
        ) from error


def _history(sources: Mapping[str, tuple[str, str]], splits: tuple[str, str]) -> History:
    rows = {symbol: price_rows(name, text) for symbol, (name, text) in sources.items()}
    calendar = nyse_sessions(min(symbol_rows[0].date for symbol_rows in rows.values()))
    places = {session.date: place for place, session in enumerate(calendar)}
    table: dict[str, list[SplitDay]] = defaultdict(list)
    for split in split_rows(*splits):
        table[split.symbol].append(SplitDay(split.symbol, split.ex_date, split.new, split.old))
    symbols, notes = {}, []
    for symbol, symbol_rows in sorted(rows.items()):
        name = sources[symbol][0]
        for row in symbol_rows:
            if row.date not in places:
                found = f"{row.date} is no session of the New York Stock Exchange"
                raise broken(name, row.line, found, "delete the row or correct its date")
        kept = [row for row in symbol_rows if _in_session(row, calendar[places[row.date]])]
        if not kept:
            fix = "stamp rows with the minute's start, 14:30:00Z for 9:30 in winter"
            raise broken(name, symbol_rows[0].line, "no row of the file lies in a session", fix)
        if left_out := len(symbol_rows) - len(kept):
            notes.append(f"{name}: {left_out} minutes outside the regular sessions are not used")
        _check_gaps(name, kept, calendar, places)
        build = _daily if kept[0].minute is None else _by_minute
        symbols[symbol] = build(symbol, kept, calendar, places, table.get(symbol, ()))
    traded = {day for history in symbols.values() for day in history.dates}
    digest = sha256(repr([sorted(sources.items()), splits]).encode())
    return History(symbols, *_known(calendar, traded), digest.hexdigest(), notes)


def _known(calendar: Sequence[Session], traded: set[date]) -> tuple[list[Session], list[Session]]:
    """The sessions the exchange knows of, without those that no symbol has prices of, and the traded ones."""
    first, last = min(traded), max(traded)
    known = [session for session in calendar if session.date in traded or not first <= session.date <= last]
    return known, [session for session in known if session.date in traded]


def _in_session(row: Row, session: Session) -> bool:
    return row.minute is None or session.open <= row.minute < session.close


def _check_gaps(
    name: str, rows: Sequence[Row], calendar: Sequence[Session], places: Mapping[date, int]
) -> None:
    """A symbol has prices of every session from its first to its last."""
    place = places[rows[0].date]
    for row in rows:
        if places[row.date] > place + 1:
            found = f"no row for the session of {calendar[place + 1].date}, {row.date} comes next"
            fix = "add what is missing; a day without a trade is its last close four times, volume 0"
            raise broken(name, row.line, found, fix)
        place = places[row.date]


def _daily(
    symbol: str,
    rows: Sequence[Row],
    calendar: Sequence[Session],
    places: Mapping[date, int],
    splits: Sequence[SplitDay],
) -> SymbolHistory:
    bars = [Bar(bar_start(calendar[places[row.date]]), *row.prices, row.volume) for row in rows]
    return SymbolHistory(symbol, [row.date for row in rows], bars, splits)


def _by_minute(
    symbol: str,
    rows: Sequence[Row],
    calendar: Sequence[Session],
    places: Mapping[date, int],
    splits: Sequence[SplitDay],
) -> SymbolHistory:
    """The history of minute rows; its daily bars are their sums."""
    minutes: dict[date, MinuteColumns] = {}
    bars = []
    for day, day_rows in by_day(rows).items():
        session = calendar[places[day]]
        starts = [row.minute for row in day_rows if row.minute is not None]
        opens, highs, lows, closes = (
            array("d", (row.prices[part] for row in day_rows)) for part in range(len(day_rows[0].prices))
        )
        volumes = array("q", (row.volume for row in day_rows))
        indices = array("H", ((start - session.open) // _MINUTE for start in starts))
        minutes[day] = MinuteColumns(indices, opens, highs, lows, closes, volumes)
        bars.append(Bar(bar_start(session), opens[0], max(highs), min(lows), closes[-1], sum(volumes)))
    return SymbolHistory(symbol, list(minutes), bars, splits, minutes)
