"""Matches the exchange's book: offers stretches of sessions and moments of extended hours to its orders.

The venue calls it. What prices do to orders is decided by `alpaquero.simulation.Matching`; here is how
the book is read for it, and how what comes of it is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

from alpaquero.prices import Session
from alpaquero.simulation import Fill, MatchingTerms, PriceSpan, match
from alpaquero.simulation.identity import fill_id
from alpaquero.simulation.matching import Matching as Rules
from alpaquero.simulation.matching import Status, Stretch
from alpaquero.simulation.quiet import QuietBand, quiet_band
from laptop.exchange.book import Accepted, Book, Change, Changed, Order, Trade, Traded
from laptop.exchange.market import Market


class Recorder(Protocol):
    """Who keeps the book: it applies each change, and writes it."""

    book: Book
    now: datetime

    def record(self, change: Change) -> None:
        """Apply a change to the book and remember to write it."""


class Matching(Rules[Order]):
    """Matches one book's orders on one market."""

    def __init__(self, recorder: Recorder, market: Market, terms: MatchingTerms) -> None:
        super().__init__(terms)
        self._recorder, self._market = recorder, market
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

    def offer(self, session: Session, start: Fraction, end: Fraction) -> None:
        """Offer a stretch of every symbol's prices to its working orders."""
        for symbol in sorted(symbol for symbol, ids in self.book.working.items() if ids):
            path = self._market.path(symbol, session)
            if path is None:
                continue
            span = path.span(start, end)
            band = self._quiet.get(symbol)
            if band is None or not band.covers(span):
                self.offer_to(symbol, Stretch(session, path, start, end, self._recorder.now), span)
                self._settle_down(symbol)

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
                self.fill(self.current(order), fill, at)

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

    # the book, as the rules ask for it

    @property
    def now(self) -> datetime:
        """Market time."""
        return self._recorder.now

    def current(self, order: Order) -> Order:
        """The order as it stands."""
        return self.book.orders[order.id]

    def open_orders(self, symbol: str) -> Sequence[Order]:
        """The working orders of a symbol, by client order id."""
        return self.book.open_orders(symbol)

    def live(self, order: Order) -> bool:
        """Whether a working order may trade."""
        return self.book.live(order)

    def members(self, group: str) -> Sequence[Order]:
        """The orders in force of a group, its head first."""
        return [self.book.orders[order_id] for order_id in self.book.groups[group]]

    def owned(self, symbol: str) -> Decimal:
        """Shares of a symbol, negative when sold short."""
        position = self.book.positions.get(symbol)
        return position.quantity if position else Decimal(0)

    def held(self, symbol: str) -> Decimal:
        """Shares that working exits hold."""
        return self.book.held(symbol)

    def is_open(self, at: datetime) -> bool:
        """Whether the market is open."""
        return self._market.open_session(at) is not None

    def change(self, order: Order, at: datetime, **fields: Any) -> None:
        """Record an order with other fields."""
        self._recorder.record(Changed(replace(self.current(order), updated_at=at, **fields)))

    def book_fill(self, order: Order, fill: Fill, at: datetime, after: dict[str, Any]) -> Order:
        """Record a fill; answers the order after it."""
        filled = replace(order, **after)
        trade = Trade(
            id=fill_id(self._terms.seed, order.client_order_id, str(order.filled_quantity), at),
            order_id=order.id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=fill.quantity,
            price=fill.price,
            at=at,
            cumulative=filled.filled_quantity,
            leaves=filled.remaining,
            order_status=filled.status,
        )
        self._recorder.record(Traded(trade, filled))
        return filled


def _newest(book: Book) -> datetime | None:
    """The time of the latest fill; the one recorded last may be an earlier one."""
    return max((trade.at for trade in book.trades), default=None)


def _client_order_id(order: Order) -> str:
    return order.client_order_id
