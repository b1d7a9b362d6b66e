"""Whose tokens count: on AWS Cognito's alone, whatever a stack is told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from laptop import issuer
from laptop.localstack import LocalStack
from laptop.template import functions, template

OFF_THE_LAPTOP = ["paper", "live", "dry_run"]


def held(condition: Any, given: dict[str, str]) -> bool:
    """Whether a condition of the template holds for these parameters."""
    if not isinstance(condition, dict):
        return bool(condition)
    ((kind, value),) = condition.items()
    if kind == "Fn::Equals":
        left, right = (given[one["Ref"]] if isinstance(one, dict) else one for one in value)
        return bool(left == right)
    if kind == "Fn::Not":
        return not held(value[0], given)
    if kind == "Fn::And":
        return all(held(one, given) for one in value)
    assert kind == "Fn::Condition", kind
    return held(template()["Conditions"][value], given)


def test_the_conditions_make_another_issuer_the_laptops_alone() -> None:
    """With LocalIssuer given the condition holds on a laptop; nowhere else does it, and Cognito is there."""
    given = {"LocalIssuer": "http://127.0.0.1:9300", "Environment": "local"}
    conditions = template()["Conditions"]
    assert held(conditions["OwnIssuer"], given)
    assert not held(conditions["Cognito"], given)
    for environment in OFF_THE_LAPTOP:
        assert not held(conditions["OwnIssuer"], given | {"Environment": environment})
        assert held(conditions["Cognito"], given | {"Environment": environment})
    assert held(conditions["Cognito"], given | {"LocalIssuer": ""})


def test_every_environment_is_asked_about() -> None:
    """A new environment would need an answer here."""
    assert template()["Parameters"]["Environment"]["AllowedValues"] == ["local", *OFF_THE_LAPTOP]


def test_a_deploy_with_another_issuer_is_refused() -> None:
    """CloudFormation itself refuses LocalIssuer anywhere but on a laptop, and an address but loopback's."""
    rule = template()["Rules"]["CognitoIsTheIssuer"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Environment"}, "local"]}]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Equals": [{"Ref": "LocalIssuer"}, ""]}
    pattern = re.compile(template()["Parameters"]["LocalIssuer"]["AllowedPattern"])
    assert pattern.fullmatch(issuer.url(9300))
    assert pattern.fullmatch("")
    for address in ("http://127.0.0.1.evil.example:1", "https://issuer.example", "http://10.0.0.1:9300"):
        assert not pattern.fullmatch(address)


@pytest.mark.parametrize("name", ["GatewayAuthorizer", "GatewayApi"])
def test_both_functions_ask_the_same_issuer(name: str) -> None:
    """Issuer, keys and client follow the one condition, and name what the issuer really serves."""
    variables = functions()[name]["Environment"]["Variables"]
    assert {
        variables[one]["Fn::If"][0] for one in ("TOKEN_ISSUER", "TOKEN_KEYS_URL", "USER_POOL_CLIENT")
    } == {"OwnIssuer"}
    assert variables["TOKEN_ISSUER"]["Fn::If"][1] == {"Ref": "LocalIssuer"}
    assert variables["TOKEN_KEYS_URL"]["Fn::If"][1] == {"Fn::Sub": f"${{LocalIssuer}}{issuer.KEYS_PATH}"}
    assert variables["USER_POOL_CLIENT"]["Fn::If"][1] == issuer.CLIENT


def test_the_engine_gives_parameters_that_there_are() -> None:
    """What LocalStack is deployed with the template declares."""
    assert {"LocalIssuer", "Socket", "SocketCallbackBase"} <= set(template()["Parameters"])
    assert set(LocalStack.own_ports) == {"issuer"}
