"""What can be seen of the market at a moment: prices, quotes and bars, never anything from later.

The exchange, its data routes and its streams ask here; every method takes the market time `now`
(aware UTC). A session of which only the daily bar is known has the prices of a made-up path that fits
it exactly; its minutes are cut out of that path and share the day's volume evenly, so that minutes sum
up to the day. A session read from a minute file has those minutes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from math import floor, prod
from typing import Any, TypeVar

from alpaquero.prices import NEW_YORK, Bar, Session, bar_start, session_at
from alpaquero.prices.splits import SplitDay
from alpaquero.simulation import MinutePath, PricePath, Quote, SessionPath, quote_around
from laptop.exchange.history import History, MinuteColumns, SymbolHistory

# How many trades the tape shows of a minute.
TRADES_A_MINUTE = 4
_MINUTE = timedelta(minutes=1)
_PLACES = Decimal("0.000001")
_VWAP_PLACES = 6


@dataclass(frozen=True, slots=True)
class LastTrade:
    """The last price of a symbol and when it traded."""

    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class MarketBar(Bar):
    """A bar with how many trades made it and their average price, weighted by volume."""

    trades: int
    vwap: float


AnyBar = TypeVar("AnyBar", bound=Bar)


class Market:
    """The replayed market, seen at a moment."""

    def __init__(self, history: History, half_spread_bps: Decimal) -> None:
        self.history = history
        self.half_spread_bps = half_spread_bps
        self._by_date = {session.date: session for session in history.calendar}
        self._trades = {
            session.date: TRADES_A_MINUTE * ((session.close - session.open) // _MINUTE)
            for session in history.sessions
        }

    def open_session(self, now: datetime) -> Session | None:
        """The session that is open now."""
        return session_at(self.history.sessions, now)

    def fraction(self, session: Session, now: datetime) -> Fraction:
        """How much of the session has passed, 0 to 1."""
        passed = (now - session.open) // timedelta(microseconds=1)
        whole = (session.close - session.open) // timedelta(microseconds=1)
        return min(max(Fraction(passed, whole), Fraction(0)), Fraction(1))

    def path(self, symbol: str, session: Session) -> PricePath | None:
        """The price path of a symbol through a session; None when it does not trade in it."""
        history = self.history.symbols[symbol]
        columns = history.minutes.get(session.date)
        if columns is not None:
            return _minute_path(session, columns)
        return _path(history.bar_on(session.date))

    def minutes(self, symbol: str, session: Session) -> MinuteColumns | None:
        """The minutes of a session, also those still to come; None when the symbol does not trade in it."""
        history = self.history.symbols[symbol]
        columns = history.minutes.get(session.date)
        if columns is not None:
            return columns
        bar = history.bar_on(session.date)
        return None if bar is None else _cut_minutes(bar, (session.close - session.open) // _MINUTE)

    def is_listed(self, symbol: str, now: datetime) -> bool:
        """Whether the symbol has ever traded."""
        dates = self.history.symbols[symbol].dates
        return now >= self._by_date[dates[0]].open

    def last_trade(self, symbol: str, now: datetime) -> LastTrade | None:
        """The last price: on the path in an open session, else the last close; None before the first."""
        history = self.history.symbols[symbol]
        session = self.open_session(now)
        if session is not None and (path := self.path(symbol, session)) is not None:
            return LastTrade(path.price_at(self.fraction(session, now)), now)
        count = self.closed_count(history, now)
        if not count:
            return None
        last = history.bars[count - 1]
        return LastTrade(exact(last.close), self._by_date[history.dates[count - 1]].close)

    def quote(self, symbol: str, now: datetime) -> tuple[Quote, datetime] | None:
        """Bid and ask around the last price, and since when."""
        trade = self.last_trade(symbol, now)
        return None if trade is None else (quote_around(trade.price, self.half_spread_bps), trade.at)

    def previous_close(self, symbol: str, now: datetime) -> Decimal | None:
        """The close before the session that is open, or before the last closed one; split-adjusted."""
        history = self.history.symbols[symbol]
        session = self.open_session(now)
        trading = session is not None and history.position(session.date) is not None
        place = self.closed_count(history, now) - (1 if trading else 2)
        if place < 0:
            return None
        ratio = split_ratio(self.effective_splits(history, now), history.dates[place])
        return exact(adjusted_bar(history.bars[place], ratio).close)

    def daily_bar(self, symbol: str, now: datetime, back: int = 0) -> MarketBar | None:
        """The last daily bar, raw, the forming one of an open session included; or one `back` before it."""
        forming = self.forming_bar(symbol, now)
        if forming is not None and not back:
            return forming
        history = self.history.symbols[symbol]
        place = self.closed_count(history, now) - 1 - (back if forming is None else back - 1)
        return None if place < 0 else self.full_bars(history, place, place + 1)[0]

    def full_bars(self, history: SymbolHistory, first: int, last: int) -> list[MarketBar]:
        """The raw daily bars from place `first` to before `last`, with their trades and average prices."""
        pairs = zip(history.dates[first:last], history.bars[first:last], strict=True)
        return [self._full_bar(history, day, bar) for day, bar in pairs]

    def _full_bar(self, history: SymbolHistory, day: date, bar: Bar) -> MarketBar:
        columns = history.minutes.get(day)
        if columns is not None:
            return summed(bar.start, columns, 0, len(columns.indices))
        prices = (bar.open, bar.high, bar.low, bar.close)
        return MarketBar(bar.start, *prices, bar.volume, self._trades[day], mean_price(*prices))

    def minute_bar(self, symbol: str, now: datetime) -> MarketBar | None:
        """The last closed minute that traded; None before the first."""
        history = self.history.symbols[symbol]
        session = self.open_session(now)
        place = self.closed_count(history, now)
        days = [] if session is None else [session.date]
        for day in [*days, *history.dates[max(place - 1, 0) : place]]:
            on = self._by_date[day]
            columns = self.minutes(symbol, on)
            count = 0 if columns is None else closed_minutes(columns, on, now)
            if columns is not None and count:
                start = on.open + columns.indices[count - 1] * _MINUTE
                return summed(start, columns, count - 1, count)
        return None

    def forming_bar(self, symbol: str, now: datetime) -> MarketBar | None:
        """The daily bar of the open session so far, raw; None when the symbol does not trade now."""
        session = self.open_session(now)
        if session is None:
            return None
        path, columns = self.path(symbol, session), self.minutes(symbol, session)
        if path is None or columns is None:
            return None
        elapsed = (now - session.open) / _MINUTE
        began = bisect_right(columns.indices, elapsed)
        closed = closed_minutes(columns, session, now)
        span = path.span(Fraction(0), self.fraction(session, now))
        passed = _running_sums(columns)
        volume = passed.volumes[closed]
        if began > closed:
            volume += floor(columns.volumes[closed] * (elapsed - columns.indices[closed]))
        average = passed.vwap(closed) if closed else float(span.open)
        return MarketBar(
            bar_start(session),
            float(span.open),
            float(span.high),
            float(span.low),
            float(span.close),
            volume,
            max(TRADES_A_MINUTE * closed, 1),
            average,
        )

    def effective_splits(self, history: SymbolHistory, now: datetime) -> list[SplitDay]:
        """The splits that are in force: from the open of their day on."""
        if not history.splits:
            return []
        opened = bisect_right(self.history.calendar, now, key=lambda session: session.open)
        day = self.history.calendar[opened - 1].date if opened else date.min
        return [split for split in history.splits if split.ex_date <= day]

    def known_splits(self, now: datetime) -> list[SplitDay]:
        """The splits of all symbols with an ex date up to today: what comes later nobody can know yet."""
        today = now.astimezone(NEW_YORK).date()
        symbols = self.history.symbols.values()
        return [split for history in symbols for split in history.splits if split.ex_date <= today]

    def closed_count(self, history: SymbolHistory, now: datetime) -> int:
        """How many of the symbol's bars are closed and published."""
        return history.count_to(self.last_closed_day(now))

    def last_closed_day(self, now: datetime) -> date:
        """The last day, trading day or not, of which everything is over."""
        day = now.astimezone(NEW_YORK).date()
        session = self._by_date.get(day)
        return day if session is None or now >= session.close else day - timedelta(days=1)


def split_ratio(splits: Sequence[SplitDay], day: date) -> Decimal:
    """How many shares of today a share of `day` is, after `splits`."""
    return prod((split.ratio for split in splits if split.ex_date > day), start=Decimal(1))


def adjusted_bar(bar: AnyBar, ratio: Decimal) -> AnyBar:
    """The bar as if `ratio` shares had been one share then."""
    if ratio == 1:
        return bar
    opened, high, low, closed = (_divided(price, ratio) for price in (bar.open, bar.high, bar.low, bar.close))
    changed: dict[str, Any] = {"open": opened, "high": high, "low": low, "close": closed}
    changed["volume"] = round(bar.volume * float(ratio))
    if isinstance(bar, MarketBar):
        changed["vwap"] = _divided(bar.vwap, ratio)
    return replace(bar, **changed)


def _divided(price: float, ratio: Decimal) -> float:
    return float((exact(price) / ratio).quantize(_PLACES))


def exact(price: float) -> Decimal:
    """The shortest decimal that is this float: what the CSV said."""
    return Decimal(repr(price))


def mean_price(opened: float, high: float, low: float, closed: float) -> float:
    """The average price on the path through a bar: each of its three straight lines counts a third."""
    return round(_mean(opened, high, low, closed), _VWAP_PLACES)


def _mean(opened: float, high: float, low: float, closed: float) -> float:
    return (opened + 2 * (low + high) + closed) / 6


def closed_minutes(columns: MinuteColumns, session: Session, now: datetime) -> int:
    """How many of a session's minutes are over."""
    return bisect_right(columns.indices, (now - session.open) // _MINUTE - 1)


def summed(start: datetime, columns: MinuteColumns, first: int, last: int) -> MarketBar:
    """The minutes from place `first` to before `last` as one bar that starts at `start`."""
    opened, closed = columns.opens[first], columns.closes[last - 1]
    highs, lows, volumes = columns.highs[first:last], columns.lows[first:last], columns.volumes[first:last]
    closes = columns.closes[first:last]
    rows = zip(columns.opens[first:last], highs, lows, closes, strict=True)
    means = [_mean(*prices) for prices in rows]
    volume = sum(volumes)
    value = sum(mean * shares for mean, shares in zip(means, volumes, strict=True))
    vwap = round(value / volume if volume else sum(means) / len(means), _VWAP_PLACES)
    trades = TRADES_A_MINUTE * (last - first)
    return MarketBar(start, opened, max(highs), min(lows), closed, volume, trades, vwap)


@dataclass(frozen=True, slots=True)
class _RunningSums:
    """Sums over the first so many minutes of a session, from none to all of them."""

    volumes: Sequence[int]
    values: Sequence[float]
    means: Sequence[float]

    def vwap(self, count: int) -> float:
        """The average price of the first `count` minutes, weighted by volume."""
        volume = self.volumes[count]
        weighted = self.values[count] / volume if volume else self.means[count] / count
        return round(weighted, _VWAP_PLACES)


@lru_cache(maxsize=1024)
def _running_sums(columns: MinuteColumns) -> _RunningSums:
    """Kept, since the daily bar is told anew each minute of the session."""
    rows = zip(columns.opens, columns.highs, columns.lows, columns.closes, strict=True)
    means = [_mean(*prices) for prices in rows]
    values = (mean * shares for mean, shares in zip(means, columns.volumes, strict=True))
    return _RunningSums(
        volumes=list(accumulate(columns.volumes, initial=0)),
        values=list(accumulate(values, initial=0.0)),
        means=list(accumulate(means, initial=0.0)),
    )


@lru_cache(maxsize=4096)
def _path(bar: Bar | None) -> SessionPath | None:
    if bar is None:
        return None
    return SessionPath(exact(bar.open), exact(bar.high), exact(bar.low), exact(bar.close))


@lru_cache(maxsize=256)
def _minute_path(session: Session, columns: MinuteColumns) -> MinutePath:
    rows = zip(columns.opens, columns.highs, columns.lows, columns.closes, strict=True)
    paths = [SessionPath(*(exact(price) for price in row)) for row in rows]
    return MinutePath((session.close - session.open) // _MINUTE, columns.indices, paths)


@lru_cache(maxsize=1024)
def _cut_minutes(bar: Bar, minutes: int) -> MinuteColumns:
    """The minutes of the path through a daily bar; whole shares, spread evenly, none lost."""
    path = SessionPath(exact(bar.open), exact(bar.high), exact(bar.low), exact(bar.close))
    grid = path.grid(minutes)
    opens, closes = grid[:-1], grid[1:]
    highs, lows = ([choose(pair) for pair in zip(opens, closes, strict=True)] for choose in (max, min))
    for knot, price in enumerate(path.knots[1:-1], start=1):
        place = min(minutes * knot // (len(path.knots) - 1), minutes - 1)
        highs[place], lows[place] = max(highs[place], price), min(lows[place], price)
    until = [bar.volume * place // minutes for place in range(minutes + 1)]
    volumes = array("q", (until[place + 1] - until[place] for place in range(minutes)))
    o, high, low, c = (array("d", map(float, column)) for column in (opens, highs, lows, closes))
    return MinuteColumns(range(minutes), o, high, low, c, volumes)
