"""What a stretch of prices does to an account's orders: fills, exits that wake up or end, triggers.

The paper exchange and the backtest both are a `Matching`: they keep orders and positions in their own
way and are asked for them here. Whether and at what price an order trades is decided by
`alpaquero.simulation.fills`; here is in which order the orders see the prices, and what follows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.prices.sessions import Session
from alpaquero.simulation.fills import is_over, match, match_exits, rest_after, triggers
from alpaquero.simulation.path import PricePath
from alpaquero.simulation.trailing import follow
from alpaquero.simulation.working import Fill, MatchingTerms, Moment, PriceSpan, Workable
from alpaquero.words import Word

MILLISECOND = timedelta(milliseconds=1)
START, END = Fraction(0), Fraction(1)  # of a session


class Status(Word):
    """Alpaca's order states, as far as a simulated account uses them."""

    ACCEPTED = "accepted"
    NEW = "new"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"


TERMINAL = frozenset({Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REPLACED})


class Role(Word):
    """What an order is for: alone, the entry of a bracket or OTO, or an exit."""

    ALONE = "alone"
    ENTRY = "entry"
    TARGET = "take_profit"
    STOP = "stop_loss"

    @property
    def words(self) -> str:
        """The role as people read it."""
        return self.replace("_", " ")


EXITS = frozenset({Role.TARGET, Role.STOP})
_STOPS = frozenset({OrderType.STOP, OrderType.TRAILING_STOP})
# Python 3.11 takes ten times as long to find a member in its enum.
_ENTRY, _STOP, _TARGET = Role.ENTRY, Role.STOP, Role.TARGET
_NEW, _CANCELED, _FILLED = Status.NEW, Status.CANCELED, Status.FILLED
_STOP_LIMIT, _TRAILING_STOP = OrderType.STOP_LIMIT, OrderType.TRAILING_STOP
_AT_FIRST_PRICE, _INSIDE = Moment.START, Moment.INSIDE


class Matched(Workable, Protocol):
    """What matching reads of an order besides what the matcher does; see `laptop.exchange.book.Order`."""

    @property
    def id(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def role(self) -> Role: ...
    @property
    def group(self) -> str: ...
    @property
    def status(self) -> Status: ...
    @property
    def filled_value(self) -> Decimal: ...
    @property
    def remaining(self) -> Decimal: ...
    @property
    def filled_at(self) -> datetime | None: ...
    @property
    def updated_at(self) -> datetime: ...
    @property
    def working(self) -> bool: ...
    def for_matching(self) -> Workable: ...


O = TypeVar("O", bound=Matched)  # noqa: E741 - an order


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """Where in a session's path matching is at: the session, the path, and two fractions of it.

    No order of it came later than `since`, and nothing in it happens earlier.
    """

    session: Session
    path: PricePath
    start: Fraction
    end: Fraction
    since: datetime

    def time(self, fraction: Fraction) -> datetime:
        """Market time at a fraction of the session, to the millisecond."""
        if fraction is START:
            return max(self.session.open, self.since)
        return max(time_in(self.session, (fraction.numerator, fraction.denominator)), self.since)


def time_in(session: Session, fraction: tuple[int, int]) -> datetime:
    """Market time at a fraction of a session, to the millisecond; over and under the line."""
    over, under = fraction  # where two price lines cross they may have dozens of digits
    return session.open + (session.close - session.open) // MILLISECOND * over // under * MILLISECOND


class Matching(ABC, Generic[O]):
    """Matches one account's orders. A subclass keeps orders and positions, and changes them when told."""

    def __init__(self, terms: MatchingTerms) -> None:
        self._terms = terms
        self._newest: datetime | None = None
        self._told: datetime | None = None

    # what the account knows

    @abstractmethod
    def current(self, order: O) -> O:
        """The order as it stands."""

    @abstractmethod
    def open_orders(self, symbol: str) -> Sequence[O]:
        """The working orders of a symbol, by client order id: never by order of arrival."""

    @abstractmethod
    def live(self, order: O) -> bool:
        """Whether a working order may trade: legs of a bracket or OTO wait for the full entry fill."""

    @abstractmethod
    def members(self, group: str) -> Sequence[O]:
        """The orders in force of a group, its head first."""

    @abstractmethod
    def owned(self, symbol: str) -> Decimal:
        """Shares of a symbol, negative when sold short."""

    @abstractmethod
    def held(self, symbol: str) -> Decimal:
        """Shares that working exits hold; the two exits of a pair hold theirs once."""

    @abstractmethod
    def is_open(self, at: datetime) -> bool:
        """Whether the market is open."""

    @property
    @abstractmethod
    def now(self) -> datetime:
        """Market time."""

    # how the account changes

    @abstractmethod
    def change(self, order: O, at: datetime, **fields: Any) -> None:
        """Record an order with other fields."""

    @abstractmethod
    def book_fill(self, order: O, fill: Fill, at: datetime, after: dict[str, Any]) -> O:
        """Record a fill and move cash and shares; `after` are the order's fields then. Answers the order."""

    # what prices do

    def _exits_at_work(self, group: str) -> list[O]:
        """The exits of a group that can still change, stop first."""
        legs = [member for member in self.members(group) if member.role in EXITS and member.working]
        if legs and legs[-1].role is _STOP:
            legs.reverse()
        return legs

    def begin(self) -> None:
        """What was filled up to here may be known to others: no fill from now on is listed before it."""
        self._told = self._newest

    def end(self, order: O, status: Status, at: datetime) -> None:
        """End an order early, and with it whatever of its group still works."""
        stamp = "canceled_at" if status is _CANCELED else "expired_at"
        others = [member for member in self.members(order.group) if member.id != order.id]
        for one in (order, *others):
            if self.current(one).working:
                self.change(self.current(one), at, status=status, **{stamp: at})

    def offer_to(self, symbol: str, stretch: Stretch, span: PriceSpan) -> None:
        """Offer a stretch of prices to the orders of one symbol: exits first, then entries."""
        orders = [order for order in self.open_orders(symbol) if self.live(order)]
        groups = {order.group for order in orders if order.role in EXITS}
        for group in sorted(groups) if len(groups) > 1 else groups:
            self._match_exits(group, stretch, span)
        for order in orders:
            if order.role not in EXITS:
                self._match_order(order, stretch, span)

    def _match_order(self, order: O, stretch: Stretch, span: PriceSpan) -> None:
        """Match an entry or a single order; the exits of an entry see what the span has left."""
        fill = match(order.for_matching(), span, self._terms)
        if fill is None:
            self._note_trigger(order, span)
        else:
            at = self._fraction_of(order, fill, stretch, span)
            rest = rest_after(order.for_matching(), fill, span)
            filled = self.fill(order, fill, stretch.time(at), _followed(order, span))
            filled = self._fill_on(filled, fill, rest)
            if order.role is _ENTRY and not filled.working:
                self._wake_exits(filled, stretch.time(at))
                later = Stretch(stretch.session, stretch.path, at, stretch.end, stretch.since)
                self._match_exits(order.group, later, rest)
        left = self.current(order)
        if left.working and is_over(left.for_matching(), span):
            ended = stretch.end if left.time_in_force is TimeInForce.CLS else stretch.start
            self.end(left, _CANCELED, stretch.time(ended))

    def _wake_exits(self, entry: O, at: datetime) -> None:
        """The entry is filled: its exits work, for the shares that are there and not held elsewhere."""
        exits = self._exits_at_work(entry.group)
        if not exits:
            return
        held_by_others = self.held(entry.symbol) - exits[0].remaining
        free = abs(self.owned(entry.symbol)) - held_by_others
        for leg in exits:
            if free <= 0:
                self.change(leg, at, status=_CANCELED, canceled_at=at)
            elif free < leg.remaining:
                self.change(leg, at, quantity=free)
        awake = self.current(exits[-1])
        if awake.working:
            self.change(awake, at, status=_NEW)

    def _match_exits(self, group: str, stretch: Stretch, span: PriceSpan) -> None:
        """Match the exits of a group: what fills of one is no longer there for the other."""
        legs = self._exits_at_work(group)
        if not legs:
            return
        stop, target = legs[0].for_matching(), legs[-1].for_matching()
        outcome = match_exits(stop, target, span, self._terms)
        if outcome is None:
            self._note_trigger(legs[0], span)
            return
        matched, fill = outcome
        leg = legs.pop(0 if matched is stop else -1)
        at = stretch.time(self._fraction_of(leg, fill, stretch, span))
        rest = rest_after(matched, fill, span)
        filled = self._fill_on(self.fill(leg, fill, at), fill, rest)
        for other in legs:
            if not filled.working or leg.role is _STOP:
                self.change(other, at, status=_CANCELED, canceled_at=at)
            else:
                self.change(other, at, quantity=other.quantity - fill.quantity)

    def _note_trigger(self, order: O, span: PriceSpan) -> None:
        """Remember that a stop was reached though nothing traded, and how far a trailing stop followed."""
        if order.triggered:
            return
        working = order.for_matching()
        if order.type is _TRAILING_STOP:
            mark = follow(working, span).high_water_mark
            if mark != order.high_water_mark:
                self.change(order, self.now, high_water_mark=mark)
        elif triggers(working, span):
            self.change(order, self.now, triggered=True, status=_NEW)

    def _fraction_of(self, order: O, fill: Fill, stretch: Stretch, span: PriceSpan) -> Fraction:
        """When in the session a fill happened: at an end of the stretch, or when its price was reached."""
        if fill.moment is not _INSIDE:
            return stretch.start if fill.moment is _AT_FIRST_PRICE else stretch.end
        if order.type is _TRAILING_STOP:
            return _trail_fraction(order, stretch, span)
        if order.type is _STOP_LIMIT:
            return _stop_limit_fraction(order, stretch, span)
        return _reached(order.limit_price or order.stop_price, stretch, stretch.start)

    def _fill_on(self, order: O, fill: Fill, rest: PriceSpan) -> O:
        """Fill what is left of a stop that filled in part inside a span: it is a market order now.

        `rest` is what the fill left of the span.
        """
        if fill.moment is not _INSIDE or order.type not in _STOPS or not order.working:
            return order
        more = match(order.for_matching(), rest, self._terms)
        return order if more is None else self.fill(order, more, order.updated_at)

    def fill(self, order: O, fill: Fill, at: datetime, followed: dict[str, Any] | None = None) -> O:
        """Record a fill; answers the order after it. One for dollars now knows its shares.

        Activities are listed and paged by their millisecond. So a fill comes later than all that were
        known before, and the second of an order later than the first, while the session lasts. An
        exit's comes later than those of its entry, even where a gap ends what was bought at once.
        """
        if self._told is not None:
            at = max(at, self._told + MILLISECOND)
        later = order.updated_at + MILLISECOND
        if order.filled_quantity and self.is_open(later):
            at = max(at, later)
        entered = self.members(order.group)[0].filled_at if order.role in EXITS else None
        if entered is not None:
            at = after_entry(at, entered)
        self._newest = at if self._newest is None else max(at, self._newest)
        cumulative = order.filled_quantity + fill.quantity
        quantity = order.quantity if order.notional is None else cumulative
        complete = cumulative == quantity
        has_stop = order.stop_price is not None or order.high_water_mark is not None
        after = {
            "status": _FILLED if complete else Status.PARTIALLY_FILLED,
            "quantity": quantity,
            "filled_quantity": cumulative,
            "filled_value": order.filled_value + fill.quantity * fill.price,
            "filled_at": at if complete else None,
            "triggered": order.triggered or has_stop,
            "updated_at": at,
        }
        return self.book_fill(order, fill, at, after | followed if followed else after)


def after_entry(at: datetime, entered: datetime) -> datetime:
    """When an exit fills whose price is there `at`: later than its entry, which was filled at `entered`."""
    return max(at, entered + MILLISECOND)


def _followed(order: Matched, span: PriceSpan) -> dict[str, Any]:
    """What else changes of an order that fills in a span: the mark that a trailing stop trailed from."""
    if order.type is not _TRAILING_STOP or order.triggered:
        return {}
    return {"high_water_mark": follow(order.for_matching(), span).high_water_mark}


def _stop_limit_fraction(order: Matched, stretch: Stretch, span: PriceSpan) -> Fraction:
    """When a stop-limit traded: with its stop if its limit lies beyond that, else with its limit."""
    limit, stop = order.limit_price, order.stop_price
    at_first = PriceSpan(span.open, span.open, span.open, span.open)
    if limit is None or stop is None or order.triggered or triggers(order.for_matching(), at_first):
        return _reached(limit, stretch, stretch.start)
    triggered = _reached(stop, stretch, stretch.start)
    through = stop < limit if order.side is Side.BUY else stop > limit
    return triggered if through else _reached(limit, stretch, triggered)


def _trail_fraction(order: Matched, stretch: Stretch, span: PriceSpan) -> Fraction:
    """When a trailing stop was reached: after the mark that it then trailed from."""
    trail = follow(order.for_matching(), span)
    start = stretch.start
    if trail.high_water_mark != order.high_water_mark:
        start = stretch.path.reached(trail.high_water_mark, start)
    level = trail.reached[0] if trail.reached else span.close
    return min(stretch.path.reached(level, start), stretch.end)


def _reached(price: Decimal | None, stretch: Stretch, after: Fraction) -> Fraction:
    """The first fraction of a stretch, from `after` on, at which its path is at `price`; else its end."""
    if price is None:
        return stretch.end
    at = stretch.path.reached(price, after)
    return at if stretch.end is END else min(at, stretch.end)
