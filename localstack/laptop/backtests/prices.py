"""Where a backtest's prices come from: those that are shipped, a folder of CSV files, the stack's store.

A source is found first, for it says which symbols there are; its bars are read once the settings say which
timeframe they judge.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from alpaquero.prices.aggregation import aggregated
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import LENGTHS, NEW_YORK, Session
from alpaquero.prices.splits import SplitDay
from laptop.errors import LaptopError

if TYPE_CHECKING:
    from laptop.exchange.history import History, SymbolHistory
    from laptop.stack import Stack

STORE = "store"
_PAGE = 10_000
_MINUTE = timedelta(minutes=1)
_OPEN_PAST_HOUR = 30  # minutes: a longer row would hold prices of two bars of an hour
_ADJUSTED = (
    "Prices are adjusted for splits, so numbers of shares before a split are not those that were traded."
)


@dataclass(frozen=True)
class Prices:
    """Bars by timeframe and symbol, the market's sessions around them, and the splits between.

    Bars are raw when `splits` are known, the shortest timeframe's first; `label` says where they came from,
    `notes` what to know.
    """

    bars: Mapping[Timeframe, Mapping[str, Columns]]
    sessions: Sequence[Session]
    splits: Sequence[SplitDay]
    label: str
    notes: tuple[str, ...] = ()

    @property
    def series(self) -> Mapping[str, Columns]:
        """The bars of the shortest timeframe by symbol."""
        return next(iter(self.bars.values()))

    def of(self, timeframe: Timeframe) -> Mapping[str, Columns]:
        """The bars of a timeframe by symbol. Raises `ValueError` for one that was not read."""
        if timeframe not in self.bars:
            raise ValueError(
                f"bars of {timeframe} are asked for, and those of {', '.join(self.bars)} were read: the "
                "timeframe is no setting of a grid; run one with --timeframe for each"
            )
        return self.bars[timeframe]

    @property
    def first(self) -> date:
        """The first session of any symbol."""
        return min(_day(columns, 0) for columns in self.series.values())

    @property
    def last(self) -> date:
        """The last session of any symbol."""
        return max(_day(columns, -1) for columns in self.series.values())


def _day(columns: Columns, index: int) -> date:
    return columns.start_at(index).astimezone(NEW_YORK).date()


class Source(Protocol):
    """Where prices are read."""

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols whose prices are read."""

    def read(self, timeframes: Sequence[Timeframe]) -> Prices:
        """Their bars, the shortest first. Raises `LaptopError` that says where to get what is missing."""


@dataclass(frozen=True)
class Files:
    """Prices of files; `symbols` are those of them that are wanted."""

    history: History
    label: str
    symbols: Sequence[str]

    def read(self, timeframes: Sequence[Timeframe]) -> Prices:
        """The bars of the timeframes."""
        return _of_history(self.history, self.symbols, self.label, timeframes)


@dataclass(frozen=True)
class Store:
    """Prices that the running stack has stored."""

    stack: Stack
    symbols: Sequence[str]

    def read(self, timeframes: Sequence[Timeframe]) -> Prices:
        """The stored bars of the timeframes, split-adjusted."""
        return _of_store(self.stack, self.symbols, timeframes)


def shipped(symbols: Sequence[str] = ()) -> Files:
    """The prices that come with bokeh-sampledata, all or of `symbols`.

    Raises `ExchangeError` when it is not installed, `LaptopError` naming a symbol without prices.
    """
    from laptop.exchange.history import shipped_history

    return _of(shipped_history(), "the shipped prices", symbols)


def of_folder(folder: Path, symbols: Sequence[str] = ()) -> Files:
    """The prices of a folder, all or of `symbols`, read as the exchange reads it.

    Raises `ExchangeError` with file and line, `LaptopError` naming a symbol without prices.
    """
    from laptop.exchange.history import folder_history

    return _of(folder_history(folder), str(folder), symbols)


def _of(history: History, label: str, symbols: Sequence[str]) -> Files:
    missing = [symbol for symbol in symbols if symbol not in history.symbols]
    if missing:
        known = ", ".join(list(history.symbols)[:20])
        raise LaptopError(
            f"there are no prices of {', '.join(missing[:10])} in {label}; there is {known}: "
            "give other --symbols, or --data DIR with their files"
        )
    return Files(history, label, symbols or tuple(history.symbols))


def _of_history(
    history: History, symbols: Sequence[str], label: str, timeframes: Sequence[Timeframe]
) -> Prices:
    """Raises `LaptopError` where the files have no bars that a timeframe could be made of."""
    return Prices(
        bars={
            timeframe: {
                symbol: _bars_of(history.symbols[symbol], history.calendar, label, timeframe)
                for symbol in symbols
            }
            for timeframe in timeframes
        },
        sessions=history.calendar,
        splits=tuple(split for known in history.symbols.values() for split in known.splits),
        label=label,
        notes=tuple(history.notes),
    )


def _bars_of(known: SymbolHistory, sessions: Sequence[Session], label: str, timeframe: Timeframe) -> Columns:
    """The symbol's bars of the timeframe. Raises `LaptopError` where its rows are longer than they are."""
    if timeframe is Timeframe.DAY:
        return Columns.of(known.bars)
    if not known.minutes:
        raise LaptopError(
            f"{label}: {known.symbol} has a row a day, and bars of {timeframe} are asked for; give --data "
            "DIR with a row a minute, --data store, or --timeframe 1Day"
        )
    rows, late = _minutes_a_row(known)
    if LENGTHS[timeframe] // _MINUTE % rows or _OPEN_PAST_HOUR % rows or late:
        raise LaptopError(
            f"{label}: {known.symbol} has a row every {rows} minutes, {late} after a whole multiple, which "
            f"make up no bars of {timeframe}; give a row a minute, or whole bars stamped with their start"
        )
    opened = {session.date: int(session.open.timestamp()) for session in sessions}
    made: list[array[Any]] = [array(typecode) for typecode in "qddddq"]
    for day, minutes in known.minutes.items():
        starts = [opened[day] + 60 * index for index in minutes.indices]
        fields = (starts, minutes.opens, minutes.highs, minutes.lows, minutes.closes, minutes.volumes)
        for column, values in zip(made, fields, strict=True):
            column.extend(values)
    return aggregated(Columns(*made), timeframe)


def _minutes_a_row(known: SymbolHistory) -> tuple[int, int]:
    """How many minutes a row stands for, and how many after a whole multiple of them rows begin.

    All distances between the rows of a session are multiples of what a row stands for: rows of a minute
    have gaps where nothing traded, and still two that are neighbours.
    """
    step = 0
    for minutes in known.minutes.values():
        step = gcd(step, *(index - minutes.indices[0] for index in minutes.indices))
        if step == 1:
            break
    step = step or 1
    return step, max(minutes.indices[0] % step for minutes in known.minutes.values())


def _of_store(stack: Stack, symbols: Sequence[str], timeframes: Sequence[Timeframe]) -> Prices:
    """What the running stack has stored of these symbols, split-adjusted.

    Raises `LaptopError` naming `alpaquero history` when nothing is stored of one.
    """
    from laptop.exchange.nyse import nyse_sessions

    bars = {one: {symbol: _stored(stack, symbol, one) for symbol in symbols} for one in timeframes}
    for timeframe, series in bars.items():
        missing = [symbol for symbol, columns in series.items() if not len(columns)]
        if missing:
            raise LaptopError(
                f"no {timeframe} bars of {', '.join(missing)} are stored: run `alpaquero history ingest "
                f"--symbols {','.join(missing)} --timeframe {timeframe} --from 2016-01-04` and try again"
            )
    first = min(_day(columns, 0) for series in bars.values() for columns in series.values())
    return Prices(bars=bars, sessions=nyse_sessions(first), splits=(), label="the store", notes=(_ADJUSTED,))


def _stored(stack: Stack, symbol: str, timeframe: Timeframe) -> Columns:
    """Every stored bar of one symbol, by the pages of the historical data service."""
    from datetime import datetime
    from urllib.parse import urlencode

    from laptop.calls import Call, send

    bars: list[Bar] = []
    query = {"limit": str(_PAGE), "start": "1990-01-01", "timeframe": str(timeframe)}
    while True:
        path = f"/historical/{symbol}?{urlencode(query)}"
        answer = send(stack, Call(stack.ports["historical_data"], path))
        if answer.status_code == 404:
            return Columns.empty()
        if answer.is_error:
            raise LaptopError(f"the store answered {answer.status_code} for {symbol}: see `alpaquero logs`")
        page = answer.json()
        bars += [
            Bar(
                datetime.fromisoformat(item["time"]),
                item["open"],
                item["high"],
                item["low"],
                item["close"],
                item["volume"],
            )
            for item in page["items"]
        ]
        if page["next"] is None:
            return Columns.of(bars)
        query["cursor"] = page["next"]
