"""Who may make faults on purpose: a laptop's health monitor alone."""

from __future__ import annotations

import json

import pytest

from laptop.template import functions, template
from tests.contract.template.test_issuer import OFF_THE_LAPTOP, held


def test_the_secret_counts_on_a_laptop_alone() -> None:
    """Elsewhere the function is told of none, whatever the stack is told."""
    condition = template()["Conditions"]["WithFaults"]
    given = {"FaultsSecret": "alpaquero/local/faults", "Environment": "local"}
    assert held(condition, given)
    assert not held(condition, given | {"FaultsSecret": ""})
    for environment in OFF_THE_LAPTOP:
        assert not held(condition, given | {"Environment": environment})
    variable = functions()["HealthMonitorApi"]["Environment"]["Variables"]["FAULTS_SECRET"]
    assert variable == {"Fn::If": ["WithFaults", {"Ref": "FaultsSecret"}, ""]}
    assert template()["Parameters"]["FaultsSecret"]["Default"] == ""


def test_a_deploy_with_faults_is_refused_off_the_laptop() -> None:
    """CloudFormation itself refuses the parameter in every other environment."""
    rule = template()["Rules"]["FaultsAreTheLaptops"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Environment"}, "local"]}]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Equals": [{"Ref": "FaultsSecret"}, ""]}


@pytest.mark.parametrize("name", sorted(functions()))
def test_no_other_function_is_told_of_it(name: str) -> None:
    """Neither by a variable nor by a policy."""
    assert ("FaultsSecret" in json.dumps(functions()[name])) == (name == "HealthMonitorApi")
