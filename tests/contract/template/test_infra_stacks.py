"""The stacks beside template.yaml are sound, fed by its resources, and serve the page as the laptop does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.api import lint_file

from laptop import ports
from laptop.layout import REPOSITORY
from laptop.template import _Loader, template

INFRA = REPOSITORY / "infra"
STACKS = ["site.yaml", "operations.yaml", "deploy-role.yaml"]
# What the command line or a person gives; every other parameter is a resource of template.yaml.
GIVEN = {
    *("Environment", "Domain", "Certificate", "Host", "PriceClass"),
    *("Stack", "Schedules", "BudgetDollars", "BudgetMail"),
}


def read(name: str) -> dict[str, Any]:
    """A stack's document."""
    loaded: dict[str, Any] = yaml.load((INFRA / name).read_text(), _Loader)  # noqa: S506 - a SafeLoader
    return loaded


SITE, OPERATIONS = read("site.yaml"), read("operations.yaml")


@pytest.mark.parametrize("name", STACKS)
def test_the_stacks_pass_cfn_lint(name: str) -> None:
    """No rule finds anything."""
    assert [str(match) for match in lint_file(Path(INFRA / name))] == []


@pytest.mark.parametrize("stack", [SITE, OPERATIONS], ids=["site", "operations"])
def test_parameters_are_resources_of_the_template(stack: dict[str, Any]) -> None:
    """What is not given by name is filled in from the stack before: it must have such a resource."""
    assert set(stack["Parameters"]) - GIVEN <= set(template()["Resources"])


def test_every_dead_letter_queue_rings() -> None:
    """Each queue of what was given up is in one of the two alarms."""
    queues = {name for name in template()["Resources"] if name.endswith("DeadLetters")}
    text = json.dumps([OPERATIONS["Resources"][name] for name in ("TradeGivenUpAlarm", "WorkGivenUpAlarm")])
    assert queues == set(re.findall(r"\w+DeadLetters", text))


def test_every_alarm_is_heard() -> None:
    """Each alarm says what to do and goes to the topic."""
    for name, resource in OPERATIONS["Resources"].items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            assert resource["Properties"]["AlarmActions"] == [{"Ref": "AlarmTopic"}], name
            assert len(resource["Properties"]["AlarmDescription"]) > 20, name


def test_slow_is_four_fifths_of_the_time_out() -> None:
    """The alarms of duration follow the template's time-outs."""
    shared = template()["Globals"]["Function"]["Timeout"]
    for name, resource in OPERATIONS["Resources"].items():
        if name.endswith("SlowAlarm"):
            function = template()["Resources"][name.removesuffix("SlowAlarm")]["Properties"]
            assert resource["Properties"]["Threshold"] == function.get("Timeout", shared) * 800, name


def test_the_dashboard_is_json() -> None:
    """Its body is JSON once names are filled in, and each widget lies within its 24 columns."""
    body = OPERATIONS["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(re.sub(r"\$\{[\w:]+\}", "name", body))["widgets"]
    assert all(one["x"] + one["width"] <= 24 for one in widgets)


def test_the_site_routes_the_laptops_pages() -> None:
    """CloudFront's function answers index.html for the very pages that the laptop's port does."""
    code = SITE["Resources"]["PagePaths"]["Properties"]["FunctionCode"]
    pages = re.search(r"PAGES = \[(.*?)\]", code)
    assert pages is not None
    assert set(ports.PAGES) == set(re.findall(r"'([^']+)'", pages[1]))
    assert "/^\\/symbol\\/[A-Za-z0-9.%]{1,40}\\/?$/" in code
    assert ports._SYMBOL_PAGE.pattern == r"/symbol/[A-Za-z0-9.%]{1,40}/?$"


def test_the_page_has_the_laptops_policy() -> None:
    """The content security policies are one but for how they name the socket."""
    headers = SITE["Resources"]["PageHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    policy = headers["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]["Fn::Sub"][0]
    ours = ports.SECURITY_HEADERS["Content-Security-Policy"].replace("'self' {sockets}", "'self'${Socket}")
    assert ours == policy


def test_the_api_is_not_kept_and_the_bucket_is_private() -> None:
    """Answers with data pass the cache by; the page is read by the distribution alone."""
    found = SITE["Resources"]["Distribution"]["Properties"]["DistributionConfig"]["CacheBehaviors"]
    kept = {one["PathPattern"]: one["CachePolicyId"] for one in found}
    disabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert {kept["/api/*"], kept["/ws"], kept["/health"]} == {disabled}
    assert [one["PathPattern"] for one in found].index("/api/docs/*") < list(kept).index("/api/*")
    allowed = SITE["Resources"]["PageBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"][0]
    assert "aws:SourceArn" in allowed["Condition"]["StringEquals"]


KEPT = ("Books", "Runs", "Bars", "Settings", "Positions", "Analytics", "Notifications")


@pytest.mark.parametrize("name", KEPT)
def test_what_cannot_be_made_again_is_kept(name: str) -> None:
    """The table stays when the stack goes, cannot be deleted on AWS and may be restored to any second."""
    table = template()["Resources"][name]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert table["Properties"]["DeletionProtectionEnabled"] == {"Fn::If": ["OnAws", True, False]}
    recovery = table["Properties"]["PointInTimeRecoverySpecification"]["Fn::If"]
    assert recovery[:2] == ["OnAws", {"PointInTimeRecoveryEnabled": True}]
