"""The campaign's DynamoDB gives the answers that moto gives to the calls our stores make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.errors import Conflict
from alpaquero.events.bus import EncodedEvent
from alpaquero.events.orders import order_filled
from alpaquero.events.schemas import OrderFilled, decode
from alpaquero.risk.book import RiskBook
from alpaquero.store import positions
from alpaquero.store.books import Baseline, BookItem, Books
from tests.faults.memory_aws import MemoryAws
from tests.faults.memory_dynamodb import parsed
from tests.unit.orders.builders import NOON, a_fill, an_order, at


@contextmanager
def in_memory() -> Iterator[None]:
    with MemoryAws().installed():
        yield


def _attempt(write: Callable[[], object]) -> str:
    try:
        write()
    except Conflict:
        return "conflict"
    return "written"


def story() -> list[Any]:
    """Writes and reads of every kind; what each answered."""
    books = Books("paper")
    book = RiskBook(
        account="paper",
        cash=Decimal(5),
        equity=Decimal(5),
        peak_equity=Decimal(5),
        as_of=datetime(2012, 7, 2, tzinfo=UTC),
    )
    orders = [
        an_order(client_order_id=f"aq1-sig-AAPL-{letter * 20}-0", created_at=at(n))
        for n, letter in enumerate("abc")
    ]
    event = EncodedEvent(id="e1", name="OrderUpdated", source="alpaquero.trading", detail="{}")
    fill = a_fill(1, "buy", "10", "100")
    said: list[Any] = [books.risk_book(), books.order("nobody")]
    said += [_attempt(lambda: books.commit(new_orders=orders[:2], risk_book=book, events=[event]))]
    said += [_attempt(lambda: books.commit(new_orders=orders))]
    said += [_attempt(lambda: books.commit(new_orders=orders[2:], risk_book=book.next_version()))]
    said += [_attempt(lambda: books.commit(risk_book=book.next_version()))]
    said += [
        _attempt(lambda: books.commit(new_fills=[fill])),
        _attempt(lambda: books.commit(new_fills=[fill])),
    ]
    said += [books.orders(), books.open_orders(), books.fills(), books.newest_fill_ids(5), books.risk_book()]
    said += [books.newest_orders(2), books.newest_orders(2, books.newest_orders(2)[1])]
    said += [books.orders_of([orders[0].client_order_id, "nobody"])]
    baseline = Baseline(account_number="1", cash=Decimal(1), positions={}, last_fill_id=None, at=NOON)
    said += [books.open_with(baseline), books.open_with(baseline), [e.id for e in books.outbox()]]
    books.published(["e1"])
    said += [books.outbox(), sorted(item.sk for item in BookItem.scan())]
    filled = order_filled(fill, orders[0])
    told = decode(filled.name, filled.detail)
    assert isinstance(told, OrderFilled)
    said += [positions.take("paper", told), positions.take("paper", told)]
    return said


@pytest.mark.usefixtures("tables")
def test_memory_tables_answer_as_moto_does() -> None:
    """Conditions, transactions, indexes, pages and deletes have the same outcome in both."""
    in_moto = story()
    with in_memory():
        assert story() == in_moto


def test_an_unknown_expression_is_refused() -> None:
    """What the memory tables do not know fails loudly, so that it cannot pass by accident."""
    with pytest.raises(ValueError, match="not understood"):
        parsed("size (#0) > :0 #1")
