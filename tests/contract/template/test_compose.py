"""The compose file of LocalStack's container: every port of the design, for this machine alone."""

from __future__ import annotations

import re
from typing import Any

import yaml

from laptop.layout import REPOSITORY
from laptop.stack import DEFAULT_PORTS

FOLDER = REPOSITORY / "localstack"


def services() -> dict[str, Any]:
    """The services of the compose file."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    return found


def test_every_port_is_mapped_to_loopback() -> None:
    """Each port of the design, under its own number, and no other."""
    mapped: set[int] = set()
    for entry in services()["alpaquero"]["ports"]:
        address, outside, inside = entry.split(":")
        assert (address, outside) == ("127.0.0.1", inside)
        first, _, last = inside.partition("-")
        mapped |= set(range(int(first), int(last or first) + 1))
    assert mapped == set(DEFAULT_PORTS.values())


def test_the_ports_are_passed_on_in_the_same_network() -> None:
    """What listens on loopback inside is reached because the forwarder shares the container's network."""
    both = services()
    assert both["ports"]["network_mode"] == "service:alpaquero"
    assert both["ports"]["entrypoint"][-2:] == ["-m", "laptop.published"]
    assert both["alpaquero"]["command"] == ["up", "--engine", "localstack"]


def test_the_image_is_the_last_that_wants_no_account() -> None:
    """Compose and Dockerfile agree, and the token is the owner's to give."""
    told = services()["alpaquero"]
    image = "localstack/localstack:4.14.0"
    assert told["build"]["args"]["LOCALSTACK_IMAGE"] == f"${{LOCALSTACK_IMAGE:-{image}}}"
    assert told["environment"]["LOCALSTACK_AUTH_TOKEN"] == "${LOCALSTACK_AUTH_TOKEN:-}"
    dockerfile = (FOLDER / "Dockerfile").read_text()
    assert re.search(r"^ARG LOCALSTACK_IMAGE=(\S+)$", dockerfile, re.MULTILINE)[1] == image  # type: ignore[index]
    for copied in re.findall(r"^COPY (localstack/\S+)", dockerfile, re.MULTILINE):
        assert (REPOSITORY / copied).exists()
