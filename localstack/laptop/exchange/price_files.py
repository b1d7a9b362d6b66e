"""Reads CSV files of prices and of splits into checked rows; the history builds its symbols from them.

A file has the columns `timestamp,open,high,low,close,volume` and one row a day, stamped with its date,
or one row a minute, stamped with the minute's start. A time without a zone is New York's. A volume is
rounded to whole shares.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from io import StringIO
from math import isfinite

from alpaquero.prices import NEW_YORK
from laptop.exchange.errors import ExchangeError

COLUMNS = ["timestamp", "open", "high", "low", "close", "volume"]
SPLIT_COLUMNS = ["symbol", "ex_date", "new_shares", "old_shares"]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a price file. `minute` is its start in UTC, None in a daily file; `volume` is whole shares."""

    line: int
    date: date
    minute: datetime | None
    prices: tuple[float, float, float, float]
    volume: int


@dataclass(frozen=True, slots=True)
class SplitRow:
    """A row of the split table: from the morning of `ex_date` on `old` shares are `new` shares."""

    symbol: str
    ex_date: date
    new: int
    old: int


def price_rows(name: str, text: str) -> list[Row]:
    """The rows of one file, all of them days or all of them minutes, in order of time.

    Raises ExchangeError with file, line and fix for the first row that is broken.
    """
    rows: list[Row] = []
    for line, fields in _records(name, text, COLUMNS):
        day, minute = _time_of(name, line, fields[0], daily=bool(rows) and rows[0].minute is None)
        values = _numbers(name, line, fields[1:])
        row = Row(line, day, minute, (values[0], values[1], values[2], values[3]), round(values[4]))
        _check_prices(name, row)
        if rows:
            _check_order(name, rows[-1], row)
        rows.append(row)
    if not rows:
        raise ExchangeError(f"{name} line 2: there is no row; add one a day or delete the file")
    return rows


def split_rows(name: str, text: str) -> list[SplitRow]:
    """The rows of a split table, checked, in order of date."""
    rows: list[SplitRow] = []
    for line, (symbol, ex_date, new, old) in _records(name, text, SPLIT_COLUMNS):
        shares = _numbers(name, line, [new, old])
        if min(shares) < 1 or shares[0] == shares[1] or not all(count.is_integer() for count in shares):
            fix = "write whole shares, like 2,1 for two new for one old or 1,10 for a reverse split"
            raise broken(name, line, f"{new}:{old} is no split", fix)
        day, minute = _time_of(name, line, ex_date, daily=True)
        if minute is not None:
            raise broken(name, line, f"{ex_date} is a time of day", "write the date it takes effect")
        rows.append(SplitRow(symbol.upper(), day, int(shares[0]), int(shares[1])))
    return sorted(rows, key=lambda row: (row.symbol, row.ex_date))


def by_day(rows: Iterable[Row]) -> dict[date, list[Row]]:
    """Minute rows by their date in New York."""
    days: dict[date, list[Row]] = defaultdict(list)
    for row in rows:
        days[row.date].append(row)
    return days


def broken(name: str, line: int, found: str, fix: str) -> ExchangeError:
    """The error for a row: what was found there, and the fix."""
    return ExchangeError(f"{name} line {line}: {found}; {fix}")


def _records(name: str, text: str, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(StringIO(text))
    header = [field.strip().lower() for field in next(reader, [])]
    if header != list(columns):
        raise broken(
            name, 1, f"the columns are {','.join(header) or 'missing'}", f"make them {','.join(columns)}"
        )
    for fields in reader:
        if not fields:
            continue
        if len(fields) != len(columns):
            found = f"{len(fields)} fields instead of {len(columns)}"
            raise broken(name, reader.line_num, found, f"write {','.join(columns)}")
        yield reader.line_num, [field.strip() for field in fields]


def _time_of(name: str, line: int, text: str, *, daily: bool) -> tuple[date, datetime | None]:
    """The session date of a timestamp, and its minute in UTC unless it is a whole day's.

    A whole day is a date, or midnight (New York's, or UTC's if it says so).
    """
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise broken(name, line, f"{text!r} is no date", "write it as 2012-12-31") from None
    local = stamp.astimezone(NEW_YORK) if stamp.tzinfo else stamp.replace(tzinfo=NEW_YORK)
    for reading in (local, stamp):
        if reading.time() == time():
            return reading.date(), None
    if daily:
        fix = "keep one row a day in this file, or one a minute, not both"
        raise broken(name, line, f"{text} is a time of day", fix)
    if local.second or local.microsecond:
        fix = "write the minute's start, like 2012-12-31T14:30:00Z"
        raise broken(name, line, f"{text} is no whole minute", fix)
    return local.date(), local.astimezone(UTC)


def _check_order(name: str, before: Row, row: Row) -> None:
    """One row a day or minute, sorted."""
    if (before.minute is None) is not (row.minute is None):
        fix = "keep one row a day in this file, or one a minute, not both"
        raise broken(name, row.line, f"{row.date} is a whole day among minutes", fix)
    earlier, later, unit = (before.date, row.date, "day")
    if before.minute is not None and row.minute is not None:
        if row.minute > before.minute:
            return
        earlier, later, unit = before.minute, row.minute, "minute"
    if later > earlier:
        return
    found = "is there twice" if later == earlier else f"comes after {earlier}"
    fix = f"keep one row a {unit}, sorted by time"
    raise broken(name, row.line, f"{later} {found}", fix)


def _numbers(name: str, line: int, fields: Iterable[str]) -> list[float]:
    values = []
    for field in fields:
        try:
            value = float(field)
        except ValueError:
            raise broken(name, line, f"{field!r} is no number", "write a plain number like 12.34") from None
        if not isfinite(value):
            raise broken(name, line, f"{field} is no price", "delete the row if there was no trade")
        values.append(value)
    return values


def _check_prices(name: str, row: Row) -> None:
    opened, high, low, closed = row.prices
    # One test for the rule, as a start checks thousands of rows.
    if 0 < low <= opened <= high and low <= closed <= high and row.volume >= 0:
        return
    found, fix = f"open {opened} or close {closed} lies outside low {low} to high {high}", "correct the row"
    if min(row.prices) <= 0:
        found, fix = "a price is zero or negative", "delete the row if there was no trade"
    elif row.volume < 0:
        found, fix = "the volume is negative", "write 0 or the shares traded"
    raise broken(name, row.line, found, fix)
