"""Reads ten years of daily bars of one symbol from chunks, and from a table with an item a bar.

A process of its own, since table names come from the environment when the store is imported. moto stands
in for DynamoDB: it answers each request once, and rounds of both then get those very bytes, so that what
is timed is the client's work alone. Read units are DynamoDB's own rule over the items that came.
A backtest has numpy loaded, by which chunks are unpacked sooner; a function of the API has not. Prints as
JSON the seconds of each round (the API's, a backtest's, an item a bar) and the units.
"""

from __future__ import annotations

import json
import os
import sys
from array import array
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from io import BytesIO
from math import ceil
from time import perf_counter
from typing import Any, Final
from unittest.mock import patch

CHUNKS, ITEMS = "bench-chunks", "bench-items"
os.environ |= {
    "BARS_TABLE": CHUNKS,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
}

from botocore.awsrequest import AWSResponse  # noqa: E402
from moto import mock_aws  # noqa: E402
from moto.core.models import botocore_stubber  # noqa: E402

from alpaquero import aws  # noqa: E402
from alpaquero.prices.columns import PRICES, Columns  # noqa: E402
from alpaquero.prices.sessions import NEW_YORK  # noqa: E402
from alpaquero.store import bars as store  # noqa: E402
from tests.benchmarks import prices  # noqa: E402
from tests.fakes.tables import create_table  # noqa: E402

SYMBOL: Final = "SYN0001"
FIRST, LAST = datetime(2003, 1, 1, tzinfo=NEW_YORK), datetime(2012, 12, 31, tzinfo=NEW_YORK)
ROUNDS: Final = 15
BLOCK_BYTES: Final = 4096
_UNITS_A_BLOCK: Final = {True: 1.0, False: 0.5}  # consistent, or not
_FIELDS: Final = dict(zip("ohlcv", (*PRICES, "volume"), strict=True))


class Recorder:
    """Answers each request as moto did the first time, and remembers what came of it."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, bytes], tuple[int, Any, bytes]] = {}

    def __call__(self, event_name: str, request: Any, **rest: Any) -> Any:
        """The handler of botocore's `before-send`."""
        target, body = request.headers["X-Amz-Target"].decode(), request.body
        if (target, body) not in self._answers:
            answer: Any = botocore_stubber(event_name, request, **rest)
            self._answers[target, body] = (answer.status_code, answer.headers, answer.content)
        status, headers, content = self._answers[target, body]
        return AWSResponse(request.url, status, headers, _Raw(content))

    def units_of(self, work: Callable[[], object]) -> float:
        """The read units of the requests that `work` makes."""
        known = set(self._answers)
        work()
        return sum(
            read_units(target.rpartition(".")[2], json.loads(body), json.loads(content))
            for (target, body), (_, _, content) in self._answers.items()
            if (target, body) not in known
        )


class _Raw(BytesIO):
    """A body as urllib3 hands it to botocore."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def read_units(operation: str, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> float:
    """What DynamoDB charges: 4 KB blocks, of each item of a batch, of the sum of a query's items."""
    if operation == "Query":
        total = sum(map(item_bytes, answer["Items"]))
        return ceil(total / BLOCK_BYTES) * _UNITS_A_BLOCK[asked.get("ConsistentRead", False)]
    if operation == "BatchGetItem":
        return sum(
            ceil(item_bytes(item) / BLOCK_BYTES)
            * _UNITS_A_BLOCK[asked["RequestItems"][table].get("ConsistentRead", False)]
            for table, items in answer["Responses"].items()
            for item in items
        )
    raise RuntimeError(f"{operation} is no read this benchmark knows")


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """An item's size by DynamoDB's rule: names and values, two digits of a number to a byte."""
    return sum(len(name.encode()) + _value_bytes(*next(iter(value.items()))) for name, value in item.items())


def _value_bytes(kind: str, value: Any) -> int:
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return ceil(len(value.replace(".", "").replace("-", "").strip("0")) / 2) + 1
    if kind == "B":
        return len(b64decode(value))
    return 1


def fill(columns: Columns) -> None:
    """Both tables, with the same bars."""
    client = aws.client("dynamodb")
    for table in (CHUNKS, ITEMS):
        create_table(client, table)
    store.merge({SYMBOL: columns}, FIRST, LAST)
    items = [
        {
            "pk": {"S": f"{SYMBOL}#1Day"},
            "sk": {"S": columns.start_at(n).date().isoformat()},
            **{short: {"N": f"{getattr(columns, name)[n]:.12g}"} for short, name in _FIELDS.items()},
        }
        for n in range(len(columns))
    ]
    for at in range(0, len(items), 25):
        puts = [{"PutRequest": {"Item": item}} for item in items[at : at + 25]]
        client.batch_write_item(RequestItems={ITEMS: puts})


def from_chunks() -> Columns:
    """What backtests and charts call."""
    return store.read([SYMBOL], FIRST, LAST)[SYMBOL]


def from_items(client: Any) -> Columns:
    """A query of the bars, as columns."""
    columns = Columns.empty()
    asked: dict[str, Any] = {
        "TableName": ITEMS,
        "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
        "ExpressionAttributeValues": {
            ":pk": {"S": f"{SYMBOL}#1Day"},
            ":first": {"S": FIRST.date().isoformat()},
            ":last": {"S": LAST.date().isoformat()},
        },
    }
    while True:
        page = client.query(**asked)
        items = page["Items"]
        starts = (int(datetime.fromisoformat(item["sk"]["S"]).timestamp()) for item in items)
        columns += Columns(
            array("q", starts),
            *(array("d", (float(item[short]["N"]) for item in items)) for short in "ohlc"),
            array("q", (int(item["v"]["N"]) for item in items)),
        )
        if "LastEvaluatedKey" not in page:
            return columns
        asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def main() -> None:
    """Fill, check, read in turn, print."""
    every = prices.universe(1, 3000)[SYMBOL].since(FIRST).until(LAST)
    recorder = Recorder()
    with mock_aws():
        fill(every)
        reader = aws.client("dynamodb")
        of_store: Any = store.ChunkItem._get_connection().connection.client
        for client in (reader, of_store):
            client.meta.events.register_first("before-send.dynamodb", recorder)
        units = recorder.units_of(from_chunks), recorder.units_of(lambda: from_items(reader))
        if from_chunks() != every:
            raise RuntimeError("the chunks hold other bars than were stored")
        if from_items(reader).close != every.close:
            raise RuntimeError("the items hold other bars than were stored")
    # moto is out of the way now: botocore would ask it again besides.
    numpy = sys.modules.pop("numpy")
    times = []
    for _ in range(ROUNDS):
        of_api = _seconds(from_chunks)
        with patch.dict(sys.modules, numpy=numpy):
            of_backtest = _seconds(from_chunks)
        times.append((of_api, of_backtest, _seconds(lambda: from_items(reader))))
    sys.stdout.write(json.dumps({"bars": len(every), "units": units, "seconds": times}))


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


if __name__ == "__main__":
    main()
