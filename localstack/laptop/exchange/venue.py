"""The exchange at work: takes and cancels orders, moves the clock, matches, and keeps it all in the ledger.

The routes call it from one thread. Every public method that changes something writes the changes and
the clock's place in one transaction before it returns, so that what was answered is never lost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from alpaquero.prices import Session
from alpaquero.simulation import MatchingTerms
from alpaquero.simulation.matching import Status
from laptop.exchange.admission import Setting, admit, order_of
from laptop.exchange.arrival import Arrival, current_request
from laptop.exchange.book import Accepted, Book, Change, Order, SessionClosed
from laptop.exchange.clock import AFTER_CLOSE, ClockMode, later, later_in_real_time
from laptop.exchange.errors import RefusedError, invalid
from laptop.exchange.hours import extended_windows, gtc_orders_end
from laptop.exchange.ledger import Ledger, RecordedChange, RecordedRequest
from laptop.exchange.margin import Standing, standing
from laptop.exchange.market import Market
from laptop.exchange.matching import Matching
from laptop.exchange.preferences import Configured, WatchlistDeleted, WatchlistKept
from laptop.exchange.replacement import amend
from laptop.exchange.splits import split_changes
from laptop.exchange.terms import OrderRequest, ReplaceRequest

_START, _END = Fraction(0), Fraction(1)
# A stepped session: the open, the whole day, the close. The last one fills what a partial fill left.
_STEPPED_SPANS = [(_START, _START), (_START, _END), (_END, _END)]
_SAVE_EVERY_SECONDS = 1.0
# A clock that moved with each of a thousand requests a second would match as often.
_FINEST_TICK_SECONDS = 0.01

# Changes that are on disk, each with its market time: what listeners are told.
Recorded = Sequence[tuple[datetime, Change]]


class Venue:
    """One account on one market, at one moment of market time."""

    def __init__(
        self, market: Market, ledger: Ledger, sessions: Sequence[Session], terms: MatchingTerms
    ) -> None:
        self.market = market
        self.sessions = sessions
        self.seed = terms.seed
        self.now = ledger.place()
        self.book: Book = ledger.book()
        self.mode = ClockMode.STEPPED
        self.paused = False
        self.seconds_per_session = 60.0
        self._matching = Matching(self, market, terms)
        self._standing: tuple[tuple[datetime, int], Standing] | None = None
        self._ledger = ledger
        self._changes: list[tuple[datetime, Change]] = []
        self._owner: Arrival | None = None
        self._wall = 0.0
        self._saved_wall = 0.0
        self.listeners: list[Callable[[Recorded], None]] = []

    @property
    def sessions_done(self) -> int:
        """How many of the sessions to trade have closed."""
        return sum(session.close <= self.now for session in self.sessions)

    def set_clock(self, mode: ClockMode, seconds_per_session: float, wall: float) -> None:
        """Say who moves the clock from wall time `wall` on, and how fast."""
        self.run_to(wall)
        self.mode, self.seconds_per_session = mode, seconds_per_session

    def pause(self, wall: float, *, paused: bool = True) -> None:
        """Let market time stand still from wall time `wall` on, or follow wall time again."""
        self.run_to(wall)
        self.paused = paused

    def jump(self, to: datetime) -> None:
        """Trade all that lies before market time `to` as fast as it goes, and stand there.

        Raises RefusedError (409) when `to` has passed or lies beyond the prices.
        """
        if to < self.now:
            raise RefusedError(
                409, f"the clock is at {self.now.isoformat()} and never goes back; start with another --state"
            )
        if to > (end := self.sessions[-1].close + AFTER_CLOSE):
            raise RefusedError(409, f"the prices end at {end.isoformat()}; give a time up to it")
        with self._recording():
            while (session := self._unfinished()) is not None and session.close <= to:
                self._trade_through(session)
            self._advance(to)

    def place_order(self, request: OrderRequest) -> Order:
        """Take an order in. Raises RefusedError as Alpaca would."""
        with self._recording():
            orders = admit(request, self._setting())
            self.record(Accepted(orders))
        return orders[0]

    def replace_order(self, order_id: str, request: ReplaceRequest) -> Order:
        """Put a new order in the place of one that waits. Raises RefusedError as Alpaca would."""
        with self._recording():
            order, changes = amend(request, self.order(order_id), self._setting())
            for change in changes:
                self.record(change)
        return order

    def cancel(self, order_id: str) -> None:
        """Cancel an order, with the legs or the other exit that hang on it."""
        order = self.order(order_id)
        if order.status is Status.CANCELED:
            return
        if not order.working:
            raise invalid(f'order is already in "{order.status}" state')
        with self._recording():
            self._matching.end(order, Status.CANCELED, self.now)

    def cancel_all(self) -> list[str]:
        """Cancel every open order; answers their ids."""
        orders = list(self.book.all_open_orders())
        with self._recording():
            for order in orders:
                self._matching.end(order, Status.CANCELED, self.now)
        return [order.id for order in orders]

    def keep(self, change: Configured | WatchlistKept | WatchlistDeleted) -> None:
        """Take in a change that touches neither orders nor money."""
        with self._recording():
            self.record(change)

    def order(self, order_id: str) -> Order:
        """An order by id. Raises RefusedError when there is none."""
        return order_of(order_id, self.book)

    def step(self) -> None:
        """Trade the next session, or the rest of the open one, and stop half an hour past its close."""
        if self.mode is not ClockMode.STEPPED:
            raise RefusedError(409, 'the clock runs by itself; POST /admin/clock {"mode": "stepped"} first')
        session = self._unfinished()
        if session is None:
            raise RefusedError(
                409, "the data is used up; start again with another --state or more --sessions"
            )
        with self._recording():
            self._trade_through(session)
            self._pass_closed(session.close + AFTER_CLOSE)

    def run_to(self, wall: float) -> None:
        """Let market time follow wall time (seconds of a monotonic clock) and match what it passes."""
        if 0 <= wall - self._wall < _FINEST_TICK_SECONDS:
            return
        passed, self._wall = wall - self._wall, wall
        if self.paused or self.mode is ClockMode.STEPPED:
            return
        if self.mode is ClockMode.REAL:
            until = later_in_real_time(self.now, passed, self.sessions)
        else:
            until = later(self.now, passed, self.sessions, self.seconds_per_session)
        with self._recording(wall):
            self._advance(until)

    def requests(self, after: int, limit: int) -> list[RecordedRequest]:
        """The requests that changed something, after number `after`, oldest first."""
        return self._ledger.requests(after, limit)

    def changes(self, after: int, limit: int) -> list[RecordedChange]:
        """The changes of the book after number `after`, oldest first."""
        return self._ledger.changes(after, limit)

    def copy_book(self, target: Path) -> None:
        """Write a consistent copy of the book's file."""
        self._ledger.append((), self.now)
        self._ledger.copy_to(target)

    def close(self) -> None:
        """Save the clock's place and let go of the file."""
        self._ledger.append((), self.now)
        self._ledger.close()

    def settle(self, arrival: Arrival, status: int) -> None:
        """Put on disk what a request changed, and the request with the status it is answered with."""
        if self._owner is arrival:
            self._commit(status)

    @contextmanager
    def _recording(self, wall: float | None = None) -> Iterator[None]:
        """Write what the block records; if that fails, go back to what is on disk.

        Of a request, the changes wait for its answer: `settle` writes both in one transaction.
        """
        request = current_request.get() if wall is None else None
        if self._changes and self._owner is not request:
            self._commit(None)
        place, before = self.now, len(self._changes)
        self._matching.begin()
        try:
            yield
        except RefusedError:
            del self._changes[before:]
            raise
        except Exception:
            self._fall_back(place)
            raise
        self._owner = request
        due = wall is None or wall - self._saved_wall >= _SAVE_EVERY_SECONDS
        if request is None and (self._changes or due):
            self._saved_wall = self._wall
            self._commit(None, place)

    def _commit(self, status: int | None, place: datetime | None = None) -> None:
        """Write what is recorded, then tell it to the listeners."""
        try:
            self._ledger.append(self._changes, self.now, self._owner, status)
        except Exception:
            self._fall_back(place or self._ledger.place())
            raise
        changes, self._changes, self._owner = self._changes, [], None
        for tell in self.listeners:
            tell(changes)

    def _fall_back(self, place: datetime) -> None:
        """Forget what is not on disk."""
        self.book, self.now, self._changes, self._owner = self._ledger.book(), place, [], None
        self._standing = None
        self._matching.forget()

    def record(self, change: Change) -> None:
        """Apply a change to the book and keep it to be written; for `Matching`."""
        self.book.apply(change)
        self._matching.note(change)
        self._changes.append((self.now, change))

    def _setting(self) -> Setting:
        """What an order that comes now is judged against."""
        return Setting(self.book, self.market, self.seed, self.now, self._worth())

    def _worth(self) -> Standing:
        """What the positions are worth, valued once a moment."""
        moment = self.now, len(self.book.trades)
        if self._standing is None or self._standing[0] != moment:
            self._standing = moment, standing(self.book, self.market, self.now)
        return self._standing[1]

    def _unfinished(self) -> Session | None:
        index = bisect_right(self.sessions, self.now, key=_close)
        return self.sessions[index] if index < len(self.sessions) else None

    def _trade_through(self, session: Session) -> None:
        """Trade a session from where the clock is to its close, as a step does."""
        spans = _STEPPED_SPANS
        if self.now < session.open:
            self._pass_closed(session.open)
            self._open(session)
        else:
            now = self.market.fraction(session, self.now)
            spans = [(now, now), (now, _END), (_END, _END)]
        for start, end in spans:
            self._matching.offer(session, start, end)
        self._close(session)

    def _advance(self, until: datetime) -> None:
        """Pass market time up to `until`: opens, stretches of sessions and closes, in order."""
        while self.now < until:
            session = self._unfinished()
            if session is None or until < session.open:
                self._pass_closed(until)
                return
            if self.now < session.open:
                self._pass_closed(session.open)
                self._open(session)
            start = self.market.fraction(session, self.now)
            reached = min(until, session.close)
            self._matching.offer(session, start, self.market.fraction(session, reached))
            self.now = reached
            if reached == session.close:
                self._close(session)

    def _open(self, session: Session) -> None:
        """The morning of a session: splits take effect, queued orders become working ones."""
        self.now = session.open
        for history in self.market.history.symbols.values():
            for split in history.splits:
                if split.ex_date == session.date:
                    self._split(split.symbol, split.ratio, session)
        for order in list(self.book.all_open_orders()):
            if order.status is Status.ACCEPTED:
                self._matching.change(order, session.open, status=Status.NEW)

    def _split(self, symbol: str, ratio: Decimal, session: Session) -> None:
        path = self.market.path(symbol, session)
        last = self.market.last_trade(symbol, session.open)
        if path is None and last is None:
            return
        price = path.price_at(_START) if path is not None else (last.price if last else ratio) / ratio
        for change in list(split_changes(self.book, symbol, ratio, price, session.open)):
            self.record(change)

    def _pass_closed(self, until: datetime) -> None:
        """Pass time between sessions; orders for extended hours trade and expire in it, gtc orders end."""
        since = self.now
        if self.book.extended:
            for start, end in extended_windows(self.market, self.now, until):
                self.now = start
                self._matching.offer_extended(start)
                self.now = end
                self._expire(map(self.book.orders.__getitem__, sorted(self.book.extended)))
        self.now = until
        if gtc_orders_end(since, until):
            self._expire(self.book.all_open_orders())

    def _close(self, session: Session) -> None:
        """The close of a session: orders whose time is over expire, and the equity is noted."""
        self.now = session.close
        self._expire(self.book.all_open_orders())
        self.record(SessionClosed(session.date, self.book.cash + self._worth().net))

    def _expire(self, orders: Iterable[Order]) -> None:
        """End the orders whose time is over."""
        for order in list(orders):
            if self.book.orders[order.id].working and order.expires_at <= self.now:
                self._matching.end(order, Status.EXPIRED, order.expires_at)


def _close(session: Session) -> datetime:
    return session.close
