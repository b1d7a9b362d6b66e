"""The gateway's own answers in the template's words."""

from __future__ import annotations

import json

from alpaquero_plugin.refusals import headers, worded

from laptop.template import template


def test_every_wording_of_the_template_is_an_error_of_the_one_shape() -> None:
    """With any message and without the variables that LocalStack lacks each is JSON that says what to do."""
    for api in ("PublicApi", "ServicesApi"):
        for kind, wanted in template()["Resources"][api]["Properties"]["GatewayResponses"].items():
            words = wanted["ResponseTemplates"]["application/json"]
            error = json.loads(worded(words, {"requestId": "r1"}, 'no "x"'))["error"]
            assert (error["correlation_id"], error["details"]) == ("r1", {}), kind
            assert error["message"]


def test_headers_are_what_stands_in_quotes() -> None:
    """Other places and other values are none."""
    given = {
        "gatewayresponse.header.Retry-After": "'1'",
        "gatewayresponse.header.X": "method.request.x",
        "y": "'z'",
    }
    assert headers(given) == {"Retry-After": "1"}
