"""Bars, trades, quotes and auctions of a symbol as runs of encoded lines; the data routes page through them.

What is over never changes, so its lines are encoded once and kept: daily bars in blocks, the rest a
session at a time. Only the open session is made anew for each request.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby

from alpaquero.prices import NEW_YORK, Session
from alpaquero.prices.splits import SplitDay
from alpaquero.simulation import quote_around
from laptop.exchange.data_wire import auctions_line, bar_line, quote_line, trade_line
from laptop.exchange.history import MinuteColumns, SymbolHistory
from laptop.exchange.market import (
    Market,
    MarketBar,
    adjusted_bar,
    closed_minutes,
    exact,
    split_ratio,
    summed,
)
from laptop.exchange.tape import tape_of
from laptop.exchange.timeframes import BarLength, Unit, midnight
from laptop.exchange.wire import stamp

_BLOCK = 32  # daily bars
# Room for a year of 5,000 symbols (some 250 MB when all of it is asked for).
_KEPT_BLOCKS, _KEPT_SESSIONS = 50_000, 512
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a series is asked for: stamps from `start` to `end`, both included, as known `now`."""

    start: datetime
    end: datetime
    now: datetime
    newest_first: bool = False

    @property
    def first_day(self) -> date:
        """The first date whose midnight in New York is not before the start."""
        day = self.start.astimezone(NEW_YORK).date()
        return day if midnight(day) >= self.start else day + timedelta(days=1)

    @property
    def last_day(self) -> date:
        """The last date whose midnight in New York is not after the end."""
        return self.end.astimezone(NEW_YORK).date()


@dataclass(frozen=True, slots=True)
class Run:
    """Stamps and lines, as many of each, in order of time; whether the numbers are made up."""

    stamps: Sequence[datetime]
    lines: Sequence[bytes]
    synthetic: bool

    def within(self, window: Window) -> Run:
        """The part that lies in the window."""
        first, last = bisect_left(self.stamps, window.start), bisect_right(self.stamps, window.end)
        if first == 0 and last == len(self.stamps):
            return self
        return Run(self.stamps[first:last], self.lines[first:last], self.synthetic)

    def turned(self) -> Run:
        """The other way round."""
        return Run(self.stamps[::-1], self.lines[::-1], self.synthetic)


class Series:
    """All series of a market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._block = lru_cache(maxsize=_KEPT_BLOCKS)(self._encoded_days)
        self._session_bars = lru_cache(maxsize=_KEPT_SESSIONS)(self._encoded_bars)
        self._session_trades = lru_cache(maxsize=_KEPT_SESSIONS)(_encoded_trades)
        self._session_quotes = lru_cache(maxsize=_KEPT_SESSIONS)(self._encoded_quotes)

    def bars(self, symbol: str, length: BarLength, window: Window, *, adjusted: bool) -> Iterator[Run]:
        """The bars of a symbol that begin in the window, closed ones and the one that is forming."""
        history = self._market.history.symbols[symbol]
        splits = tuple(self._market.effective_splits(history, window.now)) if adjusted else ()
        if length.intraday:
            return self._intraday(history, length, splits, window)
        runs = self._days if length.unit is Unit.DAY else self._longer
        return _ordered(list(runs(history, length, splits, window)), window)

    def trades(self, symbol: str, window: Window) -> Iterator[Run]:
        """The trades of a symbol in the window."""
        return self._tape(symbol, window, self._session_trades)

    def quotes(self, symbol: str, window: Window) -> Iterator[Run]:
        """The quotes of a symbol in the window."""
        return self._tape(symbol, window, self._session_quotes)

    def auctions(self, symbol: str, window: Window) -> Iterator[Run]:
        """The auctions of the days in the window."""
        history = self._market.history.symbols[symbol]
        stamps, lines = [], []
        for session in self._sessions(history, window):
            bar = history.bar_on(session.date)
            if bar is not None and window.start <= session.open:
                closing = bar.close if session.close <= min(window.now, window.end) else None
                stamps.append(session.open)
                lines.append(auctions_line(session, bar.open, closing))
        return _ordered([Run(stamps, lines, history.made_up)], window)

    def _days(
        self, history: SymbolHistory, _: BarLength, splits: tuple[SplitDay, ...], window: Window
    ) -> Iterator[Run]:
        closed = self._market.closed_count(history, window.now)
        first = bisect_left(history.dates, window.first_day)
        last = min(bisect_right(history.dates, window.last_day), closed)
        for block in range(first // _BLOCK, -(-last // _BLOCK)):
            begin = block * _BLOCK
            run = self._block(history.symbol, splits, block, min(closed - begin, _BLOCK))
            low, high = max(first - begin, 0), min(last - begin, _BLOCK)
            yield Run(run.stamps[low:high], run.lines[low:high], run.synthetic)
        forming = self._market.forming_bar(history.symbol, window.now)
        if forming is not None and window.start <= forming.start <= window.end:
            yield _run_of([forming], synthetic=True)

    def _encoded_days(self, symbol: str, splits: tuple[SplitDay, ...], block: int, count: int) -> Run:
        """The first `count` daily bars of a block."""
        history = self._market.history.symbols[symbol]
        places = range(block * _BLOCK, block * _BLOCK + count)
        bars = self._market.full_bars(history, places.start, places.stop)
        if splits:
            bars = [
                adjusted_bar(bar, split_ratio(splits, history.dates[place]))
                for bar, place in zip(bars, places, strict=True)
            ]
        return _run_of(bars, synthetic=history.made_up)

    def _longer(
        self, history: SymbolHistory, length: BarLength, splits: tuple[SplitDay, ...], window: Window
    ) -> Iterator[Run]:
        """Bars of weeks and months, summed from all of their days up to now."""
        market = self._market
        closed = market.closed_count(history, window.now)
        first = bisect_left(history.dates, length.first_day(window.first_day))
        days = [
            adjusted_bar(bar, split_ratio(splits, history.dates[place]))
            for place, bar in enumerate(market.full_bars(history, first, max(closed, first)), start=first)
        ]
        forming = market.forming_bar(history.symbol, window.now)
        bars = [] if forming is None else [forming]
        groups = groupby(
            [*days, *bars], key=lambda bar: length.first_day(bar.start.astimezone(NEW_YORK).date())
        )
        summed_bars = [_together(midnight(day), list(members)) for day, members in groups]
        if forming is None:
            yield _run_of(summed_bars, synthetic=history.made_up).within(window)
            return
        yield _run_of(summed_bars[:-1], synthetic=history.made_up).within(window)
        yield _run_of(summed_bars[-1:], synthetic=True).within(window)

    def _intraday(
        self, history: SymbolHistory, length: BarLength, splits: tuple[SplitDay, ...], window: Window
    ) -> Iterator[Run]:
        # The first bar of a session may be stamped before its open.
        wider = replace(window, end=window.end + length.minutes * _MINUTE)
        for session in self._sessions(history, wider):
            columns = self._market.minutes(history.symbol, session)
            if columns is None:
                continue
            count = closed_minutes(columns, session, window.now)
            ratio_splits = tuple(split for split in splits if split.ex_date > session.date)
            run = self._session_bars(columns, session, length, ratio_splits, count)
            run = replace(run, synthetic=session.date not in history.minutes)
            inside = run.within(window)
            yield inside.turned() if window.newest_first else inside

    def _encoded_bars(
        self,
        columns: MinuteColumns,
        session: Session,
        length: BarLength,
        splits: tuple[SplitDay, ...],
        count: int,
    ) -> Run:
        """The bars of the first `count` minutes that traded in a session."""
        start = midnight(session.date)
        minute_of_open = (session.open - start) // _MINUTE
        ratio = split_ratio(splits, session.date)
        bars = []
        groups = groupby(
            range(count), key=lambda place: length.first_minute(minute_of_open + columns.indices[place])
        )
        for minute, members in groups:
            places = list(members)
            bar = summed(start + minute * _MINUTE, columns, places[0], places[-1] + 1)
            bars.append(adjusted_bar(bar, ratio))
        return _run_of(bars, synthetic=True)

    def _tape(
        self, symbol: str, window: Window, encoded: Callable[[MinuteColumns, Session, int], Run]
    ) -> Iterator[Run]:
        history = self._market.history.symbols[symbol]
        known = replace(window, end=min(window.end, window.now))
        for session in self._sessions(history, window):
            columns = self._market.minutes(symbol, session)
            if columns is None:
                continue
            count = bisect_right(columns.indices, (window.now - session.open) / _MINUTE)
            run = encoded(columns, session, count).within(known)
            yield run.turned() if window.newest_first else run

    def _encoded_quotes(self, columns: MinuteColumns, session: Session, count: int) -> Run:
        """The quotes around the trades of the first `count` minutes that traded in a session."""
        trades, spread = list(tape_of(columns, session, count)), self._market.half_spread_bps
        lines = [quote_line(quote_around(exact(trade.price), spread), trade.at) for trade in trades]
        return Run([trade.at for trade in trades], lines, synthetic=True)

    def _sessions(self, history: SymbolHistory, window: Window) -> Sequence[Session]:
        """The sessions that have begun and may have something in the window, in the order asked for."""
        sessions, until = self._market.history.sessions, min(window.end, window.now)
        day = window.start.astimezone(NEW_YORK).date()
        first = bisect_left(sessions, max(day, history.dates[0]), key=lambda session: session.date)
        last = bisect_right(sessions, until, key=lambda session: session.open)
        chosen = sessions[first:last]
        return chosen[::-1] if window.newest_first else chosen


def _run_of(bars: Sequence[MarketBar], *, synthetic: bool) -> Run:
    lines = [bar_line(_stamped(bar.start), bar) for bar in bars]
    return Run([bar.start for bar in bars], lines, synthetic)


def _encoded_trades(columns: MinuteColumns, session: Session, count: int) -> Run:
    """The trades of the first `count` minutes that traded in a session."""
    trades = list(tape_of(columns, session, count))
    return Run([trade.at for trade in trades], [trade_line(trade) for trade in trades], synthetic=True)


def _ordered(runs: Sequence[Run], window: Window) -> Iterator[Run]:
    """Runs in order of time, turned round when the newest come first."""
    return (run.turned() for run in reversed(runs)) if window.newest_first else iter(runs)


def _together(start: datetime, bars: Sequence[MarketBar]) -> MarketBar:
    """Bars one after another as one."""
    volume = sum(bar.volume for bar in bars)
    value = sum(bar.vwap * bar.volume for bar in bars)
    average = value / volume if volume else sum(bar.vwap for bar in bars) / len(bars)
    return MarketBar(
        start,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        volume,
        sum(bar.trades for bar in bars),
        round(average, 6),
    )


@lru_cache(maxsize=65_536)
def _stamped(start: datetime) -> str:
    """Hundreds of symbols share a bar's start: format it once."""
    return stamp(start) or ""
