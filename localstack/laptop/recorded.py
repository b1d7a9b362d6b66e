"""The tables as they were recorded, read in this process: for `replay`, and `explain` of a stack that ended.

A checkpoint on disk, or a copy taken from the stack that runs, answers every DynamoDB call of the
shared package, so that the very code of the functions reads it. Nothing can be written.
"""

from __future__ import annotations

import json
import os
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from laptop.checkpoint import Checkpoints, scan
from laptop.errors import LaptopError, NotRunningError
from laptop.layout import DEFAULT_STATE, StateFolder
from laptop.stack import Stack

TABLES: Final = ("Runs", "Books", "Bars", "Settings")
DEMO: Final = DEFAULT_STATE / "demo"
# The key conditions that pynamodb writes for the queries of the stores.
_KEYS: Final = re.compile(
    r"\(?(?P<pk>#\w+) = (?P<is>:\w+)"
    r"(?: AND (?:begins_with \((?P<prefixed>#\w+), (?P<prefix>:\w+)\)"
    r"|(?P<ranged>#\w+) BETWEEN (?P<low>:\w+) AND (?P<high>:\w+)))?\)?"
)
_LAST: Final = "\U0010ffff"
# No call leaves the process, yet botocore wants to know where it would go and who signs it.
_NOWHERE: Final = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "recorded",
    "AWS_SECRET_ACCESS_KEY": "recorded",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}

Item = dict[str, Any]


@dataclass
class _Table:
    """Items by partition, sort keys in order."""

    items: dict[str, dict[str, Item]]
    order: dict[str, list[str]]

    @classmethod
    def of(cls, items: list[Item]) -> _Table:
        rows: dict[str, dict[str, Item]] = defaultdict(dict)
        for item in items:
            rows[item["pk"]["S"]][item["sk"]["S"]] = item
        return cls(rows, {pk: sorted(row) for pk, row in rows.items()})

    def between(self, pk: str, low: str, high: str) -> list[Item]:
        order = self.order.get(pk, [])
        return [self.items[pk][sk] for sk in order[bisect_left(order, low) : bisect_right(order, high)]]


class RecordedTables:
    """Answers the reading calls of DynamoDB from items in memory, a page of any length at once."""

    def __init__(self, tables: dict[str, list[Item]]) -> None:
        self._tables = {name: _Table.of(items) for name, items in tables.items()}

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one call. Raises `LaptopError` for a call that would write."""
        match operation:
            case "GetItem":
                item = self._get(request["TableName"], request["Key"])
                return {} if item is None else {"Item": item}
            case "BatchGetItem":
                found = {
                    name: [item for key in wanted["Keys"] if (item := self._get(name, key)) is not None]
                    for name, wanted in request["RequestItems"].items()
                }
                return {"Responses": found, "UnprocessedKeys": {}}
            case "Query":
                return self._page(self._queried(request), request)
            case "Scan":
                table = self._tables[request["TableName"]]
                rows = [item for pk in sorted(table.items) for item in table.between(pk, "", _LAST)]
                return self._page(self._filtered(rows, request), request)
        raise LaptopError(f"recorded tables answer no {operation}: they can only be read")

    def _get(self, table: str, key: Item) -> Item | None:
        return self._tables[table].items.get(key["pk"]["S"], {}).get(key["sk"]["S"])

    def _queried(self, request: dict[str, Any]) -> list[Item]:
        table, values = self._tables[request["TableName"]], request["ExpressionAttributeValues"]
        if "IndexName" in request:
            rows = table.between(next(iter(values.values()))["S"], "", _LAST)
            attribute = {"by_time": "listed_at", "open_orders": "open_since"}[request["IndexName"]]
            return sorted((row for row in rows if attribute in row), key=lambda row: str(row[attribute]["S"]))
        asked = _KEYS.fullmatch(request["KeyConditionExpression"])
        if asked is None:
            raise LaptopError(f"recorded tables do not know {request['KeyConditionExpression']}")
        pk, low, high = values[asked["is"]]["S"], "", _LAST
        if asked["prefix"]:
            low = values[asked["prefix"]]["S"]
            high = low + _LAST
        elif asked["low"]:
            low, high = values[asked["low"]]["S"], values[asked["high"]]["S"]
        rows = table.between(pk, low, high)
        return rows if request.get("ScanIndexForward", True) else rows[::-1]

    def _filtered(self, rows: list[Item], request: dict[str, Any]) -> list[Item]:
        """The one filter that is in use: that the partition key begins with something."""
        if "FilterExpression" not in request:
            return rows
        [prefix] = request["ExpressionAttributeValues"].values()
        return [row for row in rows if row["pk"]["S"].startswith(prefix["S"])]

    def _page(self, rows: list[Item], request: dict[str, Any]) -> dict[str, Any]:
        page = rows[: request.get("Limit")]
        return {"Items": page, "Count": len(page), "ScannedCount": len(page)}


def open_tables(state: Path | None) -> str:
    """Has this process read a stack's tables, and answers what they were read from.

    Without `state` it is the stack that runs, else the newest checkpoint of `up` and `demo`. Call it
    before the shared package's stores are imported: they read the tables' names then. Raises
    `LaptopError` when there is nothing to read.
    """
    items, source = _found(state)
    serve(RecordedTables(items))
    return source


def serve(tables: RecordedTables) -> None:
    """Answers every DynamoDB call of this process from `tables`."""
    from alpaquero import aws

    os.environ |= {f"{name.upper()}_TABLE": name for name in TABLES} | _NOWHERE

    def answered(model: Any, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        return _Answered(), tables.answer(model.name, json.loads(params["body"]))

    aws.session().register("before-call.dynamodb", cast("Any", answered))  # an answer there ends the call


class _Answered:
    """What botocore asks of the HTTP answer that there was none of."""

    status_code = 200
    headers: Final[dict[str, str]] = {}


def _found(state: Path | None) -> tuple[dict[str, list[Item]], str]:
    try:
        stack = Stack.find(StateFolder.at(state))
    except NotRunningError:
        return _checkpointed([state] if state else [DEFAULT_STATE, DEMO])
    dynamodb = stack.client("dynamodb")
    return {name: scan(dynamodb, stack.outputs[name]) for name in TABLES}, f"the stack in {stack.state.root}"


def _checkpointed(states: list[Path]) -> tuple[dict[str, list[Item]], str]:
    kept = {state: Checkpoints(StateFolder.at(state).checkpoint) for state in states}
    ages = {state: one.current.stat().st_mtime for state, one in kept.items() if one.current is not None}
    if not ages:
        raise LaptopError(
            f"nothing is recorded in {' or '.join(map(str, states))}: run `alpaquero demo`, "
            "or give the --state of the stack"
        )
    newest = max(ages, key=ages.__getitem__)
    return {name: kept[newest].items(name) for name in TABLES}, f"the checkpoint in {newest}"
