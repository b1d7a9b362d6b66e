"""Offers prices to working orders and records what comes of it: fills, triggers, cancellations.

The venue calls it for each stretch of a session and each moment of extended hours. Which order trades
at which price is decided by `alpaquero.simulation`; here is what a fill does to the book: exits that
wake up, the other exit of a pair that ends, what auctions and immediate orders leave.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from alpaquero.prices import Session
from alpaquero.simulation import (
    Fill,
    MatchingTerms,
    Moment,
    OrderType,
    PricePath,
    PriceSpan,
    Side,
    TimeInForce,
    WorkingOrder,
    follow,
    is_over,
    match,
    match_exits,
    rest_after,
    triggers,
)
from laptop.exchange.book import EXITS, Accepted, Book, Change, Changed, Order, Role, Status, Trade, Traded
from laptop.exchange.identity import activity_id, derived_id
from laptop.exchange.market import Market
from laptop.exchange.quiet import QuietBand, quiet_band

_MILLISECOND = timedelta(milliseconds=1)


class Recorder(Protocol):
    """Who keeps the book: it applies each change, and writes it."""

    book: Book
    now: datetime

    def record(self, change: Change) -> None:
        """Apply a change to the book and remember to write it."""


@dataclass(frozen=True, slots=True)
class Stretch:
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
        milliseconds = (self.session.close - self.session.open) // _MILLISECOND
        # A fraction where two price lines cross may have a numerator of dozens of digits.
        return max(self.session.open + int(milliseconds * fraction) * _MILLISECOND, self.since)


class Matching:
    """Matches one book's orders on one market."""

    def __init__(self, recorder: Recorder, market: Market, terms: MatchingTerms) -> None:
        self._recorder, self._market, self._terms = recorder, market, terms
        # Between which prices nothing happens to a symbol's orders; a symbol that is not here is looked at.
        self._quiet: dict[str, QuietBand] = {}
        self._newest = self._told = _newest(recorder.book)

    @property
    def book(self) -> Book:
        """The book as it stands."""
        return self._recorder.book

    def forget(self) -> None:
        """Look at every order again: the book is another one."""
        self._quiet.clear()
        self._newest = self._told = _newest(self.book)

    def begin(self) -> None:
        """What was filled up to here may be known to others: no fill from now on is listed before it."""
        self._told = self._newest

    def offer(self, session: Session, start: Fraction, end: Fraction) -> None:
        """Offer a stretch of every symbol's prices to its working orders."""
        for symbol in sorted(symbol for symbol, ids in self.book.working.items() if ids):
            path = self._market.path(symbol, session)
            if path is None:
                continue
            span = path.span(start, end)
            band = self._quiet.get(symbol)
            if band is None or not band.covers(span):
                self._offer_to(symbol, Stretch(session, path, start, end, self._recorder.now), span)

    def offer_extended(self, at: datetime) -> None:
        """Offer the last price to the orders that may trade outside sessions.

        Daily prices say nothing of those hours: the market stands at the last close, as the quote that
        is shown then, and an order that this price is through trades at it. No other one does.
        """
        for order in sorted(map(self.book.orders.__getitem__, self.book.extended), key=_client_order_id):
            trade = self._market.last_trade(order.symbol, at)
            if trade is None:
                continue
            if order.status is Status.ACCEPTED:
                self.change(order, at, status=Status.NEW)
            price = trade.price
            fill = match(order.for_matching(), PriceSpan(price, price, price, price), self._terms)
            if fill is not None:
                self._fill(self.book.orders[order.id], fill, at)

    def end(self, order: Order, status: Status, at: datetime) -> None:
        """End an order early, and with it whatever of its group still works."""
        stamp = "canceled_at" if status is Status.CANCELED else "expired_at"
        others = [order_id for order_id in self.book.groups[order.group] if order_id != order.id]
        for order_id in (order.id, *others):
            if self.book.orders[order_id].working:
                self.change(self.book.orders[order_id], at, status=status, **{stamp: at})

    def change(self, order: Order, at: datetime, **fields: object) -> None:
        """Record an order with other fields."""
        current = self.book.orders[order.id]
        self._recorder.record(Changed(replace(current, updated_at=at, **fields)))  # type: ignore[arg-type]

    def note(self, change: Change) -> None:
        """Watch closer for what a new or changed order asks for."""
        match change:
            case Accepted(orders):
                for order in orders:
                    self._watch(order)
            case Changed(order) | Traded(_, order):
                self._watch(order)

    def _watch(self, order: Order) -> None:
        band = self._quiet.get(order.symbol)
        if band is None or not order.working:
            return
        own = quiet_band(order)
        if own is None:
            del self._quiet[order.symbol]
        else:
            self._quiet[order.symbol] = band.within(own)

    def _offer_to(self, symbol: str, stretch: Stretch, span: PriceSpan) -> None:
        """Offer a stretch to the orders of one symbol, then see between which prices they rest."""
        orders = [order for order in self.book.open_orders(symbol) if self.book.live(order)]
        groups = {order.group for order in orders if order.role in EXITS}
        for group in sorted(groups):
            self._match_exits(group, stretch, span)
        for order in orders:
            if order.role not in EXITS:
                self._match_order(order, stretch, span)
        self._settle_down(symbol)

    def _settle_down(self, symbol: str) -> None:
        """Remember between which prices nothing happens to the symbol's orders, if there is such a band."""
        self._quiet.pop(symbol, None)
        band = QuietBand()
        for order_id in self.book.working[symbol]:
            own = quiet_band(self.book.orders[order_id])
            if own is None:
                return
            band = band.within(own)
        self._quiet[symbol] = band

    def _match_order(self, order: Order, stretch: Stretch, span: PriceSpan) -> None:
        """Match an entry or a single order; the exits of an entry see what the span has left."""
        working = order.for_matching()
        fill = match(working, span, self._terms)
        if fill is None:
            self._note_trigger(order, span)
        else:
            at = self._fraction_of(order, fill, stretch, span)
            filled = self._fill(_followed(order, span), fill, stretch.time(at))
            filled = self._fill_on(filled, working, fill, span)
            if order.role is Role.ENTRY and not filled.working:
                self._wake_exits(filled, stretch.time(at))
                rest = rest_after(working, fill, span)
                self._match_exits(order.group, replace(stretch, start=at), rest)
        left = self.book.orders[order.id]
        if left.working and is_over(working, span):
            ended = stretch.end if left.time_in_force is TimeInForce.CLS else stretch.start
            self.end(left, Status.CANCELED, stretch.time(ended))

    def _wake_exits(self, entry: Order, at: datetime) -> None:
        """The entry is filled: its exits work, for the shares that are there and not held elsewhere."""
        exits = [leg for leg in self.book.pair(entry) if leg.working]
        if not exits:
            return
        position = self.book.positions.get(entry.symbol)
        held_by_others = self.book.held(entry.symbol) - exits[0].remaining
        free = (abs(position.quantity) if position else Decimal(0)) - held_by_others
        for leg in exits:
            if free <= 0:
                self.change(leg, at, status=Status.CANCELED, canceled_at=at)
            elif free < leg.remaining:
                self.change(leg, at, quantity=free)
        awake = exits[-1]
        if self.book.orders[awake.id].working:
            self.change(awake, at, status=Status.NEW)

    def _match_exits(self, group: str, stretch: Stretch, span: PriceSpan) -> None:
        """Match the exits of a group: what fills of one is no longer there for the other."""
        head = self.book.orders[self.book.groups[group][0]]
        legs = [leg for leg in self.book.pair(head) if leg.working]
        if not legs:
            return
        working = {leg.client_order_id: leg for leg in legs}
        outcome = match_exits(legs[0].for_matching(), legs[-1].for_matching(), span, self._terms)
        if outcome is None:
            self._note_trigger(legs[0], span)
            return
        matched, fill = outcome
        leg = working.pop(matched.client_order_id)
        at = stretch.time(self._fraction_of(leg, fill, stretch, span))
        filled = self._fill_on(self._fill(leg, fill, at), matched, fill, span)
        for other in working.values():
            if not filled.working or leg.role is Role.STOP:
                self.change(other, at, status=Status.CANCELED, canceled_at=at)
            else:
                self.change(other, at, quantity=other.quantity - fill.quantity)

    def _note_trigger(self, order: Order, span: PriceSpan) -> None:
        """Remember that a stop was reached though nothing traded, and how far a trailing stop followed."""
        if order.triggered:
            return
        at = self._recorder.now
        working = order.for_matching()
        if order.type is OrderType.TRAILING_STOP:
            mark = follow(working, span).high_water_mark
            if mark != order.high_water_mark:
                self.change(order, at, high_water_mark=mark)
        elif triggers(working, span):
            self.change(order, at, triggered=True, status=Status.NEW)

    def _fraction_of(self, order: Order, fill: Fill, stretch: Stretch, span: PriceSpan) -> Fraction:
        """When in the session a fill happened: at an end of the stretch, or when its price was reached."""
        if fill.moment is not Moment.INSIDE:
            return stretch.start if fill.moment is Moment.START else stretch.end
        if order.type is OrderType.TRAILING_STOP:
            return self._trail_fraction(order, stretch, span)
        if order.type is OrderType.STOP_LIMIT:
            return self._stop_limit_fraction(order, stretch, span)
        return _reached(order.limit_price or order.stop_price, stretch, stretch.start)

    def _stop_limit_fraction(self, order: Order, stretch: Stretch, span: PriceSpan) -> Fraction:
        """When a stop-limit traded: with its stop if its limit lies beyond that, else with its limit."""
        limit, stop = order.limit_price, order.stop_price
        at_first = PriceSpan(span.open, span.open, span.open, span.open)
        if limit is None or stop is None or order.triggered or triggers(order.for_matching(), at_first):
            return _reached(limit, stretch, stretch.start)
        triggered = _reached(stop, stretch, stretch.start)
        through = stop < limit if order.side is Side.BUY else stop > limit
        return triggered if through else _reached(limit, stretch, triggered)

    def _trail_fraction(self, order: Order, stretch: Stretch, span: PriceSpan) -> Fraction:
        """When a trailing stop was reached: after the mark that it then trailed from."""
        trail = follow(order.for_matching(), span)
        start = stretch.start
        if trail.high_water_mark != order.high_water_mark:
            start = stretch.path.reached(trail.high_water_mark, start)
        level = trail.reached[0] if trail.reached else span.close
        return min(stretch.path.reached(level, start), stretch.end)

    def _fill_on(self, order: Order, before: WorkingOrder, fill: Fill, span: PriceSpan) -> Order:
        """Fill what is left of a stop that filled in part inside a span: it is a market order now."""
        stops = order.type in {OrderType.STOP, OrderType.TRAILING_STOP}
        if not stops or not order.working or fill.moment is not Moment.INSIDE:
            return order
        rest = match(order.for_matching(), rest_after(before, fill, span), self._terms)
        return order if rest is None else self._fill(order, rest, order.updated_at)

    def _fill(self, order: Order, fill: Fill, at: datetime) -> Order:
        """Record a fill; answers the order after it. One for dollars now knows its shares.

        Activities are listed and paged by their millisecond. So a fill comes later than all that were
        known before, and the second of an order later than the first, while the session lasts.
        """
        if self._told is not None:
            at = max(at, self._told + _MILLISECOND)
        later = order.updated_at + _MILLISECOND
        if order.filled_quantity and self._market.open_session(later):
            at = max(at, later)
        self._newest = at if self._newest is None else max(at, self._newest)
        cumulative = order.filled_quantity + fill.quantity
        quantity = order.quantity if order.notional is None else cumulative
        complete = cumulative == quantity
        after = replace(
            order,
            status=Status.FILLED if complete else Status.PARTIALLY_FILLED,
            quantity=quantity,
            filled_quantity=cumulative,
            filled_value=order.filled_value + fill.quantity * fill.price,
            filled_at=at if complete else None,
            triggered=order.triggered or order.stop_price is not None or order.high_water_mark is not None,
            updated_at=at,
        )
        unique = derived_id(self._terms.seed, "fill", order.client_order_id, str(order.filled_quantity))
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
            leaves=quantity - cumulative,
            order_status=after.status,
        )
        self._recorder.record(Traded(trade, after))
        return after


def _newest(book: Book) -> datetime | None:
    """The time of the latest fill; the one recorded last may be an earlier one."""
    return max((trade.at for trade in book.trades), default=None)


def _followed(order: Order, span: PriceSpan) -> Order:
    """An order that fills in a span; a trailing stop with the mark that it then trailed from."""
    if order.type is not OrderType.TRAILING_STOP or order.triggered:
        return order
    return replace(order, high_water_mark=follow(order.for_matching(), span).high_water_mark)


def _reached(price: Decimal | None, stretch: Stretch, after: Fraction) -> Fraction:
    """The first fraction of a stretch, from `after` on, at which its path is at `price`; else its end."""
    return stretch.end if price is None else min(stretch.path.reached(price, after), stretch.end)


def _client_order_id(order: Order) -> str:
    return order.client_order_id
