"""Reads the daily prices that the exchange replays, and the splits that lie between them.

Sources: the package bokeh-sampledata (AAPL, FB, GOOG, IBM, MSFT, 2000-03-01 to 2013-03-01, raw
prices, complete: every session once, no zero, high and low around open and close; used as it is),
or a folder of `SYMBOL.csv` files with the columns `timestamp,open,high,low,close,volume` and, if
there were splits, a `splits.csv` with `symbol,ex_date,new_shares,old_shares`.
"""

from __future__ import annotations

import csv
import gzip
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from io import StringIO
from math import isfinite
from pathlib import Path

from alpaquero.prices import NEW_YORK, Bar, Session, bar_start
from laptop.exchange.errors import ExchangeError
from laptop.exchange.nyse import nyse_sessions

_COLUMNS = ["timestamp", "open", "high", "low", "close", "volume"]
_SPLIT_COLUMNS = ["symbol", "ex_date", "new_shares", "old_shares"]
_SPLITS_FILE = "splits.csv"
_SHIPPED = "stocks.csv.gz"
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]*([.-][A-Z]+)?")


@dataclass(frozen=True, slots=True)
class Split:
    """From the morning of `ex_date` on, one share is `ratio` shares."""

    symbol: str
    ex_date: date
    ratio: Decimal


@dataclass(frozen=True)
class SymbolHistory:
    """All daily bars of one symbol, raw, in order of date, and its splits."""

    symbol: str
    dates: Sequence[date]
    bars: Sequence[Bar]
    splits: Sequence[Split]

    @cached_property
    def index(self) -> Mapping[date, int]:
        """Where in `bars` a date is."""
        return {day: position for position, day in enumerate(self.dates)}

    def bar_on(self, day: date) -> Bar | None:
        """The bar of a date, or None when the symbol did not trade."""
        position = self.index.get(day)
        return None if position is None else self.bars[position]

    def count_to(self, day: date) -> int:
        """How many bars there are up to and with `day`."""
        return bisect_right(self.dates, day)


@dataclass(frozen=True)
class History:
    """Everything there is to replay. `fingerprint` tells one data set from another."""

    symbols: Mapping[str, SymbolHistory]
    calendar: Sequence[Session]
    sessions: Sequence[Session]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    date: date
    prices: tuple[float, float, float, float]
    volume: float


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
    header = ",".join(_COLUMNS)
    sources = {symbol: (_SHIPPED, "\n".join([header, *rows])) for symbol, rows in lines.items()}
    return _history(sources, (_SPLITS_FILE, splits))


def folder_history(folder: Path) -> History:
    """The prices of a folder of CSV files.

    Raises ExchangeError with file, line and fix when a file is broken.
    """
    if not folder.is_dir():
        raise ExchangeError(f"--data {folder}: no such folder; give a folder of SYMBOL.csv files")
    paths = [path for path in sorted(folder.glob("*.csv")) if path.name != _SPLITS_FILE]
    if not paths:
        raise ExchangeError(f"--data {folder}: no SYMBOL.csv in it; add one with {','.join(_COLUMNS)}")
    for path in paths:
        if not _SYMBOL.fullmatch(path.stem):
            raise ExchangeError(
                f"{path.name}: {path.stem} is no symbol; rename it like AAPL.csv or BRK.B.csv"
            )
    sources = {path.stem: (path.name, _text(path)) for path in paths}
    splits = folder / _SPLITS_FILE
    header = ",".join(_SPLIT_COLUMNS)
    return _history(sources, (_SPLITS_FILE, _text(splits) if splits.exists() else header))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ExchangeError(
            f"{path.name}: cannot be read as UTF-8 text ({error}); save it as UTF-8"
        ) from error


def _history(sources: Mapping[str, tuple[str, str]], splits: tuple[str, str]) -> History:
    rows = {symbol: _rows(name, text) for symbol, (name, text) in sources.items()}
    first = min(symbol_rows[0].date for symbol_rows in rows.values())
    calendar = nyse_sessions(first)
    by_date = {session.date: session for session in calendar}
    for symbol, symbol_rows in rows.items():
        for row in symbol_rows:
            if row.date not in by_date:
                raise _broken(
                    sources[symbol][0],
                    row.line,
                    f"{row.date} is no session of the New York Stock Exchange",
                    "delete the row or correct its date",
                )
    split_table = _splits(*splits)
    symbols = {
        symbol: SymbolHistory(
            symbol,
            [row.date for row in symbol_rows],
            [Bar(bar_start(by_date[row.date]), *row.prices, row.volume) for row in symbol_rows],
            split_table.get(symbol, ()),
        )
        for symbol, symbol_rows in sorted(rows.items())
    }
    traded = {row.date for symbol_rows in rows.values() for row in symbol_rows}
    last = max(traded)
    known = [session for session in calendar if session.date in traded or not first <= session.date <= last]
    digest = sha256(repr([sorted(sources.items()), splits]).encode())
    return History(symbols, known, [s for s in known if s.date in traded], digest.hexdigest())


def _rows(name: str, text: str) -> list[_Row]:
    """The rows of one file, checked, in order of date."""
    rows: list[_Row] = []
    for line, fields in _records(name, text, _COLUMNS):
        day = _day(name, line, fields[0])
        prices = _numbers(name, line, fields[1:])
        row = _Row(line, day, (prices[0], prices[1], prices[2], prices[3]), prices[4])
        _check_prices(name, row)
        if rows and day <= rows[-1].date:
            fix = "keep one row a day, sorted by date (minute files are not read yet: sum them to days)"
            raise _broken(name, line, f"{day} does not come after {rows[-1].date}", fix)
        rows.append(row)
    if not rows:
        raise ExchangeError(f"{name} line 2: there is no row; add one a day or delete the file")
    return rows


def _records(name: str, text: str, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(StringIO(text))
    header = [field.strip().lower() for field in next(reader, [])]
    if header != list(columns):
        raise _broken(
            name, 1, f"the columns are {','.join(header) or 'missing'}", f"make them {','.join(columns)}"
        )
    for fields in reader:
        if not fields:
            continue
        if len(fields) != len(columns):
            found = f"{len(fields)} fields instead of {len(columns)}"
            raise _broken(name, reader.line_num, found, f"write {','.join(columns)}")
        yield reader.line_num, [field.strip() for field in fields]


def _day(name: str, line: int, text: str) -> date:
    """The session date of a timestamp: a date, or a time at midnight (New York, or UTC if it says so)."""
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise _broken(name, line, f"{text!r} is no date", "write it as 2012-12-31") from None
    local = stamp.astimezone(NEW_YORK) if stamp.tzinfo else stamp
    for reading in (local, stamp):
        if reading.time() == time():
            return reading.date()
    fix = "this exchange reads daily rows: sum the minutes of a day to one row"
    raise _broken(name, line, f"{text} is a time of day", fix)


def _numbers(name: str, line: int, fields: Iterable[str]) -> list[float]:
    values = []
    for field in fields:
        try:
            value = float(field)
        except ValueError:
            raise _broken(name, line, f"{field!r} is no number", "write a plain number like 12.34") from None
        if not isfinite(value):
            raise _broken(name, line, f"{field} is no price", "delete the row if the day had no trade")
        values.append(value)
    return values


def _check_prices(name: str, row: _Row) -> None:
    opened, high, low, closed = row.prices
    checks: list[tuple[bool, str, str]] = [
        (min(row.prices) > 0, "a price is zero or negative", "delete the row if the day had no trade"),
        (row.volume >= 0, "the volume is negative", "write 0 or the shares traded"),
        (
            low <= min(opened, closed) and high >= max(opened, closed),
            f"open {opened} or close {closed} lies outside low {low} to high {high}",
            "correct the row",
        ),
    ]
    for good, found, fix in checks:
        if not good:
            raise _broken(name, row.line, found, fix)


def _splits(name: str, text: str) -> dict[str, list[Split]]:
    """The splits by symbol, in order of date."""
    table: dict[str, list[Split]] = defaultdict(list)
    for line, (symbol, ex_date, new, old) in _records(name, text, _SPLIT_COLUMNS):
        shares = _numbers(name, line, [new, old])
        if shares[1] != 1 or not shares[0].is_integer() or shares[0] < 2:
            fix = "this exchange knows whole forward splits only: new_shares 2 or more, old_shares 1"
            raise _broken(name, line, f"{new}:{old} is not taken", fix)
        table[symbol.upper()].append(
            Split(symbol.upper(), _day(name, line, ex_date), Decimal(int(shares[0])))
        )
    return {symbol: sorted(rows, key=lambda split: split.ex_date) for symbol, rows in table.items()}


def _broken(name: str, line: int, found: str, fix: str) -> ExchangeError:
    return ExchangeError(f"{name} line {line}: {found}; {fix}")
