"""The meter before the engine: requests by caller, service and operation, with DynamoDB's units."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from laptop.meter import ASKED, INDEX_KEYS, Meter, item_bytes, metered, units
from laptop.template import template

SIGNED = "AWS4-HMAC-SHA256 Credential=ASIA1/20261123/us-east-1/dynamodb/aws4_request, Signature=0"


def item(size: int, **more: Any) -> dict[str, Any]:
    """An item of so many bytes."""
    return {"pk": {"S": "x" * (size - 2)}, **more}


def body(**fields: Any) -> bytes:
    """A request or an answer."""
    return json.dumps(fields).encode()


READS: dict[str, tuple[str, dict[str, Any], dict[str, Any], float]] = {
    "a small item": ("GetItem", {}, {"Item": item(100)}, 0.5),
    "an item that is not there": ("GetItem", {}, {}, 0.5),
    "the newest of a small item": ("GetItem", {"ConsistentRead": True}, {"Item": item(100)}, 1.0),
    "an item of 9 KB": ("GetItem", {}, {"Item": item(9000)}, 1.5),
    "a query of many small items": ("Query", {}, {"Items": [item(1000)] * 8}, 1.0),
    "a batch rounds each item": (
        "BatchGetItem",
        {"RequestItems": {"t": {"Keys": [1, 2, 3]}}},
        {"Responses": {"t": [item(100), item(5000)]}},
        2.0,
    ),
    "a transaction reads twice": ("TransactGetItems", {}, {"Responses": [{"Item": item(100)}]}, 2.0),
}
WRITES: dict[str, tuple[str, dict[str, Any], float]] = {
    "a small item": ("PutItem", {"Item": item(100)}, 1.0),
    "an item of 3 KB": ("PutItem", {"Item": item(3000)}, 3.0),
    "an item that two indexes take in": (
        "PutItem",
        {"Item": item(100, listed_at={"S": "a"}, open_since={"S": "b"})},
        3.0,
    ),
    "an update": ("UpdateItem", {"Key": item(10), "ExpressionAttributeValues": {":a": {"N": "1"}}}, 1.0),
    "a transaction writes twice": (
        "TransactWriteItems",
        {"TransactItems": [{"Put": {"Item": item(1500)}}, {"Delete": {"Key": item(10)}}]},
        6.0,
    ),
    "a batch of a put and a deletion": (
        "BatchWriteItem",
        {"RequestItems": {"t": [{"PutRequest": {"Item": item(2000)}}, {"DeleteRequest": {"Key": item(9)}}]}},
        3.0,
    ),
    "two events": ("PutEvents", {"Entries": [{}, {}]}, 2.0),
}


@pytest.mark.parametrize("case", READS)
def test_read_units(case: str) -> None:
    """4 KB a unit, half where the read need not be the newest, the least for nothing found."""
    operation, asked, told, expected = READS[case]
    assert units(operation, body(**asked), body(**told)) == (expected, 0)


@pytest.mark.parametrize("case", WRITES)
def test_write_units(case: str) -> None:
    """1 KB a unit, again for each index, twice in a transaction."""
    operation, asked, expected = WRITES[case]
    assert units(operation, body(**asked), b"{}") == (0, expected)


def test_an_item_weighs_its_names_and_values() -> None:
    """Bytes count as they are, not as the wire's base64 has them."""
    assert item_bytes({"pk": {"S": "AAPL"}, "packed": {"B": "A" * 400}}) == 2 + 4 + 6 + 300
    assert item_bytes({"m": {"M": {"a": {"BOOL": True}}}, "l": {"L": [{"NULL": True}]}}) == 1 + 6 + 1 + 5


def test_the_index_keys_are_the_template_s() -> None:
    """A new index of a table must be counted too."""
    found = {
        key["AttributeName"]
        for resource in template()["Resources"].values()
        if resource["Type"] == "AWS::DynamoDB::Table"
        for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes")
        for index in resource["Properties"].get(kind, [])
        for key in index["KeySchema"]
        if key["KeyType"] == "RANGE"
    }
    assert found == INDEX_KEYS


def _call(app: Any, path: str, headers: list[tuple[bytes, bytes]], asked: bytes = b"") -> bytes:
    """What the app answers to one request."""
    answer = bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": asked}

    async def send(message: Any) -> None:
        answer.extend(message.get("body", b""))

    asyncio.run(app({"type": "http", "path": path, "headers": headers}, receive, send))
    return bytes(answer)


def test_requests_are_counted_by_caller_service_and_operation() -> None:
    """Signed ones are, with their units, and pass unchanged; others pass uncounted."""

    async def engine(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        assert scope["path"] == "/"
        await send({"type": "http.response.body", "body": body(Item=item(5000), asked=len(message["body"]))})

    app = metered(engine, Meter())
    target = (b"x-amz-target", b"DynamoDB_20120810.GetItem")
    for headers in ([(b"authorization", SIGNED.encode()), target], [target]):
        assert json.loads(_call(app, "/", headers, b"{}"))["asked"] == 2
    sqs = SIGNED.replace("dynamodb", "sqs").encode()
    _call(app, "/", [(b"authorization", sqs), (b"x-amz-target", b"AmazonSQS.SendMessage")])
    assert json.loads(_call(app, ASKED, [])) == {
        "ASIA1/dynamodb/GetItem": [1, 1.0, 0],
        "ASIA1/sqs/SendMessage": [1, 0, 0],
    }
