"""Tables with the keys of template.yaml's and no index, for tests of what copies and moves them."""

from __future__ import annotations

from typing import Any


def create_table(dynamodb: Any, name: str) -> None:
    """An empty table."""
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    )
