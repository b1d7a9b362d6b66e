"""Slippage is measured at the opening prices as they were on the day, whatever was split since."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.portfolio.export_tables import Days
from alpaquero.portfolio.movements import Split, begins
from alpaquero.prices.bars import Bar
from alpaquero.prices.columns import Columns
from alpaquero.store import exports
from alpaquero.store.books import Books
from tests.unit.orders.builders import a_fill, an_order

DAY = date(2012, 7, 2)  # of the builders' fills


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(("ex_date", "opened"), [(date(2012, 7, 3), "98"), (DAY, "49")])
def test_a_price_is_told_in_the_shares_of_its_day(
    monkeypatch: pytest.MonkeyPatch, ex_date: date, opened: str
) -> None:
    """Stored bars are adjusted: a later split doubles the price back, one of that morning does not."""
    bar = Columns.of([Bar(begins(DAY), 49.0, 50.0, 48.0, 49.5, 1000)])

    def read(symbols: set[str], *_: Any) -> dict[str, Columns]:
        return dict.fromkeys(symbols, bar)

    monkeypatch.setattr("alpaquero.store.bars.read", read)
    books, order = Books("paper"), an_order(arrival_price=Decimal(100), created_at=begins(DAY))
    split = Split(id="split:AAPL", account="paper", symbol="AAPL", at=begins(ex_date), ratio=Decimal(2))
    books.commit(
        new_orders=[order],
        new_fills=[a_fill(1, "buy", "1", "98.5", order=order.client_order_id)],
        movements=[split],
    )
    [found] = exports.slippages_of(books, Days(), Decimal(0))
    assert Decimal(opened) == found.assumed_price
    assert [] == exports.slippages_of(books, Days(first=date(2012, 7, 3)), Decimal(0))
