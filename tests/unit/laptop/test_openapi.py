"""The description of the API: what its schemas say, and which changes of it break a caller."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from openapi_spec_validator import validate

from alpaquero.web.bodies import Page
from laptop.openapi import __main__ as command
from laptop.openapi.breaking import breaks
from laptop.openapi.description import PUBLIC, SERVICES, Door, described
from laptop.openapi.schemas import UnclearError, schemas
from laptop.template import functions

Change = Callable[[dict[str, Any]], None]


class Colour(StrEnum):
    """Some words."""

    RED = "red"
    BLUE = "blue"


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A thing."""

    colour: Colour
    price: Decimal
    at: datetime | None
    past: list[datetime]
    by_name: dict[str, datetime]
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] = 3


def described_once(door: Door = PUBLIC) -> dict[str, Any]:
    """The document, made once: importing every service takes a while."""
    if door.title not in _KEPT:
        _KEPT[door.title] = described(door)
    return copy.deepcopy(_KEPT[door.title])


_KEPT: dict[str, dict[str, Any]] = {}


@pytest.mark.parametrize("door", [PUBLIC, SERVICES], ids=["public", "services"])
def test_the_description_is_sound_openapi(door: Door) -> None:
    """The document is what OpenAPI 3.1 says one is, and names every route once."""
    document = described_once(door)
    validate(document)
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"] for one in operations)


def test_the_services_description_has_every_route_of_the_template_and_wants_a_signature() -> None:
    """Behind IAM nobody is told to sign in: what may not in is refused with 403, in the one shape."""
    document = described_once(SERVICES)
    told = {(method, path) for path, methods in document["paths"].items() for method in methods}
    events = [one for given in functions().values() for one in given.get("Events", {}).values()]
    assert told == {
        (one["Properties"]["Method"].lower(), one["Properties"]["Path"])
        for one in events
        if one["Type"] == "Api" and one["Properties"]["RestApiId"] == {"Ref": "ServicesApi"}
    }
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert all(one["security"] == [{"signature": []}] for one in operations)
    assert all("403" in one["responses"] and "401" not in one["responses"] for one in operations)
    placed = document["paths"]["/trading/orders"]["post"]
    public = described_once()["paths"][placed["x-public-path"]]["post"]
    assert (placed["requestBody"], placed["parameters"]) == (public["requestBody"], public["parameters"])


def test_every_answer_of_a_route_is_described() -> None:
    """A route that may be refused says with what, and all errors have one shape."""
    document = described_once()
    placed = document["paths"]["/api/orders"]["post"]
    assert {"202", "400", "401", "403", "409", "413", "415", "429", "500"} <= set(placed["responses"])
    assert placed["x-role"] == "trader"
    assert [p["name"] for p in placed["parameters"] if p["required"]] == ["Idempotency-Key"]
    for response in document["components"]["responses"].values():
        assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorBody"}


def test_an_answers_schema_promises_every_property() -> None:
    """Defaults are encoded like any value, times are date-times and decimals texts with a pattern."""
    (page,), components = schemas([Page[Thing]], answers=True)
    assert page == {"$ref": "#/components/schemas/ThingPage"}
    thing = components["Thing"]
    assert thing["required"] == ["colour", "price", "at", "past", "by_name", "count"]
    given = thing["properties"]
    assert given["price"]["type"] == "string"
    assert given["at"]["anyOf"][0]["format"] == "date-time"
    assert given["past"]["items"]["format"] == "date-time"
    assert given["by_name"]["additionalProperties"]["format"] == "date-time"
    assert given["count"] == {"type": "integer", "minimum": 1, "maximum": 9}
    assert components["Colour"]["enum"] == ["blue", "red"]


def test_a_requests_schema_keeps_what_may_be_left_out() -> None:
    """A field with a default need not be sent, and a decimal may be a number."""
    _, components = schemas([Thing], answers=False)
    thing = components["Thing"]
    assert "count" not in thing["required"]
    assert thing["properties"]["count"]["default"] == 3
    assert thing["properties"]["price"]["type"] == ["string", "number"]


def test_two_structs_may_not_share_a_name() -> None:
    """A schema's name is its struct's, so that no two bodies hide behind one."""
    other = msgspec.defstruct("Thing", [("size", int)], module="elsewhere")
    with pytest.raises(UnclearError, match="two structs are called Thing"):
        schemas([Thing, other], answers=True)


def orders(document: dict[str, Any], method: str = "get") -> dict[str, Any]:
    """The operation on the list of orders."""
    found: dict[str, Any] = document["paths"]["/api/orders"][method]
    return found


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A component."""
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def limit(document: dict[str, Any]) -> dict[str, Any]:
    """The schema of the parameter `limit` of the list of orders."""
    found: dict[str, Any] = next(p for p in orders(document)["parameters"] if p["name"] == "limit")["schema"]
    return found


BREAKING: list[tuple[str, Change]] = [
    ("GET /api/orders is gone", lambda d: d["paths"].pop("/api/orders")),
    ("DELETE /api/orders is gone", lambda d: d["paths"]["/api/orders"].pop("delete")),
    ("needs admin and needed viewer", lambda d: orders(d).update({"x-role": "admin"})),
    ("does not answer 200", lambda d: orders(d)["responses"].pop("200")),
    ("Order.status is gone", lambda d: schema(d, "Order")["properties"].pop("status")),
    ("Order.status may be missing", lambda d: schema(d, "Order")["required"].remove("status")),
    (
        "Order.symbol may be integer",
        lambda d: schema(d, "Order")["properties"]["symbol"].update(type="integer"),
    ),
    (
        "Bar.volume may be number",
        lambda d: schema(d, "Bar")["properties"]["volume"].update(type="number"),
    ),
    (
        "Order.symbol may be null",
        lambda d: schema(d, "Order")["properties"]["symbol"].update(type=["string", "null"]),
    ),
    (
        "Order.created_at is no date-time",
        lambda d: schema(d, "Order")["properties"]["created_at"].pop("format"),
    ),
    ("maximum is 10 now", lambda d: limit(d).update(maximum=10)),
    ("limit is not read any more", lambda d: orders(d).update(parameters=[])),
    (
        "day must be sent now",
        lambda d: orders(d)["parameters"].append(
            {"name": "day", "in": "query", "required": True, "schema": {"type": "string"}}
        ),
    ),
    ("PlaceOrder.reason must be sent", lambda d: schema(d, "PlaceOrder")["required"].append("reason")),
    ("PlaceOrder.reason is gone", lambda d: schema(d, "PlaceOrder")["properties"].pop("reason")),
    ("may not be sell any more", lambda d: schema(d, "Side")["enum"].remove("sell")),
    (
        "quantity may not be number any more",
        lambda d: schema(d, "PlaceOrder")["properties"]["quantity"]["anyOf"][0].update(type="string"),
    ),
]


@pytest.mark.parametrize(("told", "change"), BREAKING, ids=[told for told, _ in BREAKING])
def test_a_change_that_breaks_callers_is_told(told: str, change: Change) -> None:
    """What was good stays good and what was promised is kept, or the sentence says what is not."""
    old, new = described_once(), described_once()
    change(new)
    assert any(told in one for one in breaks(old, new)), breaks(old, new)


HARMLESS: list[tuple[str, Change]] = [
    ("another route", lambda d: d["paths"].update({"/api/new": {"get": orders(d)}})),
    ("a property more", lambda d: schema(d, "Order")["properties"].update(more={"type": "string"})),
    ("a word more", lambda d: schema(d, "Side")["enum"].append("short")),
    (
        "an optional field more",
        lambda d: schema(d, "PlaceOrder")["properties"].update(tag={"type": "string"}),
    ),
    ("a wider bound", lambda d: limit(d).update(maximum=5000)),
    ("fractions too", lambda d: limit(d).update(type="number")),
    (
        "whole numbers alone",
        lambda d: schema(d, "Bar")["properties"]["close"].update(type="integer"),
    ),
    ("another error", lambda d: orders(d)["responses"].update({"418": {"description": "A teapot."}})),
    ("a lower role", lambda d: orders(d, "post").update({"x-role": "viewer"})),
]


@pytest.mark.parametrize("change", [change for _, change in HARMLESS], ids=[name for name, _ in HARMLESS])
def test_a_change_that_breaks_nobody_is_not_told(change: Change) -> None:
    """More routes, more optional fields, wider bounds and further words harm no caller."""
    old, new = described_once(), described_once()
    change(new)
    assert breaks(old, new) == []


def test_a_risen_version_may_break_everything() -> None:
    """Callers of the old stage keep it; the new one promises only what it says."""
    old, new = described_once(), described_once()
    new["info"]["version"] = "v2"
    new["paths"].clear()
    assert breaks(old, new) == []


@pytest.mark.parametrize("door", [PUBLIC, SERVICES], ids=["public", "services"])
def test_a_file_that_has_drifted_is_refused(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make check` says what to run when the file is not what the routes declare."""
    document = described_once(door)
    monkeypatch.setattr(command, "INFRA", tmp_path)
    [drifted] = command.problems(door, document)
    assert drifted.startswith(f"infra/{door.file}.json is not what")
    assert "run `python -m laptop.openapi`" in drifted
    command.kept(door).write_text(command.text_of(document))
    assert command.problems(door, document) == []


@pytest.mark.parametrize("door", [PUBLIC, SERVICES], ids=["public", "services"])
def test_callers_of_the_last_release_are_kept(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both APIs are held to what the last release promised; what is broken is named, with the way out."""
    document = described_once(door)
    monkeypatch.setattr(command, "INFRA", tmp_path)
    command.kept(door).write_text(command.text_of(document))
    before = described_once(door)
    before["paths"]["/gone"] = next(iter(before["paths"].values()))
    command.released(door).write_text(command.text_of(before))
    broken, way_out = command.problems(door, document)
    assert broken.startswith("breaks callers of the last release: ")
    assert "/gone is gone" in broken
    assert f"raise the StageName of {door.resource}" in way_out
