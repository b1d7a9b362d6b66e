"""Keeps a stack's tables at the version of this code; a deploy on the laptop and `alpaquero migrate` call it.

The marker in Settings says of which version each table is. A table's marker moves when the whole table
has been gone through, so what was cut short begins that table again, and its steps change nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version as release
from typing import Any, Final

from alpaquero.store import schema
from alpaquero.store.schema import Item
from laptop.errors import LaptopError

_ATTEMPTS: Final = 5


def found_versions(dynamodb: Any, settings: str) -> dict[str, int]:
    """The versions that the marker in the table `settings` names; the first ones where there is no marker."""
    answer = dynamodb.get_item(TableName=settings, Key=schema.MARKER, ConsistentRead=True)
    told = json.loads(answer["Item"]["body"]["S"])["tables"] if "Item" in answer else {}
    return dict.fromkeys(schema.TABLES, schema.FIRST) | {name: int(number) for name, number in told.items()}


def check(dynamodb: Any, settings: str) -> dict[str, int]:
    """The same.

    Raises
    ------
    alpaquero.store.schema.NewerSchema
        When a table is newer than this code.
    """
    found = found_versions(dynamodb, settings)
    schema.check(found)
    return found


def migrate(
    dynamodb: Any, tables: Mapping[str, str], *, say: Callable[[str], None] = lambda _: None
) -> dict[str, int]:
    """Brings every table to the version of this code; answers how many items were changed, by table.

    Functions may write meanwhile: an item is replaced only as it was read. On a table without steps to
    take it reads nothing.

    Parameters
    ----------
    tables
        Logical id to physical name; Settings among them.

    Raises
    ------
    alpaquero.store.schema.NewerSchema
        When a table is newer than this code; nothing was changed.
    """
    found, wanted, changed = check(dynamodb, tables["Settings"]), schema.versions(), {}
    for table in schema.TABLES:
        if table not in tables or found[table] == wanted[table]:
            continue
        changed[table] = _migrate_table(dynamodb, table, tables[table], found[table], say)
        found[table] = wanted[table]
        mark(dynamodb, tables["Settings"], found)
    if not changed:
        _mark_first(dynamodb, tables["Settings"], found)
    return changed


def mark(dynamodb: Any, settings: str, versions: Mapping[str, int]) -> None:
    """Writes the marker."""
    dynamodb.put_item(TableName=settings, Item=_marker(versions))


def _mark_first(dynamodb: Any, settings: str, versions: Mapping[str, int]) -> None:
    """Writes the marker of a stack that has none."""
    from botocore.exceptions import ClientError

    try:
        dynamodb.put_item(
            TableName=settings, Item=_marker(versions), ConditionExpression="attribute_not_exists(pk)"
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise


def _marker(versions: Mapping[str, int]) -> Item:
    body = {
        "tables": dict(versions),
        "product_version": release("alpaquero"),
        "changed_at": datetime.now(UTC).isoformat(),
    }
    return {**schema.MARKER, "body": {"S": json.dumps(body)}, "version": {"N": "1"}}


def _migrate_table(dynamodb: Any, table: str, name: str, version: int, say: Callable[[str], None]) -> int:
    """How many items were changed; with the first one it is told why. A new stack has none."""
    count = 0
    for page in dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
        for item in page["Items"]:
            if not _migrate_item(dynamodb, table, name, item, version):
                continue
            count += 1
            if count == 1:
                for step in schema.steps_from(table, version):
                    say(f"bringing {table} to this release: {step.why}")
    return count


def _migrate_item(dynamodb: Any, table: str, name: str, item: Item, version: int) -> bool:
    """Whether the item was changed; one that was written meanwhile is read and judged again."""
    from botocore.exceptions import ClientError

    key = {"pk": item["pk"], "sk": item["sk"]}
    for _ in range(_ATTEMPTS):
        after = schema.brought_up(table, item, version)
        if after == item:
            return False
        try:
            dynamodb.put_item(TableName=name, Item=after, **_as_read(item, after))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
        else:
            return True
        answer = dynamodb.get_item(TableName=name, Key=key, ConsistentRead=True)
        if "Item" not in answer:
            return False
        item = answer["Item"]
    raise LaptopError(
        f"{table} {key['pk']['S']} / {key['sk']['S']} kept changing: stop the schedules, migrate again"
    )


def _as_read(item: Item, after: Item) -> dict[str, Any]:
    """The condition that every attribute is as it was read, and none has come."""
    names = sorted(set(item) | set(after))
    terms = [
        f"#n{number} = :v{number}" if name in item else f"attribute_not_exists(#n{number})"
        for number, name in enumerate(names)
    ]
    return {
        "ConditionExpression": " AND ".join(terms),
        "ExpressionAttributeNames": {f"#n{number}": name for number, name in enumerate(names)},
        "ExpressionAttributeValues": {
            f":v{number}": item[name] for number, name in enumerate(names) if name in item
        },
    }
