"""Exports are jobs: begun by anyone who may read, written by the worker, fetched by a link."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from botocore.exceptions import EndpointConnectionError
from fastparquet import ParquetFile

from alpaquero.store import backtests, exports
from alpaquero.store.backtests import Status
from alpaquero.store.books import Baseline, Books
from functions.analytics import api, backtest
from tests.fakes.queues import FakeQueues
from tests.unit.orders.builders import NOON, a_fill, an_order

Call = Callable[..., tuple[int, Any]]
QUEUE = "backtest-queue"
EXPORTS = "/api/analytics/exports"

pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture(autouse=True)
def archive(tables: None) -> Iterator[Any]:
    """The bucket, empty."""
    backtests.archive_client.cache_clear()
    client = backtests.archive_client()
    client.create_bucket(Bucket="archive")
    yield client
    backtests.archive_client.cache_clear()


@pytest.fixture(autouse=True)
def books(tables: None) -> Books:
    """Ten shares bought and sold, by one order each."""
    made = Books("paper")
    made.open_with(Baseline(account_number="x", cash=Decimal(1000), positions={}, last_fill_id=None, at=NOON))
    identifiers = ["aq1-sig-AAPL-aaaaaaaaaaaaaaaaaaaa-0", "aq1-sig-AAPL-bbbbbbbbbbbbbbbbbbbb-0"]
    sides = ["buy", "sell"]
    made.commit(
        new_orders=[
            an_order(client_order_id=i, side=side, arrival_price=Decimal(100), reason="=evil()")
            for i, side in zip(identifiers, sides, strict=True)
        ],
        new_fills=[
            a_fill(1, "buy", "10", "100.10", order=identifiers[0]),
            a_fill(2, "sell", "10", "110", order=identifiers[1]),
        ],
    )
    return made


def begin(call: Call, **asked: Any) -> tuple[int, Any]:
    return call(api.app, EXPORTS, method="POST", body=asked, role="viewer")


def shown(call: Call, identifier: str) -> tuple[int, Any]:
    return call(api.app, EXPORTS + "/{id}", path={"id": identifier})


def answered(route: str, query: dict[str, str] | None = None) -> dict[str, Any]:
    """The whole answer of a route that is not JSON."""
    return api.app(
        {
            "httpMethod": "GET",
            "headers": {},
            "multiValueHeaders": {},
            "multiValueQueryStringParameters": {k: [v] for k, v in (query or {}).items()} or None,
            "pathParameters": None,
            "stageVariables": None,
            "body": None,
            "isBase64Encoded": False,
            "requestContext": {
                "resourcePath": route,
                "httpMethod": "GET",
                "authorizer": {"username": "ana", "role": "viewer"},
                "identity": {},
            },
        },
        None,
    )


def work(queues: FakeQueues) -> dict[str, Any]:
    return backtest.handler({"Records": queues.receive(QUEUE)}, None)


def test_an_export_is_queued_written_and_linked(call: Call, queues: FakeQueues, archive: Any) -> None:
    """A viewer begins it; once done it names its rows, its size and a link that ends in minutes."""
    status, accepted = begin(call, kind="fills")
    assert (202, "queued") == (status, accepted["status"])
    assert shown(call, accepted["id"])[1]["url"] is None
    assert {"batchItemFailures": []} == work(queues)
    found = shown(call, accepted["id"])[1]
    assert ("done", 2, "alpaquero-fills.csv") == (found["status"], found["rows"], found["filename"])
    assert "exports/" in found["url"]
    assert "Expires" in found["url"]
    key = f"exports/{accepted['id']}/alpaquero-fills.csv"
    stored = archive.get_object(Bucket="archive", Key=key)
    assert found["size_bytes"] == len(stored["Body"].read())
    assert stored["ContentDisposition"].endswith('"alpaquero-fills.csv"')


@pytest.mark.parametrize("kind", ["trades", "fills", "orders", "equity", "tax_lots"])
def test_every_kind_is_written_in_both_formats(
    call: Call, queues: FakeQueues, archive: Any, kind: str
) -> None:
    """CSV and Parquet have the same columns and the same number of rows, none included."""
    found = {}
    for form in ("csv", "parquet"):
        identifier = begin(call, kind=kind, format=form, **({"year": 2012} if kind == "tax_lots" else {}))[1][
            "id"
        ]
        work(queues)
        job = exports.get(identifier)
        assert job.status is Status.DONE, job.message
        content = archive.get_object(Bucket="archive", Key=exports.file_key(job))["Body"].read()
        read = pd.read_csv if form == "csv" else lambda file: ParquetFile(file).to_pandas()
        found[form] = read(io.BytesIO(content))
    assert list(found["csv"].columns) == list(found["parquet"].columns)
    assert len(found["csv"]) == len(found["parquet"]) == {"fills": 2, "orders": 2, "tax_lots": 1}.get(kind, 0)
    if kind == "fills":
        assert [100.10, 110.0] == found["parquet"]["price"].tolist()
        assert pd.Timestamp("2012-07-02T16:01:00Z") == found["parquet"]["at"][0]


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "secrets"},
        {"kind": "fills", "format": "xlsx"},
        {"kind": "fills", "from": "2012-07-03", "to": "2012-07-02"},
        {"kind": "fills", "year": 2012, "to": "2012-07-02"},
        {"kind": "fills", "year": 20120},
        [],
    ],
)
def test_what_cannot_be_exported_is_refused(call: Call, queues: FakeQueues, asked: Any) -> None:
    """The answer says what is wrong, and nothing is queued."""
    assert 400 == call(api.app, EXPORTS, method="POST", body=asked, role="viewer")[0]
    assert [] == queues.bodies(QUEUE)
    assert 404 == shown(call, "nothing")[0]


def test_an_export_that_fails_says_so_and_one_that_aws_held_up_comes_again(
    call: Call, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours is final; a bucket that does not answer is asked again after a minute."""

    def fails(error: Exception) -> Callable[..., Any]:
        def table_of(*_: Any) -> Any:
            raise error

        return table_of

    identifier = begin(call, kind="fills")[1]["id"]
    records = [record | {"receiptHandle": "r1"} for record in queues.receive(QUEUE)]
    monkeypatch.setattr(exports, "table_of", fails(EndpointConnectionError(endpoint_url="x")))
    assert 1 == len(backtest.handler({"Records": records}, None)["batchItemFailures"])
    assert [(QUEUE, "r1", backtest.TRY_AGAIN_SECONDS)] == queues.delayed
    assert Status.QUEUED is exports.get(identifier).status
    monkeypatch.setattr(exports, "table_of", fails(ZeroDivisionError()))
    assert [] == backtest.handler({"Records": records}, None)["batchItemFailures"]
    job = exports.get(identifier)
    assert Status.FAILED is job.status
    assert "correlation id" in job.message


def test_tax_lots_are_answered_by_year_and_as_csv(call: Call) -> None:
    """Disposals with their sums, what is still held, and the form's columns as a file."""
    path = "/api/analytics/tax-lots"
    found = call(api.app, path, query={"year": "2012"})[1]
    [row] = found["disposals"]
    assert ("99.00", "short", "0") == (row["taxable_gain"], row["term"], row["disallowed"])
    short = found["totals"]["short"]
    assert ("1100", "1001.00", "99.00") == tuple(short[n] for n in ("proceeds", "cost", "taxable_gain"))
    assert [] == call(api.app, path, query={"year": "2011"})[1]["disposals"]
    assert 400 == call(api.app, path, query={"year": "never"})[0]
    answer = answered(path, query={"year": "2012", "format": "csv"})
    assert "text/csv; charset=utf-8" == answer["headers"]["Content-Type"]
    assert 'attachment; filename="alpaquero-tax_lots-2012.csv"' == answer["headers"]["Content-Disposition"]
    header, line, rest = answer["body"].split("\r\n")
    assert (True, True, "") == (header.startswith("Part,(a)"), line.startswith("I,10 sh. AAPL,"), rest)


def test_slippage_is_told_by_order_and_by_group(call: Call) -> None:
    """Ten basis points above arrival, a thousand below: by side, with what a backtest assumes."""
    found = call(api.app, "/api/analytics/slippage", query={"half_spread_bps": "2"})[1]
    assert [("buy", "10.00"), ("sell", "-1000.00")] == [
        (order["side"], order["slippage_bps"]) for order in found["orders"]
    ]
    assert {"buy", "sell"} == set(found["by_side"])
    assert (2, 10.0) == (found["all"]["orders"], found["all"]["worst_bps"])
    assert 2.0 == pytest.approx(found["by_side"]["buy"]["mean_assumed_bps"])
    empty = call(api.app, "/api/analytics/slippage", query={"from": "2013-01-01"})[1]
    assert (None, []) == (empty["all"], empty["orders"])


def test_the_accounts_report_is_a_page(call: Call) -> None:
    """HTML that loads nothing, of an account that has traded and of days on which it had not."""
    answer = answered("/api/analytics/report")
    assert (200, "text/html; charset=utf-8") == (answer["statusCode"], answer["headers"]["Content-Type"])
    assert "default-src 'none'" in answer["body"]
    assert "Slippage" in answer["body"]
    assert 200 == answered("/api/analytics/report", {"to": "2000-01-01"})["statusCode"]
    assert 400 == answered("/api/analytics/report", {"from": "soon"})["statusCode"]
