"""The one shape of answers and errors, and who may call what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from pynamodb.exceptions import PutError, QueryError

from alpaquero import lately
from alpaquero.errors import (
    BrokerRejected,
    BrokerUnavailable,
    BrokerUnclear,
    Conflict,
    InvalidRequest,
    NotAllowed,
    NotFound,
    NotSignedIn,
)
from alpaquero.web.app import ServiceApp, after, from_cursor, service_app, to_cursor
from alpaquero.web.bodies.market_data import Quote
from alpaquero.web.bodies.trading import PlaceOrder
from alpaquero.web.endpoint import Paged
from tests.fakes.proxy import ORIGIN, body_of, proxy_event
from tests.unit.conftest import AN_HOUR_LATER


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> ServiceApp:
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("DASHBOARD_ORIGIN", ORIGIN)
    return service_app("market_data")


def serve(app: ServiceApp, view: Callable[..., Any], **endpoint: Any) -> None:
    """Puts `view` at /api/thing and /market_data/thing."""
    where = {"public": "/api/thing", "service": "/market_data/thing", "role": "viewer"} | endpoint
    app.endpoint(where.pop("method", "GET"), **where)(view)


def answered(status: int, code: str) -> ClientError:
    """What AWS answered instead of what was asked for."""
    error: Any = {"Error": {"Code": code, "Message": "hush"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error, "Query")


def get(app: ServiceApp, route: str = "/api/thing", **event: Any) -> dict[str, Any]:
    return app(proxy_event("GET", route, **event), None)


def test_one_line_serves_both_apis(app: ServiceApp) -> None:
    """A view answers under its public path and its path on the services' API."""
    serve(app, lambda: {"ok": True})
    for route in ("/api/thing", "/market_data/thing"):
        answer = get(app, route)
        assert (answer["statusCode"], body_of(answer)) == (200, {"ok": True})


def test_who_asks_with_no_cache_is_answered_anew(app: ServiceApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept for some seconds is no answer for those who have heard of a change."""
    seconds = [AN_HOUR_LATER()]
    monkeypatch.setattr(lately, "lapsed", lambda: seconds[0])
    numbers = lately.kept_for(60.0)(iter([1, 2, 3]).__next__)
    serve(app, lambda: {"number": numbers()})
    told = []
    for headers in ({}, {}, {"Cache-Control": "no-cache"}, {}):
        seconds[0] += 1
        told.append(body_of(get(app, headers=headers))["number"])
    assert told == [1, 1, 2, 2]


def test_structs_are_encoded_for_the_wire(app: ServiceApp) -> None:
    """Decimals are texts and times end in Z."""
    at = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    serve(
        app,
        lambda symbol: Quote(symbol=symbol, bid=Decimal("1.10"), ask=Decimal(2), last=Decimal("1.5"), at=at),
        public="/api/latest/{symbol}",
        service="/market_data/quote/{symbol}",
    )
    answer = get(app, "/api/latest/{symbol}", path={"symbol": "AAPL"})
    assert body_of(answer) == {
        "symbol": "AAPL",
        "bid": "1.10",
        "ask": "2",
        "last": "1.5",
        "at": "2026-01-05T14:30:00Z",
        "source": "live",
        "age_seconds": 0,
    }
    assert answer["headers"]["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("error", "status", "code", "details"),
    [
        (InvalidRequest("symbol is unknown", "symbol"), 400, "invalid_request", {"field": "symbol"}),
        (NotSignedIn("sign in"), 401, "unauthorized", {}),
        (NotAllowed("ask an admin"), 403, "forbidden", {}),
        (NotFound("no such order"), 404, "not_found", {}),
        (Conflict("filled already"), 409, "conflict", {}),
        (BrokerRejected(422, 42210000, "not fractionable"), 502, "broker_rejected", {}),
        (BrokerUnavailable("no connection"), 503, "broker_unavailable", {}),
        (BrokerUnclear("cut"), 503, "broker_unclear", {}),
        (ValueError("secret hush"), 500, "internal", {}),
        (EndpointConnectionError(endpoint_url="https://hush"), 503, "unavailable", {}),
        (QueryError("hush", ReadTimeoutError(endpoint_url="https://hush")), 503, "unavailable", {}),
        (answered(500, "InternalServerError"), 503, "unavailable", {}),
        (PutError("hush", answered(400, "ThrottlingException")), 503, "unavailable", {}),
        (answered(400, "ValidationException"), 500, "internal", {}),
        (QueryError("hush"), 500, "internal", {}),
    ],
)
def test_every_error_has_one_shape(
    app: ServiceApp, error: Exception, status: int, code: str, details: dict[str, str]
) -> None:
    """Each kind of error has its status and code, and no answer shows an unknown error's text or trace."""

    def view() -> None:
        raise error

    serve(app, view)
    answer = get(app, headers={"X-Correlation-Id": "abc"})
    told = body_of(answer)["error"]
    assert (answer["statusCode"], told["code"], told["details"]) == (status, code, details)
    assert told["correlation_id"] == answer["headers"]["X-Correlation-Id"] == "abc"
    assert told["message"]
    assert "hush" not in answer["body"]
    assert "Traceback" not in answer["body"]


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (proxy_event("GET", "/api/nothing"), 404, "not_found"),
        (proxy_event("PATCH", "/api/thing"), 405, "method_not_allowed"),
        (
            proxy_event("GET", "/api/thing", headers={"Content-Type": "text/xml"}),
            415,
            "unsupported_media_type",
        ),
        ({}, 404, "not_found"),
        ({"requestContext": {"resourcePath": "/api/thing"}}, 500, "internal"),
    ],
)
def test_chalices_own_errors_have_the_same_shape(
    app: ServiceApp, event: dict[str, Any], status: int, code: str
) -> None:
    """Wrong routes, methods, media types and malformed events answer as everything else does."""
    serve(app, lambda: None)
    answer = app(event, None)
    assert (answer["statusCode"], body_of(answer)["error"]["code"]) == (status, code)


@pytest.mark.parametrize("role", ["viewer", "trader", "admin"])
@pytest.mark.parametrize("needed", ["viewer", "trader", "admin"])
def test_a_role_may_do_what_lower_ones_may(app: ServiceApp, role: str, needed: str) -> None:
    """Viewer, trader, admin: each has the rights of those before it, and no more."""
    serve(app, dict, role=needed)
    order = ["viewer", "trader", "admin"]
    allowed = order.index(role) >= order.index(needed)
    assert get(app, role=role)["statusCode"] == (200 if allowed else 403)


@pytest.mark.parametrize("role", [None, "", "root"])
def test_a_public_route_without_a_caller_is_refused(app: ServiceApp, role: str | None) -> None:
    """Even when the template forgets the authorizer, a public route does not answer a stranger."""
    serve(app, dict)
    assert get(app, role=role)["statusCode"] == 401


def test_a_signature_does_not_open_the_public_api(app: ServiceApp) -> None:
    """An IAM identity in the event counts on the services' API alone."""
    serve(app, dict)
    event = proxy_event("GET", "/api/thing", role=None)
    event["requestContext"]["identity"]["userArn"] = "arn:aws:iam::000000000000:user/laptop"
    assert app(event, None)["statusCode"] == 401


def test_the_services_api_needs_a_signer(app: ServiceApp) -> None:
    """Whoever IAM lets through counts as admin; without a signature nobody does."""
    serve(app, lambda: {"caller": app.principal().username}, role="admin")
    assert body_of(get(app, "/market_data/thing")) == {"caller": "laptop"}
    assert get(app, "/market_data/thing", arn=None)["statusCode"] == 401


def test_an_open_route_needs_no_caller(app: ServiceApp) -> None:
    """Only a route that says so answers without a caller."""
    serve(app, dict, role=None)
    assert get(app, role=None)["statusCode"] == 200


def test_cors_is_for_the_dashboard_alone(app: ServiceApp) -> None:
    """The dashboard's origin may read answers with credentials, errors included; no other origin may."""
    serve(app, dict)
    for answer in (get(app, headers={"origin": ORIGIN}), get(app, headers={"Origin": ORIGIN}, role=None)):
        assert answer["headers"]["Access-Control-Allow-Origin"] == ORIGIN
        assert answer["headers"]["Access-Control-Allow-Credentials"] == "true"
        assert answer["headers"]["Vary"] == "Origin"
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert not [
            name for name in get(app, headers=headers)["headers"] if name.startswith("Access-Control")
        ]


def test_the_preflight_answers_without_a_token(app: ServiceApp) -> None:
    """A browser may ask before it calls, also for a path with a parameter."""
    serve(app, lambda **_: {}, method="DELETE", public="/api/orders/{id}", service="/trading/orders/{id}")
    event = proxy_event(
        "OPTIONS", "/api/orders/{id}", path={"id": "7"}, headers={"Origin": ORIGIN}, role=None
    )
    answer = app(event, None)
    assert answer["statusCode"] == 204
    assert "DELETE" in answer["headers"]["Access-Control-Allow-Methods"]
    assert "idempotency-key" in answer["headers"]["Access-Control-Allow-Headers"]


def test_a_correlation_id_is_made_when_none_comes(app: ServiceApp) -> None:
    """API Gateway's request id stands in, and an unsound one from outside is not echoed."""
    serve(app, dict)
    assert get(app)["headers"]["X-Correlation-Id"] == "req-1"
    assert get(app, headers={"X-Correlation-Id": "a\r\nSet-Cookie: x"})["headers"][
        "X-Correlation-Id"
    ].isalnum()


def read_order(app: ServiceApp, body: Any) -> dict[str, Any]:
    serve(app, lambda body: body, method="POST", body=PlaceOrder)
    return app(proxy_event("POST", "/api/thing", body=body), None)


def test_a_body_is_read_into_its_struct(app: ServiceApp) -> None:
    """Quantities may come as texts or numbers and stay exact."""
    answer = read_order(app, {"symbol": "AAPL", "side": "buy", "quantity": "0.10"})
    assert body_of(answer)["quantity"] == "0.10"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"side": "buy", "quantity": "1"}, "symbol"),
        ({"symbol": 5, "side": "buy", "quantity": "1"}, "symbol"),
        ({"symbol": "AAPL", "side": "buy", "quantity": "many"}, "quantity"),
        ({"symbol": "AAPL", "side": "buy", "quantity": "NaN"}, "quantity"),
        ({"symbol": "AAPL", "side": "buy", "quantity": "-Infinity"}, "quantity"),
        ({"symbol": "AAPL", "side": "buy", "quantity": "1", "limit_price": []}, "limit_price"),
        ({"symbol": "AAPL", "side": "buy", "quantity": "1", "qty": "1"}, "qty"),
    ],
)
def test_a_wrong_body_names_its_field(app: ServiceApp, body: Any, field: str) -> None:
    """The error says which field cannot be used."""
    answer = read_order(app, body)
    assert (answer["statusCode"], body_of(answer)["error"]["details"]) == (400, {"field": field})


@pytest.mark.parametrize("body", ["", "{", "\x00", None, "[" * 60_000])
def test_a_body_that_is_not_json_is_the_callers_fault(app: ServiceApp, body: Any) -> None:
    """Whatever is sent, the answer is a 400 and not a failure of ours."""
    answer = read_order(app, body)
    assert (answer["statusCode"], body_of(answer)["error"]["code"]) == (400, "invalid_request")


def test_a_cursor_of_the_query_is_the_sort_key_it_holds(app: ServiceApp) -> None:
    """The first page has none, and a cursor we gave comes back as the sort key it holds."""
    serve(app, lambda query: {"limit": query.limit, "after": after(query.cursor)}, query=Paged)
    assert body_of(get(app)) == {"limit": 50, "after": None}
    query = {"limit": "7", "cursor": to_cursor("TRADE#2026#AAPL")}
    assert body_of(get(app, query=query)) == {"limit": 7, "after": "TRADE#2026#AAPL"}


@pytest.mark.parametrize("limit", ["0", "-1", "501", "x", "1.5", "99999999999999999999", "٣"])
def test_a_wrong_limit_is_refused(app: ServiceApp, limit: str) -> None:
    """Only whole numbers from 1 to the most a page holds are taken."""
    serve(app, lambda query: {"limit": query.limit}, query=Paged)
    assert body_of(get(app, query={"limit": limit}))["error"]["details"] == {"field": "limit"}


@pytest.mark.parametrize("cursor", ["%%%", "é", "a", "_w"])
def test_a_wrong_cursor_is_refused(cursor: str) -> None:
    """A cursor that we never gave is the caller's mistake."""
    with pytest.raises(InvalidRequest):
        from_cursor(cursor)


@pytest.mark.parametrize("key", ["", "a", "RUN#2026-01-05T21:30:00Z#ü"])
def test_a_cursor_survives_the_address_bar(key: str) -> None:
    """A cursor is made of letters that need no escaping, and holds its key exactly."""
    cursor = to_cursor(key)
    assert from_cursor(cursor) == key
    assert all(letter.isalnum() or letter in "-_" for letter in cursor)


def test_health_names_what_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing dependency makes the service degraded and shows its kind, not its text."""
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("DASHBOARD_ORIGIN", ORIGIN)

    def broken() -> None:
        raise ConnectionError("hush")

    app = service_app("market_data", {"broker": broken, "table": lambda: None})
    answer = get(app, "/market_data/health")
    health = body_of(answer)
    assert (answer["statusCode"], health["status"], health["service"]) == (200, "degraded", "market_data")
    assert health["dependencies"] == {"broker": "failed: ConnectionError", "table": "ok"}
    assert health["version"]


def test_health_without_dependencies_is_ok(app: ServiceApp) -> None:
    """A service that needs nothing is well when it answers."""
    assert body_of(get(app, "/market_data/health"))["status"] == "ok"


def test_an_answer_is_logged_without_its_body(app: ServiceApp, log_lines: list[dict[str, Any]]) -> None:
    """The log has route, status and caller, and neither headers nor bodies."""
    serve(app, lambda: {"secret": "hush"}, method="POST")
    headers = {"Authorization": "Bearer hush"}
    app(proxy_event("POST", "/api/thing", body={"password": "hush"}, headers=headers), None)
    [line] = log_lines
    assert (line["route"], line["method"], line["status"], line["username"]) == (
        "/api/thing",
        "POST",
        200,
        "ana",
    )
    assert "hush" not in str(log_lines)


def test_a_route_that_may_change_something_says_its_role(app: ServiceApp) -> None:
    """A forgotten role would let every viewer in, so it stops the function from starting."""
    with pytest.raises(TypeError, match=r"POST /api/thing: say the least role"):
        app.endpoint("POST", public="/api/thing")(dict)
