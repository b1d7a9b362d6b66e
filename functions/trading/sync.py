"""Brings the books level with the broker: orders, fills, cash and positions, reservations.

Started by the rule `SyncSchedule` each minute, and by SyncQueue soon after each submission. It
looks and never trades: an order that needs another step at the broker is handed back to `execute`.
Repeats and overlaps are harmless: every write is conditional, and a fill is known by its activity id.
What fills do not explain is looked up among the broker's activities and the companies' splits; a
difference that stands a quarter of an hour is taken over as the broker has it. `rebuild` derives anew;
`reconcile` reads the broker's statement of some days again and keeps what differs from our books.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from alpaquero import wall
from alpaquero.broker import statement
from alpaquero.broker.alpaca import connect_reader
from alpaquero.broker.budget import Priority
from alpaquero.broker.explanations import CASH, Difference, Evidence, adopted_differences, explained
from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import (
    BrokerAccount,
    BrokerOrder,
    BrokerPosition,
    CorporateAction,
    MarketDataReader,
    OrderReader,
    with_legs,
)
from alpaquero.broker.records import UnmodelledOrder, adopted, fill_of, followed, leg_of, successor_of
from alpaquero.errors import BrokerError, ConfigurationError, Conflict, OrderNotFound
from alpaquero.events import bus, queues
from alpaquero.events.bus import EncodedEvent
from alpaquero.events.commands import ResumeOrder
from alpaquero.events.equity import evening_marks
from alpaquero.events.movements import movement_told
from alpaquero.events.orders import order_changed, order_filled
from alpaquero.events.schemas import BooksDrifted, BooksRebuilt, OrderPassedOver
from alpaquero.events.trading_state import state_set
from alpaquero.observability import correlation, correlation_id, count, logger, observed, record_failed
from alpaquero.orders.lifecycle import (
    OrderStatus,
    Phase,
    given_up,
    is_live,
    is_lost,
    may_be_sent_again,
    phase_of,
)
from alpaquero.orders.order import Order
from alpaquero.portfolio.movements import CashMovement, Movement
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.risk import derived
from alpaquero.risk.activity import Activity
from alpaquero.risk.book import HeldPosition, Reservation, RiskBook, StateChange, TradingState
from alpaquero.risk.locks import asked_state, set_by_person
from alpaquero.risk.market_rules import is_set_back
from alpaquero.settings import BrokerSettings, Text, load
from alpaquero.store import analytics, health
from alpaquero.store.books import Baseline, Books, BrokerFigures, SyncNotes

ATTEMPTS = 5  # at a transaction that others also write to
RECENT = timedelta(days=4)  # how far back the broker's list is read at first, and when many orders ended
OVERLAP = timedelta(hours=1)  # how far before the last sync it is read otherwise: news may come late
ASKED_SINGLY = 3  # orders of ours that the list lacks, up to which each is asked for by its id
FILLS_READ_AGAIN = 50
RECONCILE_TRIES = 3
FILLS_SEARCHED = 500  # read again while cash or shares say that one is missing
UNSENT_AFTER = timedelta(seconds=60)  # wall time after which an order written and not sent is taken up again
SWEEP_AFTER_SECONDS = 20
TAKEN_OVER_AFTER = timedelta(minutes=15)  # wall time for which a difference must stand unexplained
LOOK_BACK = timedelta(days=14)  # how far back activities and splits are read, for some are told late
MOVEMENTS_A_WRITE = 40  # each is two of the hundred items that a transaction takes
TOLD_ONCE = 200  # ids of orders passed over that are remembered
REBUILD, RECONCILE = "rebuild", "reconcile"


class SyncSettings(BrokerSettings, frozen=True, kw_only=True):
    """What syncing needs: the trading API with its keys, the companies' splits, the order queue, the bus."""

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


@cache
def _market_data() -> MarketDataReader:
    return connect_market_data(SETTINGS, Priority.DATA)


_known: tuple[OrderReader, str] | None = None


def _number_of(broker: OrderReader) -> str:
    """The number of the broker's account; asked once, for a connection keeps its keys."""
    global _known  # noqa: PLW0603 - of the process, as its connection is
    if _known is None or _known[0] is not broker:
        _known = broker, broker.account().account_number
    return _known[1]


@observed("trading")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Syncs once, whether the schedule or the queue asks; a failed request comes again."""
    if "Records" in event:
        return queues.work_through(event, _once_each(), record_failed)
    return _carry_out(_Asked.of(event, event.get("job", "")))


class _Asked(msgspec.Struct, frozen=True):
    """What one message or event asks for; those that ask for the same are done at once."""

    job: str
    first: date | None = None
    last: date | None = None

    @classmethod
    def of(cls, wanted: dict[str, Any], reason: str) -> _Asked:
        """The same for every reason that is no job of its own: a sync."""
        if reason == RECONCILE:
            days = {name: wanted.get(name) for name in ("first", "last")}
            return msgspec.convert({"job": reason, **days}, cls)
        return cls(reason if reason == REBUILD else "sync")


def _once_each() -> Callable[[dict[str, Any]], None]:
    """Does what messages of SyncQueue ask for: one sync, which begins after all of them, is for all."""
    done: set[_Asked] = set()

    def do(record: dict[str, Any]) -> None:
        message = msgspec.json.decode(record["body"])
        asked = _Asked.of(message, message.get("reason", ""))
        if asked not in done:
            correlation(message.get("correlation_id"))
            _carry_out(asked)
            done.add(asked)

    return do


def _carry_out(asked: _Asked) -> dict[str, Any]:
    match asked.job:
        case "rebuild":
            return rebuild()
        case "reconcile":
            return reconcile(asked.first, asked.last)
        case _:
            return sync()


def reconcile(first: date | None = None, last: date | None = None) -> dict[str, Any]:
    """Syncs, then holds the books against the broker's statement of these days; keeps what came of it.

    What differs is looked at again, for the market may have moved while it was read. Answers the numbers.
    """
    books = Books(SETTINGS.account)
    for attempt in range(RECONCILE_TRIES):
        sync()
        found = _held_against_statement(books, first, last)
        if found.agrees or attempt == RECONCILE_TRIES - 1:
            break
    books.keep_reconciliation(found)
    if not found.agrees:
        logger.warning("the broker's statement and our books differ", differences=found.differences_found)
    count("ReconciliationDifferences", found.differences_found)
    return {
        "agrees": found.agrees,
        "days": len({total.day for total in found.days}),
        "differences": found.differences_found,
        "correlation_id": found.correlation_id,
    }


def _held_against_statement(books: Books, first: date | None, last: date | None) -> statement.Reconciliation:
    """The broker's statement, read before our books: what it has, they have since the sync before."""
    broker, baseline = _broker(), books.baseline()
    if baseline is None:
        raise LookupError("the books have not been opened; run a sync first")
    now = broker.clock().now
    since = baseline.at.astimezone(NEW_YORK).date()
    begin = max(first or since, since)
    end = last or now.astimezone(NEW_YORK).date()
    account, positions = broker.account(), broker.positions()
    word = statement.BrokersWord(
        fills=broker.fills(after_id=_last_fill_before(books, baseline, begin)),
        activities=broker.activities(begin),
        cash=account.cash,
        shares={position.symbol: position.quantity for position in positions},
    )
    ours = statement.OurBooks(
        opening_cash=baseline.cash,
        entries=books.share_entries(),
        cash=books.cash_movements(),
        known_before=frozenset(baseline.activities),
    )
    days, differences, balances = statement.reconciled(ours, word, begin, end)
    return statement.Reconciliation(
        first=begin,
        last=end,
        since=since,
        at=now,
        wall_at=wall.now(),
        correlation_id=correlation_id(),
        days=days,
        differences=differences[: statement.MOST_DIFFERENCES],
        differences_found=len(differences),
        balances=balances,
    )


def _last_fill_before(books: Books, baseline: Baseline, day: date) -> str | None:
    """The id of a fill before that day, from which on the broker's are read; ids begin with the day."""
    before = f"{day - timedelta(days=1):%Y%m%d}"
    ours, _ = books.newest_fills(1, before)
    return ours[0].id if ours else baseline.last_fill_id


def rebuild() -> dict[str, Any]:
    """Syncs, then derives the risk book anew from orders, fills and marks; answers what was different.

    `BooksRebuilt` leaves with the write, and the projections derive themselves from the books on it.
    Safe while trading goes on: the write is for the version that was read, and what no fold gives stays.
    """
    sync()
    books = Books(SETTINGS.account)
    for _ in range(ATTEMPTS):
        book, baseline = books.risk_book(), books.baseline()
        if book is None or baseline is None:
            raise LookupError("the books have not been opened; run a sync first")
        now = _broker().clock().now
        accepted = book.set_back(now) if is_set_back(book, now) else book
        after = derived.rebuilt(
            accepted,
            books.open_orders(),
            marks=[(mark.occurred_at, mark.equity) for mark in analytics.marks(SETTINGS.account)],
            funding=[(m.at, m.amount) for m in books.cash_movements() if m.is_funding],
            opened_with=baseline.equity,
        )
        books.forget_fold()
        after = replace(after, activity=books.activity(replace(after, activity=Activity())))
        differences = derived.differences(book, after)
        told = BooksRebuilt(
            id=f"rebuilt:{SETTINGS.account}:{wall.now().isoformat()}",
            occurred_at=wall.now(),
            account=SETTINGS.account,
            correlation_id=correlation_id(),
            differences=differences,
        )
        try:
            books.commit(risk_book=after.next_version(), events=[bus.encoded(told, "trading")])
        except Conflict:
            continue
        return {"differences": differences, "told": told.id}
    raise Conflict("trading kept changing the risk book; set trading to HALTED and rebuild again")


def sync() -> dict[str, Any]:
    """One sync; answers what it changed."""
    books = Books(SETTINGS.account)
    ledger = Reconciliation(books, _broker())
    # Orders first, then fills, then cash and positions: what is read later holds all of the earlier.
    ledger.orders()
    ledger.fills()
    ledger.risk_book()
    ledger.look_at_the_clock()
    ledger.keep_fold()
    ledger.hand_back()
    swept = books.outbox(older_than_seconds=SWEEP_AFTER_SECONDS)
    refused = books.publish(swept, SETTINGS.bus)
    if refused:
        logger.warning("the bus refused events; the next sync tries again", refused=len(refused))
    health.record_work("trading", detail="sync")
    return {**ledger.changed, "swept": len(swept) - len(refused)}


def _halt(books: Books, reason: str) -> None:
    """Sets trading to HALTED and tells it, unless it is; an admin alone lets go."""
    for _ in range(ATTEMPTS):
        book = books.risk_book()
        if book is None or (book.trading_state, asked_state(book)) == (TradingState.HALTED,) * 2:
            return
        change = StateChange(author="trading sync", reason=reason, at=wall.now())
        after = set_by_person(book, TradingState.HALTED, change, flatten=False).next_version()
        try:
            told = state_set(book, after, change, correlation_id())
            books.commit(risk_book=after, events=[bus.encoded(told, "trading")])
        except Conflict:
            continue
        return
    raise Conflict("the risk book kept changing while trading was halted; the next sync tries again")


class Reconciliation:
    """One pass over everything that the broker and the books must agree on."""

    def __init__(self, books: Books, broker: OrderReader) -> None:
        self.books = books
        self.broker = broker
        self.now = broker.clock().now
        self.wall_now = wall.now()
        self.changed = {"orders": 0, "adopted": 0, "fills": 0}
        self.by_broker_id: dict[str, Order] = {}
        self.listed: dict[str, BrokerOrder] = {}
        self.found_late = False  # a fill below those read again, which what was folded lacks
        self._open_the_books()

    def _open_the_books(self) -> None:
        """On the first sync records what the account holds; everything after is told by fills.

        Raises `ConfigurationError` when the books are of another account, and stops trading.
        """
        baseline = self.books.baseline()
        if baseline is not None:
            trouble = baseline.other_account(_number_of(self.broker))
            if trouble:
                _halt(self.books, trouble)
                raise ConfigurationError(f"{trouble}; until then trading is HALTED and nothing is synced")
            return
        newest = self._newest_fill()
        # Today's activities are in the cash already; older ones are never read.
        today = self.broker.activities(self.now.astimezone(NEW_YORK).date())
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
                equity=account.equity,
                entry_prices={p.symbol: p.average_entry_price for p in positions},
                activities=tuple(activity.id for activity in today),
            )
        )

    def _newest_fill(self) -> str | None:
        fills = self.broker.fills()
        return fills[-1].id if fills else None

    # orders

    def orders(self) -> None:
        """Applies the broker's news to our orders, records legs, adopts what we did not know."""
        ours = {order.client_order_id: order for order in self.books.open_orders()}
        listed = self._listed(self._listed_from())
        if len(_lacking(listed, ours)) > ASKED_SINGLY:
            listed = self._listed(self.now - RECENT)
        for order in _lacking(listed, ours):
            found = self._look_up(order)
            if found is not None:
                listed.append(found)
        self.listed = {theirs.id: theirs for theirs in with_legs(listed)}
        known = ours | self.books.orders_of({o.client_order_id for o in with_legs(listed)} - ours.keys())
        self.by_broker_id = {o.broker_order_id: o for o in known.values() if o.broker_order_id}
        for theirs in listed:
            self._take(theirs, known)

    def _listed_from(self) -> datetime:
        """Since when orders may have been placed and ended that we have not seen: about the last sync."""
        book = self.books.risk_book()
        return self.now - RECENT if book is None else min(book.as_of, self.now) - OVERLAP

    def _listed(self, after: datetime) -> list[BrokerOrder]:
        """What is open at the broker or was placed since, each once, legs below their parents.

        Parents with legs come first: a leg that is also listed by itself is then known as one.
        """
        recent = self.broker.orders("all", after=after)
        listed = {order.id: order for order in [*self.broker.open_orders(), *recent]}
        legs = {leg.id for order in listed.values() for leg in order.legs}
        return sorted((o for o in listed.values() if o.id not in legs), key=lambda o: not o.legs)

    def _look_up(self, order: Order) -> BrokerOrder | None:
        """An open order that the broker did not list: ended long after it was placed, or never there."""
        if order.status == OrderStatus.INTENDED:
            return None
        found = self.broker.order_by_client_id(order.client_order_id)
        if found is None and is_lost(order, self.wall_now):
            if may_be_sent_again(order):
                self._resume(order)
                return None
            why = "the broker has no order with this client order id: it never arrived"
            self._write(order, given_up(order, OrderStatus.REJECTED, at=self.now, why=why))
        elif found is None and order.status != OrderStatus.UNKNOWN:
            logger.warning("the broker lacks an order that it had", order=order.client_order_id)
        return found

    def _take(
        self, theirs: BrokerOrder, known: dict[str, Order], parent: Order | None = None
    ) -> Order | None:
        """Takes over the broker's state of an order and of its legs; None for a form we do not keep.

        The order that took its place is taken first, so that one that we follow always leads to it.
        """
        order = known.get(theirs.client_order_id)
        if order is None:
            record = self._record_of(theirs, parent)
            if isinstance(record, UnmodelledOrder):
                self._pass_over(record)
                return None
            order = self._adopt(record)
            known[order.client_order_id] = self.by_broker_id[theirs.id] = order
        self._follow(theirs, known, order)
        order = self._write(order, followed(order, theirs, "sync"))
        known[order.client_order_id] = self.by_broker_id[theirs.id] = order
        for leg in theirs.legs:
            self._take(leg, known, order)
        return order

    def _record_of(self, theirs: BrokerOrder, parent: Order | None) -> Order | UnmodelledOrder:
        """The first record of an order: a successor's, a leg's, or one placed elsewhere."""
        before = self._replaced_by(theirs)
        if before is not None:
            return successor_of(before, theirs, self.wall_now)
        if parent is not None:
            return leg_of(parent, theirs, self.wall_now)
        return adopted(theirs, SETTINGS.account, self.wall_now)

    def _replaced_by(self, theirs: BrokerOrder) -> Order | None:
        """The order of ours whose place this one took."""
        if theirs.replaces is None or theirs.replaces in self.by_broker_id:
            return self.by_broker_id.get(theirs.replaces or "")
        try:
            before = self.broker.order(theirs.replaces)
        except OrderNotFound:
            return None
        return self.books.order(before.client_order_id)

    def _follow(self, theirs: BrokerOrder, known: dict[str, Order], order: Order) -> None:
        """Takes the order that replaced this one, to the end of the row, whoever asked for it."""
        to = theirs.replaced_by
        if to is None or to in self.by_broker_id:
            return
        self.by_broker_id.setdefault(theirs.id, order)
        try:
            self._take(self.listed.get(to) or self.broker.order(to), known)
        except OrderNotFound:
            logger.warning("the order that replaced one is not to be found", broker_order_id=to)

    def _pass_over(self, record: UnmodelledOrder) -> None:
        """Says once that an order placed elsewhere is not kept."""
        notes = self.books.notes()
        if record.id in notes.passed_over:
            return
        logger.warning("an order placed elsewhere is not kept", id=record.id, why=record.why)
        event = OrderPassedOver(
            id=f"passed_over:{record.id}",
            occurred_at=self.now,
            account=SETTINGS.account,
            broker_order_id=record.id,
            client_order_id=record.client_order_id,
            message=record.why,
        )
        passed_over = (*notes.passed_over, record.id)[-TOLD_ONCE:]
        self.books.commit(
            events=[bus.encoded(event, "trading")],
            notes=msgspec.structs.replace(notes, passed_over=passed_over),
        )

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

    def fills(self, again: int = 0) -> int:
        """Records every fill the broker reports that we lack; answers how many there were.

        The newest ones we hold are read `again`: a fill may be reported after a younger one.
        """
        again = again or FILLS_READ_AGAIN
        held = self.books.newest_fill_ids(again)
        after = held[-1] if len(held) == again else self._fill_before_all()
        new = [fill for fill in self.broker.fills(after_id=after) if fill.id not in held]
        if len(held) > FILLS_READ_AGAIN and any(fill.id < held[FILLS_READ_AGAIN - 1] for fill in new):
            self.books.forget_fold()
            self.found_late = True
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

        What fills do not add up to is explained and recorded with the write, or told as `BooksDrifted`.
        """
        for _ in range(ATTEMPTS):
            book, notes = self.books.risk_book(), self.books.notes()
            # Reservations before positions: the shares of an order that has ended are in what is read after.
            left, deducted = self._reservations_left(book) if book else ({}, ())
            positions, account = self.broker.positions(), self.broker.account()
            self._keep_figures(account, positions)
            level = self._level(book, left, positions, account)
            is_level = book is not None and book.holds_as(level) and not notes.drift
            differences = {} if is_level else self._differences(level, ())
            if differences and self.fills(FILLS_SEARCHED):
                self.orders()  # the market moved while we read: read again
                continue
            moved = self._explained(differences, positions, notes) if differences else []
            differences = self._differences(level, moved) if moved else differences
            after = derived.with_movements(level, moved)
            if self.found_late:
                after = replace(after, activity=replace(after.activity, folded=""))
            after = replace(after, deducted=deducted, activity=self.books.activity(after))
            drift = {name: difference.missing for name, difference in differences.items()}
            if book is not None and replace(after, version=book.version) == book and drift == notes.drift:
                return
            told = [self._drifted(differences)] if differences and drift != notes.drift else []
            marks = [bus.encoded(m, "trading") for m in evening_marks(book, self.now)] if book else []
            try:
                self.books.commit(
                    risk_book=after,
                    movements=moved,
                    events=[*marks, *map(movement_told, moved), *told],
                    notes=self._noted(notes, drift),
                )
            except Conflict:
                continue
            if told:
                count("BooksDrifted", len(differences))
            return
        raise Conflict("the risk book kept changing during a sync; the next sync tries again")

    def look_at_the_clock(self) -> None:
        """Tells that market time is before that of the books, which keep theirs: entries are refused."""
        book = self.books.risk_book()
        if book is not None and is_set_back(book, self.now):
            logger.error(
                "the market's clock was set back: no entry is placed until it has caught up, or an admin "
                "rebuilds the books",
                market_time=self.now.isoformat(),
                books_of=book.as_of.isoformat(),
            )
            count("MarketClockSetBack")

    def _noted(self, notes: SyncNotes, drift: dict[str, Decimal]) -> SyncNotes | None:
        """What the next sync must know of differences; None when it knows."""
        if drift == notes.drift:
            return None
        since = self.wall_now if drift else None
        return msgspec.structs.replace(notes, drift=drift, drift_since=since)

    def _keep_figures(self, account: BrokerAccount, positions: list[BrokerPosition]) -> None:
        """Keeps what the broker says of the account for those who may not ask it themselves."""
        figures = BrokerFigures(
            cash=account.cash,
            equity=account.equity,
            buying_power=account.buying_power,
            positions=tuple(positions),
            at=self.now,
            blocks=account.blocks,
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
            as_of=max(book.as_of, self.now),
            positions=held,
            reservations=left,
            buying_power=account.buying_power,
            version=book.version + 1,
        )

    def _reservations_left(self, book: RiskBook) -> tuple[dict[str, Reservation], tuple[str, ...]]:
        """What is still reserved, and by which orders that the broker's buying power counts already.

        An open order that reserves nothing yet, such as one placed elsewhere, does so from now on.
        """
        orders = self.books.orders_of(book.reservations)
        found = {i: derived.left(reservation, orders.get(i)) for i, reservation in book.reservations.items()}
        left = {identifier: reservation for identifier, reservation in found.items() if reservation}
        for order in self.books.open_orders():
            if order.client_order_id in book.reservations:
                continue
            reservation = derived.reservation_of(order, book, lambda symbol: self._price(symbol, book))
            if reservation is not None:
                left[order.client_order_id], orders[order.client_order_id] = reservation, order
        return left, tuple(sorted(i for i in left if is_live(orders[i].status)))

    def _price(self, symbol: str, book: RiskBook) -> Decimal:
        """Dollars a share for an order that names no price; 0 when nobody has one."""
        held = book.positions.get(symbol)
        if held is not None:
            return held.market_value / held.quantity
        try:
            trade = _market_data().latest_trades([symbol]).get(symbol)
        except BrokerError as error:
            logger.warning("no price for an order placed elsewhere", symbol=symbol, error=str(error))
            return Decimal(0)
        return trade.price if trade else Decimal(0)

    # agreement

    def _differences(self, book: RiskBook, moved: Sequence[Movement]) -> dict[str, Difference]:
        """Where baseline, fills and movements do not add up to the broker's cash and positions."""
        baseline = self.books.baseline()
        if baseline is None:
            return {}
        new_cash = [m for m in moved if isinstance(m, CashMovement)]
        new_shares = [m for m in moved if not isinstance(m, CashMovement)]
        held, brought = self.books.held(new_shares)
        cash = baseline.cash + brought
        cash += sum((m.amount for m in [*self.books.cash_movements(), *new_cash]), Decimal(0))
        found = {CASH: Difference(ours=cash, theirs=book.cash)}
        for symbol in held.keys() | book.positions.keys():
            ours = held.get(symbol, Decimal(0))
            found[symbol] = Difference(ours=ours, theirs=book.held_quantity(symbol))
        return {name: difference for name, difference in found.items() if difference.missing}

    def _explained(
        self, differences: Mapping[str, Difference], positions: list[BrokerPosition], notes: SyncNotes
    ) -> list[Movement]:
        """The movements that explain the differences; taken over as they are once they stood long enough."""
        baseline = self.books.baseline()
        if baseline is None:
            return []
        since = max(self.now - LOOK_BACK, baseline.at).astimezone(NEW_YORK).date()
        recorded = [m.id for m in (*self.books.share_movements(), *self.books.cash_movements())]
        evidence = Evidence(
            account=SETTINGS.account,
            entries=self.books.share_entries(),
            held={position.symbol: position for position in positions},
            activities=self.broker.activities(since),
            actions=self._actions(differences.keys() - {CASH}),
            known=frozenset([*recorded, *baseline.activities]),
            opened_at=baseline.at,
            now=self.now,
        )
        moved = explained(differences, evidence)
        stood = notes.drift_since is not None and self.wall_now - notes.drift_since >= TAKEN_OVER_AFTER
        same = notes.drift == {name: difference.missing for name, difference in differences.items()}
        if not moved and stood and same and notes.drift_since is not None:
            moved = adopted_differences(differences, evidence, notes.drift_since)
        return moved[:MOVEMENTS_A_WRITE]

    def _actions(self, symbols: set[str]) -> list[CorporateAction]:
        """What the companies did to their shares lately; nothing when the data API does not say."""
        if not symbols:
            return []
        today = self.now.astimezone(NEW_YORK).date()
        try:
            return _market_data().corporate_actions(sorted(symbols), today - LOOK_BACK, today)
        except BrokerError as error:
            logger.warning("splits could not be read; the next sync asks again", error=str(error))
            return []

    def _drifted(self, differences: Mapping[str, Difference]) -> EncodedEvent:
        said = {n: f"{d.ours} in our books, {d.theirs} at the broker" for n, d in differences.items()}
        text = "; ".join(f"{name}: {difference}" for name, difference in sorted(said.items()))
        event = BooksDrifted(
            id=f"drift:{hashlib.sha256(text.encode()).hexdigest()[:20]}",
            occurred_at=self.now,
            account=SETTINGS.account,
            message=f"our books and the broker's disagree: {text}",
            differences=said,
        )
        return bus.encoded(event, "trading")

    def keep_fold(self) -> None:
        """After new fills, lets the books keep what most of the history adds up to."""
        book = self.books.risk_book()
        if self.changed["fills"] and book is not None:
            self.books.keep_fold(book.released_at)

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


def _lacking(listed: Sequence[BrokerOrder], ours: Mapping[str, Order]) -> list[Order]:
    """The orders of ours that the broker's list does not hold."""
    seen = {theirs.client_order_id for theirs in with_legs(listed)}
    return [order for identifier, order in ours.items() if identifier not in seen]
