"""DynamoDB in memory, as far as the functions use it: conditions, transactions, indexes, streams.

The fault campaign runs thousands of histories on it. `tests/faults/test_memory_dynamodb.py` holds it
to the answers of moto for the same calls.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from botocore.exceptions import ClientError

Value = dict[str, Any]  # {"S": "text"}, {"N": "1"}, ...
Item = dict[str, Value]
Names = Mapping[str, str]
Values = Mapping[str, Value]
Test = Callable[[Item, Names, Values], bool]

# The sort attribute of each local index, by name.
INDEXES = {"by_time": "listed_at", "open_orders": "open_since"}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "=": eq,
    "<>": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_TOKEN = re.compile(r"\s*(#\w+|:\w+|\w+|<>|<=|>=|[=<>(),])")


class Refused(ClientError):
    """An answer of DynamoDB's that is an error."""

    def __init__(self, code: str, operation: str, reasons: list[dict[str, str]] | None = None) -> None:
        response: dict[str, Any] = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {}}
        if reasons is not None:
            response["CancellationReasons"] = reasons
        super().__init__(response, operation)  # type: ignore[arg-type]


@dataclass
class MemoryTable:
    """One table: items by partition key and sort key, sort keys kept in order."""

    items: dict[str, dict[str, Item]] = field(default_factory=lambda: defaultdict(dict))
    order: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def get(self, pk: str, sk: str) -> Item | None:
        return self.items[pk].get(sk)

    def put(self, item: Item) -> None:
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        if sk not in self.items[pk]:
            insort(self.order[pk], sk)
        self.items[pk][sk] = item

    def delete(self, pk: str, sk: str) -> None:
        if self.items[pk].pop(sk, None) is not None:
            place = bisect_left(self.order[pk], sk)
            del self.order[pk][place]

    def partition(self, pk: str) -> list[Item]:
        return [self.items[pk][sk] for sk in self.order[pk]]


class MemoryDynamoDB:
    """The tables of one account. `on_insert` hears of every item that was not there before."""

    def __init__(self, on_insert: Callable[[str, Item], None] = lambda table, item: None) -> None:
        self.tables: dict[str, MemoryTable] = defaultdict(MemoryTable)
        self._on_insert = on_insert
        self.on_transaction: Callable[[list[Item]], None] = lambda items: None

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answers one API call. Raises `Refused` as botocore's ClientError."""
        handle: Callable[[Mapping[str, Any]], dict[str, Any]] = getattr(self, f"_{_snake(operation)}")
        return handle(request)

    # single items

    def _get_item(self, request: Mapping[str, Any]) -> dict[str, Any]:
        item = self._table(request).get(*_key(request["Key"]))
        return {"Item": dict(item)} if item is not None else {}

    def _put_item(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._require(request, _key(request["Item"]), "PutItem")
        self._put(request)
        return {}

    def _delete_item(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._require(request, _key(request["Key"]), "DeleteItem")
        self._table(request).delete(*_key(request["Key"]))
        return {}

    def _update_item(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._require(request, _key(request["Key"]), "UpdateItem")
        self._update(request)
        return {"Attributes": dict(self._table(request).get(*_key(request["Key"])) or {})}

    # several

    def _batch_get_item(self, request: Mapping[str, Any]) -> dict[str, Any]:
        responses = {}
        for name, wanted in request["RequestItems"].items():
            found = [self.tables[name].get(*_key(key)) for key in wanted["Keys"]]
            responses[name] = [dict(item) for item in found if item is not None]
        return {"Responses": responses, "UnprocessedKeys": {}}

    def _batch_write_item(self, request: Mapping[str, Any]) -> dict[str, Any]:
        for name, writes in request["RequestItems"].items():
            for write in writes:
                if "PutRequest" in write:
                    self._put({"TableName": name, "Item": write["PutRequest"]["Item"]})
                else:
                    self.tables[name].delete(*_key(write["DeleteRequest"]["Key"]))
        return {"UnprocessedItems": {}}

    def _transact_write_items(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """All of it or nothing, each condition judged against what was there before."""
        writes = [next(iter(one.items())) for one in request["TransactItems"]]
        keys = [(w["TableName"], *_key(w.get("Item") or w["Key"])) for _, w in writes]
        if len(set(keys)) != len(keys):
            raise Refused("ValidationException", "TransactWriteItems")
        held = [self._holds(write, key[1:]) for (_, write), key in zip(writes, keys, strict=True)]
        if not all(held):
            reasons = [{"Code": "None" if ok else "ConditionalCheckFailed"} for ok in held]
            raise Refused("TransactionCanceledException", "TransactWriteItems", reasons)
        self.on_transaction([write["Item"] for kind, write in writes if kind == "Put"])
        for kind, write in writes:
            match kind:
                case "Put":
                    self._put(write)
                case "Delete":
                    self._table(write).delete(*_key(write["Key"]))
                case "Update":
                    self._update(write)
        return {}

    def _query(self, request: Mapping[str, Any]) -> dict[str, Any]:
        names, values = _placeholders(request)
        condition = request["KeyConditionExpression"]
        wanted = parsed(condition)
        pk = _partition(condition, names, values)
        index = request.get("IndexName")
        rows = self._table(request).partition(pk)
        if index is not None:
            sort = INDEXES[index]
            rows = sorted(
                (row for row in rows if sort in row), key=lambda row: (row[sort]["S"], row["sk"]["S"])
            )
        rows = [row for row in rows if wanted(row, names, values)]
        answer = self._page(request, rows)
        if chosen := request.get("FilterExpression"):  # after the page is cut, as DynamoDB does
            answer["Items"] = [row for row in answer["Items"] if parsed(chosen)(row, names, values)]
            answer["Count"] = len(answer["Items"])
        return answer

    def _scan(self, request: Mapping[str, Any]) -> dict[str, Any]:
        table = self._table(request)
        return self._page(request, [row for pk in sorted(table.items) for row in table.partition(pk)])

    def _page(self, request: Mapping[str, Any], rows: list[Item]) -> dict[str, Any]:
        if not request.get("ScanIndexForward", True):
            rows = rows[::-1]
        start = request.get("ExclusiveStartKey")
        if start is not None:
            places = [_key(row) for row in rows]
            rows = rows[places.index(_key(start)) + 1 :]
        limit = request.get("Limit")
        page = rows if limit is None else rows[:limit]
        answer: dict[str, Any] = {
            "Items": [dict(row) for row in page],
            "Count": len(page),
            "ScannedCount": len(page),
        }
        if limit is not None and len(page) == limit:
            last = page[-1]
            key = {"pk": last["pk"], "sk": last["sk"]}
            if index := request.get("IndexName"):
                key[INDEXES[index]] = last[INDEXES[index]]
            answer["LastEvaluatedKey"] = key
        return answer

    # what they share

    def _table(self, request: Mapping[str, Any]) -> MemoryTable:
        return self.tables[request["TableName"]]

    def _holds(self, write: Mapping[str, Any], key: tuple[str, str]) -> bool:
        condition = write.get("ConditionExpression")
        if condition is None:
            return True
        return parsed(condition)(self._table(write).get(*key) or {}, *_placeholders(write))

    def _require(self, write: Mapping[str, Any], key: tuple[str, str], operation: str) -> None:
        if not self._holds(write, key):
            raise Refused("ConditionalCheckFailedException", operation)

    def _put(self, write: Mapping[str, Any]) -> None:
        table, item = self._table(write), dict(write["Item"])
        new = table.get(*_key(item)) is None
        table.put(item)
        if new:
            self._on_insert(write["TableName"], item)

    def _update(self, write: Mapping[str, Any]) -> None:
        table, key = self._table(write), _key(write["Key"])
        item = dict(table.get(*key) or write["Key"])
        _apply(write["UpdateExpression"], item, *_placeholders(write))
        table.put(item)


def _snake(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def _key(item: Mapping[str, Value]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _placeholders(request: Mapping[str, Any]) -> tuple[Names, Values]:
    return request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})


def _partition(condition: str, names: Names, values: Values) -> str:
    """The partition key that a key condition asks for: always its first comparison."""
    found = re.search(r"(#\w+)\s*=\s*(:\w+)", condition)
    if found is None or names[found[1]] != "pk":
        raise Refused("ValidationException", "Query")
    return str(values[found[2]]["S"])


# expressions


@lru_cache(maxsize=256)
def parsed(expression: str) -> Test:
    """A condition as a function of item and placeholders. Raises ValueError for what it does not know."""
    tokens = _TOKEN.findall(expression)
    if "".join(tokens) != re.sub(r"\s", "", expression):
        raise ValueError(f"condition not understood: {expression}")
    test, left = _either(tokens)
    if left:
        raise ValueError(f"condition not understood: {expression}")
    return test


def _either(tokens: list[str]) -> tuple[Test, list[str]]:
    first, tokens = _both(tokens)
    tests = [first]
    while tokens and tokens[0] == "OR":
        following, tokens = _both(tokens[1:])
        tests.append(following)
    return (lambda i, n, v: any(test(i, n, v) for test in tests)), tokens


def _both(tokens: list[str]) -> tuple[Test, list[str]]:
    first, tokens = _one(tokens)
    tests = [first]
    while tokens and tokens[0] == "AND":
        following, tokens = _one(tokens[1:])
        tests.append(following)
    return (lambda i, n, v: all(test(i, n, v) for test in tests)), tokens


def _one(tokens: list[str]) -> tuple[Test, list[str]]:
    word, rest = tokens[0], tokens[1:]
    if word == "NOT":
        test, rest = _one(rest)
        return (lambda i, n, v: not test(i, n, v)), rest
    if word == "(":
        test, rest = _either(rest)
        return test, rest[1:]
    if word in {"attribute_exists", "attribute_not_exists"}:
        name, wanted = rest[1], word == "attribute_exists"
        return (lambda i, n, v: (n[name] in i) is wanted), rest[3:]
    if word == "begins_with":
        name, prefix = rest[1], rest[3]
        return (lambda i, n, v: n[name] in i and i[n[name]]["S"].startswith(v[prefix]["S"])), rest[5:]
    if rest[0] == "BETWEEN":
        low, high = rest[1], rest[3]
        return (
            lambda i, n, v: _compare(i, n, v, word, ">=", low) and _compare(i, n, v, word, "<=", high)
        ), rest[4:]
    operator, other = rest[0], rest[1]
    return (lambda i, n, v: _compare(i, n, v, word, operator, other)), rest[2:]


def _compare(item: Item, names: Names, values: Values, name: str, operator: str, other: str) -> bool:  # noqa: PLR0917
    held = item.get(names[name])
    if held is None:
        return operator == "<>"
    return bool(_OPERATORS[operator](_plain(held), _plain(values[other])))


def _plain(value: Value) -> Any:
    [(kind, held)] = value.items()
    return Decimal(held) if kind == "N" else held


def _apply(expression: str, item: Item, names: Names, values: Values) -> None:
    """An update expression of SET, ADD and REMOVE clauses."""
    clauses = re.split(r"\b(SET|ADD|REMOVE)\b", expression)[1:]
    for verb, body in zip(clauses[::2], clauses[1::2], strict=True):
        for part in body.split(","):
            words = part.replace("=", " ").split()
            name = names[words[0]]
            match verb, words[1:]:
                case "REMOVE", []:
                    item.pop(name, None)
                case "SET", [value]:
                    item[name] = values[value]
                case "ADD", [value]:
                    before = Decimal(item[name]["N"]) if name in item else Decimal(0)
                    item[name] = {"N": str(before + Decimal(values[value]["N"]))}
                case _:
                    raise ValueError(f"update not understood: {expression}")


def rows(database: MemoryDynamoDB, table: str) -> Iterable[Item]:
    """Every item of a table."""
    return (item for partition in database.tables[table].items.values() for item in partition.values())
