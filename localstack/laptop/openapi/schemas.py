"""JSON Schemas of the structs that the API takes and gives; called by `laptop.openapi.description`.

msgspec writes the schemas. Added here is what it leaves to others: times are date-times, decimals have
a pattern, and an answer always has all of its properties, since a default is encoded like any value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, get_origin

import msgspec
from msgspec import inspect

from alpaquero.web.endpoint import MOST_DIGITS, MOST_PLACES

Schema = dict[str, Any]

REFERENCE: Final = "#/components/schemas/{name}"
DECIMAL: Final = r"^-?\d+(\.\d+)?$"
AMOUNT: Final[Schema] = {
    "type": ["string", "number"],
    "pattern": rf"^-?\d{{1,{MOST_DIGITS}}}(\.\d{{1,{MOST_PLACES}}})?$",
    "minimum": 1 - 10**MOST_DIGITS,
    "maximum": 10**MOST_DIGITS - 1,
}
_GENERIC: Final = re.compile(r"^(\w+?)_(\w+)_$")


class UnclearError(ValueError):
    """Two schemas would have one name; the message says which."""


def named(name: str) -> str:
    """The schema's name: a page of orders is an `OrderPage`."""
    found = _GENERIC.match(name)
    return f"{found[2]}{found[1]}" if found else name


def schemas(types: Iterable[Any], *, answers: bool) -> tuple[list[Schema], dict[str, Schema]]:
    """A schema for each type, and the components that they refer to, as answers or as requests."""
    wanted = list(types)
    found, components = msgspec.json.schema_components(wanted, ref_template=REFERENCE)
    classes = _structs(inspect.multi_type_info(wanted))
    kept = {}
    for name, schema in components.items():
        plain = named(name)
        if plain in kept or "." in plain:  # msgspec tells namesakes apart by their modules
            raise UnclearError(f"two structs are called {plain.rpartition('.')[2]}; rename one")
        kept[plain] = _completed(schema, classes.get(name), plain, answers=answers)
    return [_renamed(_decimals(one, answers=answers)) for one in found], kept


def _completed(schema: Schema, struct: inspect.StructType | None, name: str, *, answers: bool) -> Schema:
    schema = _renamed(_decimals(schema, answers=answers))
    schema["title"] = name
    if struct is None:
        return schema
    for field in struct.fields:
        _mark_times(field.type, schema["properties"][field.encode_name])
    if answers:
        if not (get_origin(struct.cls) or struct.cls).__struct_config__.omit_defaults:
            schema["required"] = list(schema["properties"])
        for given in schema["properties"].values():
            given.pop("default", None)
    if not schema["required"]:
        del schema["required"]
    return schema


def _structs(kinds: Iterable[inspect.Type]) -> dict[str, inspect.StructType]:
    """Every struct among the types and within them, by the name that msgspec gives its schema."""
    found: dict[str, inspect.StructType] = {}
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, inspect.StructType):
            name = _name_of(kind)
            if name not in found:
                found[name] = kind
                waiting += [field.type for field in kind.fields]
        else:
            waiting += _inside(kind)
    return found


def _name_of(kind: inspect.StructType) -> str:
    return str(msgspec.json.schema(kind.cls)["$ref"].rpartition("/")[2])


def _inside(kind: inspect.Type) -> list[inspect.Type]:
    """The types that this one is made of."""
    if isinstance(kind, inspect.UnionType):
        return list(kind.types)
    if isinstance(kind, inspect.Metadata):
        return [kind.type]
    if isinstance(kind, inspect.DictType):
        return [kind.value_type]
    if isinstance(kind, inspect.CollectionType):
        return [kind.item_type]
    return list(getattr(kind, "item_types", ()))


def _mark_times(kind: inspect.Type, schema: Schema) -> None:
    """msgspec gives a time its format only where a struct demands a zone."""
    if isinstance(kind, inspect.DateTimeType):
        schema["format"] = "date-time"
    elif isinstance(kind, inspect.UnionType):
        for given in schema.get("anyOf", ()):
            if given == {"type": "string"} and any(isinstance(k, inspect.DateTimeType) for k in kind.types):
                given["format"] = "date-time"
    elif isinstance(kind, inspect.Metadata):
        _mark_times(kind.type, schema)
    elif isinstance(kind, inspect.DictType) and "additionalProperties" in schema:
        _mark_times(kind.value_type, schema["additionalProperties"])
    elif isinstance(kind, inspect.CollectionType) and "items" in schema:
        _mark_times(kind.item_type, schema["items"])


def _decimals(schema: Any, *, answers: bool) -> Any:
    """Decimals as texts with a pattern; a request may write one as a number too."""
    if isinstance(schema, list):
        return [_decimals(one, answers=answers) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        return schema | ({"pattern": DECIMAL} if answers else AMOUNT)
    return {key: _decimals(value, answers=answers) for key, value in schema.items()}


def _renamed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_renamed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: REFERENCE.format(name=named(value.rpartition("/")[2])) if key == "$ref" else _renamed(value)
        for key, value in schema.items()
    }
