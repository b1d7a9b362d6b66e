"""What the gateway itself refuses has the one error shape, in both APIs, with a code that is documented."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from alpaquero.errors import RequestError
from laptop.layout import REPOSITORY
from laptop.template import template

APIS = ("PublicApi", "ServicesApi")
# What AWS tells in its own words wherever an API has no response for it, and no default takes its place.
WANTED = {"ACCESS_DENIED", "MISSING_AUTHENTICATION_TOKEN", "THROTTLED", "DEFAULT_4XX", "DEFAULT_5XX"}
SIGNED = {"INVALID_SIGNATURE", "EXPIRED_TOKEN"}
TEXT = re.compile(r"\$context\.error\.messageString")  # which brings its own quotes


def responses(api: str) -> dict[str, Any]:
    """The gateway responses of an API."""
    found: dict[str, Any] = template()["Resources"][api]["Properties"]["GatewayResponses"]
    return found


@pytest.mark.parametrize("api", APIS)
def test_every_refusal_of_the_gateway_has_the_one_shape(api: str) -> None:
    """Code, message, details and correlation id, as from a function; a wait says how long."""
    given = responses(api)
    assert set(given) >= WANTED | (SIGNED if api == "ServicesApi" else {"UNAUTHORIZED", "BAD_REQUEST_BODY"})
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    for kind, one in given.items():
        body = json.loads(TEXT.sub('"text"', one["ResponseTemplates"]["application/json"]))
        assert set(body) == {"error"}, kind
        error = body["error"]
        assert set(error) == {"code", "message", "details", "correlation_id"}, kind
        assert (error["details"], error["correlation_id"]) == ({}, "$context.requestId"), kind
        assert f"`{error['code']}`" in page, f"{kind}: name {error['code']} in docs/architecture.md"
    assert given["THROTTLED"]["ResponseParameters"]["Headers"]["Retry-After"] == "'1'"


def test_signed_callers_are_never_told_to_sign_in() -> None:
    """Behind IAM whoever may not is refused with 403: there is no session to renew."""
    refusals = {kind: one for kind, one in responses("ServicesApi").items() if kind in WANTED | SIGNED}
    assert {one["StatusCode"] for kind, one in refusals.items() if "StatusCode" in one} == {403, 429}


def test_every_code_of_a_refusal_is_documented() -> None:
    """A program decides by the code, so each stands in docs/architecture.md."""
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    codes = {kind.code for kind in RequestError.__subclasses__()}
    assert {code for code in codes if f"`{code}`" not in page} == set()
