"""What can be seen of the market at a moment: prices, quotes and bars, never anything from later.

The exchange and its data routes ask here; every method takes the market time `now` (aware UTC).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import prod

from alpaquero.prices import NEW_YORK, Bar, Session, session_at
from alpaquero.simulation import PriceSpan, Quote, SessionPath, quote_around
from laptop.exchange.history import History, Split, SymbolHistory

_MINUTE = timedelta(minutes=1)
_PLACES = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class LastTrade:
    """The last price of a symbol and when it traded."""

    price: Decimal
    at: datetime


class Market:
    """The replayed market, seen at a moment."""

    def __init__(self, history: History, half_spread_bps: Decimal) -> None:
        self.history = history
        self.half_spread_bps = half_spread_bps
        self._by_date = {session.date: session for session in history.calendar}
        self._adjusted: dict[tuple[str, int], list[Bar]] = {}

    def open_session(self, now: datetime) -> Session | None:
        """The session that is open now."""
        return session_at(self.history.sessions, now)

    def fraction(self, session: Session, now: datetime) -> Fraction:
        """How much of the session has passed, 0 to 1."""
        passed = (now - session.open) // timedelta(microseconds=1)
        whole = (session.close - session.open) // timedelta(microseconds=1)
        return min(max(Fraction(passed, whole), Fraction(0)), Fraction(1))

    def path(self, symbol: str, session: Session) -> SessionPath | None:
        """The price path of a symbol through a session; None when it does not trade in it."""
        return _path(self.history.symbols[symbol].bar_on(session.date))

    def last_trade(self, symbol: str, now: datetime) -> LastTrade | None:
        """The last price: on the path in an open session, else the last close; None before the first."""
        history = self.history.symbols[symbol]
        session = self.open_session(now)
        if session is not None and (path := self.path(symbol, session)) is not None:
            return LastTrade(path.price_at(self.fraction(session, now)), now)
        count = self._closed_count(history, now)
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
        bars = self.daily_bars(symbol, now, split_adjusted=True)
        return exact(bars[-2].close) if len(bars) > 1 else None

    def daily_bars(self, symbol: str, now: datetime, *, split_adjusted: bool) -> Sequence[Bar]:
        """Every daily bar up to now, the forming one of an open session included, oldest first."""
        history = self.history.symbols[symbol]
        splits = self.effective_splits(history, now) if split_adjusted else []
        count = self._closed_count(history, now)
        closed = self._adjusted_bars(history, splits)[:count] if splits else history.bars[:count]
        forming = self._forming(history, now)
        return [*closed, forming] if forming is not None else closed

    def minute_bar(self, symbol: str, now: datetime) -> Bar | None:
        """The last whole minute that traded, cut out of the synthetic path; volume is an even share."""
        trade = self.last_trade(symbol, now)
        if trade is None:
            return None
        session = self._by_date[trade.at.astimezone(NEW_YORK).date()]
        end = max(trade.at.replace(second=0, microsecond=0), session.open + _MINUTE)
        path, day = self.path(symbol, session), self.history.symbols[symbol].bar_on(session.date)
        if path is None or day is None:
            return None
        span = path.span(self.fraction(session, end - _MINUTE), self.fraction(session, min(end, now)))
        return _bar(end - _MINUTE, span, day.volume // ((session.close - session.open) // _MINUTE))

    def effective_splits(self, history: SymbolHistory, now: datetime) -> list[Split]:
        """The splits that are in force: from the open of their day on."""
        opened = bisect_right(self.history.calendar, now, key=lambda session: session.open)
        day = self.history.calendar[opened - 1].date if opened else date.min
        return [split for split in history.splits if split.ex_date <= day]

    def _closed_count(self, history: SymbolHistory, now: datetime) -> int:
        """How many of the symbol's bars are closed and published."""
        day = now.astimezone(NEW_YORK).date()
        session = self._by_date.get(day)
        published = session is None or now >= session.close
        return history.count_to(day if published else day - timedelta(days=1))

    def _forming(self, history: SymbolHistory, now: datetime) -> Bar | None:
        """The bar of the open session so far."""
        session = self.open_session(now)
        if session is None:
            return None
        day, path = history.bar_on(session.date), self.path(history.symbol, session)
        if day is None or path is None:
            return None
        passed = self.fraction(session, now)
        return _bar(day.start, path.span(Fraction(0), passed), float(int(day.volume * float(passed))))

    def _adjusted_bars(self, history: SymbolHistory, splits: Sequence[Split]) -> list[Bar]:
        """The bars with prices divided and volume multiplied by the splits that came after them."""
        key = (history.symbol, len(splits))
        if key not in self._adjusted:
            self._adjusted[key] = [
                adjusted_bar(bar, prod((s.ratio for s in splits if s.ex_date > day), start=Decimal(1)))
                for day, bar in zip(history.dates, history.bars, strict=True)
            ]
        return self._adjusted[key]


def adjusted_bar(bar: Bar, ratio: Decimal) -> Bar:
    """The bar as if `ratio` shares had been one share then."""
    if ratio == 1:
        return bar
    opened, high, low, closed = (
        float((exact(price) / ratio).quantize(_PLACES)) for price in (bar.open, bar.high, bar.low, bar.close)
    )
    volume = bar.volume * float(ratio)
    return replace(bar, open=opened, high=high, low=low, close=closed, volume=volume)


def exact(price: float) -> Decimal:
    """The shortest decimal that is this float: what the CSV said."""
    return Decimal(repr(price))


def _bar(start: datetime, span: PriceSpan, volume: float) -> Bar:
    return Bar(start, float(span.open), float(span.high), float(span.low), float(span.close), volume)


@lru_cache(maxsize=4096)
def _path(bar: Bar | None) -> SessionPath | None:
    if bar is None:
        return None
    return SessionPath(exact(bar.open), exact(bar.high), exact(bar.low), exact(bar.close))
