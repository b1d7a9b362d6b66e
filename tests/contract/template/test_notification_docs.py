"""What docs/services/notification.md says, held against template, settings, events and metrics."""

from __future__ import annotations

import re
from typing import get_args

import msgspec

from alpaquero.events.mails import _KINDS, MAILED_EVENTS, Category
from alpaquero.events.schemas import EVENTS
from alpaquero.notifications.preferences import WEBHOOK_SECRETS, Channel, Preferences
from alpaquero.store.notifications import State
from functions.notification.deliver import PAUSES_SECONDS
from laptop.layout import REPOSITORY
from laptop.template import routes

TEXT = (REPOSITORY / "docs" / "services" / "notification.md").read_text()
TEMPLATE = (REPOSITORY / "template.yaml").read_text()
SOURCES = "".join(path.read_text() for path in (REPOSITORY / "functions" / "notification").glob("*.py"))


def tables(heading: str) -> list[list[list[str]]]:
    """The cells of each table under a heading, without its head."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    return [
        [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
        for table in found
    ]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_routes_are_those_of_the_template() -> None:
    """Every route of the service in both APIs has its row, and no row is without one."""
    told = {(method, words(path)[0]) for method, path, *_ in tables("Routes")[0]}
    served = {
        (method, path.removeprefix(prefix))
        for api, prefix in (("PublicApi", "/api"), ("ServicesApi", "/notification"))
        for function, method, path in routes(api)
        if function == "NotificationApi"
    }
    assert told == served


def test_the_settings_are_those_of_the_code() -> None:
    """Each setting of a user and of a channel with its default."""
    users, channels = tables("Who is told")
    kept = {field.name for field in msgspec.structs.fields(Preferences)} - {"user", "version", "changed_at"}
    assert {name for row in users for name in words(row[0])} == kept
    assert {name for row in channels for name in words(row[0])} == set(Channel.__struct_fields__)
    for owner, rows in ((Preferences, users), (Channel, channels)):
        defaults = {
            f.name: str(f.default)
            for f in msgspec.structs.fields(owner)
            if f.default is not msgspec.NODEFAULT
        }
        for row in rows:
            for name in words(row[0]):
                if name in defaults:
                    assert row[1] in {defaults[name], defaults[name].lower()}


def test_the_categories_are_those_of_the_code() -> None:
    """None is left out."""
    (row,) = [row for row in tables("Who is told")[1] if "`categories`" in row[0]]
    assert set(words(row[2])) == set(get_args(Category))


def test_the_events_are_those_that_are_mailed() -> None:
    """Each with its category and severity."""
    told = {words(row[0])[0]: row[1:] for row in tables("Events")[0]}
    assert set(told) == set(MAILED_EVENTS)
    for name, (category, severity) in told.items():
        wanted = _KINDS[EVENTS[name]]
        assert (category.split(",")[0], severity.split(";")[0]) == wanted


def test_the_states_and_pauses_are_those_of_the_code() -> None:
    """A delivery's states are all named, and the pauses are what the queue is told."""
    section = TEXT.split("\n## Once, and at least once\n")[1].split("\n## ")[0]
    assert {state.value for state in State} <= set(words(section))
    assert PAUSES_SECONDS == (15, 60, 300, 900)
    assert "15 s, 1, 5 and 15 minutes" in section


def test_the_metrics_are_those_that_are_counted() -> None:
    """No metric without a row, no row without a metric."""
    assert {words(row[0])[0] for row in tables("Metrics")[0]} == set(re.findall(r'count\("(\w+)"', SOURCES))


def test_the_functions_may_read_the_webhooks_secrets_alone() -> None:
    """The prefix of the code is that of the template's policies, and the page's."""
    assert TEMPLATE.count(f":secret:{WEBHOOK_SECRETS}*") == 2
    assert f"`{WEBHOOK_SECRETS}<address>`" in TEXT
