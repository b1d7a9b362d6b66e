"""What single pages of docs/services say beyond what all of them do, held against the code."""

from __future__ import annotations

import re
from typing import get_args

import msgspec
import pytest

from alpaquero.events.mails import _KINDS, MAILED_EVENTS, Category
from alpaquero.events.schemas import EVENTS
from alpaquero.monitoring.settings import RANGES
from alpaquero.notifications.preferences import WEBHOOK_SECRETS, Channel, Preferences
from alpaquero.store import checks
from alpaquero.store.notifications import State
from alpaquero.store.trading_settings import MOST_BYTES, MOST_STRATEGIES, MOST_WATCHLISTS
from functions.notification.deliver import PAUSES_SECONDS
from laptop.cli.settings import settings as command
from laptop.layout import REPOSITORY
from laptop.template import functions, template
from tests.contract.template import service_page as page
from tests.contract.template.service_page import first_words, rows, sections, tables, words

TEMPLATE = (REPOSITORY / "template.yaml").read_text()
CHECKS = (REPOSITORY / "layers/alpaquero/python/alpaquero/store/checks.py").read_text()


# ------------------------------------------------------------------------- configuration


def test_every_setting_but_the_risk_limits_is_on_the_configuration_page() -> None:
    """With its range and its meaning; the limits are held against docs/risk.md."""
    told = {words(row[0])[0]: row[3:] for row in rows("configuration", "Settings")}
    assert told == {
        name: [limits_of(node), node["description"]]
        for name, node in page.settings().items()
        if not name.startswith("risk.")
    }


def limits_of(node: dict[str, object]) -> str:
    low = f"from {node['minimum']} " if "minimum" in node else f"above {node.get('exclusiveMinimum')} "
    return f"{low}to {node['maximum']}" if "maximum" in node else ""


def test_the_most_of_each_is_the_codes() -> None:
    """The sizes that are told are those that are checked."""
    told = f"{MOST_BYTES:,} bytes, {MOST_WATCHLISTS} watchlists, {MOST_STRATEGIES} strategies"
    assert told in sections("configuration")["Settings"]


def test_the_parts_of_the_command_are_those_there_are() -> None:
    """The command line's parts are named as they are typed."""
    told = re.search(r"alpaquero settings \[([^]]+)\]", sections("configuration")["Routes"])
    assert told is not None
    assert {part.split()[0] for part in told[1].split("|")} == set(command.commands)


def test_what_every_function_gets_is_shown() -> None:
    """A variable that the template gives to all is one that GET /config/environment shows."""
    listed = re.search(r"SHARED_VARIABLES = \((.*?)\)", page.sources("configuration"), re.DOTALL)
    assert listed is not None
    given = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert set(re.findall(r'"(\w+)"', listed[1])) == set(given)


def test_the_parameters_that_are_shown_are_the_stacks() -> None:
    """All that say where and how it runs; not the addresses of mail, watchdog and the laptop's engine."""
    shown = functions()["ConfigurationApi"]["Environment"]["Variables"]["STACK_PARAMETERS"]["Fn::Sub"]
    named, there = set(re.findall(r'"(\w+)": "\$\{\1\}"', shown)), set(template()["Parameters"])
    addresses = {"MailFrom", "MailTo", "TokenKeysBase", "SocketCallbackBase", "WatchdogSecret"}
    kept_back = addresses | {"LocalIssuer", "Socket", "FaultsSecret"}
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


# ------------------------------------------------------------------------- health monitor


def test_every_alert_is_told() -> None:
    """The looks of the code by name: those of `store.checks`, the dead man's and the watchdog's."""
    looks = re.findall(r'looked\("([\w:]+)"', CHECKS + page.sources("health_monitor"))
    found = {*looks, *(f"work:{service}" for service in checks.WATCHED), "breaker:trading", "breaker:data"}
    assert first_words("health_monitor", "Alarms") == found | {"probe:<service>"}


def test_the_alarms_are_those_of_the_template() -> None:
    """Each alarm of CloudWatch is named on the page."""
    resources = template()["Resources"].items()
    alarms = {name for name, resource in resources if resource["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms == set(re.findall(r"`(\w+Alarm)`", sections("health_monitor")["Alarms"]))


def test_the_monitors_settings_are_all_on_its_page() -> None:
    """Each setting under `monitoring` is its own."""
    assert {f"monitoring.{name}" for name in RANGES} <= first_words("health_monitor", "Settings")


def test_both_functions_know_every_queue() -> None:
    """A queue of the template that the probe or the metrics do not look at fails here."""
    resources = template()["Resources"]
    for function in ("HealthProbe", "HealthMonitorApi"):
        variables = functions()[function]["Environment"]["Variables"]
        named = set(re.findall(r'"(\w+)": "\$\{(\w+)\}"', str(variables["QUEUES"])))
        dead = set(re.findall(r'"(\w+)": "\$\{(\w+)\}"', str(variables["DEAD_LETTER_QUEUES"])))
        queues = {name for name, one in resources.items() if one["Type"] == "AWS::SQS::Queue"}
        assert {target for _, target in named | dead} == queues


# ------------------------------------------------------------------------- notification


def test_a_users_settings_are_those_of_the_code() -> None:
    """Each setting of a user and of a channel with its default."""
    users, channels = tables("notification", "Who is told")
    kept = {field.name for field in msgspec.structs.fields(Preferences)} - {"user", "version", "changed_at"}
    assert {name for row in users for name in words(row[0])} == kept
    assert {name for row in channels for name in words(row[0])} == set(Channel.__struct_fields__)
    for owner, told in ((Preferences, users), (Channel, channels)):
        defaults = {
            f.name: str(f.default)
            for f in msgspec.structs.fields(owner)
            if f.default is not msgspec.NODEFAULT
        }
        for row in told:
            for name in words(row[0]):
                if name in defaults:
                    assert row[1] in {defaults[name], defaults[name].lower()}


def test_the_categories_are_those_of_the_code() -> None:
    """None is left out."""
    (row,) = [row for row in tables("notification", "Who is told")[1] if "`categories`" in row[0]]
    assert set(words(row[2])) == set(get_args(Category))


@pytest.mark.parametrize("row", rows("notification", "What is told"), ids=lambda row: words(row[0])[0])
def test_an_event_is_mailed_as_the_page_says(row: list[str]) -> None:
    """In its category, with its severity."""
    wanted = _KINDS[EVENTS[words(row[0])[0]]]
    assert (row[1].split(",")[0], row[2].split(";")[0]) == wanted


def test_every_event_that_is_mailed_is_on_the_page() -> None:
    """No event without a row, no row without an event."""
    assert first_words("notification", "What is told") == set(MAILED_EVENTS)


def test_the_states_and_pauses_are_those_of_the_code() -> None:
    """A delivery's states are all named, and the pauses are what the queue is told."""
    section = sections("notification")["Once, and at least once"]
    assert {state.value for state in State} <= set(words(section))
    assert PAUSES_SECONDS == (15, 60, 300, 900)
    assert "15 s, 1, 5 and 15 minutes" in section


def test_the_functions_may_read_the_webhooks_secrets_alone() -> None:
    """The prefix of the code is that of the template's policies, and the page's."""
    assert TEMPLATE.count(f":secret:{WEBHOOK_SECRETS}*") == 2
    assert f"`{WEBHOOK_SECRETS}<address>`" in sections("notification")["Webhooks"]
