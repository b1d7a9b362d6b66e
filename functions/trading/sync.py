"""Brings the books level with the broker: orders, fills, cash and positions, reservations.

Started by the rule `SyncSchedule` each minute, and by SyncQueue soon after each submission. It
looks and never trades: an order that needs another step at the broker is handed back to `execute`.
Repeats and overlaps are harmless: every write is conditional, and a fill is known by its activity id.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from alpaquero import wall
from alpaquero.broker.alpaca import connect_reader
from alpaquero.broker.protocol import BrokerAccount, BrokerOrder, BrokerPosition, OrderReader, with_legs
from alpaquero.broker.records import UnmodelledOrder, adopted, fill_of, leg_of, update_of
from alpaquero.errors import Conflict, OrderNotFound
from alpaquero.events import bus, queues
from alpaquero.events.bus import EncodedEvent
from alpaquero.events.commands import ResumeOrder
from alpaquero.events.orders import order_changed, order_filled
from alpaquero.events.schemas import BooksDrifted
from alpaquero.observability import logger, observed, record_failed
from alpaquero.orders.lifecycle import (
    OrderStatus,
    Phase,
    advance,
    given_up,
    is_live,
    is_terminal,
    phase_of,
)
from alpaquero.orders.order import Order
from alpaquero.portfolio.positions import positions_of
from alpaquero.risk.book import HeldPosition, Reservation, RiskBook, TradingState
from alpaquero.settings import Text, TradingApiSettings, load
from alpaquero.store import health
from alpaquero.store.books import Baseline, Books, BrokerFigures

ATTEMPTS = 5  # at a transaction that others also write to
CENT = Decimal("0.01")
RECENT = timedelta(days=4)  # how far back the broker's list is read for orders that are not open any more
FILLS_READ_AGAIN = 50
UNSENT_AFTER = timedelta(seconds=60)  # wall time after which an order written and not sent is taken up again
LOST_AFTER = timedelta(seconds=60)  # wall time after which an UNKNOWN order the broker lacks never arrived
SWEEP_AFTER_SECONDS = 20


class SyncSettings(TradingApiSettings, frozen=True, kw_only=True):
    """What syncing needs: the trading API with its keys, the order queue, the bus."""

    order_queue: Text
    bus: Text


SETTINGS = load(SyncSettings)

# Real money waits for an admin: deploying to live alone never trades.
BEGINS_AS = {
    "local": TradingState.ACTIVE,
    "paper": TradingState.ACTIVE,
    "dry_run": TradingState.ACTIVE,
    "live": TradingState.HALTED,
}


@cache
def _broker() -> OrderReader:
    return connect_reader(SETTINGS)


@observed("trading")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Syncs once, whether the schedule or the queue asks; a failed request comes again."""
    if "Records" not in event:
        return sync()
    return queues.work_through(event, lambda _record: sync(), record_failed)


def sync() -> dict[str, Any]:
    """One sync; answers what it changed."""
    books = Books(SETTINGS.account)
    ledger = Reconciliation(books, _broker())
    # Orders first, then fills, then cash and positions: what is read later holds all of the earlier.
    ledger.orders()
    ledger.fills()
    ledger.risk_book()
    ledger.hand_back()
    swept = books.outbox(older_than_seconds=SWEEP_AFTER_SECONDS)
    refused = books.publish(swept, SETTINGS.bus)
    if refused:
        logger.warning("the bus refused events; the next sync tries again", refused=len(refused))
    health.record_work("trading", detail="sync")
    return {**ledger.changed, "swept": len(swept) - len(refused)}


class Reconciliation:
    """One pass over everything that the broker and the books must agree on."""

    def __init__(self, books: Books, broker: OrderReader) -> None:
        self.books = books
        self.broker = broker
        self.now = broker.clock().now
        self.wall_now = wall.now()
        self.changed = {"orders": 0, "adopted": 0, "fills": 0}
        self.by_broker_id: dict[str, Order] = {}
        self._open_the_books()

    def _open_the_books(self) -> None:
        """On the first sync records what the account holds; everything after is told by fills."""
        if self.books.baseline() is not None:
            return
        newest = self._newest_fill()
        account, positions = self.broker.account(), self.broker.positions()
        if self._newest_fill() != newest:
            raise Conflict("the account traded while its books were opened; the next sync tries again")
        self.books.open_with(
            Baseline(
                account_number=account.account_number,
                cash=account.cash,
                positions={p.symbol: p.quantity for p in positions},
                last_fill_id=newest,
                at=self.now,
            )
        )

    def _newest_fill(self) -> str | None:
        fills = self.broker.fills()
        return fills[-1].id if fills else None

    # orders

    def orders(self) -> None:
        """Applies the broker's news to our orders, records legs, adopts what we did not know."""
        ours = {order.client_order_id: order for order in self.books.open_orders()}
        listed = self._listed()
        seen = {theirs.client_order_id for theirs in with_legs(listed)}
        for order in [order for identifier, order in ours.items() if identifier not in seen]:
            found = self._look_up(order)
            if found is not None:
                listed.append(found)
        known = ours | self.books.orders_of({o.client_order_id for o in with_legs(listed)} - ours.keys())
        for theirs in listed:
            self._take(theirs, known)

    def _listed(self) -> list[BrokerOrder]:
        """What is open at the broker or was placed lately, each once, legs below their parents.

        Parents with legs come first: a leg that is also listed by itself is then known as one.
        """
        recent = self.broker.orders("all", after=self.now - RECENT)
        listed = {order.id: order for order in [*self.broker.open_orders(), *recent]}
        legs = {leg.id for order in listed.values() for leg in order.legs}
        return sorted((o for o in listed.values() if o.id not in legs), key=lambda o: not o.legs)

    def _look_up(self, order: Order) -> BrokerOrder | None:
        """An open order that the broker did not list: ended long after it was placed, or never there."""
        if order.status == OrderStatus.INTENDED:
            return None
        found = self.broker.order_by_client_id(order.client_order_id)
        sent = order.wall_sent_at or order.wall_created_at
        if found is None and order.status == OrderStatus.UNKNOWN and self.wall_now - sent > LOST_AFTER:
            why = "the broker has no order with this client order id: it never arrived"
            self._write(order, given_up(order, OrderStatus.REJECTED, at=self.now, why=why))
        elif found is None and order.status != OrderStatus.UNKNOWN:
            logger.warning("the broker lacks an order that it had", order=order.client_order_id)
        return found

    def _take(
        self, theirs: BrokerOrder, known: dict[str, Order], parent: Order | None = None
    ) -> Order | None:
        """Takes over the broker's state of an order and of its legs; None for a form we do not keep."""
        order = known.get(theirs.client_order_id)
        if order is not None:
            order = self._write(order, advance(order, update_of(theirs, "sync")))
        elif parent is not None:
            order = self._adopt(leg_of(parent, theirs, self.wall_now))
        else:
            record = adopted(theirs, SETTINGS.account, self.wall_now)
            if isinstance(record, UnmodelledOrder):
                logger.warning("an order placed elsewhere is not kept", id=record.id, why=record.why)
                return None
            order = self._adopt(record)
        known[order.client_order_id] = self.by_broker_id[theirs.id] = order
        for leg in theirs.legs:
            self._take(leg, known, order)
        return order

    def _write(self, before: Order, after: Order) -> Order:
        if after is before:
            return before
        try:
            self.books.commit(changed_orders=[after], events=[order_changed(before, after)])
        except Conflict:
            # Someone wrote newer news; the next sync sees what is left to do.
            return self.books.order(before.client_order_id) or before
        self.changed["orders"] += 1
        return after

    def _adopt(self, order: Order) -> Order:
        try:
            self.books.commit(new_orders=[order], events=[order_changed(None, order)])
        except Conflict:
            return self.books.order(order.client_order_id) or order
        self.changed["adopted"] += 1
        return order

    # fills

    def fills(self) -> int:
        """Records every fill the broker reports that we lack; answers how many there were.

        The newest ones we hold are read again: a fill may be reported after a younger one.
        """
        held = self.books.newest_fill_ids(FILLS_READ_AGAIN)
        after = held[-1] if len(held) == FILLS_READ_AGAIN else self._fill_before_all()
        new = [fill for fill in self.broker.fills(after_id=after) if fill.id not in held]
        for theirs in new:
            order = self._order_of(theirs.order_id)
            fill = fill_of(theirs, SETTINGS.account, order)
            try:
                self.books.commit(new_fills=[fill], events=[order_filled(fill, order)])
            except Conflict:
                continue  # another sync records it, else the next one does
            self.changed["fills"] += 1
        return len(new)

    def _fill_before_all(self) -> str | None:
        baseline = self.books.baseline()
        return baseline.last_fill_id if baseline else None

    def _order_of(self, broker_order_id: str) -> Order | None:
        """The order of a fill, adopted when we did not know it; None when the books cannot have it."""
        if broker_order_id not in self.by_broker_id:
            try:
                theirs = self.broker.order(broker_order_id)
            except OrderNotFound:
                logger.warning("a fill's order is not to be found", broker_order_id=broker_order_id)
                return None
            self._take(theirs, self.books.orders_of(o.client_order_id for o in with_legs([theirs])))
        return self.by_broker_id.get(broker_order_id)

    # cash, positions, reservations

    def risk_book(self) -> None:
        """Sets cash, equity and positions to the broker's, and gives back what ended orders reserved.

        When our fills do not add up to what the broker holds, `BooksDrifted` leaves with the write.
        """
        for _ in range(ATTEMPTS):
            book = self.books.risk_book()
            # Reservations before positions: the shares of an order that has ended are in what is read after.
            left, deducted = self._reservations_left(book) if book else ({}, ())
            positions, account = self.broker.positions(), self.broker.account()
            self._keep_figures(account, positions)
            after = self._level(book, left, positions, account)
            after = replace(after, deducted=deducted, activity=self.books.activity(after))
            if book is not None and replace(after, version=book.version) == book:
                return
            differences = {} if book and book.holds_as(after) else self._differences(after)
            if differences and self.fills():
                self.orders()  # the market moved while we read: read again
                continue
            events = [self._drifted(differences)] if differences else []
            try:
                self.books.commit(risk_book=after, events=events)
            except Conflict:
                continue
            return
        raise Conflict("the risk book kept changing during a sync; the next sync tries again")

    def _keep_figures(self, account: BrokerAccount, positions: list[BrokerPosition]) -> None:
        """Keeps what the broker says of the account for those who may not ask it themselves."""
        figures = BrokerFigures(
            cash=account.cash,
            equity=account.equity,
            buying_power=account.buying_power,
            positions=tuple(positions),
            at=self.now,
        )
        if figures != self.books.broker_figures():
            self.books.keep_broker_figures(figures)

    def _level(
        self,
        book: RiskBook | None,
        left: dict[str, Reservation],
        positions: list[BrokerPosition],
        account: BrokerAccount,
    ) -> RiskBook:
        held = {p.symbol: HeldPosition(p.quantity, p.market_value) for p in positions}
        if book is None:
            return RiskBook(
                account=SETTINGS.account,
                cash=account.cash,
                equity=account.equity,
                peak_equity=account.equity,
                as_of=self.now,
                trading_state=BEGINS_AS[SETTINGS.environment],
                positions=held,
                buying_power=account.buying_power,
            )
        return replace(
            book.on_day_of(self.now),
            cash=account.cash,
            equity=account.equity,
            as_of=self.now,
            positions=held,
            reservations=left,
            buying_power=account.buying_power,
            version=book.version + 1,
        )

    def _reservations_left(self, book: RiskBook) -> tuple[dict[str, Reservation], tuple[str, ...]]:
        """What is still reserved, and by which orders that the broker's buying power counts already."""
        orders = self.books.orders_of(book.reservations)
        found = {i: _left(reservation, orders.get(i)) for i, reservation in book.reservations.items()}
        left = {identifier: reservation for identifier, reservation in found.items() if reservation}
        return left, tuple(sorted(i for i in left if is_live(orders[i].status)))

    # agreement

    def _differences(self, book: RiskBook) -> dict[str, str]:
        """Where baseline and fills do not add up to the broker's cash and positions."""
        baseline = self.books.baseline()
        if baseline is None:
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

    def _drifted(self, differences: dict[str, str]) -> EncodedEvent:
        text = "; ".join(f"{name}: {difference}" for name, difference in sorted(differences.items()))
        event = BooksDrifted(
            id=f"drift:{hashlib.sha256(text.encode()).hexdigest()[:20]}",
            occurred_at=self.now,
            account=SETTINGS.account,
            message=f"our books and the broker's disagree: {text}",
            differences=differences,
        )
        return bus.encoded(event, "trading")

    # what another must do

    def hand_back(self) -> None:
        """Sends to `execute` what needs another step at the broker."""
        for order in self.books.open_orders():
            if self._needs_a_step(order):
                self._resume(order)

    def _needs_a_step(self, order: Order) -> bool:
        phase = phase_of(order.status)
        if order.exit_step is not None:
            return phase in {Phase.UNSENT, Phase.ENDED}  # while its sale is out, sync follows that
        return phase is Phase.UNSENT and self.wall_now - order.wall_created_at > UNSENT_AFTER

    def _resume(self, order: Order) -> None:
        """One request a version and wall minute: market time may stand still, and SQS drops repeats."""
        queues.send_in_order(
            SETTINGS.order_queue,
            ResumeOrder(client_order_id=order.client_order_id, correlation_id=order.correlation_id),
            group=SETTINGS.account,
            deduplication_id=f"{order.client_order_id}:{order.version}:{self.wall_now:%Y%m%d%H%M}",
        )


def _left(reservation: Reservation, order: Order | None) -> Reservation | None:
    """What an order still reserves: in proportion to what is not filled, nothing once it ended."""
    if order is None or is_terminal(order.status):
        return None
    remaining = order.remaining_quantity
    if remaining is None or remaining >= reservation.quantity:
        return reservation
    # The reservation may have shrunk before, so the share is of what it is for now.
    notional = reservation.notional * remaining / reservation.quantity
    return replace(reservation, notional=notional.quantize(CENT), quantity=remaining)
