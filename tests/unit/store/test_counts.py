"""Runs, orders and fills are counted on from the last count, and anew each day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from alpaquero.monitoring.counts import Counts
from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.store import counts, runs
from alpaquero.store.books import BookItem, Books
from alpaquero.store.runs import RunItem
from alpaquero.strategy.run import run_id
from tests.unit.orders.builders import an_order
from tests.unit.signal.made import a_run

TODAY = date(2026, 11, 20)
AT = datetime(2026, 11, 20, 21, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def write(number: int) -> None:
    """An order, a fill and a run, each behind those before."""
    at = AT + timedelta(minutes=number)
    fill = Fill(
        id=f"20261120{number:09}::x", account="paper", client_order_id="o", broker_order_id="b",
        symbol="AAPL", side=Side.BUY, quantity=Decimal(1), price=Decimal(1), at=at,
    )  # fmt: skip
    order = an_order(client_order_id=f"aq1-sig-AAPL-k{number}-0", created_at=at)
    Books("paper").commit(new_orders=[order], new_fills=[fill])
    runs.plan(a_run(id=run_id("1Day", at), bar_close=at))


def told(found: Counts) -> tuple[int, int, int]:
    return found.all_runs, found.orders.number, found.fills.number


def test_a_count_goes_on_from_the_last_one() -> None:
    """Of one that was counted already nothing is read again."""
    nothing = counts.counted_on("paper", None, TODAY)
    assert told(nothing) == (0, 0, 0)
    write(1)
    write(2)
    first = counts.counted_on("paper", nothing, TODAY)
    assert told(first) == (2, 2, 2)
    write(3)
    for item in (BookItem, RunItem):  # what was counted stays counted when it is gone
        for row in [*item.scan()]:
            if "k1-0" in row.sk or row.sk.startswith("FILL#20261120000000001"):
                row.delete()
    assert told(counts.counted_on("paper", first, TODAY)) == (3, 3, 3)
    assert told(counts.counted_on("paper", first, TODAY + timedelta(days=1))) == (3, 2, 2)
