"""What the documents say of the system, held against the system."""

from __future__ import annotations

import re

import pytest

from alpaquero.events.schemas import EVENTS
from laptop.cli import COMMANDS
from laptop.layout import REPOSITORY
from laptop.stack import DEFAULT_PORTS
from laptop.template import functions, template

README = (REPOSITORY / "README.md").read_text()
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text()
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
WORKERS = sorted(name for name, given in functions().items() if not given["Handler"].startswith("api."))


def of_type(kind: str) -> list[str]:
    """The logical ids of the template's resources of one type."""
    return [name for name, resource in template()["Resources"].items() if resource["Type"] == kind]


@pytest.mark.parametrize("name", WORKERS)
def test_every_worker_is_described(name: str) -> None:
    """Each Lambda function that is no API has its row, with its file."""
    folder = functions()[name]["CodeUri"].removeprefix("functions/").rstrip("/")
    module = functions()[name]["Handler"].split(".")[0]
    assert f"| {name} | {folder}/{module}.py |" in ARCHITECTURE


@pytest.mark.parametrize("name", of_type("AWS::DynamoDB::Table"))
def test_every_table_is_described(name: str) -> None:
    """Each table has its rows."""
    assert re.search(rf"^\| {name}( \(.*\))? \|", ARCHITECTURE, re.MULTILINE)


@pytest.mark.parametrize("name", [n for n in of_type("AWS::SQS::Queue") if not n.endswith("DeadLetters")])
def test_every_queue_is_described(name: str) -> None:
    """Each queue is named with its message."""
    assert name in ARCHITECTURE


def test_events_that_are_named_exist() -> None:
    """An event name in the architecture is an event of the code."""
    section = ARCHITECTURE.split("## Events")[1].split("\n## ")[0]
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", section)) - {"PositionQueue"}
    assert {name for name in named if name.endswith("ed")} <= set(EVENTS)


def test_the_port_table_is_the_codes() -> None:
    """The README's ports are those the laptop takes by default, all of them."""
    told = {int(port) for port in re.findall(r"^\| (\d{4}) \|", README, re.MULTILINE)}
    assert told == set(DEFAULT_PORTS.values())


def test_commands_that_are_named_exist() -> None:
    """Every `make X` and `alpaquero X` of the README can be typed."""
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)) <= MAKE_TARGETS
    assert set(re.findall(r"bin/alpaquero ([a-z][a-z-]*)", README)) <= set(COMMANDS)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    """A link of the README to a file of ours has that file."""
    assert (REPOSITORY / link).exists()
