"""Positions and trades are not exported: after an import the functions derive the very same again."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest

from alpaquero.orders.intent import Side
from alpaquero.orders.order import Fill
from alpaquero.portfolio.movements import Split
from alpaquero.store import analytics, positions, schema
from alpaquero.store.books import BookItem, Books
from alpaquero.store.positions import PositionItem
from functions.analytics import project as of_trades
from functions.position import project as of_positions
from laptop.moving import schema as versions
from laptop.moving.exporting import export
from laptop.moving.importing import Wanted, import_package
from laptop.moving.kinds import Part
from laptop.moving.package import PackageReader
from laptop.moving.places import Place

AT = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
PARTS = frozenset({Part.SETTINGS, Part.BOOKS})
TRADED = (("BUY", 10, "100"), ("BUY", 5, "103"), ("SELL", 15, "110"), ("BUY", 2, "91"))


class Functions:
    """The stack's functions: projections by their handlers; the risk book's has no broker here."""

    def invoke(self, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 - boto3's own names
        handlers: dict[str, Any] = {
            "PositionProject": of_positions.handler,
            "AnalyticsProject": of_trades.handler,
        }
        handler: Any = handlers.get(FunctionName, lambda *_: {"differences": {}})
        return {"Payload": io.BytesIO(json.dumps(handler(json.loads(Payload), None)).encode())}


def fill(number: int, side: str, quantity: int, price: str) -> Fill:
    """One fill of AAPL, a minute after the one before."""
    return Fill(
        id=f"2026112009{number:02d}::AAPL",
        account="paper",
        client_order_id=None,
        broker_order_id=f"b-{number}",
        symbol="AAPL",
        side=Side[side],
        quantity=Decimal(quantity),
        price=Decimal(price),
        at=AT + timedelta(minutes=number),
    )


@pytest.mark.usefixtures("published")
def test_what_is_derived_is_the_same_after_an_import(tmp_path: Path) -> None:
    """Fills and a split into an empty stack: each position and trade comes out as it was."""
    clients: dict[str, Any] = {
        "dynamodb": boto3.client("dynamodb", region_name="us-east-1"),
        "s3": boto3.client("s3", region_name="us-east-1"),
        "events": boto3.client("events", region_name="us-east-1"),
    }
    present = set(clients["dynamodb"].list_tables()["TableNames"])
    names = {table: re.sub(r"(?<!^)(?=[A-Z])", "-", table).lower() for table in schema.TABLES}
    tables = {table: name for table, name in names.items() if name in present}
    place = Place(
        lambda service: Functions() if service == "lambda" else clients[service],
        "alpaquero",
        "paper",
        "paper",
        tables,
        "archive",
        {name: name for name in ("TradingSync", "PositionProject", "AnalyticsProject")},
        (),
    )
    versions.migrate(clients["dynamodb"], tables)
    books = Books("paper")
    split = Split(
        id="split:AAPL:x", account="paper", symbol="AAPL", at=AT + timedelta(hours=1), ratio=Decimal(4)
    )
    books.commit(new_fills=[fill(n, *one) for n, one in enumerate(TRADED)], movements=[split])
    for handler in (of_positions.handler, of_trades.handler):
        handler({"job": "rebuild"}, None)
    held, traded = positions.positions("paper"), analytics.trades("paper")
    assert [one.quantity for one in held] == [Decimal(8)]
    assert len(traded) == 1
    file = tmp_path / "state.zip"
    export(place, file, PARTS, now=AT)
    for model in (BookItem, PositionItem, analytics.AnalyticsItem):
        for item in list(model.scan()):
            item.delete()
    assert positions.positions("paper") == []

    with PackageReader(file) as package:
        done = import_package(place, package, Wanted(PARTS & {Part.BOOKS}), now=AT)

    assert (positions.positions("paper"), analytics.trades("paper")) == (held, traded)
    assert set(done.rebuilt["positions"]) == {"AAPL"}
