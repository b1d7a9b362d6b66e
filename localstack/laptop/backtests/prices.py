"""Where a backtest's prices come from: those that are shipped, a folder of CSV files, the stack's store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpaquero.prices.bars import Bar
from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import Session
from alpaquero.simulation.backtest import SplitDay
from laptop.errors import LaptopError

if TYPE_CHECKING:
    from laptop.stack import Stack

STORE = "store"
_PAGE = 10_000
_ADJUSTED = (
    "Prices are adjusted for splits, so numbers of shares before a split are not those that were traded."
)


@dataclass(frozen=True)
class Prices:
    """Daily bars by symbol, the market's sessions around them, and the splits between.

    Bars are raw when `splits` are known; `label` says where they came from, `notes` what to know.
    """

    series: Mapping[str, Columns]
    sessions: Sequence[Session]
    splits: Sequence[SplitDay]
    label: str
    notes: tuple[str, ...] = ()

    def of(self, symbols: Sequence[str]) -> Prices:
        """The same for these symbols alone. Raises `LaptopError` naming one without prices."""
        missing = [symbol for symbol in symbols if symbol not in self.series]
        if missing:
            known = ", ".join(list(self.series)[:20])
            raise LaptopError(
                f"there are no prices of {', '.join(missing[:10])} in {self.label}; there is {known}: "
                "give other --symbols, or --data DIR with their files"
            )
        return replace(self, series={symbol: self.series[symbol] for symbol in symbols})

    @property
    def first(self) -> date:
        """The first session of any symbol."""
        return min(columns.start_at(0).date() for columns in self.series.values())

    @property
    def last(self) -> date:
        """The last session of any symbol."""
        return max(columns.start_at(-1).date() for columns in self.series.values())


def shipped() -> Prices:
    """The prices that come with bokeh-sampledata. Raises `ExchangeError` when it is not installed."""
    from laptop.exchange.history import shipped_history

    return _of_history(shipped_history(), "the shipped prices")


def of_folder(folder: Path) -> Prices:
    """The prices of a folder, read as the exchange reads it. Raises `ExchangeError` with file and line."""
    from laptop.exchange.history import folder_history

    return _of_history(folder_history(folder), str(folder))


def _of_history(history: Any, label: str) -> Prices:
    return Prices(
        series={symbol: Columns.of(known.bars) for symbol, known in history.symbols.items()},
        sessions=history.calendar,
        splits=tuple(
            SplitDay(split.symbol, split.ex_date, split.new, split.old)
            for known in history.symbols.values()
            for split in known.splits
        ),
        label=label,
        notes=tuple(history.notes),
    )


def of_store(stack: Stack, symbols: Sequence[str]) -> Prices:
    """What the running stack has stored of these symbols, split-adjusted.

    Raises `LaptopError` naming `alpaquero history` when nothing is stored of one.
    """
    from laptop.exchange.nyse import nyse_sessions

    series = {symbol: _stored(stack, symbol) for symbol in symbols}
    missing = [symbol for symbol, columns in series.items() if not len(columns)]
    if missing:
        raise LaptopError(
            f"no bars of {', '.join(missing)} are stored: "
            f"run `alpaquero history ingest --symbols {','.join(missing)} --from 2016-01-04` and try again"
        )
    first = min(columns.start_at(0).date() for columns in series.values())
    return Prices(
        series=series, sessions=nyse_sessions(first), splits=(), label="the store", notes=(_ADJUSTED,)
    )


def _stored(stack: Stack, symbol: str) -> Columns:
    """Every stored daily bar of one symbol, by the pages of the historical data service."""
    from datetime import datetime
    from urllib.parse import urlencode

    from laptop.calls import Call, send

    bars: list[Bar] = []
    query: dict[str, str] = {"limit": str(_PAGE), "start": "1990-01-01"}
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
                *(float(item[name]) for name in ("open", "high", "low", "close", "volume")),
            )
            for item in page["items"]
        ]
        if page["next"] is None:
            return Columns.of(bars)
        query["cursor"] = page["next"]
