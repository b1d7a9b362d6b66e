"""How the tests of the whole cloud look at it: its tables and its bus."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from alpaquero.store.tables import unpacked
from laptop.exchange.admin_bodies import Report
from laptop.stack import Stack
from laptop.watch import Watch

T = TypeVar("T")
Item = dict[str, Any]


def items(stack: Stack, table: str, prefix: str = "") -> list[Item]:
    """Every item of a table whose sort key begins with `prefix`, its body decoded."""
    pages = (
        stack.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=stack.outputs[table], ConsistentRead=True)
    )
    found = [_plain(item) for page in pages for item in page["Items"]]
    return [item for item in found if item["sk"].startswith(prefix)]


def item(stack: Stack, table: str, pk: str, sk: str) -> Item | None:
    """One item of a table, or None."""
    answer = stack.client("dynamodb").get_item(
        TableName=stack.outputs[table], Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
    )
    return _plain(answer["Item"]) if "Item" in answer else None


def put(stack: Stack, table: str, pk: str, sk: str, body: str, **more: Any) -> None:
    """Writes an item as the functions do, `more` being attributes in DynamoDB's own form."""
    stack.client("dynamodb").put_item(
        TableName=stack.outputs[table], Item={"pk": {"S": pk}, "sk": {"S": sk}, "body": {"S": body}, **more}
    )


def delete(stack: Stack, table: str, pk: str, sk: str) -> None:
    """Removes an item."""
    stack.client("dynamodb").delete_item(
        TableName=stack.outputs[table], Key={"pk": {"S": pk}, "sk": {"S": sk}}
    )


def depth(stack: Stack, queue: str) -> int:
    """How many messages a queue holds, those in work included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = stack.client("sqs").get_queue_attributes(QueueUrl=stack.outputs[queue], AttributeNames=names)
    return sum(int(count) for count in found["Attributes"].values())


def _plain(raw: dict[str, Any]) -> Item:
    plain = {name: next(iter(value.values())) for name, value in raw.items()}
    text = unpacked(plain["packed"]) if "packed" in plain else plain.get("body")
    return plain | ({"body": json.loads(text)} if isinstance(text, str) and text.startswith("{") else {})


class BusTap:
    """The laptop's own subscription to the bus, which keeps everything it has seen."""

    def __init__(self, stack: Stack) -> None:
        self._watch = Watch(stack)
        self.seen: list[Item] = []

    def find(self, event_id: str) -> Item | None:
        """The event with this id, once it has come over the bus."""
        self.seen += self._watch.events(seconds=0)
        return next((event for event in self.seen if event["detail"]["id"] == event_id), None)


@dataclass(frozen=True)
class Traded:
    """The books and the exchange as they stood, quiet, after the first sessions."""

    orders: list[Item]
    fills: list[Item]
    baseline: Item
    risk_book: Item
    runs: list[Item]
    positions: list[Item]
    trades: list[Item]
    open_trades: list[Item]
    closes: list[Item]
    deliveries: list[Item]
    mails: list[Item]
    report: Report

    @property
    def symbol(self) -> str:
        """A symbol that has traded."""
        return min(fill.symbol for fill in self.report.fills)

    @property
    def run(self) -> str:
        """The id of the first run."""
        return min(str(run["body"]["id"]) for run in self.runs)

    @property
    def held(self) -> dict[str, Decimal]:
        """The exchange's positions."""
        return {position.symbol: position.qty for position in self.report.positions}
