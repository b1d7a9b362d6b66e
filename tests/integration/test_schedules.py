"""The five schedules: which event goes to which function, what a tick does, and one that really fires."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from laptop.stack import ACCOUNT, LaptopCloud
from laptop.template import template
from tests.integration.reading import Item, item, items

# Rule, the job it sends, the function that gets it.
RULES = [
    ("SignalSchedule", "plan", "SignalPlan"),
    ("SyncSchedule", "sync", "TradingSync"),
    ("MonitorSchedule", "monitor", "RiskMonitor"),
    ("ProbeSchedule", "probe", "HealthProbe"),
    ("DigestSchedule", "digest", "NotificationDigest"),
]


def test_every_schedule_of_the_template_has_a_case() -> None:
    """A rule with a schedule that is not in the table here fails, so that it gets its tests."""
    scheduled = {
        name
        for name, resource in template()["Resources"].items()
        if "ScheduleExpression" in resource.get("Properties", {})
    }
    assert scheduled == {rule for rule, _, _ in RULES}


@pytest.mark.parametrize(("rule", "job", "function"), RULES)
def test_a_rule_sends_its_job_to_its_function(cloud: LaptopCloud, rule: str, job: str, function: str) -> None:
    """Each minute the rule sends exactly `{"job": ...}` to its one function, which lets it."""
    events, name = cloud.client("events"), cloud.physical(rule)
    (target,) = events.list_targets_by_rule(Rule=name)["Targets"]
    described = events.describe_rule(Name=name)
    assert described["ScheduleExpression"] == "rate(1 minute)"
    assert target["Arn"].endswith(f":function:{cloud.physical(function)}")
    assert json.loads(target["Input"]) == {"job": job}
    policy = json.loads(cloud.client("lambda").get_policy(FunctionName=cloud.physical(function))["Policy"])
    assert described["Arn"] in json.dumps(policy["Statement"])


@pytest.mark.usefixtures("fired")
def test_a_tick_of_plan_works(cloud: LaptopCloud) -> None:
    """Planning answers the newest closed bar's run and says that it is not new."""
    answer = cloud.tick("plan")
    assert (answer["new"], item(cloud, "Runs", ACCOUNT, f"RUN#{answer['run_id']}") is None) == (False, False)


def test_a_tick_of_sync_works(cloud: LaptopCloud) -> None:
    """Syncing notes that it did its work just now."""
    before = datetime.now(UTC)
    cloud.tick("sync")
    assert _worked_at(cloud, "trading") >= before


def test_a_tick_of_monitor_works(cloud: LaptopCloud) -> None:
    """Monitoring leaves an equity mark of the market's time."""
    cloud.tick("monitor")
    now = cloud.exchange.status().now
    assert _worked_at(cloud, "risk") is not None
    assert datetime.fromisoformat(_body(item(cloud, "Books", ACCOUNT, "RISKBOOK"))["as_of"]) <= now


@pytest.mark.usefixtures("probed")
def test_a_tick_of_probe_works(cloud: LaptopCloud) -> None:
    """Probing finds every service of the template well."""
    probes = [row["body"] for row in items(cloud, "Health") if row["pk"] == "SERVICE"]
    assert {probe["service"] for probe in probes} == {"gateway", *_services()}
    assert [probe for probe in probes if probe["status"] != "ok"] == []


def test_a_schedule_fires_by_itself(fired: Item) -> None:
    """The rule alone, within its minute, plans the run of a session that nobody else planned."""
    assert fired["body"]["bar_close"].startswith("2012-04-17")


def _services() -> set[str]:
    from laptop.stack import SERVICE_PORTS

    return set(SERVICE_PORTS)


def _worked_at(cloud: LaptopCloud, service: str) -> datetime:
    return datetime.fromisoformat(_body(item(cloud, "Health", "WORK", service))["at"])


def _body(found: Item | None) -> dict[str, Any]:
    assert found is not None
    body: dict[str, Any] = found["body"]
    return body
