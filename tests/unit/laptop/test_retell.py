"""After a checkpoint is put back every fill and split is told again, as it was told before."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest

from alpaquero.events.movements import movement_told
from alpaquero.events.orders import order_filled
from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import Split
from alpaquero.store.books import Books
from laptop.retell import fills_again

AT = datetime(2012, 4, 10, 13, 30, tzinfo=UTC)


class Sessions:
    """The clients of moto, as the stack hands them out."""

    def client(self, service: str) -> Any:
        """A client of this service."""
        return boto3.client(service, region_name="us-east-1")


@pytest.mark.usefixtures("tables")
def test_every_fill_is_in_the_outbox_again() -> None:
    """The event is the one that was told before, id and all, so that nobody counts it twice."""
    books = Books("paper")
    fill = Fill(
        id="20120410093000000::1",
        account="paper",
        client_order_id="aq1-sig-MSFT-abcdefghijklmnopqrst-0",
        broker_order_id="b-1",
        symbol="MSFT",
        side=Side.BUY,
        quantity=Decimal(311),
        price=Decimal("31.23"),
        at=AT,
    )
    told = order_filled(fill, None)
    split = Split(id="split:MSFT:x", account="paper", symbol="MSFT", at=AT, ratio=Decimal(2))
    books.commit(new_fills=[fill], movements=[split], events=[told])
    books.published([told.id])
    assert [] == books.outbox()

    assert fills_again(Sessions(), "books") == 1  # type: ignore[arg-type]

    assert [told, movement_told(split)] == books.outbox()
