"""The exchange at work: takes and cancels orders, moves the clock, matches, and keeps it all in the ledger.

The routes call it from one thread. Every public method that changes something writes the changes and
the clock's place in one transaction before it returns, so that what was answered is never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from alpaquero.prices import Direction, Session, round_price
from alpaquero.simulation import (
    Fill,
    MatchingTerms,
    Moment,
    PriceSpan,
    SessionPath,
    match,
    match_exits,
    rest_after,
    triggers,
)
from laptop.exchange.admission import OrderRequest, admit, long_value
from laptop.exchange.arrival import Arrival, current_request
from laptop.exchange.book import (
    EXITS,
    Accepted,
    Book,
    Change,
    Changed,
    Order,
    Role,
    SessionClosed,
    SharesSplit,
    Status,
    Trade,
    Traded,
)
from laptop.exchange.clock import AFTER_CLOSE, ClockMode, later, later_in_real_time
from laptop.exchange.errors import RefusedError, invalid, not_found
from laptop.exchange.identity import activity_id, derived_id
from laptop.exchange.ledger import Ledger, RecordedChange, RecordedRequest
from laptop.exchange.market import Market
from laptop.exchange.preferences import Configured, WatchlistDeleted, WatchlistKept

_MILLISECOND = timedelta(milliseconds=1)
_START, _END = Fraction(0), Fraction(1)
# A stepped session: the open, the whole day, the close. The last one fills what a partial fill left.
_STEPPED_SPANS = [(_START, _START), (_START, _END), (_END, _END)]
_SAVE_EVERY_SECONDS = 1.0

# Changes that are on disk, each with its market time: what listeners are told.
Recorded = Sequence[tuple[datetime, Change]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where in a session's path matching is at: the session, the path, and two fractions of it."""

    session: Session
    path: SessionPath
    start: Fraction
    end: Fraction

    def time(self, fraction: Fraction) -> datetime:
        """Market time at a fraction of the session, to the millisecond."""
        milliseconds = (self.session.close - self.session.open) // _MILLISECOND
        # A fraction where two price lines cross may have a numerator of dozens of digits.
        return self.session.open + int(milliseconds * fraction) * _MILLISECOND


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
        self._terms = terms
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
            orders = admit(request, self.book, self.market, self.seed, self.now)
            self._record(Accepted(orders))
        return orders[0]

    def cancel(self, order_id: str) -> None:
        """Cancel an order, with the legs or the other exit that hang on it."""
        order = self.order(order_id)
        if order.status is Status.CANCELED:
            return
        if not order.working:
            raise invalid(f'order is already in "{order.status}" state')
        with self._recording():
            self._end(order, Status.CANCELED, self.now)

    def cancel_all(self) -> list[str]:
        """Cancel every open order; answers their ids."""
        orders = list(self.book.all_open_orders())
        with self._recording():
            for order in orders:
                self._end(order, Status.CANCELED, self.now)
        return [order.id for order in orders]

    def keep(self, change: Configured | WatchlistKept | WatchlistDeleted) -> None:
        """Take in a change that touches neither orders nor money."""
        with self._recording():
            self._record(change)

    def order(self, order_id: str) -> Order:
        """An order by id. Raises RefusedError when there is none."""
        if order_id not in self.book.orders:
            raise not_found(f"order not found for {order_id}")
        return self.book.orders[order_id]

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
            self.now = session.close + AFTER_CLOSE

    def run_to(self, wall: float) -> None:
        """Let market time follow wall time (seconds of a monotonic clock) and match what it passes."""
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

    def _record(self, change: Change) -> None:
        self.book.apply(change)
        self._changes.append((self.now, change))

    def _unfinished(self) -> Session | None:
        return next((session for session in self.sessions if session.close > self.now), None)

    def _trade_through(self, session: Session) -> None:
        """Trade a session from where the clock is to its close, as a step does."""
        spans = _STEPPED_SPANS
        if self.now < session.open:
            self._open(session)
        else:
            spans = [(self.market.fraction(session, self.now), _END), (_END, _END)]
        for start, end in spans:
            self._match(session, start, end)
        self._close(session)

    def _advance(self, until: datetime) -> None:
        """Pass market time up to `until`: opens, stretches of sessions and closes, in order."""
        while self.now < until:
            session = self._unfinished()
            if session is None or until < session.open:
                self.now = until
                return
            if self.now < session.open:
                self.now = session.open
                self._open(session)
            start = self.market.fraction(session, self.now)
            reached = min(until, session.close)
            self._match(session, start, self.market.fraction(session, reached))
            self.now = reached
            if reached == session.close:
                self._close(session)

    def _open(self, session: Session) -> None:
        """The morning of a session: splits take effect, queued orders become working ones."""
        self.now = session.open
        for history in self.market.history.symbols.values():
            for split in history.splits:
                if split.ex_date == session.date:
                    self._split(split.symbol, split.ratio)
        for order in list(self.book.all_open_orders()):
            if order.status is Status.ACCEPTED:
                self._change(order, session.open, status=Status.NEW)

    def _split(self, symbol: str, ratio: Decimal) -> None:
        """Multiply shares and divide prices, in the position and in every working order."""
        if symbol in self.book.positions:
            self._record(SharesSplit(symbol, ratio))
        for order in self.book.open_orders(symbol):
            self._change(
                order,
                self.now,
                quantity=order.quantity * ratio,
                filled_quantity=order.filled_quantity * ratio,
                limit_price=_split_price(order.limit_price, ratio),
                stop_price=_split_price(order.stop_price, ratio),
            )

    def _close(self, session: Session) -> None:
        """The close of a session: orders whose time is over expire, and the equity is noted."""
        self.now = session.close
        for order in list(self.book.all_open_orders()):
            if self.book.orders[order.id].working and order.expires_at <= session.close:
                self._end(order, Status.EXPIRED, session.close)
        equity = self.book.cash + long_value(self.book, self.market, session.close)
        self._record(SessionClosed(session.date, equity))

    def _match(self, session: Session, start: Fraction, end: Fraction) -> None:
        """Offer a stretch of every symbol's prices to its working orders."""
        for symbol in sorted(symbol for symbol, ids in self.book.working.items() if ids):
            path = self.market.path(symbol, session)
            if path is None:
                continue
            stretch, span = Stretch(session, path, start, end), path.span(start, end)
            orders = [order for order in self.book.open_orders(symbol) if self.book.live(order)]
            groups = {order.group for order in orders if order.role in EXITS}
            for group in sorted(groups):
                self._match_exits(group, stretch, span)
            for order in orders:
                if order.role not in EXITS:
                    self._match_order(order, stretch, span)

    def _match_order(self, order: Order, stretch: Stretch, span: PriceSpan) -> None:
        """Match an entry or a single order; the exits of an entry see what the span has left."""
        working = order.for_matching()
        fill = match(working, span, self._terms)
        if fill is None:
            self._note_trigger(order, span)
            return
        at = self._fraction_of(order, fill, stretch)
        filled = self._fill(order, fill, stretch.time(at))
        if order.role is not Role.ENTRY or filled.working:
            return
        for leg in self.book.pair(order):
            if leg.role is Role.TARGET:
                self._change(leg, stretch.time(at), status=Status.NEW)
        rest = rest_after(working, fill, span)
        self._match_exits(order.id, replace(stretch, start=at), rest)

    def _match_exits(self, group: str, stretch: Stretch, span: PriceSpan) -> None:
        """Match the exits of a group: what fills of one is no longer there for the other."""
        legs = [leg for leg in self.book.pair(self.book.orders[group]) if leg.working]
        if not legs:
            return
        working = {leg.client_order_id: leg for leg in legs}
        outcome = match_exits(legs[0].for_matching(), legs[-1].for_matching(), span, self._terms)
        if outcome is None:
            self._note_trigger(legs[0], span)
            return
        matched, fill = outcome
        leg = working.pop(matched.client_order_id)
        at = stretch.time(self._fraction_of(leg, fill, stretch))
        filled = self._fill(leg, fill, at)
        for other in working.values():
            if not filled.working or leg.role is Role.STOP:
                self._change(other, at, status=Status.CANCELED, canceled_at=at)
            else:
                self._change(other, at, quantity=other.quantity - fill.quantity)

    def _note_trigger(self, order: Order, span: PriceSpan) -> None:
        """Remember that a stop was reached though nothing traded (a stop-limit order)."""
        if not order.triggered and triggers(order.for_matching(), span):
            self._change(order, self.now, triggered=True, status=Status.NEW)

    def _fraction_of(self, order: Order, fill: Fill, stretch: Stretch) -> Fraction:
        """When in the session a fill happened: at the stretch's start, or when its price was reached."""
        if fill.moment is Moment.START:
            return stretch.start
        level = order.stop_price if order.role is Role.STOP else order.limit_price or order.stop_price
        return min(stretch.path.reached(level or fill.price, stretch.start), stretch.end)

    def _fill(self, order: Order, fill: Fill, at: datetime) -> Order:
        """Record a fill; answers the order after it."""
        cumulative = order.filled_quantity + fill.quantity
        complete = cumulative == order.quantity
        after = replace(
            order,
            status=Status.FILLED if complete else Status.PARTIALLY_FILLED,
            filled_quantity=cumulative,
            filled_value=order.filled_value + fill.quantity * fill.price,
            filled_at=at if complete else None,
            triggered=order.triggered or order.stop_price is not None,
            updated_at=at,
        )
        unique = derived_id(self.seed, "fill", order.client_order_id, str(order.filled_quantity))
        trade = Trade(
            id=activity_id(at, unique),
            order_id=order.id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=fill.quantity,
            price=fill.price,
            at=at,
            cumulative=cumulative,
            leaves=order.quantity - cumulative,
            order_status=after.status,
        )
        self._record(Traded(trade, after))
        return after

    def _end(self, order: Order, status: Status, at: datetime) -> None:
        """End an order early, and with it its waiting legs or the other exit of its pair."""
        stamp = "canceled_at" if status is Status.CANCELED else "expired_at"
        together = [order, *(leg for leg in self.book.pair(order) if leg.id != order.id)]
        for one in together:
            if self.book.orders[one.id].working:
                self._change(one, at, status=status, **{stamp: at})

    def _change(self, order: Order, at: datetime, **fields: object) -> None:
        current = self.book.orders[order.id]
        self._record(Changed(replace(current, updated_at=at, **fields)))  # type: ignore[arg-type]


def _split_price(price: Decimal | None, ratio: Decimal) -> Decimal | None:
    return None if price is None else round_price(price / ratio, Direction.NEAREST)
