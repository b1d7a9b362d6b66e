"""What docs/services/health_monitor.md says, held against routes, settings, events, metrics and alarms."""

from __future__ import annotations

import re
from dataclasses import fields

from alpaquero.events.schemas import EVENTS
from alpaquero.monitoring.settings import RANGES, MonitoringSettings
from alpaquero.store import checks
from laptop.layout import REPOSITORY
from laptop.template import functions, template

TEXT = (REPOSITORY / "docs" / "services" / "health_monitor.md").read_text()
SOURCES = {
    path: path.read_text()
    for folder in ("functions", "layers/alpaquero/python/alpaquero")
    for path in (REPOSITORY / folder).rglob("*.py")
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)[2:]
    return [[cell.strip() for cell in row.split("|")] for row in table]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def first(heading: str) -> set[str]:
    """What the first column of a table names."""
    return {name for row in rows(heading) for name in names(row[0])}


def test_the_routes_are_those_of_the_template() -> None:
    """Each route of the service is in the table, and none that is not there."""
    events = functions()["HealthMonitorApi"]["Events"].values()
    routes = {f"{e['Properties']['Method'].upper()} {e['Properties']['Path']}" for e in events}
    assert {name for row in rows("Routes") for cell in row[:2] for name in names(cell)} == routes


def test_the_settings_are_those_of_the_code() -> None:
    """With their defaults and ranges."""
    told = {names(row[0])[0]: tuple(int(cell) for cell in row[1:4]) for row in rows("Settings")}
    defaults = MonitoringSettings()
    assert told == {f.name: (getattr(defaults, f.name), *RANGES[f.name]) for f in fields(MonitoringSettings)}


def test_the_events_are_those_the_probe_tells() -> None:
    """Each event that the service imports to tell, and no other."""
    source = (REPOSITORY / "functions/health_monitor/probe.py").read_text()
    assert first("Events") == {name for name in EVENTS if re.search(rf"\b{name}\(", source)}


def test_every_metric_of_ours_is_told() -> None:
    """Each row names a metric of the code; those of the health monitor and of trade are all there."""
    counted = {path: set(re.findall(r'\bcount\(\s*"([A-Z]\w+)"', text)) for path, text in SOURCES.items()}
    publish, conclude = (
        REPOSITORY / f"functions/{name}.py" for name in ("trading/publish", "signal/conclude")
    )
    counted[publish] |= set(re.findall(r'": "([A-Z]\w+)",', SOURCES[publish]))
    counted[conclude] |= set(re.findall(r'\("(Signals\w+)",', SOURCES[conclude]))
    probe = REPOSITORY / "functions/health_monitor/probe.py"
    assert counted[probe] | counted[publish] | counted[conclude] <= first("Metrics")
    assert first("Metrics") <= set().union(*counted.values())


def test_the_alarms_are_those_of_the_template() -> None:
    """Each alarm is named on the page."""
    resources = template()["Resources"].items()
    alarms = {name for name, resource in resources if resource["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms == set(re.findall(r"`(\w+Alarm)`", TEXT))


def test_every_alert_is_told() -> None:
    """The looks of the code by name: those of `store.checks`, the dead man's and the watchdog's."""
    looks = SOURCES[REPOSITORY / "layers/alpaquero/python/alpaquero/store/checks.py"]
    probe = SOURCES[REPOSITORY / "functions/health_monitor/probe.py"]
    found = set(re.findall(r'looked\("(\w+)"', looks + probe))
    found |= {f"work:{service}" for service in checks.WATCHED} | {"breaker:trading", "breaker:data"}
    assert first("What is watched") == found | {"probe:<service>"}


def test_both_functions_know_every_queue() -> None:
    """A queue of the template that the probe or the metrics do not look at fails here."""
    resources = template()["Resources"]
    for function in ("HealthProbe", "HealthMonitorApi"):
        variables = functions()[function]["Environment"]["Variables"]
        named = set(re.findall(r'"(\w+)": "\$\{(\w+)\}"', str(variables["QUEUES"])))
        dead = set(re.findall(r'"(\w+)": "\$\{(\w+)\}"', str(variables["DEAD_LETTER_QUEUES"])))
        queues = {name for name, one in resources.items() if one["Type"] == "AWS::SQS::Queue"}
        assert {target for _, target in named | dead} == queues
