"""The request models of template.yaml: what API Gateway refuses before a function is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft4Validator, Draft202012Validator, validators
from schemathesis import GenerationMode

from laptop.layout import TEMPLATE
from laptop.openapi.__main__ import kept
from laptop.openapi.description import PUBLIC
from laptop.openapi.edge import models, written

DOCUMENT: dict[str, Any] = json.loads(kept(PUBLIC).read_text())
MODELS = models(DOCUMENT)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
JSON = "application/json"
# As everyone but draft 4, 1.0 is a whole number.
Lenient = validators.extend(Draft4Validator, type_checker=Draft202012Validator.TYPE_CHECKER)
BODIES = sorted(
    (method, path)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if "requestBody" in operation
)
EMPTY = """Resources:
  Api:
    Properties:
      GatewayResponses:
        X: {}
  Function:
        One: {Type: Api, Properties: {RestApiId: !Ref PublicApi, Path: '/api/orders', Method: post}}
        Two: {Type: Api, Properties: {RestApiId: !Ref PublicApi, Path: '/api/orders', Method: get}}
        Three: {Type: Api, Properties: {RestApiId: !Ref ServicesApi, Path: '/api/orders', Method: post}}
"""


def test_each_model_stands_whole_in_draft_4() -> None:
    """API Gateway knows draft 4, and a model of ours refers to no other."""
    assert {"PlaceOrder", "SignInRequest", "ChangeTradingState"} <= set(MODELS)
    for model in MODELS.values():
        Draft4Validator.check_schema(model)
        assert "$ref" not in json.dumps(model)
        assert model["type"] == "object"


@pytest.mark.parametrize(("method", "path"), BODIES)
def test_a_model_refuses_nothing_that_is_described(method: str, path: str) -> None:
    """Whatever the description allows passes the edge, so the function alone decides about it."""
    operation = SCHEMA[path][method]
    body = DOCUMENT["paths"][path][method]["requestBody"]["content"][JSON]["schema"]
    model = Lenient(MODELS[body["$ref"].rpartition("/")[2]])

    @settings(
        max_examples=5,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(GenerationMode.POSITIVE))
    def asked(case: Any) -> None:
        assert model.is_valid(case.body), case.body

    asked()


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"side": "buy"},
        {"symbol": "GOOG", "side": "short"},
        {"symbol": "GOOG", "side": "buy", "quantity": "many"},
        {"symbol": "GOOG", "side": "buy", "leverage": 9},
    ],
)
def test_a_wrong_order_is_refused_at_the_edge(body: Any) -> None:
    """A missing field, an unknown one, a wrong word and a wrong number do not reach a function on AWS."""
    assert not Draft4Validator(MODELS["PlaceOrder"]).is_valid(body)


def test_what_a_route_demands_is_written_once() -> None:
    """Models and demands are put in, again without change, and routes of the services' API have none."""
    once = written(EMPTY, DOCUMENT)
    assert written(once, DOCUMENT) == once
    one, two, three = once.splitlines()[-3:]
    assert "RequestModel: {Model: PlaceOrder, Required: true" in one
    assert "RequestParameters: [method.request.header.Idempotency-Key: {Required: true}]" in one
    assert "RequestModel" not in two + three


def test_the_template_has_the_models() -> None:
    """YAML reads of the template what the description says, patterns and all."""
    lines = TEMPLATE.read_text().splitlines()
    placed = next(line for line in lines if line.startswith("        PlaceOrder: "))
    assert yaml.safe_load(placed)["PlaceOrder"] == MODELS["PlaceOrder"]
