"""The facts a verdict rests on besides the intent, the risk book and the limits.

Whoever asks for a verdict gathers them first (`alpaquero.store.risk_facts`); the rules only look
at them, so the same facts give the same verdict.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import datetime, timedelta
from decimal import Decimal
from operator import attrgetter

from alpaquero.orders.intent import Side
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.sessions import Session, bars_of, next_session, session_at
from alpaquero.quickly_made import dataclass


@dataclass(frozen=True, slots=True)
class MarketPrice:
    """The newest prices of a symbol, raw dollars a share, None where the feed has none.

    `bid` and `ask` are asked for while the market is open, `last` otherwise: quotes of a closed
    market are wide or empty. `at` is market time.
    """

    at: datetime
    last: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None

    @property
    def middle(self) -> Decimal | None:
        """What the market stands at: the middle of the quote, else the last trade."""
        return (self.bid + self.ask) / 2 if self.bid and self.ask else self.last

    def for_side(self, side: Side) -> Decimal | None:
        """What an order of this side would meet: the other side of the quote, else the last trade."""
        quoted = self.ask if side is Side.BUY else self.bid
        return next((price for price in (quoted, self.last) if price is not None and price > 0), None)


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order of ours that has not ended."""

    client_order_id: str
    symbol: str
    side: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """What the broker lets one do with a symbol; one that it does not know is not `listed`."""

    listed: bool = True
    tradable: bool = True
    fractionable: bool = True
    shortable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rules may look at. Times are market time, prices raw dollars a share.

    `price` is what an entry without a price of its own is judged and sized at, None when nothing
    tells it. `wall_now` is wall time. `market` is the feed's newest price, None when it has none or
    was not asked; `trouble` says why it could not be.
    `sessions` is the calendar around `now`, oldest first. `open_orders` are those in the
    intent's symbol. `average_true_range` is Wilder's, of closed daily bars. `asset` is None where
    nobody lists assets: in a backtest, and in facts from before it was asked for.
    """

    now: datetime
    wall_now: datetime | None = None
    price: Decimal | None = None
    market: MarketPrice | None = None
    trouble: str = ""
    sessions: tuple[Session, ...] = ()
    open_orders: tuple[OpenOrder, ...] = ()
    average_true_range: Decimal | None = None
    asset: Asset | None = None

    @property
    def open_session(self) -> Session | None:
        """The session that is open now, None while the market is closed."""
        return session_at(self.sessions, self.now)

    @property
    def trades_at(self) -> datetime | None:
        """When an order sent now would trade: now, or the next open; None past the calendar's end."""
        if self.open_session is not None:
            return self.now
        following = next_session(self.sessions, self.now)
        return following.open if following else None

    def open_time_since(self, moment: datetime) -> timedelta:
        """How long the market has been open from `moment` until now."""
        first = bisect_right(self.sessions, moment, key=_close)
        last = bisect_left(self.sessions, self.now, key=_open)
        spans = (min(s.close, self.now) - max(s.open, moment) for s in self.sessions[first:last])
        return sum((span for span in spans if span > timedelta()), timedelta())

    def bars_between(self, timeframe: str | None, start: datetime, end: datetime) -> int:
        """How many bars close after `start` and not after `end`; without a timeframe those of days."""
        first, last = (bisect_right(self.sessions, at, key=_close) for at in (start, end))
        if timeframe is None or timeframe == Timeframe.DAY:
            return max(last - first, 0)
        touched = self.sessions[first : last + 1]
        bars = (bar for session in touched for bar in bars_of(session, Timeframe(timeframe)))
        return sum(start < close <= end for _, close in bars)


_open, _close = attrgetter("open"), attrgetter("close")
