"""How large a request may be."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from alpaquero.errors import InvalidRequest
from alpaquero.web.app import ServiceApp, service_app
from alpaquero.web.request_size import SETTINGS_KB, USUAL_KB
from tests.fakes.proxy import ORIGIN, body_of, proxy_event


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> ServiceApp:
    """Two routes that never get to see a body: a usual one, and one that takes settings."""
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("DASHBOARD_ORIGIN", ORIGIN)
    app = service_app("configuration")

    def reached() -> None:
        raise InvalidRequest("reached")

    app.endpoint("POST", public="/api/usual", role="viewer")(reached)
    app.endpoint("POST", public="/api/settings", role="viewer", most_kb=SETTINGS_KB)(reached)
    return app


def status_and_code(app: ServiceApp, route: str, body: str, **event: Any) -> tuple[int, str]:
    """What the route answers to this body."""
    answer = app({**proxy_event("POST", route, body=body), **event}, None)
    assert set(body_of(answer)["error"]) == {"code", "message", "details", "correlation_id"}
    return answer["statusCode"], body_of(answer)["error"]["code"]


@pytest.mark.parametrize(("route", "kilobytes"), [("/api/usual", USUAL_KB), ("/api/settings", SETTINGS_KB)])
def test_a_body_may_be_as_large_as_its_route_takes(app: ServiceApp, route: str, kilobytes: int) -> None:
    """The last byte that fits passes, one more is a 413, whatever the body holds."""
    assert status_and_code(app, route, "x" * kilobytes * 1024) == (400, "invalid_request")
    assert status_and_code(app, route, "x" * (kilobytes * 1024 + 1)) == (413, "too_large")


def test_bytes_are_counted_not_letters(app: ServiceApp) -> None:
    """A letter of two bytes counts as two, and base64 counts as what it stands for."""
    assert status_and_code(app, "/api/usual", "é" * (USUAL_KB * 512 + 1)) == (413, "too_large")
    for surplus, expected in ((0, (400, "invalid_request")), (1, (413, "too_large"))):
        packed = base64.b64encode(b"x" * (USUAL_KB * 1024 + surplus)).decode()
        assert status_and_code(app, "/api/usual", packed, isBase64Encoded=True) == expected


def test_the_refusal_says_how_much_the_route_takes(app: ServiceApp) -> None:
    """A program can read the limit from the details."""
    answer = app(proxy_event("POST", "/api/usual", body="x" * 70_000), None)
    assert json.loads(answer["body"])["error"]["details"] == {"limit_bytes": "65536"}


def test_a_query_that_no_route_needs_is_refused(app: ServiceApp) -> None:
    """More than 8 KB of query parameters is a 414."""
    app.endpoint("GET", public="/api/look")(dict)
    for length, status in ((8 * 1024 - 1, 200), (8 * 1024, 414)):
        assert app(proxy_event("GET", "/api/look", query={"q": "x" * length}), None)["statusCode"] == status
