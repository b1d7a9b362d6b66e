"""Tables that leave the house: trades, fills, orders, equity and tax lots as columns and rows, and as CSV.

`alpaquero.store.exports` reads the records and calls this; Parquet is written by `analytics/backtest`.
Pure. Money, prices and quantities are exact decimals in CSV, times ISO 8601 in UTC, days New York's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from alpaquero.orders.order import Fill, Order
from alpaquero.portfolio.tax_lots import Disposal, form_8949
from alpaquero.portfolio.trades import Trade
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass

Cell = str | Decimal | date | datetime | None
# A spreadsheet takes a text that begins with one of these for a formula:
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Kind(StrEnum):
    """What may be exported."""

    TRADES = "trades"
    FILLS = "fills"
    ORDERS = "orders"
    EQUITY = "equity"
    TAX_LOTS = "tax_lots"


class ColumnType(StrEnum):
    """What a column's cells are; each may also be empty."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns with their types, and rows in that order."""

    columns: tuple[tuple[str, ColumnType], ...]
    rows: tuple[tuple[Cell, ...], ...]


class Mark(Protocol):
    """A point of the equity curve: `EquityMarked` is one."""

    @property
    def occurred_at(self) -> datetime:
        """Market time."""

    @property
    def equity(self) -> Decimal:
        """Dollars."""

    @property
    def cash(self) -> Decimal:
        """Dollars."""

    @property
    def drawdown_percent(self) -> Decimal:
        """Below the highest equity so far."""


@dataclass(frozen=True, slots=True)
class Days:
    """New York days from `first` to `last`, both included, None for no bound."""

    first: date | None = None
    last: date | None = None

    def holds(self, at: datetime | date) -> bool:
        """Whether it is one of them."""
        day = at.astimezone(NEW_YORK).date() if isinstance(at, datetime) else at
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


_TRADES = {
    "symbol": ColumnType.TEXT, "side": ColumnType.TEXT, "quantity": ColumnType.NUMBER,
    "opened_at": ColumnType.TIME, "closed_at": ColumnType.TIME, "entry_price": ColumnType.NUMBER,
    "exit_price": ColumnType.NUMBER, "pnl": ColumnType.NUMBER, "pnl_percent": ColumnType.NUMBER,
    "strategy": ColumnType.TEXT, "tag": ColumnType.TEXT, "reason": ColumnType.TEXT,
    "arrival_price": ColumnType.NUMBER, "exit_arrival_price": ColumnType.NUMBER,
}  # fmt: skip
_FILLS = {
    "id": ColumnType.TEXT, "at": ColumnType.TIME, "symbol": ColumnType.TEXT, "side": ColumnType.TEXT,
    "quantity": ColumnType.NUMBER, "price": ColumnType.NUMBER, "client_order_id": ColumnType.TEXT,
    "broker_order_id": ColumnType.TEXT,
}  # fmt: skip
_ORDERS = {
    "client_order_id": ColumnType.TEXT, "broker_order_id": ColumnType.TEXT, "created_at": ColumnType.TIME,
    "updated_at": ColumnType.TIME, "symbol": ColumnType.TEXT, "side": ColumnType.TEXT,
    "origin": ColumnType.TEXT, "purpose": ColumnType.TEXT, "strategy": ColumnType.TEXT,
    "order_type": ColumnType.TEXT, "order_class": ColumnType.TEXT, "time_in_force": ColumnType.TEXT,
    "quantity": ColumnType.NUMBER, "notional": ColumnType.NUMBER, "limit_price": ColumnType.NUMBER,
    "stop_price": ColumnType.NUMBER, "status": ColumnType.TEXT, "filled_quantity": ColumnType.NUMBER,
    "filled_average_price": ColumnType.NUMBER, "reference_price": ColumnType.NUMBER,
    "arrival_price": ColumnType.NUMBER, "requested_by": ColumnType.TEXT, "reason": ColumnType.TEXT,
}  # fmt: skip
_EQUITY = {
    "occurred_at": ColumnType.TIME, "equity": ColumnType.NUMBER, "cash": ColumnType.NUMBER,
    "drawdown_percent": ColumnType.NUMBER,
}  # fmt: skip
# Form 8949's columns by their letters, then what they follow from.
_TAX_LOTS = (
    ("Part", ColumnType.TEXT), ("(a) Description of property", ColumnType.TEXT),
    ("(b) Date acquired", ColumnType.TEXT), ("(c) Date sold or disposed of", ColumnType.TEXT),
    ("(d) Proceeds", ColumnType.NUMBER), ("(e) Cost or other basis", ColumnType.NUMBER),
    ("(f) Code", ColumnType.TEXT), ("(g) Amount of adjustment", ColumnType.NUMBER),
    ("(h) Gain or loss", ColumnType.NUMBER), ("Symbol", ColumnType.TEXT), ("Quantity", ColumnType.NUMBER),
    ("Term", ColumnType.TEXT), ("Held since", ColumnType.DAY), ("Wash sale carried in", ColumnType.NUMBER),
    ("Opened by", ColumnType.TEXT), ("Closed by", ColumnType.TEXT),
)  # fmt: skip


def trades_table(trades: Iterable[Trade], days: Days) -> Table:
    """Round trips by the day they closed."""
    return _by_name(_TRADES, (trade for trade in trades if days.holds(trade.closed_at)))


def fills_table(fills: Iterable[Fill], days: Days) -> Table:
    """Executions as the broker reported them."""
    return _by_name(_FILLS, (fill for fill in fills if days.holds(fill.at)))


def orders_table(orders: Iterable[Order], days: Days) -> Table:
    """Orders by the day they were written."""
    return _by_name(_ORDERS, (order for order in orders if days.holds(order.created_at)))


def equity_table(marks: Iterable[Mark], days: Days) -> Table:
    """The marks of the equity curve."""
    return _by_name(_EQUITY, (mark for mark in marks if days.holds(mark.occurred_at)))


def tax_lots_table(disposals: Iterable[Disposal], days: Days) -> Table:
    """Disposals as Form 8949 has them, short term first, in dollars and cents."""
    wanted = [one for one in disposals if days.holds(one.closed_on)]
    wanted.sort(key=lambda one: one.term != "short")
    rows = (
        (
            *(row.part, row.description, row.date_acquired, row.date_sold, row.proceeds, row.cost, row.code),
            *(row.adjustment, row.gain, one.symbol, one.quantity, one.term.value, one.held_since),
            *(one.carried, one.source, one.closed_by),
        )
        for row, one in zip(form_8949(wanted), wanted, strict=True)
    )
    return Table(_TAX_LOTS, tuple(rows))


def csv_of(table: Table) -> str:
    """The table as RFC 4180 CSV with a header; a text that a spreadsheet would run gets a quote before it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(name for name, _ in table.columns)
    writer.writerows([_written(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def columns_of(table: Table) -> dict[str, list[Any]]:
    """The table by column: numbers as floats, times aware UTC, for a data frame."""
    return {
        name: [_plain(row[place], kind) for row in table.rows]
        for place, (name, kind) in enumerate(table.columns)
    }


def _by_name(columns: Mapping[str, ColumnType], records: Iterable[object]) -> Table:
    rows = tuple(tuple(_cell(getattr(record, name)) for name in columns) for record in records)
    return Table(tuple(columns.items()), rows)


def _cell(value: Any) -> Cell:
    return value.value if isinstance(value, StrEnum) else value


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case Decimal():
            return f"{cell:f}"
        case datetime():
            return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return cell.isoformat()
        case _:
            return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _plain(cell: Cell, kind: ColumnType) -> Any:
    if kind is ColumnType.NUMBER:
        return float("nan") if cell is None else float(cell)  # type: ignore[arg-type]
    if kind is ColumnType.TEXT:
        return "" if cell is None else str(cell)
    return cell
