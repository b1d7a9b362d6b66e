"""Exported tables hold exact figures, the days that were asked for, and nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isnan

import pytest

from alpaquero.portfolio.export_tables import (
    ColumnType,
    Days,
    Table,
    columns_of,
    csv_of,
    fills_table,
    orders_table,
    tax_lots_table,
    trades_table,
)
from alpaquero.portfolio.tax_lots import tax_lots
from alpaquero.portfolio.trades import trades_of
from tests.unit.orders.builders import a_fill, an_order

FILLS = [a_fill(1, "buy", "10", "100.10"), a_fill(2, "sell", "10", "110")]


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_figures_are_exact_and_times_in_utc() -> None:
    """Decimals as they are kept, an ISO time with a Z, empty cells for what there is not."""
    [row] = read(csv_of(trades_table(trades_of(FILLS), Days())))
    assert (row["entry_price"], row["pnl"], row["closed_at"]) == ("100.10", "99.00", "2012-07-02T16:02:00Z")
    [order] = read(csv_of(orders_table([an_order()], Days())))
    assert (order["quantity"], order["limit_price"], order["side"]) == ("10", "", "buy")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_a_spreadsheet_would_run_is_made_plain(text: str) -> None:
    """A quote before it; numbers below 0 stay numbers."""
    table = Table((("why", ColumnType.TEXT), ("gain", ColumnType.NUMBER)), ((text, Decimal("-1.5")),))
    [row] = read(csv_of(table))
    assert (row["why"], row["gain"]) == (f"'{text}", "-1.5")


def test_days_are_new_yorks_and_both_included() -> None:
    """Nine in the evening in New York is the next day in UTC."""
    late = replace(FILLS[0], at=datetime(2012, 7, 3, 1, tzinfo=UTC))
    for first, last, found in [(2, 2, 1), (3, 3, 0), (1, None, 1), (None, 1, 0)]:
        days = Days(date(2012, 7, first) if first else None, date(2012, 7, last) if last else None)
        assert found == len(fills_table([late], days).rows)


def test_tax_lots_have_the_forms_columns() -> None:
    """Columns by the letters of Form 8949, and where each row comes from."""
    [row] = read(csv_of(tax_lots_table(tax_lots(FILLS).disposals, Days())))
    assert (row["(a) Description of property"], row["(d) Proceeds"], row["(h) Gain or loss"]) == (
        "10 sh. AAPL", "1100.00", "99.00",
    )  # fmt: skip
    assert (row["Part"], row["Opened by"], row["Closed by"]) == ("I", "f0001", "f0002")


def test_columns_for_a_frame_are_numbers_texts_and_times() -> None:
    """Missing numbers are NaN and missing texts empty."""
    found = columns_of(orders_table([an_order()], Days()))
    assert found["quantity"] == [10.0]
    assert isnan(found["limit_price"][0])
    assert (found["strategy"], found["created_at"][0].tzinfo) == ([""], UTC)
