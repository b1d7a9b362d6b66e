"""Orders: list them, place one by hand, replace or cancel it, close positions.

Whatever trades is a command to `execute`; an answer of 202 says that it waits there. So do a sync and
a rebuild of what is derived, on SyncQueue.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from alpaquero import wall
from alpaquero.errors import Conflict, InvalidRequest, NotFound
from alpaquero.events import queues
from alpaquero.events.commands import CancelOrder, CancelOrders, OrderCommand, SyncBooks, cancels
from alpaquero.events.commands import PlaceOrder as PlaceOrderCommand
from alpaquero.events.commands import ReplaceOrder as ReplaceOrderCommand
from alpaquero.observability import correlation_id
from alpaquero.orders.identity import manual_key
from alpaquero.orders.intent import Intent, Origin, Purpose, Side
from alpaquero.orders.lifecycle import is_terminal
from alpaquero.orders.order import Fill as FillRecord
from alpaquero.orders.order import Order as OrderRecord
from alpaquero.orders.replacement import Change, changed_terms, free_successor
from alpaquero.risk.book import RiskBook, TradingState
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import refusals, requests
from alpaquero.store.books import Books, listed_at
from alpaquero.store.refusals import Refused
from alpaquero.web.app import after, service_app, to_cursor
from alpaquero.web.bodies import Page
from alpaquero.web.bodies.trading import (
    ClosePosition,
    ClosePositions,
    Fill,
    Order,
    OrderAccepted,
    OrdersAccepted,
    PlaceOrder,
    Reconcile,
    Reconciliation,
    Refusal,
    ReplaceOrder,
    SyncAccepted,
)
from alpaquero.web.endpoint import Idempotent, Paged
from alpaquero.web.tickets import manual_intent, named_fields

MOST_READ = 2_000  # records that one page of a filtered list looks at; an order is some kilobytes
READ_AT_ONCE = 100

Record = TypeVar("Record")
Read = Callable[[int, str | None], tuple[list[Record], str | None]]
"""A page, newest first, of so many records before a place, and before what the next one comes."""


class OrdersSettings(FunctionSettings, frozen=True, kw_only=True):
    """What the orders API needs: the queue that `execute` reads, and that of `sync`."""

    order_queue: Text
    sync_queue: Text


SETTINGS = load(OrdersSettings)
BOOKS = Books(SETTINGS.account)

app = service_app("trading", works=True, dependencies={"books": BOOKS.risk_book})


@app.endpoint("POST", public="/api/sync", service="/trading/sync", role="trader", status=202)
def sync_now() -> SyncAccepted:
    """Queues a sync of the books with the broker, beside the one of each minute."""
    return _sync_for(f"{app.require('trader').username} asked for it")


@app.endpoint("POST", public="/api/rebuild", service="/trading/rebuild", role="admin", status=202)
def rebuild() -> SyncAccepted:
    """Queues a rebuild of what is derived; `BooksRebuilt` tells what was different in the risk book."""
    return _sync_for("rebuild")


@app.endpoint(
    "POST",
    public="/api/analytics/reconciliation",
    service="/trading/reconciliation",
    role="trader",
    body=Reconcile,
    status=202,
)
def reconcile(body: Reconcile) -> SyncAccepted:
    """Queues a reconciliation: the broker's statement of these days is read anew and compared."""
    if body.first and body.last and body.last < body.first:
        raise InvalidRequest(f"to is {body.last}, before from; give days in order", "to")
    return _sync_for("reconcile", body.first, body.last)


@app.endpoint(
    "GET", public="/api/analytics/reconciliation", service="/trading/reconciliation", refuses=(404,)
)
def reconciliation() -> Reconciliation:
    """The last reconciliation: sums by day and kind, each line that differs, cash and shares."""
    found = BOOKS.reconciliation()
    if found is None:
        raise NotFound("Nothing has been reconciled yet; ask for it with POST /api/analytics/reconciliation.")
    return msgspec.convert(found, Reconciliation, from_attributes=True)


def _sync_for(reason: str, first: date | None = None, last: date | None = None) -> SyncAccepted:
    asked = SyncBooks(reason=reason, correlation_id=correlation_id(), first=first, last=last)
    queues.send(SETTINGS.sync_queue, asked)
    return SyncAccepted(correlation_id=asked.correlation_id)


OrderFilter = Literal["open", "closed", "all"]


class OrdersAsked(Paged, frozen=True, kw_only=True):
    """Which orders are listed."""

    status: Annotated[OrderFilter, Meta(description="Open orders, those that have ended, or all.")] = "all"
    symbol: Annotated[str, Meta(description="Those of one symbol alone.")] | None = None


@app.endpoint("GET", public="/api/orders", service="/trading/orders", query=OrdersAsked)
def orders(query: OrdersAsked) -> Page[Order]:
    """Orders newest first."""
    read = _pages_of(BOOKS.open_orders()) if query.status == "open" else BOOKS.newest_orders
    is_wanted = None if (query.status, query.symbol) == ("all", None) else lambda order: _wanted(order, query)
    page, following = _page_of(query, read, listed_at, is_wanted)
    return Page(items=[_body(order) for order in page], next=following)


def _pages_of(oldest_first: Sequence[OrderRecord]) -> Read[OrderRecord]:
    """Reads pages of these orders as `Books.newest_orders` reads those of all."""

    def read(limit: int, before: str | None) -> tuple[list[OrderRecord], str | None]:
        found = [one for one in reversed(oldest_first) if before is None or listed_at(one) < before]
        return found[:limit], listed_at(found[limit - 1]) if len(found) > limit else None

    return read


def _page_of(
    query: Paged,
    read: Read[Record],
    place: Callable[[Record], str],
    is_wanted: Callable[[Record], bool] | None,
) -> tuple[list[Record], str | None]:
    """A page of the records that are wanted, newest first, and the cursor to go on by.

    It looks at `MOST_READ` at most, so it may hold fewer than its limit and still not be the last.
    """
    limit, before, looked_at = query.limit, after(query.cursor), 0
    size = limit if is_wanted is None else max(limit, READ_AT_ONCE)
    page: list[Record] = []
    while len(page) < limit and looked_at < MOST_READ:
        found, before = read(size, before)
        looked_at += size
        page += [one for one in found if is_wanted is None or is_wanted(one)]
        if before is None:
            break
    following = place(page[limit - 1]) if len(page) > limit else before
    return page[:limit], to_cursor(following) if following else None


class ByTimeAsked(Paged, frozen=True, kw_only=True):
    """Which fills or refusals are listed."""

    symbol: Annotated[str, Meta(description="Those of one symbol alone.")] | None = None


@app.endpoint("GET", public="/api/fills", service="/trading/fills", query=ByTimeAsked)
def fills(query: ByTimeAsked) -> Page[Fill]:
    """Every execution by itself, newest first."""
    page, following = _page_of(query, BOOKS.newest_fills, lambda fill: fill.id, _of_symbol(query))
    return Page(items=[_fill_body(fill) for fill in page], next=following)


def _of_symbol(query: ByTimeAsked) -> Callable[[FillRecord | Refused], bool] | None:
    """Whether a record is of the symbol asked for; None when all are."""
    symbol = query.symbol.upper() if query.symbol else None
    return None if symbol is None else lambda record: record.symbol == symbol


def _fill_body(fill: FillRecord) -> Fill:
    return Fill(
        id=fill.id,
        at=fill.at,
        symbol=fill.symbol,
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        value=fill.quantity * fill.price,
        client_order_id=fill.client_order_id,
        broker_order_id=fill.broker_order_id,
    )


@app.endpoint("GET", public="/api/refusals", service="/trading/refusals", query=ByTimeAsked)
def refused(query: ByTimeAsked) -> Page[Refusal]:
    """Orders that the rules or the broker's answer kept from being, newest first."""
    page, following = _page_of(query, _newest_refusals, refusals.place_of, _of_symbol(query))
    items = [msgspec.convert(one, Refusal, from_attributes=True) for one in page]
    return Page(items=items, next=following)


def _newest_refusals(limit: int, before: str | None) -> tuple[list[Refused], str | None]:
    found = refusals.newest(SETTINGS.account, limit, before)
    return found, refusals.place_of(found[-1]) if len(found) == limit else None


@app.endpoint("GET", public="/api/orders/{id}", service="/trading/orders/{id}")
def order(id: str) -> Order:  # noqa: A002 - the route's parameter, as the owner's document names it
    """One order with its whole log: who asked and why, the verdict, each state, each broker answer."""
    return _body(_order(id))


@app.endpoint(
    "POST",
    public="/api/orders",
    service="/trading/orders",
    role="trader",
    headers=Idempotent,
    body=PlaceOrder,
    status=202,
    refuses=(409,),
)
def place(headers: Idempotent, body: PlaceOrder) -> OrderAccepted:
    """Queues a person's order for the risk check; the same Idempotency-Key is the same order."""
    intent = manual_intent(
        body,
        account=SETTINGS.account,
        key=manual_key(SETTINGS.account, headers.key),
        username=app.require("trader").username,
        asked_at=wall.now(),
        correlation_id=correlation_id(),
    )
    _claim(headers.key, "place", body)
    _send(PlaceOrderCommand(intent=intent), intent.client_order_id)
    return OrderAccepted(client_order_id=intent.client_order_id)


@app.endpoint(
    "PATCH",
    public="/api/orders/{id}",
    service="/trading/orders/{id}",
    role="trader",
    body=ReplaceOrder,
    status=202,
    refuses=(409,),
)
def replace(id: str, body: ReplaceOrder) -> OrderAccepted:  # noqa: A002 - as the owner's document names it
    """Queues the replacement of an open order; answers the id of the order that takes its place."""
    old = _order(id)
    with named_fields():
        change = Change(
            quantity=body.quantity,
            limit_price=body.limit_price,
            stop_price=body.stop_price,
            trail=body.trail,
            time_in_force=body.time_in_force,
        )
        identifier, written = free_successor(old, change, BOOKS.order)
        if written is None:
            changed_terms(old, change)
    command = ReplaceOrderCommand(
        client_order_id=id,
        change=change,
        requested_by=app.require("trader").username,
        correlation_id=correlation_id(),
        reason=body.reason,
        asked_at=wall.now(),
    )
    mark = hashlib.sha256(repr(change).encode()).hexdigest()[:16]
    _send(command, f"replace:{identifier}:{mark}:{old.version}")  # once it moved on, it may be asked again
    return OrderAccepted(client_order_id=identifier, status="replacement queued")


@app.endpoint(
    "DELETE",
    public="/api/orders/{id}",
    service="/trading/orders/{id}",
    role="trader",
    status=202,
    refuses=(400,),
)
def cancel(id: str) -> OrderAccepted:  # noqa: A002 - the route's parameter, as the owner's document names it
    """Queues the cancel of an open order, named by its client order id."""
    order = _order(id)
    if is_terminal(order.status):
        raise InvalidRequest(f"The order is {order.status} already; there is nothing to cancel.", "id")
    command = CancelOrder(
        client_order_id=id, requested_by=app.require("trader").username, correlation_id=correlation_id()
    )
    # One that failed may be asked for again at once; an id of someone else's is none that SQS need take.
    _send(command, f"cancel:{uuid.uuid4().hex}")
    return OrderAccepted(client_order_id=id, status="cancel queued")


class CancelAsked(Struct, frozen=True, kw_only=True):
    """Which open orders are cancelled."""

    symbol: Annotated[str, Meta(description="Those of one symbol alone.")] | None = None
    protection: Annotated[bool, Meta(description="Stops and targets of positions too.")] = False


@app.endpoint(
    "DELETE", public="/api/orders", service="/trading/orders", role="trader", query=CancelAsked, status=202
)
def cancel_all(query: CancelAsked) -> OrdersAccepted:
    """Queues the cancel of all open orders, or of those of a `symbol`, behind what waits on the queue.

    Stops and targets of positions stay unless `protection` is true. Answers those open now.
    """
    command = CancelOrders(
        symbol=query.symbol.upper() if query.symbol else None,
        protection=query.protection,
        requested_by=app.require("trader").username,
        correlation_id=correlation_id(),
    )
    found = [o.client_order_id for o in BOOKS.open_orders() if cancels(command, o)]
    _send(command, f"cancel-all:{uuid.uuid4().hex}")
    return OrdersAccepted(client_order_ids=found, status="cancel queued")


@app.endpoint(
    "POST",
    public="/api/positions/{symbol}/close",
    service="/trading/positions/{symbol}/close",
    role="trader",
    headers=Idempotent,
    body=ClosePosition,
    status=202,
    refuses=(409,),
)
def close(symbol: str, headers: Idempotent, body: ClosePosition) -> OrderAccepted:
    """Queues the sale of a position at market, whole or in part; `force` whatever else is selling it."""
    intent = _exit(symbol.upper(), headers.key, body, quantity=body.quantity, percentage=body.percentage)
    if BOOKS.order(intent.client_order_id) is None:
        held = _book_that_may_sell().held_quantity(intent.symbol)
        if held <= 0:
            raise NotFound(f"No {intent.symbol} is held; GET /api/positions lists what is.")
        if intent.quantity is not None and intent.quantity > held:
            raise InvalidRequest(f"quantity is {intent.quantity} and {held} are held", "quantity")
    _claim(headers.key, f"close {intent.symbol}", body)
    _send(PlaceOrderCommand(intent=intent), intent.client_order_id)
    return OrderAccepted(client_order_id=intent.client_order_id)


@app.endpoint(
    "POST",
    public="/api/positions/close",
    service="/trading/positions/close",
    role="trader",
    headers=Idempotent,
    body=ClosePositions,
    status=202,
    refuses=(404, 409),
)
def close_all(headers: Idempotent, body: ClosePositions) -> OrdersAccepted:
    """Queues the sale of every position at market."""
    book = _book_that_may_sell()
    intents = [
        _exit(symbol, headers.key, body)
        for symbol in sorted(book.positions)
        if book.held_quantity(symbol) > 0
    ]
    _claim(headers.key, "close all", body)
    for intent in intents:
        _send(PlaceOrderCommand(intent=intent), intent.client_order_id)
    return OrdersAccepted(client_order_ids=[i.client_order_id for i in intents])


def _send(command: OrderCommand, deduplication_id: str) -> None:
    queues.send_in_order(
        SETTINGS.order_queue, command, group=SETTINGS.account, deduplication_id=deduplication_id
    )


def _order(identifier: str) -> OrderRecord:
    found = BOOKS.order(identifier)
    if found is None:
        raise NotFound(f"There is no order {identifier}; GET /api/orders lists them by client_order_id.")
    return found


def _claim(key: str, what: str, body: object) -> None:
    """Keeps the key for this request. Raises `Conflict` when it was another's: a key is one order."""
    if not requests.claim(SETTINGS.account, key, what, body):
        raise Conflict("This Idempotency-Key was used for another request; send a new key.")


def _book_that_may_sell() -> RiskBook:
    book = BOOKS.risk_book()
    if book is None:
        raise NotFound("The books are not open yet: the first sync opens them, within a minute of the start.")
    if book.trading_state is TradingState.HALTED:
        raise Conflict(
            "Trading is HALTED, which stops every order, exits too. An admin raises it to REDUCING first: "
            "POST /api/trading_state."
        )
    return book


def _exit(symbol: str, key: str, body: ClosePosition | ClosePositions, **size: Decimal | None) -> Intent:
    """The intent to sell at market; its key is the request's, so a repeat is the same sale."""
    with named_fields():
        return Intent(
            account=SETTINGS.account,
            origin=Origin.MANUAL,
            purpose=Purpose.EXIT,
            symbol=symbol,
            side=Side.SELL,
            key=manual_key(SETTINGS.account, key),
            quantity=size.get("quantity"),
            percentage=size.get("percentage"),
            forced=body.force,
            asked_at=wall.now(),
            reason=body.reason or ("forced out by hand" if body.force else "closed by hand"),
            requested_by=app.require("trader").username,
            correlation_id=correlation_id(),
        )


def _wanted(order: OrderRecord, query: OrdersAsked) -> bool:
    if query.symbol and order.symbol != query.symbol.upper():
        return False
    return query.status == "all" or is_terminal(order.status) == (query.status == "closed")


def _body(order: OrderRecord) -> Order:
    return msgspec.convert(order, Order, from_attributes=True)
