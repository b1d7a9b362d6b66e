"""What leaves the house, through the whole cloud: files by a link, tax lots, slippage, reconciliation."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from fastparquet import ParquetFile

from alpaquero.web.bodies.analytics import Export, ExportAccepted, Slippage, TaxLots
from alpaquero.web.bodies.trading import Reconciliation, SyncAccepted
from laptop.stack import LaptopCloud
from tests.integration.asking import Caller
from tests.integration.reading import Traded
from tests.waiting import wait_for

EXPORTS = "/api/analytics/exports"


def _read(caller: Caller, path: str, model: Any) -> Any:
    answer = caller.ask("GET", path)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=model)


def _done(caller: Caller, identifier: str) -> Export | None:
    job: Export = _read(caller, f"{EXPORTS}/{identifier}", Export)
    return job if job.status in {"done", "failed"} else None


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_is_fetched_by_its_link_alone(admin: Caller, traded: Traded, form: str) -> None:
    """Every fill that the exchange reported is in it; without the link's signature nobody gets it."""
    answer = admin.ask("POST", EXPORTS, body={"kind": "fills", "format": form})
    assert answer.status_code == 202, answer.text
    accepted = msgspec.json.decode(answer.content, type=ExportAccepted)
    job = wait_for(lambda: _done(admin, accepted.id), what="the export to end")
    assert (job.status, job.message) == ("done", "")
    assert job.url
    fetched = httpx.get(job.url)
    assert fetched.status_code == 200, fetched.text
    assert job.filename in fetched.headers["content-disposition"]
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(fetched.text)))
        found = {(row["id"], Decimal(row["price"])) for row in rows}
    else:
        frame = ParquetFile(io.BytesIO(fetched.content)).to_pandas()
        found = {(i, Decimal(str(p))) for i, p in zip(frame["id"], frame["price"], strict=True)}
    assert {(fill.id, fill.price) for fill in traded.report.fills} <= found
    assert httpx.get(job.url.partition("?")[0]).status_code == 403


def test_the_books_reconcile_with_the_brokers_statement_to_the_cent(
    cloud: LaptopCloud, admin: Caller, traded: Traded
) -> None:
    """Asked for by the route, done by sync: nothing differs, and cash is the exchange's."""
    answer = admin.ask("POST", "/api/analytics/reconciliation", body={})
    assert answer.status_code == 202, answer.text
    asked = msgspec.json.decode(answer.content, type=SyncAccepted)

    def kept() -> Reconciliation | None:
        found = admin.ask("GET", "/api/analytics/reconciliation")
        body = msgspec.json.decode(found.content, type=Reconciliation) if found.status_code == 200 else None
        return body if body is not None and body.correlation_id == asked.correlation_id else None

    found = wait_for(kept, what="the reconciliation")
    assert (found.agrees, found.differences) == (True, [])
    assert sum(day.our_lines for day in found.days if day.kind == "FILL") >= len(traded.report.fills)
    cash = next(one for one in found.balances if one.name == "cash")
    assert cash.ours == cash.broker == cloud.exchange.report().cash


def test_tax_lots_and_slippage_are_of_the_fills(admin: Caller, traded: Traded) -> None:
    """Every share sold has its disposal, every order of ours that filled its slippage."""
    lots: TaxLots = _read(admin, "/api/analytics/tax-lots", TaxLots)
    sold = sum((fill.qty for fill in traded.report.fills if fill.side == "sell"), Decimal(0))
    assert sum((one.quantity for one in lots.disposals), Decimal(0)) >= sold > 0
    form = admin.ask("GET", "/api/analytics/tax-lots?format=csv")
    assert form.headers["content-type"] == "text/csv; charset=utf-8"
    assert form.text.count("\r\n") == len(lots.disposals) + 1
    slippage: Slippage = _read(admin, "/api/analytics/slippage", Slippage)
    filled = {fill.client_order_id for fill in traded.report.fills}
    assert filled <= {order.client_order_id for order in slippage.orders}
    assert {"arrival", "stop"} & {order.benchmark for order in slippage.orders}


def test_the_report_is_a_page(admin: Caller, traded: Traded) -> None:
    """With the symbols that traded, a curve, and no host."""
    page = admin.ask("GET", "/api/analytics/report")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert traded.symbol in page.text
    assert "<svg" in page.text
    assert "://" not in page.text
