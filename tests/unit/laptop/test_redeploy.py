"""Which functions a service has, and what the repairs resolve."""

from __future__ import annotations

import pytest

from laptop.errors import LaptopError
from laptop.layout import TEMPLATE
from laptop.redeploy import functions_of
from laptop.repairs import resolved


def test_a_services_functions_are_those_of_its_folder() -> None:
    """The template says which functions run a folder's code."""
    found = functions_of("trading", TEMPLATE.read_text())
    assert found == ["TradingExecute", "TradingSync", "TradingPublish", "TradingApi"]


def test_an_unknown_service_names_the_known_ones() -> None:
    """The error lists the services there are."""
    with pytest.raises(LaptopError, match=r"there is no service trade: name one of .*trading"):
        functions_of("trade", TEMPLATE.read_text())


def test_references_of_known_names_are_resolved() -> None:
    """Ref and Fn::Sub of parameters and resources become values; others stay."""
    names = {"Origin": "http://localhost:9100", "Books": "books-1"}
    value = {
        "a": {"Ref": "Books"},
        "b": [{"Fn::Sub": "'${Origin}'"}],
        "c": {"Fn::GetAtt": ["Books", "Arn"]},
        "d": {"Fn::Sub": "${AWS::Region}-${Unknown}"},
    }
    assert resolved(value, names) == {
        "a": "books-1",
        "b": ["'http://localhost:9100'"],
        "c": {"Fn::GetAtt": ["Books", "Arn"]},
        "d": "${AWS::Region}-${Unknown}",
    }
