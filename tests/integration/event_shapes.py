"""The shape of an event: its names and kinds of values, without the values.

The recording guard and the tests of `events/` compare events by it. Standard library only, since the
engine's own Python imports it too.
"""

from __future__ import annotations

import json
from typing import Any

HEADERS = frozenset({"headers", "multiValueHeaders"})


def shape(value: Any) -> Any:
    """The same names with the kinds of their values; a list is the set of its members' shapes.

    Which headers a client sends is its own affair. Text that holds a JSON object has the shape of the
    object, for messages carry their body so.
    """
    if isinstance(value, dict):
        return {name: "headers" if name in HEADERS else shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(member), sort_keys=True) for member in value})
    if isinstance(value, str):
        return _shape_of_text(value)
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number"


def _shape_of_text(text: str) -> Any:
    if text.startswith("{"):
        try:
            return {"json": shape(json.loads(text))}
        except ValueError:
            return "text"
    return "text"


def shapes(event: dict[str, Any]) -> set[str]:
    """An event's shape, or that of each of its records: how many come at once is chance."""
    parts = event.get("Records", [event])
    return {json.dumps(shape(part), sort_keys=True) for part in parts}
