"""Counts what the functions ask of the engine, and what DynamoDB would charge for it; the engine's own
Python runs it inside the guard.

`GET /_alpaquero/requests` answers, for each caller's key, service and operation, the requests and the read
and write units so far; `laptop.cost` and the benchmarks read it. What the engine does by itself (it takes
messages off queues, hands events on) comes by no request and is not in it. Standard library only.

Units follow DynamoDB's rule (a read unit 4 KB, a half where a read need not be the newest; a write unit
1 KB, twice in a transaction; one more write for each index that has the item), from the items that passed.
Of an update or a deletion only what was sent is seen, so a large item that changes a little counts too low.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from math import ceil
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ASKED = "/_alpaquero/requests"
READ_BYTES, WRITE_BYTES = 4096, 1024
# The sort keys of the template's indexes: an item that has one is written into that index too.
INDEX_KEYS = frozenset({"listed_at", "open_since", "size"})
_CREDENTIAL = re.compile(rb"Credential=([^/,]+)/[^/]+/[^/]+/([^/,]+)/")
_WEIGHED = frozenset({"dynamodb", "events"})


class Meter:
    """The counts so far: `key/service/operation` to requests, read units, write units."""

    def __init__(self) -> None:
        self.counts: dict[str, list[float]] = {}

    def add(self, name: str, reads: float = 0, writes: float = 0) -> None:
        """One more request of that name."""
        count = self.counts.setdefault(name, [0, 0, 0])
        for place, value in enumerate((1, reads, writes)):
            count[place] += value


def metered(app: App, meter: Meter) -> App:
    """`app`, with each signed request counted in `meter`."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if scope["path"] == ASKED:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": json.dumps(meter.counts).encode()})
            return
        headers = dict(scope["headers"])
        signed = _CREDENTIAL.search(headers.get(b"authorization", b""))
        if signed is None:
            await app(scope, receive, send)
            return
        key, service = (part.decode("latin-1") for part in signed.groups())
        operation = headers.get(b"x-amz-target", b"").decode("latin-1").rpartition(".")[2]
        name = f"{key}/{service}/{operation}"
        if service not in _WEIGHED:
            meter.add(name)
            await app(scope, receive, send)
            return
        asked, told = bytearray(), bytearray()

        async def hear() -> Message:
            message: Message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            told.extend(message.get("body", b""))
            await send(message)

        await app(scope, hear, tell)
        meter.add(name, *units(operation, bytes(asked), bytes(told)))

    return answer


def units(operation: str, asked: bytes, told: bytes) -> tuple[float, float]:
    """The read and the write units of one request to DynamoDB; of `PutEvents` the events as writes.

    >>> units("GetItem", b'{"TableName": "t"}', b'{"Item": {"pk": {"S": "a"}}}')
    (0.5, 0.0)
    """
    try:
        request, reply = json.loads(asked), json.loads(told)
    except ValueError:
        return 0.0, 0.0  # the engine broke off; nothing was charged
    if operation in _READS:
        return _READS[operation](request, reply), 0.0
    if operation in _WRITES:
        return 0.0, _WRITES[operation](request)
    return 0.0, 0.0


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """What an item weighs by DynamoDB's rule: names and values, a number a byte for two digits."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    kind, held = next(iter(value.items()))
    if kind == "S":
        return len(held.encode())
    if kind == "B":
        return len(held) * 3 // 4
    if kind == "N":
        return len(held) // 2 + 2
    if kind == "L":
        return 3 + sum(1 + _value_bytes(one) for one in held)
    if kind == "M":
        return 3 + item_bytes(held) + len(held)
    return sum(len(str(one)) for one in held) if isinstance(held, list) else 1


def _blocks(size: int, block: int) -> int:
    return max(ceil(size / block), 1)


def _weight(asked: Mapping[str, Any]) -> float:
    return 1.0 if asked.get("ConsistentRead") else 0.5


def _get(asked: Mapping[str, Any], told: Mapping[str, Any]) -> float:
    return _blocks(item_bytes(told.get("Item", {})), READ_BYTES) * _weight(asked)


def _query(asked: Mapping[str, Any], told: Mapping[str, Any]) -> float:
    return _blocks(sum(map(item_bytes, told.get("Items", []))), READ_BYTES) * _weight(asked)


def _batch_get(asked: Mapping[str, Any], told: Mapping[str, Any]) -> float:
    total = 0.0
    for table, wanted in asked.get("RequestItems", {}).items():
        items = told.get("Responses", {}).get(table, [])
        blocks = sum(_blocks(item_bytes(item), READ_BYTES) for item in items)
        total += (blocks + max(len(wanted.get("Keys", [])) - len(items), 0)) * _weight(wanted)
    return total


def _transact_get(_: Mapping[str, Any], told: Mapping[str, Any]) -> float:
    items = [one.get("Item", {}) for one in told.get("Responses", [])]
    return sum(2.0 * _blocks(item_bytes(item), READ_BYTES) for item in items)


def _written(item: Mapping[str, Any]) -> float:
    """Units of an item as it is written: the table's, and those of each index that takes it in."""
    copies = 1 + len(INDEX_KEYS & item.keys())
    return float(_blocks(item_bytes(item), WRITE_BYTES) * copies)


def _changed(asked: Mapping[str, Any]) -> float:
    return _written({**asked.get("Key", {}), **asked.get("ExpressionAttributeValues", {})})


def _transact_write(asked: Mapping[str, Any]) -> float:
    total = 0.0
    for action in asked.get("TransactItems", []):
        kind, body = next(iter(action.items()))
        total += 2 * (_written(body["Item"]) if kind == "Put" else _changed(body))
    return total


def _batch_write(asked: Mapping[str, Any]) -> float:
    total = 0.0
    for actions in asked.get("RequestItems", {}).values():
        for action in actions:
            put = action.get("PutRequest")
            total += _written(put["Item"]) if put else 1.0
    return total


_READS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], float]] = {
    "GetItem": _get,
    "Query": _query,
    "Scan": _query,
    "BatchGetItem": _batch_get,
    "TransactGetItems": _transact_get,
}
_WRITES: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "PutItem": lambda asked: _written(asked.get("Item", {})),
    "UpdateItem": _changed,
    "DeleteItem": _changed,
    "TransactWriteItems": _transact_write,
    "BatchWriteItem": _batch_write,
    "PutEvents": lambda asked: float(len(asked.get("Entries", []))),
}
