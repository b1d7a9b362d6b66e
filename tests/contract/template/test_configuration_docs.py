"""What docs/services/configuration.md says, held against template, settings, events and metrics."""

from __future__ import annotations

import re
from typing import Any

import pytest

from alpaquero.events.schemas import EVENTS
from alpaquero.store import settings_schema
from alpaquero.store.settings_schema import GROUPS
from alpaquero.store.trading_settings import MOST_BYTES, MOST_STRATEGIES, MOST_WATCHLISTS
from laptop.cli.settings import settings as command
from laptop.layout import REPOSITORY
from laptop.template import functions, routes, template

TEXT = (REPOSITORY / "docs" / "services" / "configuration.md").read_text()
SECURITY = (REPOSITORY / "docs" / "security.md").read_text()
SOURCE = (REPOSITORY / "functions" / "configuration" / "api.py").read_text()
FUNCTION = "ConfigurationApi"


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.search(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[0].splitlines()[2:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def settings() -> dict[str, dict[str, Any]]:
    """Each setting that this page describes: all but the groups themselves and those under risk."""
    parts = settings_schema.schema()["$defs"]
    return {
        f"{prefix}{name}": node
        for struct, prefix in GROUPS.items()
        for name, node in parts[struct]["properties"].items()
        if prefix != "risk." and name not in {"strategies", "risk", "orders", "monitoring"}
    }


def test_the_routes_are_those_of_the_template() -> None:
    """Every route of the service in both APIs has its row, and no row is without one."""
    told = {(method, words(path)[0]) for method, path, *_ in rows("Routes")}
    served = {
        (method, path.removeprefix(prefix))
        for api, prefix in (("PublicApi", "/api"), ("ServicesApi", "/configuration"))
        for function, method, path in routes(api)
        if function == FUNCTION
    }
    assert told == served


@pytest.mark.parametrize("row", rows("Routes"), ids=lambda row: f"{row[0]} {words(row[1])[0]}")
def test_a_routes_role_is_that_of_the_security_table(row: list[str]) -> None:
    """One place says who may call a route, and this page agrees with it."""
    method, path, role, _ = row
    public = f"`{method} {'/configuration' if role == 'IAM' else '/api'}{words(path)[0]}`"
    assert f"| {public} | {role} |" in SECURITY


def test_the_settings_are_those_of_the_code() -> None:
    """No setting without a row, no row without a setting."""
    assert set(settings()) == {words(row[0])[0] for row in rows("Settings")}


@pytest.mark.parametrize("row", rows("Settings"), ids=lambda row: words(row[0])[0])
def test_a_setting_is_described_as_it_is(row: list[str]) -> None:
    """Its default, unit, range and meaning."""
    node = settings()[words(row[0])[0]]
    default = node.get("default")
    shown = (
        "not set" if default is None else str(default) if default else str(default).strip("(){}[]") or "none"
    )
    low = f"from {node['minimum']} " if "minimum" in node else f"above {node.get('exclusiveMinimum')} "
    limits = f"{low}to {node['maximum']}" if "maximum" in node else ""
    assert [shown, node.get("x-unit", ""), limits, node["description"]] == row[1:]


def test_the_most_of_each_is_the_codes() -> None:
    """The sizes that are told are those that are checked."""
    told = f"{MOST_BYTES:,} bytes, {MOST_WATCHLISTS} watchlists, {MOST_STRATEGIES} strategies"
    assert told in TEXT


def test_events_and_metrics_are_those_that_are_made() -> None:
    """What the page names exists, and what the service tells and counts is named."""
    events = {words(row[0])[0] for row in rows("Events")}
    assert events == {name for name in EVENTS if re.search(rf"\b{name}\(", SOURCE)}
    assert set(re.findall(r'count\("(\w+)"', SOURCE)) == {words(row[0])[0] for row in rows("Metrics")}


def test_the_commands_are_those_there_are() -> None:
    """The command line's parts are named as they are typed."""
    told = re.search(r"alpaquero settings \[([^]]+)\]", TEXT)
    assert told is not None
    assert {part.split()[0] for part in told[1].split("|")} == set(command.commands)


def test_what_every_function_gets_is_shown() -> None:
    """A variable that the template gives to all is one that GET /config/environment shows."""
    listed = re.search(r"SHARED_VARIABLES = \((.*?)\)", SOURCE, re.DOTALL)
    assert listed is not None
    given = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert set(re.findall(r'"(\w+)"', listed[1])) == set(given)


def test_the_parameters_that_are_shown_are_the_stacks() -> None:
    """All that say where and how it runs; not the addresses of mail, watchdog and the laptop's engine."""
    shown = functions()[FUNCTION]["Environment"]["Variables"]["STACK_PARAMETERS"]["Fn::Sub"]
    named, there = set(re.findall(r'"(\w+)": "\$\{\1\}"', shown)), set(template()["Parameters"])
    kept_back = {"MailFrom", "MailTo", "TokenKeysBase", "SocketCallbackBase", "WatchdogSecret"}
    assert named <= there
    assert there - named <= kept_back


def test_every_function_may_read_the_log_level() -> None:
    """All but the authorizer, which reads no table, may get items of Settings."""
    without = {
        name
        for name, given in functions().items()
        if "'Ref': 'Settings'" not in str(given["Policies"]) and "Settings.Arn" not in str(given["Policies"])
    }
    assert without == {"GatewayAuthorizer"}
