"""The Books table: orders, fills, the risk book, and the outbox, written together or not at all.

`trading` writes it (execute and sync, `risk/monitor` the risk book); everyone may read it.
A write that others should hear of carries its events in the same transaction as `OUTBOX#` items;
`trading/publish` puts them on the bus and deletes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, TransactWriteError
from pynamodb.indexes import AllProjection, LocalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from alpaquero import wall
from alpaquero.broker.protocol import BrokerPosition
from alpaquero.errors import Conflict
from alpaquero.orders.lifecycle import is_terminal
from alpaquero.orders.order import ExitStep, Fill, Order
from alpaquero.portfolio.movements import (
    CashMovement,
    Moved,
    Movement,
    ShareEntry,
    ShareMovement,
    SharesKind,
    Split,
)
from alpaquero.risk.activity import KEPT, Activity, Folded, activity_in, fold, goes_on, opened_with
from alpaquero.risk.book import RiskBook
from alpaquero.store.tables import REGION, connection, from_body, packed, table_name, to_body, unpacked

if TYPE_CHECKING:
    from alpaquero.broker.statement import Reconciliation
    from alpaquero.events.bus import EncodedEvent

ORDER, FILL, OUTBOX = "ORDER#", "FILL#", "OUTBOX#"
SHARES, CASH = "SHARES#", "CASH#"
FILLS_IN_MARK = 50  # as many as sync reads again
PUBLISHED_AT_ONCE = 100
MOST_LOOKED_AT = 2_000  # orders, of some 3 KB on average
MOST_TOLD = 99  # a transaction takes 100 items; what more an account holds at first, a rebuild tells
READABLE = 100_000  # characters up to which the risk book is kept as text; DynamoDB takes 400 KB an item
RISKBOOK, BASELINE, BROKER, NOTES, FOLDED = "RISKBOOK", "BASELINE", "BROKER", "NOTES", "FOLDED"
RECONCILIATION = "RECONCILIATION"
FOLD_AFTER, FILLS_LEFT_OUT = 300, 100  # fills: when the kept fold moves on, and how many it stays behind


class ByTime(LocalSecondaryIndex["BookItem"]):  # type: ignore[no-untyped-call]
    """Orders of an account by the time they were written; only orders carry `listed_at`."""

    class Meta:
        index_name = "by_time"
        projection = AllProjection()

    pk = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class OpenOrders(LocalSecondaryIndex["BookItem"]):  # type: ignore[no-untyped-call]
    """Orders with something left to do: not ended, or an exit whose last step is not taken."""

    class Meta:
        index_name = "open_orders"
        projection = AllProjection()

    pk = UnicodeAttribute(hash_key=True)
    open_since = UnicodeAttribute(range_key=True)


class BookItem(Model):
    """One item of the Books table; `body` is the struct, the rest is what conditions and indexes need.

    A risk book of hundreds of symbols is in `packed` and has no `body`.
    """

    class Meta:
        table_name = table_name("BOOKS_TABLE")
        region = REGION

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute(null=True)
    packed = BinaryAttribute(legacy_encoding=False, null=True)
    version = NumberAttribute(null=True)
    listed_at = UnicodeAttribute(null=True)
    open_since = UnicodeAttribute(null=True)
    symbol = UnicodeAttribute(null=True)
    written_at = NumberAttribute(null=True)
    by_time = ByTime()
    open_orders = OpenOrders()


def outbox_item(account: str, event: EncodedEvent) -> BookItem:
    """The item that brings `event` to the bus, for a transaction; also for one of another table."""
    return BookItem(account, OUTBOX + event.id, body=to_body(event), written_at=wall.seconds())


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What the account held when it was first seen: our books are this plus what came since.

    `entry_prices` are the broker's, in dollars a share; `activities` the ids of that day's that were
    in its cash already.
    """

    account_number: str
    cash: Decimal
    positions: dict[str, Decimal]
    last_fill_id: str | None
    at: datetime
    equity: Decimal | None = None
    entry_prices: dict[str, Decimal] = {}
    activities: tuple[str, ...] = ()

    def other_account(self, number: str) -> str:
        """What is wrong with trading the broker's account `number` by these books; empty for their own."""
        if number == self.account_number:
            return ""
        return (
            f"the keys are of the broker's account ending in {number[-4:]}, the books of the one ending in "
            f"{self.account_number[-4:]}: put keys of that account back, or deploy with another Account "
            "label, which begins books of its own"
        )

    def openings(self, account: str) -> list[ShareMovement]:
        """The positions as shares that came at the broker's entry price, as the account was first seen."""
        return [
            ShareMovement(
                id=f"opening:{symbol}",
                account=account,
                symbol=symbol,
                at=self.at,
                quantity=quantity,
                price=self.entry_prices.get(symbol, Decimal(0)),
                kind=SharesKind.OPENING,
                why="held when the account was first seen",
            )
            for symbol, quantity in sorted(self.positions.items())
            if quantity
        ]


class SyncNotes(msgspec.Struct, frozen=True, kw_only=True):
    """What one sync leaves for the next: differences that stand, since when, and what was told once.

    `drift` is from what to the amount that the broker has more than our books, `drift_since` wall
    time; `passed_over` are the broker's ids of orders that the books have no form for.
    """

    drift: dict[str, Decimal] = {}
    drift_since: datetime | None = None
    passed_over: tuple[str, ...] = ()


class BrokerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's own figures of the account and its positions, as the last sync read them (market time).

    `blocks` names what keeps the account from trading, as `BrokerAccount` has it.
    """

    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    positions: tuple[BrokerPosition, ...]
    at: datetime
    blocks: tuple[str, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has one of, read at once; None before the first sync."""

    baseline: Baseline | None
    risk_book: RiskBook | None
    broker: BrokerFigures | None
    notes: SyncNotes


def listed_at(order: Order) -> str:
    """What orders are listed by: when they were written, then their id."""
    return f"{order.created_at.isoformat()}#{order.client_order_id}"


def _fill_id_before(moment: datetime) -> str:
    """What the ids of fills at `moment` and later come after."""
    return f"{moment - timedelta(days=1):%Y%m%d}"


def _risk_book_in(item: BookItem) -> RiskBook:
    return from_body(unpacked(item.packed) if item.packed else item.body, RiskBook)


class Books:
    """The books of one account."""

    def __init__(self, account: str) -> None:
        self.account = account

    # reading

    def _get(self, sk: str) -> BookItem | None:
        try:
            return BookItem.get(self.account, sk, consistent_read=True)
        except DoesNotExist:
            return None

    def order(self, client_order_id: str) -> Order | None:
        """The order with this client order id, or None."""
        item = self._get(ORDER + client_order_id)
        return from_body(item.body, Order) if item else None

    def order_and_risk_book(self, client_order_id: str) -> tuple[Order | None, RiskBook | None]:
        """The order with this id and the risk book in one request, None for what is not there."""
        keys = [(self.account, ORDER + client_order_id), (self.account, RISKBOOK)]
        found = {item.sk: item for item in BookItem.batch_get(keys, consistent_read=True)}
        order, book = found.get(ORDER + client_order_id), found.get(RISKBOOK)
        return from_body(order.body, Order) if order else None, _risk_book_in(book) if book else None

    def orders_of(self, client_order_ids: Iterable[str]) -> dict[str, Order]:
        """The orders with these client order ids, by id; those we do not have are absent."""
        keys = [(self.account, ORDER + identifier) for identifier in client_order_ids]
        found = (from_body(item.body, Order) for item in BookItem.batch_get(keys, consistent_read=True))
        return {order.client_order_id: order for order in found}

    def open_orders(self) -> list[Order]:
        """Every order with something left to do, oldest first: not ended, or an exit not yet done."""
        found = BookItem.open_orders.query(self.account, consistent_read=True)
        return [from_body(item.body, Order) for item in found]

    def open_orders_of(self, symbol: str) -> list[Order]:
        """The same of one symbol: with hundreds held there are a thousand stops and targets."""
        found = BookItem.open_orders.query(
            self.account, filter_condition=BookItem.symbol == symbol, consistent_read=True
        )
        return [from_body(item.body, Order) for item in found]

    def orders(self) -> list[Order]:
        """Every order, oldest first."""
        return [
            from_body(item.body, Order) for item in BookItem.by_time.query(self.account, consistent_read=True)
        ]

    def orders_after(self, moment: datetime) -> list[Order]:
        """The first `MOST_LOOKED_AT` orders written at `moment` or later, oldest first."""
        later = ByTime.listed_at >= moment.isoformat()
        found = BookItem.by_time.query(self.account, later, limit=MOST_LOOKED_AT, consistent_read=True)
        return [from_body(item.body, Order) for item in found]

    def ended_orders_of(self, symbol: str, since: datetime) -> list[Order]:
        """The orders of one symbol that were written at `since` or later and are over, oldest first.

        Of the newest `MOST_LOOKED_AT` of the account: what a chart draws may not read years of orders.
        """
        later = ByTime.listed_at >= since.isoformat()
        found = BookItem.by_time.query(self.account, later, limit=MOST_LOOKED_AT, scan_index_forward=False)
        ended = [item for item in found if item.symbol == symbol and item.open_since is None]
        return [from_body(item.body, Order) for item in reversed(ended)]

    def newest_orders(self, limit: int, before: str | None = None) -> tuple[list[Order], str | None]:
        """A page of orders, newest first, and what the next page must come `before`."""
        older = ByTime.listed_at < before if before else None
        found = list(BookItem.by_time.query(self.account, older, limit=limit, scan_index_forward=False))
        return [from_body(item.body, Order) for item in found], found[-1].listed_at if len(
            found
        ) == limit else None

    def order_keys(self, after: str = "") -> list[str]:
        """What orders are listed by, behind `after`, oldest first."""
        later = ByTime.listed_at > after if after else None
        wanted = ["pk", "sk", "listed_at"]
        found = BookItem.by_time.query(self.account, later, attributes_to_get=wanted)
        return [str(item.listed_at) for item in found]

    def fill_ids(self, after: str = "") -> list[str]:
        """The broker's activity ids of the fills behind `after`, in their order."""
        newer = BookItem.sk.between(f"{FILL}{after}", f"{FILL}~")
        found = BookItem.query(self.account, newer, attributes_to_get=["pk", "sk"])
        return [item.sk.removeprefix(FILL) for item in found if item.sk != FILL + after]

    def fills(self, after: str = "", most: int | None = None) -> list[Fill]:
        """The fills whose activity id comes after `after`, in the order of these ids; all, or so many."""
        newer = BookItem.sk.between(f"{FILL}{after}", f"{FILL}~")
        found = BookItem.query(self.account, newer, limit=most, consistent_read=True)
        return [from_body(item.body, Fill) for item in found if item.sk != FILL + after]

    def newest_fills(self, limit: int, before: str | None = None) -> tuple[list[Fill], str | None]:
        """A page of fills, newest first, and the id that the next page must come `before`."""
        ids = BookItem.sk.between(FILL, f"{FILL}{before}" if before else f"{FILL}~")
        wanted = limit + 1 if before else limit  # the end of a range is part of it
        found = list(BookItem.query(self.account, ids, limit=wanted, scan_index_forward=False))
        fills = [from_body(item.body, Fill) for item in found if item.sk != f"{FILL}{before}"]
        return fills, fills[-1].id if len(fills) == limit else None

    def fills_since(self, moment: datetime) -> list[Fill]:
        """Every fill from a day before `moment` on: ids begin with the trade's time, not in UTC."""
        return self.fills(_fill_id_before(moment))

    def fills_after(self, moment: datetime) -> list[Fill]:
        """The first `MOST_LOOKED_AT` of them."""
        return self.fills(_fill_id_before(moment), MOST_LOOKED_AT)

    def share_movements(self) -> list[Split | ShareMovement]:
        """Every split and every movement of shares after the baseline, in the order of their ids."""
        found = BookItem.query(self.account, BookItem.sk.startswith(SHARES), consistent_read=True)
        kept = [from_body(item.body, Moved) for item in found]
        return [entry for entry in (one.split or one.shares for one in kept) if entry is not None]

    def cash_movements(self) -> list[CashMovement]:
        """All cash that came or went without a fill, in the order of the ids."""
        found = BookItem.query(self.account, BookItem.sk.startswith(CASH), consistent_read=True)
        return [one for one in (from_body(item.body, Moved).cash for item in found) if one is not None]

    def share_entries(self) -> list[ShareEntry]:
        """All that our positions are folded from: what was held at first, fills, splits, movements."""
        baseline = self.baseline()
        openings = baseline.openings(self.account) if baseline else []
        return [*openings, *self.fills(), *self.share_movements()]

    def newest_fill_ids(self, limit: int) -> list[str]:
        """The newest broker activity ids we hold, newest first."""
        found = BookItem.query(
            self.account,
            BookItem.sk.startswith(FILL),
            limit=limit,
            scan_index_forward=False,
            consistent_read=True,
        )
        return [item.sk.removeprefix(FILL) for item in found]

    def risk_book(self) -> RiskBook | None:
        """The risk book, or None before the first sync."""
        item = self._get(RISKBOOK)
        return _risk_book_in(item) if item else None

    def activity(self, book: RiskBook) -> Activity:
        """The activity of `book`, folded anew from fills and orders when it is of other fills.

        What it was folded from is told by the newest fills, for one may be reported late, and by
        the admin's release, before which losses do not count.
        """
        newest, moved = self.newest_fill_ids(FILLS_IN_MARK), self.share_movements()
        told = ",".join([*newest, *(entry.id for entry in moved), str(book.released_at)])
        mark = hashlib.sha256(told.encode()).hexdigest()[:16]
        if book.activity.folded == mark:
            return book.activity
        return activity_in(self._fold(*self._fold_from(book.released_at), book.released_at), mark)

    def held(self, more: Sequence[Split | ShareMovement] = ()) -> tuple[dict[str, Decimal], Decimal]:
        """Shares by symbol and the cash that fills and splits brought, as baseline, fills and movements say.

        `more` are movements that are not recorded yet.
        """
        kept = self._kept_fold()
        before, rest = self._fold_from(kept.counted_from if kept else None, more)
        folded = fold(before, rest, (), before.counted_from)
        return folded.quantities, folded.cash_flow

    def _kept_fold(self) -> Folded | None:
        item = self._get(FOLDED)
        return from_body(unpacked(item.packed), Folded) if item else None

    def _fold_from(
        self, counted_from: datetime | None, more: Sequence[Split | ShareMovement] = ()
    ) -> tuple[Folded, list[ShareEntry]]:
        """A fold to go on from and the entries after it: the kept one, else the baseline and everything."""
        moved = [*self.share_movements(), *more]
        kept = self._kept_fold()
        if kept is not None:
            rest = [*self.fills(kept.through), *(one for one in moved if one.id not in kept.movements)]
            if goes_on(kept, rest, counted_from):
                return kept, rest
        baseline = self.baseline()
        opened = opened_with(baseline.positions, baseline.at) if baseline else Folded()
        return opened, [*self.fills(), *moved]

    def _fold(self, before: Folded, entries: Sequence[ShareEntry], counted_from: datetime | None) -> Folded:
        """The fold with these entries; which of their orders were stops is read from the books."""
        fills = [entry for entry in entries if isinstance(entry, Fill)]
        since = max((fill.at for fill in fills), default=datetime.min.replace(tzinfo=UTC) + KEPT) - KEPT
        orders = self.orders_of({f.client_order_id for f in fills if f.client_order_id and f.at >= since})
        stops = {identifier for identifier, order in orders.items() if order.stop_price is not None}
        return fold(before, entries, stops, counted_from)

    def keep_fold(self, counted_from: datetime | None) -> None:
        """Moves the kept fold on once many fills came after it, so that no fold reads the whole history.

        It stays behind the newest: of those one may still be told late.
        """
        before, rest = self._fold_from(counted_from)
        fills = sorted((entry for entry in rest if isinstance(entry, Fill)), key=lambda fill: fill.id)
        if len(fills) < FOLD_AFTER:
            return
        last = fills[-FILLS_LEFT_OUT - 1]
        head = [e for e in rest if (e.id <= last.id if isinstance(e, Fill) else e.at < last.at)]
        folded, taken = self._fold(before, head, counted_from), {entry.id for entry in head}
        if goes_on(folded, [entry for entry in rest if entry.id not in taken], counted_from):
            BookItem(self.account, FOLDED, packed=packed(to_body(folded))).save()

    def forget_fold(self) -> None:
        """Lets the next fold read everything again."""
        BookItem(self.account, FOLDED).delete()

    def snapshot(self) -> Snapshot:
        """The account's single items in one consistent request; None for what is not there yet."""
        keys = [(self.account, sk) for sk in (BASELINE, RISKBOOK, BROKER, NOTES)]
        found = {item.sk: item for item in BookItem.batch_get(keys, consistent_read=True)}
        baseline, book, broker, notes = (found.get(sk) for _, sk in keys)
        return Snapshot(
            baseline=from_body(baseline.body, Baseline) if baseline else None,
            risk_book=_risk_book_in(book) if book else None,
            broker=from_body(broker.body, BrokerFigures) if broker else None,
            notes=from_body(notes.body, SyncNotes) if notes else SyncNotes(),
        )

    def baseline(self) -> Baseline | None:
        """What the account held when first seen, or None before the first sync."""
        item = self._get(BASELINE)
        return from_body(item.body, Baseline) if item else None

    def broker_figures(self) -> BrokerFigures | None:
        """The account as the broker last told it, or None before the first sync."""
        item = self._get(BROKER)
        return from_body(item.body, BrokerFigures) if item else None

    def notes(self) -> SyncNotes:
        """What the last sync left for this one."""
        item = self._get(NOTES)
        return from_body(item.body, SyncNotes) if item else SyncNotes()

    def reconciliation(self) -> Reconciliation | None:
        """What came of the last reconciliation with the broker's statement, None before the first."""
        from alpaquero.broker.statement import Reconciliation  # for the few who ask

        item = self._get(RECONCILIATION)
        return from_body(unpacked(item.packed), Reconciliation) if item else None

    # writing

    def keep_reconciliation(self, found: Reconciliation) -> None:
        """Keeps it in place of the one before."""
        BookItem(self.account, RECONCILIATION, packed=packed(to_body(found))).save()

    def keep_broker_figures(self, figures: BrokerFigures) -> None:
        """Keeps the broker's figures in place of the older ones."""
        BookItem(self.account, BROKER, body=to_body(figures)).save()

    def open_with(self, baseline: Baseline) -> Baseline:
        """Records and tells what the account held when first seen; the first record stays for good."""
        from alpaquero.events.movements import movement_told  # events are for those who write

        item = BookItem(self.account, BASELINE, body=to_body(baseline))
        try:
            with TransactWrite(connection=connection()) as transaction:
                transaction.save(item, condition=BookItem.pk.does_not_exist())
                for opening in baseline.openings(self.account)[:MOST_TOLD]:
                    transaction.save(outbox_item(self.account, movement_told(opening)))
        except TransactWriteError as error:
            if error.cause_response_code != "TransactionCanceledException":
                raise
            return from_body(BookItem.get(self.account, BASELINE, consistent_read=True).body, Baseline)
        return baseline

    def commit(
        self,
        *,
        new_orders: Sequence[Order] = (),
        changed_orders: Sequence[Order] = (),
        new_fills: Sequence[Fill] = (),
        movements: Sequence[Movement] = (),
        risk_book: RiskBook | None = None,
        notes: SyncNotes | None = None,
        evidence: Sequence[Model] = (),
        events: Iterable[EncodedEvent] = (),
    ) -> None:
        """Writes all of it in one transaction.

        A new order must not exist yet, a changed one must still have the version before its own,
        a new fill or movement must not exist, and so the risk book. `evidence` are items of other
        tables, written in any case. Raises `Conflict` when any does not hold;
        then nothing was written: read again and decide again.
        """
        try:
            with TransactWrite(connection=connection()) as transaction:
                for order in new_orders:
                    transaction.save(self._order_item(order), condition=BookItem.pk.does_not_exist())
                for order in changed_orders:
                    transaction.save(self._order_item(order), condition=BookItem.version == order.version - 1)
                for fill in new_fills:
                    item = BookItem(self.account, FILL + fill.id, body=to_body(fill))
                    transaction.save(item, condition=BookItem.pk.does_not_exist())
                for movement in movements:
                    transaction.save(self._movement_item(movement), condition=BookItem.pk.does_not_exist())
                if risk_book is not None:
                    first = risk_book.version == 1
                    condition = (
                        BookItem.pk.does_not_exist() if first else BookItem.version == risk_book.version - 1
                    )
                    transaction.save(self._risk_book_item(risk_book), condition=condition)
                if notes is not None:
                    transaction.save(BookItem(self.account, NOTES, body=to_body(notes)))
                for item_elsewhere in evidence:
                    transaction.save(item_elsewhere)
                for event in events:
                    transaction.save(outbox_item(self.account, event))
        except TransactWriteError as error:
            reasons = [r.code for r in error.cancellation_reasons if r and r.code != "None"]
            if error.cause_response_code == "TransactionCanceledException" and set(reasons) <= {
                "ConditionalCheckFailed",
                "TransactionConflict",
            }:
                raise Conflict(
                    "someone wrote to the books first; read them again and decide again"
                ) from error
            raise

    def _order_item(self, order: Order) -> BookItem:
        written = listed_at(order)
        exit_under_way = order.exit_step not in {None, ExitStep.DONE}
        return BookItem(
            self.account,
            ORDER + order.client_order_id,
            body=to_body(order),
            version=order.version,
            listed_at=written,
            symbol=order.symbol,
            open_since=None if is_terminal(order.status) and not exit_under_way else written,
        )

    def _risk_book_item(self, book: RiskBook) -> BookItem:
        text = to_body(book)
        if len(text) <= READABLE:
            return BookItem(self.account, RISKBOOK, body=text, version=book.version)
        return BookItem(self.account, RISKBOOK, packed=packed(text), version=book.version)

    def _movement_item(self, movement: Movement) -> BookItem:
        match movement:
            case Split():
                sk, kept = SHARES + movement.id, Moved(split=movement)
            case ShareMovement():
                sk, kept = SHARES + movement.id, Moved(shares=movement)
            case CashMovement():
                sk, kept = CASH + movement.id, Moved(cash=movement)
        return BookItem(self.account, sk, body=to_body(kept))

    # the outbox

    def outbox(self, *, older_than_seconds: float = 0) -> list[EncodedEvent]:
        """Events that have not reached the bus, in the order of their ids."""
        from alpaquero.events.bus import EncodedEvent

        latest = wall.seconds() - older_than_seconds
        found = BookItem.query(self.account, BookItem.sk.startswith(OUTBOX), consistent_read=True)
        return [from_body(i.body, EncodedEvent) for i in found if (i.written_at or 0) <= latest]

    def publish(self, waiting: Sequence[EncodedEvent], bus_name: str) -> tuple[str, ...]:
        """Puts outbox events on the bus and deletes those that arrived; answers the ids it refused.

        In parts: what has arrived when time runs out is not sent again.
        """
        from alpaquero.events import bus

        refused: list[str] = []
        for start in range(0, len(waiting), PUBLISHED_AT_ONCE):
            part = waiting[start : start + PUBLISHED_AT_ONCE]
            try:
                bus.publish(part, bus_name)
            except bus.EventsNotPublished as error:
                refused += error.failed
            left = set(refused)
            self.published(event.id for event in part if event.id not in left)
        return tuple(refused)

    def published(self, event_ids: Iterable[str]) -> None:
        """Deletes events that have reached the bus."""
        with BookItem.batch_write() as batch:
            for event_id in dict.fromkeys(event_ids):  # a request takes each key once
                batch.delete(BookItem(self.account, OUTBOX + event_id))
