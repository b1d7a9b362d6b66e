"""The template for AWS has an alias for each function, called by what starts it, and nothing else changes."""

from __future__ import annotations

import difflib
import re

import pytest

from laptop.aws.variant import MANNERS, for_aws
from laptop.errors import LaptopError
from laptop.layout import TEMPLATE

OURS = TEMPLATE.read_text()


def changed(body: str) -> list[str]:
    """The lines that are new in a body."""
    found = difflib.ndiff(OURS.splitlines(), body.splitlines())
    return [line[2:].strip() for line in found if line.startswith("+ ")]


def test_every_schedule_calls_the_alias_that_it_may_call() -> None:
    """Each rule with a job names its function's alias, and has leave for that very alias."""
    body = for_aws(OURS, manner="AllAtOnce")
    scheduled = set(re.findall(r"Arn: !Ref (\w+)\.Alias, Input:", body))
    assert scheduled == set(re.findall(r"Arn: !GetAtt (\w+)\.Arn, Input:", OURS))
    assert {"SignalPlan", "TradingSync", "RiskMonitor"} <= scheduled
    permitted = re.findall(r"FunctionName: !Ref (\w+)\.Alias, .*Principal: events", body)
    assert scheduled == set(permitted)


def test_nothing_else_is_changed() -> None:
    """Beside schedules and their permissions two lines of Globals are new."""
    rest = [line for line in changed(for_aws(OURS, manner="AllAtOnce")) if ".Alias" not in line]
    assert rest == ["AutoPublishAlias: current", "DeploymentPreference: {Type: AllAtOnce}"]


@pytest.mark.parametrize("manner", [name for name in MANNERS if name != "AllAtOnce"])
def test_a_gradual_release_goes_back_by_an_alarm(manner: str) -> None:
    """What shifts traffic by and by is watched by an alarm that the template has."""
    assert f"DeploymentPreference: {{Type: {manner}, Alarms: [!Ref ReleaseAlarm]}}" in for_aws(
        OURS, manner=manner
    )
    assert "\n  ReleaseAlarm:" in OURS


def test_snap_start_is_of_versions() -> None:
    """It is put in only when it is asked for."""
    line = "SnapStart: {ApplyOn: PublishedVersions}"
    assert line in changed(for_aws(OURS, manner="AllAtOnce", snap_start=True))
    assert line not in changed(for_aws(OURS, manner="AllAtOnce"))


def test_an_unknown_manner_is_refused() -> None:
    """A word that CodeDeploy would refuse an hour later is refused now."""
    with pytest.raises(LaptopError, match="name one of AllAtOnce"):
        for_aws(OURS, manner="Canary")
