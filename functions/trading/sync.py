"""Brings the books level with the broker: orders, fills, cash and positions, reservations.

Started by the rule `SyncSchedule` each minute, and by SyncQueue soon after each submission. It
looks and never trades: an order that needs another step at the broker is handed back to `execute`.
Repeats and overlaps are harmless: every write is conditional, and a fill is known by its activity id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from alpaquero.broker.alpaca import connect_reader
from alpaquero.broker.protocol import BrokerAccount, BrokerOrder, BrokerPosition, OrderReader, with_legs
from alpaquero.broker.records import adopted, fill_of, leg_of, update_of
from alpaquero.errors import Conflict
from alpaquero.events import bus, queues
from alpaquero.events.commands import ResumeOrder
from alpaquero.events.orders import order_changed, order_filled
from alpaquero.events.schemas import BooksDrifted
from alpaquero.observability import observed, record_failed
from alpaquero.orders.lifecycle import BrokerUpdate, OrderStatus, advance, is_terminal
from alpaquero.orders.order import ExitStep, Order
from alpaquero.portfolio.positions import positions_of
from alpaquero.risk.book import HeldPosition, Reservation, RiskBook
from alpaquero.settings import FunctionSettings, Text, Url, load
from alpaquero.store import health
from alpaquero.store.books import Baseline, Books

ATTEMPTS = 5  # at a transaction that others also write to
OVERLAP = timedelta(days=1)  # how far before the oldest open order the broker's list is read
UNSENT_AFTER = timedelta(seconds=60)  # wall time after which an order written and not sent is taken up again
LOST_AFTER = timedelta(seconds=60)  # wall time after which an UNKNOWN order the broker lacks never arrived
SWEEP_AFTER_SECONDS = 20


class SyncSettings(FunctionSettings, frozen=True, kw_only=True):
    """What syncing needs: the trading API with its keys, the order queue, the bus."""

    alpaca_trading_url: Url
    trading_secret: Text
    order_queue: Text
    bus: Text


SETTINGS = load(SyncSettings)


@cache
def _broker() -> OrderReader:
    return connect_reader(SETTINGS)


@observed("trading")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Syncs once, whether the schedule or the queue asks (a batch of requests is one sync)."""
    if "Records" not in event:
        return sync()
    return queues.work_through(event, lambda _record: sync(), record_failed)


def sync(broker: OrderReader | None = None) -> dict[str, Any]:
    """One sync; answers what it changed."""
    reader = broker or _broker()
    books = Books(SETTINGS.account)
    ledger = Reconciliation(books, reader)
    # Orders first, then fills, then cash and positions: what is read later holds all of the earlier.
    ledger.orders()
    ledger.fills()
    ledger.risk_book()
    ledger.hand_back()
    ledger.drift()
    swept = books.outbox(older_than_seconds=SWEEP_AFTER_SECONDS)
    if swept:
        bus.publish(swept, SETTINGS.bus)
        books.published(event.id for event in swept)
    health.record_work("trading", detail="sync")
    return {**ledger.changed, "swept": len(swept)}


class Reconciliation:
    """One pass over everything that the broker and the books must agree on."""

    def __init__(self, books: Books, broker: OrderReader) -> None:
        self.books = books
        self.broker = broker
        self.account = broker.account()
        self.now = broker.clock().now
        self.wall_now = datetime.now(UTC)
        self.changed = {"orders": 0, "adopted": 0, "fills": 0}
        self.by_broker_id: dict[str, Order] = {}
        self._open_the_books()

    def _open_the_books(self) -> None:
        """On the first sync records what the account holds; everything after is told by fills."""
        if self.books.baseline() is not None:
            return
        fills = self.broker.fills()
        positions = {p.symbol: p.quantity for p in self.broker.positions()}
        self.books.open_with(
            Baseline(
                account_number=self.account.account_number,
                cash=self.account.cash,
                positions=positions,
                last_fill_id=fills[-1].id if fills else None,
                at=self.now,
            )
        )

    # orders

    def orders(self) -> None:
        """Applies the broker's news to open orders, records legs, adopts what we did not know."""
        ours = {order.client_order_id: order for order in self.books.open_orders()}
        since = min((o.created_at for o in ours.values()), default=self.now)
        listed = {o.client_order_id: o for o in with_legs(self.broker.orders("all", after=since - OVERLAP))}
        for order in list(ours.values()):
            theirs = listed.get(order.client_order_id) or self._look_up(order)
            after = self._apply(order, theirs) if theirs else self._missing(order)
            if theirs and after:
                self._legs(after, theirs.legs)
        for theirs in listed.values():
            if theirs.client_order_id not in ours:
                self._recognise(theirs)

    def _look_up(self, order: Order) -> BrokerOrder | None:
        if order.status == OrderStatus.INTENDED:
            return None
        return self.broker.order_by_client_id(order.client_order_id)

    def _missing(self, order: Order) -> Order:
        """An open order that the broker does not have: not sent yet, or it never arrived."""
        age = self.wall_now - order.wall_created_at
        if order.status == OrderStatus.UNKNOWN and age > LOST_AFTER:
            why = "the broker has no order with this client order id: it never arrived"
            return self._write(order, advance(order, BrokerUpdate(status="rejected", at=self.now, why=why)))
        return order

    def _apply(self, order: Order, theirs: BrokerOrder) -> Order:
        return self._write(order, advance(order, update_of(theirs, "sync")))

    def _write(self, before: Order, after: Order) -> Order:
        self.by_broker_id[after.broker_order_id or ""] = after
        if after is before:
            return before
        try:
            self.books.commit(changed_orders=[after], events=[order_changed(before, after)])
        except Conflict:
            # Someone wrote newer news; the next sync sees what is left to do.
            return self.books.order(before.client_order_id) or before
        self.changed["orders"] += 1
        return after

    def _legs(self, parent: Order, legs: Iterable[BrokerOrder]) -> None:
        for leg in legs:
            known = self.books.order(leg.client_order_id)
            if known is None:
                self._adopt(leg_of(parent, leg, self.wall_now))
            elif not is_terminal(known.status):
                self._apply(known, leg)
            else:
                self.by_broker_id[leg.id] = known

    def _recognise(self, theirs: BrokerOrder) -> None:
        """An order that is not among our open ones: known and ended, a leg, or to be adopted."""
        known = self.by_broker_id.get(theirs.id) or self.books.order(theirs.client_order_id)
        if known is None:
            known = self._adopt(adopted(theirs, SETTINGS.account, self.wall_now))
        else:
            known = self._apply(known, theirs)
        self._legs(known, theirs.legs)

    def _adopt(self, order: Order) -> Order:
        self.by_broker_id[order.broker_order_id or ""] = order
        try:
            self.books.commit(new_orders=[order], events=[order_changed(None, order)])
        except Conflict:
            return self.books.order(order.client_order_id) or order
        self.changed["adopted"] += 1
        return order

    # fills

    def fills(self) -> None:
        """Records every fill the broker reports after the newest one we hold."""
        newest = self.books.newest_fill_id()
        if newest is None:
            baseline = self.books.baseline()
            newest = baseline.last_fill_id if baseline else None
        for theirs in self.broker.fills(after_id=newest):
            order = self._order_of(theirs.order_id)
            fill = fill_of(theirs, SETTINGS.account, order)
            try:
                self.books.commit(new_fills=[fill], events=[order_filled(fill, order)])
            except Conflict:
                continue  # another sync recorded it
            self.changed["fills"] += 1

    def _order_of(self, broker_order_id: str) -> Order | None:
        if broker_order_id not in self.by_broker_id:
            theirs = self.broker.order(broker_order_id)
            self._recognise(theirs)
        return self.by_broker_id.get(broker_order_id)

    # cash, positions, reservations

    def risk_book(self) -> None:
        """Sets cash, equity and positions to the broker's, and gives back what ended orders reserved."""
        positions = self.broker.positions()
        account = self.broker.account()
        for _ in range(ATTEMPTS):
            book = self.books.risk_book()
            after = self._level(book, account, positions)
            if book is not None and replace(after, version=book.version) == book:
                return
            try:
                self.books.commit(risk_book=after)
            except Conflict:
                continue
            return
        raise Conflict("the risk book kept changing during a sync; the next sync tries again")

    def _level(
        self, book: RiskBook | None, account: BrokerAccount, positions: list[BrokerPosition]
    ) -> RiskBook:
        held = {p.symbol: HeldPosition(p.quantity, p.market_value) for p in positions}
        if book is None:
            return RiskBook(
                account=SETTINGS.account,
                cash=account.cash,
                equity=account.equity,
                peak_equity=account.equity,
                as_of=self.now,
                positions=held,
            )
        return replace(
            book,
            cash=account.cash,
            equity=account.equity,
            as_of=self.now,
            positions=held,
            reservations={
                identifier: left
                for identifier, reservation in book.reservations.items()
                if (left := self._left(identifier, reservation)) is not None
            },
            version=book.version + 1,
        )

    def _left(self, identifier: str, reservation: Reservation) -> Reservation | None:
        """What an order still reserves: in proportion to what is not filled, nothing once it ended."""
        order = self.books.order(identifier)
        if order is None or is_terminal(order.status):
            return None
        if not order.filled_quantity or not order.quantity:
            return reservation
        share = (order.quantity - order.filled_quantity) / order.quantity
        return replace(
            reservation,
            notional=(reservation.notional * share).quantize(Decimal("0.01")),
            quantity=order.quantity - order.filled_quantity,
        )

    # what another must do

    def hand_back(self) -> None:
        """Sends to `execute` what needs another step at the broker."""
        for order in self.books.open_orders():
            if self._needs_a_step(order):
                self._resume(order)

    def _needs_a_step(self, order: Order) -> bool:
        if order.exit_step is not None:
            return is_terminal(order.status) or order.exit_step is not ExitStep.SELL
        unsent = order.status == OrderStatus.INTENDED
        return unsent and self.wall_now - order.wall_created_at > UNSENT_AFTER

    def _resume(self, order: Order) -> None:
        queues.send_in_order(
            SETTINGS.order_queue,
            ResumeOrder(client_order_id=order.client_order_id, correlation_id=order.correlation_id),
            group=SETTINGS.account,
            deduplication_id=f"{order.client_order_id}:{order.version}:{self.now:%Y%m%d%H%M}",
        )

    # agreement

    def drift(self) -> None:
        """Tells when baseline and fills do not add up to the broker's cash and positions."""
        differences = self._differences()
        if not differences:
            return
        text = "; ".join(f"{name}: {difference}" for name, difference in sorted(differences.items()))
        event = BooksDrifted(
            id=f"drift:{hashlib.sha256(text.encode()).hexdigest()[:20]}",
            occurred_at=self.now,
            account=SETTINGS.account,
            message=f"our books and the broker's disagree: {text}",
            differences=differences,
        )
        bus.publish([bus.encoded(event, "trading")], SETTINGS.bus)

    def _differences(self) -> dict[str, str]:
        baseline, book = self.books.baseline(), self.books.risk_book()
        if baseline is None or book is None:
            return {}
        folded = positions_of(self.books.fills())
        cash = baseline.cash + sum((position.cash_flow for position in folded.values()), Decimal(0))
        held = dict(baseline.positions)
        for symbol, position in folded.items():
            held[symbol] = held.get(symbol, Decimal(0)) + position.quantity
        differences = {} if cash == book.cash else {"cash": f"{cash} in our books, {book.cash} at the broker"}
        for symbol in held.keys() | book.positions.keys():
            ours, theirs = held.get(symbol, Decimal(0)), book.held_quantity(symbol)
            if ours != theirs:
                differences[symbol] = f"{ours} in our books, {theirs} at the broker"
        return differences
