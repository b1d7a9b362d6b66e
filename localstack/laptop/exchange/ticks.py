"""What the market data streams carry between two moments: trades, quotes, minute bars and daily bars.

The data stream asks for each stretch of time that has passed. Trades and quotes are points of the price
path on a grid from the session's open on: every `spacing` of market time, never finer than a second. A
minute bar comes at the close of its minute, and with it the day's bar so far. They are the bodies that
the data routes answer, so stream and routes agree. Updated bars, statuses, price bands, corrections
and cancellations never come: this market has no late trades, halts or broken trades.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from math import sin, tau
from typing import Protocol

from alpaquero.prices import Session
from alpaquero.simulation import quote_around
from laptop.exchange import wire
from laptop.exchange.clock import ClockMode, later
from laptop.exchange.connection import Message
from laptop.exchange.market import LastTrade, Market, MarketBar
from laptop.exchange.venue import Venue

EVERY_SYMBOL = "*"
TEST_SYMBOL = "FAKEPACA"
MOST_POINTS = 20_000
MOST_IN_A_FRAME = 200
_MINUTE, _SECOND = timedelta(minutes=1), timedelta(seconds=1)
_STEPPED_SPACING = timedelta(minutes=5)
_WALL_SECONDS_BETWEEN_TICKS = 0.25

# Symbols by channel, each with the moment from which on it is wanted.
Wanted = Mapping[str, Mapping[str, datetime]]


class Source(Protocol):
    """Where a feed's data comes from."""

    def now(self) -> datetime:
        """The feed's present."""

    def points(self, after: datetime, until: datetime, wanted: Wanted) -> Iterator[list[Message]]:
        """What `after` to `until` (included) has brought, in order of time.

        A list is of one moment and holds up to MOST_IN_A_FRAME messages: who iterates can let others
        work in between. Of a longer stretch (a step, a jump) only the last MOST_POINTS messages come.
        """


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment at which something is sent: a point of the grid, the close of a minute, or both."""

    at: datetime
    tick: bool
    minute: bool


def moments(
    sessions: Sequence[Session], after: datetime, until: datetime, spacing: timedelta
) -> list[Moment]:
    """All moments of the sessions in the stretch, in order."""
    found: list[Moment] = []
    first = bisect_right(sessions, after, key=lambda session: session.close)
    for session in islice(sessions, first, None):
        if session.open > until:
            break
        ticks = _grid(session, spacing, after, until) | (
            {session.close} if after < session.close <= until else set()
        )
        minutes = _grid(session, _MINUTE, after, until) - {session.open}
        found += [Moment(at, at in ticks, at in minutes) for at in sorted(ticks | minutes)]
    return found


def _grid(session: Session, step: timedelta, after: datetime, until: datetime) -> set[datetime]:
    """The multiples of `step` since the open that lie in the stretch and in the session."""
    number = max((after - session.open) // step + 1, 0)
    last = (min(until, session.close) - session.open) // step
    return {session.open + step * index for index in range(number, last + 1)}


def tick_spacing(venue: Venue, session: Session) -> timedelta:
    """The market time between two ticks: some four a wall second at a pace; 5 minutes when stepped."""
    if venue.mode is ClockMode.STEPPED:
        return _STEPPED_SPACING
    if venue.mode is not ClockMode.RUNNING:
        return _SECOND
    passed = later(session.open, _WALL_SECONDS_BETWEEN_TICKS, [session], venue.seconds_per_session)
    return max(-(-(passed - session.open) // _SECOND) * _SECOND, _SECOND)


@dataclass(frozen=True, slots=True)
class MarketSource:
    """The replayed market, `delay` behind its clock."""

    venue: Venue
    delay: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The market's time, less the delay."""
        return self.venue.now - self.delay

    def points(self, after: datetime, until: datetime, wanted: Wanted) -> Iterator[list[Message]]:
        """See Source."""
        market = self.venue.market
        sessions = market.history.sessions
        symbols = sorted(market.history.symbols)
        passing = moments(sessions, after, until, tick_spacing(self.venue, sessions[0]))
        channels = {
            channel: [symbol for symbol in symbols if _since(wanted, channel, symbol) is not None]
            for channel in ("trades", "quotes", "bars", "dailyBars")
        }
        for moment in _latest(passing, channels):
            messages = (
                message
                for channel, message in _at(market, moment, channels)
                if (since := _since(wanted, channel, message.symbol)) is not None and moment.at > since
            )
            while part := list(islice(messages, MOST_IN_A_FRAME)):
                yield part


def _since(wanted: Wanted, channel: str, symbol: str) -> datetime | None:
    """From when on a symbol is wanted, by its name or by the wildcard."""
    symbols = wanted.get(channel, {})
    found = [symbols[name] for name in (symbol, EVERY_SYMBOL) if name in symbols]
    return min(found, default=None)


def _latest(passing: Sequence[Moment], channels: Mapping[str, Sequence[str]]) -> Sequence[Moment]:
    """The moments at the end of the stretch that make no more than MOST_POINTS messages."""
    ticks = len(channels["trades"]) + len(channels["quotes"])
    bars = len(channels["bars"]) + len(channels["dailyBars"])
    room = MOST_POINTS
    for index in range(len(passing) - 1, -1, -1):
        room -= ticks * passing[index].tick + bars * passing[index].minute
        if room < 0:
            return passing[index + 1 :]
    return passing if ticks or bars else ()


def _at(
    market: Market, moment: Moment, channels: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, Message]]:
    """The messages of a moment by channel: trades, quotes, minute bars, daily bars."""
    if moment.tick:
        for symbol in channels["trades"]:
            if (message := _trade(market, symbol, moment.at)) is not None:
                yield "trades", message
        for symbol in channels["quotes"]:
            if (message := _quote(market, symbol, moment.at)) is not None:
                yield "quotes", message
    if moment.minute:
        for symbol in channels["bars"]:
            bar = market.minute_bar(symbol, moment.at)
            if bar is not None and bar.start == moment.at - _MINUTE:
                yield "bars", _bar("b", symbol, bar)
        for symbol in channels["dailyBars"]:
            day = market.daily_bar(symbol, moment.at)
            if day is not None and _trades_at(market, symbol, moment.at):
                yield "dailyBars", _bar("d", symbol, day)


def _trades_at(market: Market, symbol: str, at: datetime) -> bool:
    """Whether the symbol's last price is of this very moment: it trades in the session."""
    trade = market.last_trade(symbol, at)
    return trade is not None and trade.at == at


def _trade(market: Market, symbol: str, at: datetime) -> Message | None:
    trade = market.last_trade(symbol, at)
    if trade is None or trade.at != at:
        return None
    return Message("t", symbol, {"T": "t", "S": symbol, **wire.trade_body(trade), "t": at})


def _quote(market: Market, symbol: str, at: datetime) -> Message | None:
    found = market.quote(symbol, at)
    if found is None or found[1] != at:
        return None
    return Message("q", symbol, {"T": "q", "S": symbol, **wire.quote_body(*found), "t": at})


def _bar(kind: str, symbol: str, bar: MarketBar) -> Message:
    return Message(kind, symbol, {"T": kind, "S": symbol, **wire.bar_body(bar), "t": bar.start})


@dataclass(frozen=True, slots=True)
class MadeUpSource:
    """The feed `test`: one made-up symbol that trades every second of wall time, day and night."""

    def now(self) -> datetime:
        """Wall time."""
        return datetime.now(UTC)

    def points(self, after: datetime, until: datetime, wanted: Wanted) -> Iterator[list[Message]]:
        """See Source."""
        count = min(int((until - after) / _SECOND) + 1, MOST_POINTS)
        last = until.replace(microsecond=0)
        for at in (last - _SECOND * index for index in reversed(range(count))):
            if at > after:
                yield [
                    message
                    for channel, message in _made_up(at)
                    if (since := _since(wanted, channel, TEST_SYMBOL)) is not None and at > since
                ]


def _made_up(at: datetime) -> Iterator[tuple[str, Message]]:
    """The messages of one second of the test feed."""
    price = _made_up_price(at)
    quote = quote_around(price, Decimal(10))
    trade = LastTrade(price, at)
    yield "trades", Message("t", TEST_SYMBOL, {"T": "t", "S": TEST_SYMBOL, **wire.trade_body(trade), "t": at})
    yield (
        "quotes",
        Message("q", TEST_SYMBOL, {"T": "q", "S": TEST_SYMBOL, **wire.quote_body(quote, at), "t": at}),
    )
    if at.second == 0:
        start = at - _MINUTE
        prices = [float(_made_up_price(start + _SECOND * index)) for index in range(61)]
        low, high, average = min(prices), max(prices), round(sum(prices) / len(prices), 6)
        bar = {"t": start, "o": prices[0], "h": high, "l": low, "c": prices[-1]}
        body = {"T": "b", "S": TEST_SYMBOL, **bar, "v": 6000, "n": 60, "vw": average}
        yield "bars", Message("b", TEST_SYMBOL, body)


def _made_up_price(at: datetime) -> Decimal:
    """A wave of 10 minutes around 134, in cents."""
    return Decimal(13_400 + round(200 * sin(at.timestamp() * tau / 600))) / 100
