"""Seven ways in which trading bots lose, double or forget orders, put into the real functions on purpose.

The campaign must catch each of them; one that it does not catch shows a check that cannot fail.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

from alpaquero.broker import records
from alpaquero.errors import BrokerUnclear
from alpaquero.events import bus
from alpaquero.orders import lifecycle
from alpaquero.orders.identity import client_order_id
from alpaquero.orders.intent import Intent
from alpaquero.orders.lifecycle import BrokerUpdate
from alpaquero.orders.order import Order
from alpaquero.store.books import Books
from functions.trading import execute


@contextmanager
def random_order_id() -> Iterator[None]:
    """Each try of an intent gets an id of its own."""
    draws = random.Random(1)

    def drawn(intent: Intent) -> str:
        key = "".join(draws.choices("abcdefghijklmnopqrstuvwxyz234567", k=20))
        return client_order_id(intent.origin, intent.symbol, key, intent.revision)

    with patch.object(Intent, "client_order_id", property(drawn)):
        yield


@contextmanager
def retry_without_look_up() -> Iterator[None]:
    """An unclear submission is sent again, and the refusal of the second counts as the order's end."""
    careful = execute.Desk._send

    class Careless:
        """A broker client that sends an unclear order again."""

        def __init__(self, broker: Any) -> None:
            self._broker = broker

        def __getattr__(self, name: str) -> Any:
            return getattr(self._broker, name)

        def submit(self, request: Any) -> Any:
            try:
                return self._broker.submit(request)
            except BrokerUnclear:
                again = replace(request, client_order_id=f"{request.client_order_id[:-1]}9")
                return self._broker.submit(again)

    def send(desk: execute.Desk, order: Order, judged_at: datetime | None = None) -> Order:
        desk.broker = Careless(desk.broker)
        return careful(desk, order, judged_at)

    with patch.object(execute.Desk, "_send", send):
        yield


@contextmanager
def verdict_outside_the_transaction() -> Iterator[None]:
    """The order is written first and its reservation after, whatever the risk book says by then."""
    together = Books.commit

    def apart(books: Books, *, new_orders: Any = (), risk_book: Any = None, **others: Any) -> None:
        together(books, new_orders=new_orders, **others)
        if risk_book is not None:
            together(books, risk_book=risk_book)

    with patch.object(Books, "commit", apart):
        yield


@contextmanager
def incremental_fill_quantity() -> Iterator[None]:
    """The broker's cumulative quantity is added to what was filled before."""
    cumulative = lifecycle.advance

    def adding(order: Order, update: BrokerUpdate) -> Order:
        return cumulative(
            order, replace(update, filled_quantity=order.filled_quantity + update.filled_quantity)
        )

    with patch.object(records, "advance", adding):
        yield


@contextmanager
def publish_before_write() -> Iterator[None]:
    """Events go to the bus first, then the books are written."""
    together = Books.commit

    def apart(books: Books, *, events: Any = (), **others: Any) -> None:
        bus.publish(list(events), "bus")
        together(books, **others)

    with patch.object(Books, "commit", apart):
        yield


@contextmanager
def stale_news_wins() -> Iterator[None]:
    """Whatever was read last is written, though another wrote something newer in between."""
    guarded = Books.commit

    def heedless(order: Order, update: BrokerUpdate) -> Order:
        if (update.status, update.filled_quantity) == (order.status, order.filled_quantity):
            return lifecycle.advance(order, update)
        after = replace(order, status=update.status, filled_quantity=update.filled_quantity)
        return replace(after, broker_order_id=update.broker_order_id, version=order.version + 1)

    def overwriting(books: Books, *, changed_orders: Any = (), **others: Any) -> None:
        current = books.orders_of(order.client_order_id for order in changed_orders)
        forced = [replace(o, version=current[o.client_order_id].version + 1) for o in changed_orders]
        guarded(books, changed_orders=forced, **others)

    with patch.object(records, "advance", heedless), patch.object(Books, "commit", overwriting):
        yield


@contextmanager
def stops_forgotten() -> Iterator[None]:
    """Nobody puts a stop under shares that lost theirs."""

    def nothing(*_: Any) -> bool:
        return True

    with patch.object(execute.Desk, "protect", nothing), patch.object(execute.Desk, "_protect", nothing):
        yield


# Each mistake, and what the campaign says of it.
VARIANTS = {
    random_order_id: "is no id of an intent",
    retry_without_look_up: "without the risk book|is no id of an intent",
    verdict_outside_the_transaction: "written without the risk book",
    incremental_fill_quantity: "no rest after|: filled ",
    publish_before_write: "told before it was written",
    stale_news_wins: "moved back from",
    stops_forgotten: "held without a stop",
}
