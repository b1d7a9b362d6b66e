"""What a route declares is what it takes: query, headers and body, with the field named when one is wrong."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from alpaquero.web.app import ServiceApp, service_app
from alpaquero.web.bodies.trading import PlaceOrder
from alpaquero.web.endpoint import Conditional, Idempotent, Paged
from tests.fakes.proxy import body_of, proxy_event


class Colour(StrEnum):
    """Some words."""

    RED = "red"
    BLUE = "blue"


class Asked(Paged, frozen=True, kw_only=True, rename={"first": "from"}):
    """A query with a bit of everything."""

    colour: Colour | None = None
    kind: Literal["open", "closed"] = "open"
    first: Annotated[int, msgspec.Meta(ge=0)] | None = None
    whole: bool = False


@pytest.fixture
def app() -> ServiceApp:
    """An app with one route that takes a query."""
    made = service_app("market_data")

    @made.endpoint("GET", public="/api/thing", query=Asked)
    def thing(query: Asked) -> dict[str, Any]:
        return msgspec.structs.asdict(query)

    return made


def asked(app: ServiceApp, **query: str) -> dict[str, Any]:
    """The answer to a query."""
    return app(proxy_event("GET", "/api/thing", query=query), None)


def test_a_query_becomes_its_struct(app: ServiceApp) -> None:
    """Texts become numbers, words and truths; what is not sent, or empty, is the default."""
    answer = asked(app, limit="7", colour="red", whole="true", **{"from": "3"}, cursor="")
    assert body_of(answer) == {
        "limit": 7,
        "cursor": None,
        "colour": "red",
        "kind": "open",
        "first": 3,
        "whole": True,
    }


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("limit", "0", ">= 1"),
        ("limit", "501", "<= 500"),
        ("limit", "many", "Expected `int`"),
        ("colour", "green", "send one of red, blue"),
        ("kind", "shut", "send one of closed, open"),
        ("from", "-1", ">= 0"),
        ("whole", "perhaps", "bool"),
    ],
)
def test_a_wrong_parameter_is_named(app: ServiceApp, name: str, text: str, told: str) -> None:
    """The answer is 400, names the parameter as it was sent and says what it may be."""
    answer = asked(app, **{name: text})
    error = body_of(answer)["error"]
    assert (answer["statusCode"], error["code"], error["details"]) == (
        400,
        "invalid_request",
        {"field": name},
    )
    assert told in error["message"]


def test_a_header_that_must_be_sent_is_named() -> None:
    """A route that declares the key never runs without one, whatever the header's letter case."""
    app, ran = service_app("market_data"), []

    @app.endpoint("POST", public="/api/thing", role="viewer", headers=Idempotent, status=202)
    def thing(headers: Idempotent) -> None:
        ran.append(headers.key)

    answer = app(proxy_event("POST", "/api/thing"), None)
    assert body_of(answer)["error"]["details"] == {"field": "Idempotency-Key"}
    assert (
        app(proxy_event("POST", "/api/thing", headers={"idempotency-key": "k" * 201}), None)["statusCode"]
        == 400
    )
    assert (
        app(proxy_event("POST", "/api/thing", headers={"idempotency-key": "one"}), None)["statusCode"] == 202
    )
    assert ran == ["one"]


def test_a_header_may_be_left_out() -> None:
    """If-Match is there when it was sent, and None when it was not."""
    app = service_app("market_data")

    @app.endpoint("GET", public="/api/thing", headers=Conditional)
    def thing(headers: Conditional) -> list[str | None]:
        return [headers.if_match]

    assert body_of(app(proxy_event("GET", "/api/thing"), None)) == [None]
    assert body_of(app(proxy_event("GET", "/api/thing", headers={"If-Match": '"3"'}), None)) == ['"3"']


@pytest.mark.parametrize(
    ("quantity", "status"),
    [
        ("1", 200),
        (33.333333333333336, 200),
        ("999999999999.5", 200),
        ("0E-400", 200),
        ("1000000000000", 400),
        (2.3482297112290302e214, 400),
        ("1e-30", 400),
        ("NaN", 400),
        ("Infinity", 400),
    ],
)
def test_an_amount_longer_than_any_is_refused(quantity: object, status: int) -> None:
    """What arithmetic on money could not hold is the caller's to mend, and the field is named."""
    app = service_app("market_data")

    @app.endpoint("POST", public="/api/thing", role="viewer", body=PlaceOrder)
    def thing(body: PlaceOrder) -> bool:
        return isinstance(body.quantity, Decimal)

    sent = {"symbol": "GOOG", "side": "buy", "quantity": quantity}
    answer = app(proxy_event("POST", "/api/thing", body=sent), None)
    assert answer["statusCode"] == status
    if status == 400:
        assert body_of(answer)["error"]["details"] == {"field": "quantity"}
