"""docs/services has a page a service, and each says of it what template, routes, schemas and settings say."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise

import pytest

from laptop.cli import COMMANDS
from laptop.layout import REPOSITORY
from laptop.stack import DEFAULT_PORTS
from laptop.template import routes
from tests.contract.template import service_page as page
from tests.contract.template.service_page import FOLDER, SERVICES, first_words, rows, sections, words

HEADINGS = [
    "Routes",
    "Workers",
    "Settings",
    "Events",
    "Metrics",
    "Alarms",
    "Tables and queues",
    "When something is down",
    "Looking",
    "Drill",
]
ALERTS_OF_ALL = "health_monitor"  # its page has a column with the service of each alert
INDEX = (FOLDER / "README.md").read_text()

every_page = pytest.mark.parametrize("service", SERVICES)


def test_every_service_has_its_page_and_its_row_in_the_index() -> None:
    """No page without a service; the index gives each its port and a link that leads somewhere."""
    assert sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README") == SERVICES
    told = {
        folder: int(port)
        for port, folder in re.findall(r"^\|[^|]*\| (\d{4}) \| `(?:functions/)?(\w+)/?`", INDEX, re.MULTILINE)
    }
    ports = {name: port for name, port in DEFAULT_PORTS.items() if name in {*SERVICES, "dashboard"}}
    assert told == {"frontend" if name == "dashboard" else name: port for name, port in ports.items()}
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", INDEX):
        assert (FOLDER / link).exists(), link


@every_page
def test_a_page_has_every_section_in_its_place(service: str) -> None:
    """So that a reader finds the same thing at the same place; further sections may stand between."""
    found = [heading for heading in sections(service) if heading in HEADINGS]
    assert found == HEADINGS


@every_page
def test_a_page_begins_with_what_the_service_does(service: str) -> None:
    """Three sentences or four, for whoever uses it."""
    text = " ".join(sections(service)[""].partition("\n")[2].split())
    assert 3 <= len(re.findall(r"\.(?= [A-Z]|$)", text)) <= 4


@every_page
def test_the_routes_are_those_of_the_template(service: str) -> None:
    """Each with its role in docs/security.md, none missing and none too many; each says what it answers."""
    told = rows(service, "Routes")
    assert {(method, words(path)[0], role) for method, path, role, _ in told} == page.served(service)
    assert all(answer for *_, answer in told)


@every_page
def test_the_workers_are_those_of_the_template(service: str) -> None:
    """Each function of the service, with the queue, schedule or stream that starts it."""
    told = {words(name)[0]: set(words(starter)) for name, starter, _ in rows(service, "Workers")}
    assert told == {name: page.started_by(name) for name in page.functions_of(service)}


@every_page
def test_the_settings_are_those_of_the_schema(service: str) -> None:
    """Default and unit are the schema's, and what the code reads by name is there."""
    told = {words(row[0])[0]: row[1:3] for row in rows(service, "Settings")}
    known = page.settings()
    shown = {name: [page.default_shown(known[name]), known[name].get("x-unit", "")] for name in told}
    assert told == shown
    named = {name.rpartition(".")[2] for name in told}
    assert page.settings_read(service) <= named


@every_page
def test_the_events_are_those_that_it_tells_and_hears(service: str) -> None:
    """What its code makes, and what the rules of the bus bring to its queues."""
    told = {(words(row[0]) or [row[0]])[0]: row[1] for row in rows(service, "Events")}
    assert {name for name, way in told.items() if "raised" in way} == page.raised(service)
    assert {name for name, way in told.items() if "heard" in way} == page.heard(service)
    assert set(told.values()) <= {"raised", "heard", "raised, heard"}


@every_page
def test_the_metrics_are_those_that_it_counts(service: str) -> None:
    """No metric without a row, no row without a metric."""
    assert first_words(service, "Metrics") == page.counted(service)


@every_page
def test_the_alerts_are_those_of_the_health_monitor(service: str) -> None:
    """What is watched of this service, as the health monitor's page has it."""
    of_all = {name: of for cell, of, _ in rows(ALERTS_OF_ALL, "Alarms") for name in words(cell)}
    if service == ALERTS_OF_ALL:
        assert "probe:<service>" in of_all
        return
    own = {name for name, of in of_all.items() if of.strip(" *") == service} | {f"probe:{service}"}
    assert first_words(service, "Alarms") == own


@every_page
def test_the_tables_and_queues_are_those_of_its_policies(service: str) -> None:
    """A service that reads a table says so, and one that writes it too."""
    told = {words(row[0])[0]: set(row[1].split(", ")) for row in rows(service, "Tables and queues")}
    assert told == page.used(service)


@every_page
def test_the_commands_can_be_typed(service: str) -> None:
    """Each command of the page is one, and what it asks for with `curl` is a route of the port it names."""
    lines = re.findall(r"^\.venv/bin/alpaquero (.*)$", "\n".join(sections(service).values()), re.MULTILINE)
    assert len(lines) >= 4
    for line in lines:
        command, *arguments = shlex.split(line, comments=True)
        assert command in COMMANDS, line
        if command == "curl":
            assert is_served(arguments), line


def is_served(arguments: list[str]) -> bool:
    """Whether what `alpaquero curl` is given is a route, by the method it would use."""
    target = next(text for text in reversed(arguments) if "/" in text and not text.startswith("{"))
    given = dict(pairwise(arguments))
    method = given.get("-X", "POST" if "-d" in given else "GET")
    port, _, path = target.partition("?")[0].partition("/")
    if port:
        name = next(name for name, number in DEFAULT_PORTS.items() if number == int(port))
        api, asked = ("ServicesApi", f"/{name}/{path}")
    else:
        api, asked = "PublicApi", f"/{path}"
    served = [template for _, verb, template in routes(api) if verb == method]
    return any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), asked) for template in served)


@every_page
def test_the_links_lead_somewhere(service: str) -> None:
    """A link to a file of ours has that file."""
    text = "\n".join(sections(service).values())
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (FOLDER / link).resolve().is_relative_to(REPOSITORY)
        assert (FOLDER / link).exists(), link
