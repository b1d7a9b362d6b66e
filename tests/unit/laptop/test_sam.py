"""What `sam local` needs from us: packages, the stand-in's parts, the template, environments, the relay."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import sys
import threading
from contextlib import closing
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from laptop.errors import LaptopError
from laptop.layout import TEMPLATE
from laptop.processes import LOOPBACK, free_ports
from laptop.sam import debian, docker, emulator, functions, image
from laptop.sam.commands import Sam
from laptop.sam.docker import ContainerEngine, NoContainersError, container_engine
from laptop.sam.image import OFFICIAL, BaseImage
from laptop.sam.relay import relayed
from laptop.template import functions as all_functions

LOCK = """\
awslambdaric==4.2.2 ; sys_platform == 'linux' \\
    --hash=sha256:aa
    # via -r localstack/sam.in
boto3==1.0 \\
    --hash=sha256:bb
simplejson==4.3.0 ; sys_platform == 'linux' \\
    --hash=sha256:cc
"""
ENGINE = ContainerEngine({}, IPv4Interface("172.31.250.1/28"))


def test_the_locks_part_keeps_its_hashes_and_loses_the_markers() -> None:
    """The container is Linux on every machine, so a marker of the machine must not leave a package out."""
    assert image.only(LOCK, ("awslambdaric", "simplejson")).splitlines() == [
        "awslambdaric==4.2.2 \\",
        "    --hash=sha256:aa",
        "    # via -r localstack/sam.in",
        "simplejson==4.3.0 \\",
        "    --hash=sha256:cc",
    ]


def test_a_lock_without_a_part_is_refused() -> None:
    """A lock that lost the runtime client says so instead of making an image that cannot start."""
    with pytest.raises(LaptopError, match="compile the lock again"):
        image.only(LOCK, ("awslambdaric", "snapshot-restore-py"))


def test_the_projects_lock_has_the_runtime_client() -> None:
    """The lock holds what the stand-in image is made of."""
    part = image.only(image.LOCK.read_text(), image._RUNTIME_CLIENT)
    assert part.count("==") == len(image._RUNTIME_CLIENT)
    assert "sys_platform" not in part


def test_the_official_image_is_taken_where_it_can_be_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's own image comes first; nothing is fetched for a stand-in."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(ContainerEngine, "docker", lambda _self, *words, **_: asked.append(words))
    monkeypatch.setattr(image, "_stand_in", lambda *_: pytest.fail("a stand-in was made"))
    assert image.base_image(ENGINE, Path("unused")) == BaseImage(OFFICIAL, is_official=True)
    assert asked == [("pull", "--quiet", OFFICIAL)]


def test_a_stand_in_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where AWS's image cannot be pulled, what stands in for it is said loudly."""

    def refuse(_self: ContainerEngine, *words: str, **_: object) -> str:
        raise LaptopError(f"no such host for {words[0]}")

    said: list[str] = []
    monkeypatch.setattr(ContainerEngine, "docker", refuse)
    monkeypatch.setattr(image, "_stand_in", lambda *_: BaseImage(image.STAND_IN, is_official=False))
    assert image.base_image(ENGINE, Path("unused"), said.append).name == image.STAND_IN
    assert said[0].startswith("STAND-IN: AWS's image cannot be pulled here (no such host")


def test_without_root_the_reason_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a user's machine without Docker nothing is started, and the message says what would help."""
    monkeypatch.setattr(docker, "_answering", lambda: None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    wanted = pytest.raises(NoContainersError, match="install Docker and start it, or run this as root")
    with wanted, container_engine(tmp_path):
        pytest.fail("an engine was started")


def test_an_engine_that_answers_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine's own engine is asked which bridge it has, and nothing is started or stopped."""
    told = {"version": "28.0", "network": "172.17.0.1 172.17.0.0/16"}
    asked: list[str] = []

    def answer(_self: ContainerEngine, *words: str, **_: object) -> str:
        asked.append(words[0])
        return told[words[0]]

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    monkeypatch.setattr(ContainerEngine, "docker", answer)
    with container_engine(tmp_path) as engine:
        assert (engine.environment, str(engine.bridge)) == ({}, "172.17.0.1/16")
    assert asked == ["version", "network"]


def test_packages_are_unpacked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What lies there whole is used again; what was half fetched, or is another choice, is fetched anew."""
    ran: list[list[str]] = []

    def run(command: list[str], _environment: object = None) -> None:
        ran.append(command)
        if "install" in command:
            (folder / "archives" / "one.deb").touch()

    folder = tmp_path / "packages"
    monkeypatch.setattr(debian, "_run", run)
    first = debian.unpacked(debian.Packages(("one",)), folder)
    assert [command[2] if command[0] == "apt-get" else command[0] for command in ran] == [
        "update",
        "install",
        "dpkg-deb",
    ]
    ran.clear()
    assert debian.unpacked(debian.Packages(("one",)), folder) == first
    assert ran == []
    debian.unpacked(debian.Packages(("one",), "trixie"), folder)
    assert ran
    assert "deb http://deb.debian.org/debian trixie main" in (folder / "sources.list").read_text()


class FakeStack:
    """As much of a stack as an environment is read from."""

    endpoint = f"http://{LOOPBACK}:4566"
    ports: ClassVar[dict[str, int]] = {"engine": 4566, "exchange": 9200}
    credentials = SimpleNamespace(key_id="AKIAEXAMPLE", secret_key="not a secret")

    def physical(self, name: str) -> str:
        return f"alpaquero-{name}"

    def client(self, _service: str) -> Any:
        variables = {
            "TOKEN_KEYS_URL": f"http://{LOOPBACK}:4566/pool",
            "ALPACA_TRADING_URL": f"http://{LOOPBACK}:9200",
            "BOOKS_TABLE": "books",
        }
        return SimpleNamespace(
            get_function_configuration=lambda **_: {"Environment": {"Variables": variables}}
        )


def test_a_container_is_given_the_bridges_address() -> None:
    """Loopback becomes the bridge, but the exchange stays at the one name that plain HTTP may have."""
    stack: Any = FakeStack()
    inside = functions.environment(stack, "SignalApi", IPv4Address("172.17.0.1"))
    beside = functions.environment(stack, "SignalApi")
    assert inside["AWS_ENDPOINT_URL"] == "http://172.17.0.1:4566"
    assert inside["TOKEN_KEYS_URL"] == "http://172.17.0.1:4566/pool"
    assert beside["TOKEN_KEYS_URL"] == f"http://{LOOPBACK}:4566/pool"
    assert inside["ALPACA_TRADING_URL"] == "http://localhost:9200"
    assert inside["BOOKS_TABLE"] == beside["BOOKS_TABLE"] == "books"


def test_the_environments_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The file has a key in it: nobody else of the machine may read it, and every function is in it."""
    stack: Any = FakeStack()
    path = tmp_path / "environments.json"
    functions.write_environments(stack, IPv4Address("172.17.0.1"), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(path.read_text())) == set(all_functions())


def test_the_template_declares_what_sam_is_to_override(tmp_path: Path) -> None:
    """sam gives a function only variables that the template names: the cloud's address is added, no more."""
    path = tmp_path / "template.yaml"
    functions.write_template(TEMPLATE, path)
    text = path.read_text().replace(f"{TEMPLATE.parent}/", "")
    added = set(text.splitlines()) - set(TEMPLATE.read_text().splitlines())
    assert added == {f"        {name}: ''" for name in functions._GIVEN}
    (tmp_path / "other.yaml").write_text("Resources: {}\n")
    with pytest.raises(LaptopError, match=r"mend laptop\.sam\.functions"):
        functions.write_template(tmp_path / "other.yaml", path)


def test_an_events_placeholders_are_filled() -> None:
    """What holds in one running cloud alone is put in when the event is used."""
    assert functions.filled('{"token": "Bearer ACCESS_TOKEN"}', {"ACCESS_TOKEN": "a.b.c"}) == (
        '{"token": "Bearer a.b.c"}'
    )


def test_a_stand_in_is_named_to_sam(tmp_path: Path) -> None:
    """AWS's image is what sam looks for by itself; a stand-in must be named."""
    stand_in = Sam(ENGINE, BaseImage(image.STAND_IN, is_official=False), tmp_path).options()
    official = Sam(ENGINE, BaseImage(OFFICIAL, is_official=True), tmp_path).options()
    assert stand_in == [*official, "--invoke-image", image.STAND_IN]


def test_a_function_runs_on_its_own_folder_and_layers() -> None:
    """The emulator's path is the function, then its layers, the last of the template's first."""
    places = emulator.paths_of("AnalyticsBacktest")
    names = [place.parent.name if place.name == "python" else place.name for place in places]
    assert names == ["analytics", "research", "broker", "api", "alpaquero"]


def _echo(listener: socket.socket) -> None:
    with closing(listener.accept()[0]) as connection:
        while data := connection.recv(1024):
            connection.sendall(data.upper())


@pytest.mark.parametrize(("network", "served"), [("127.0.0.2/8", True), ("127.0.0.2/32", False)])
def test_the_relay_serves_its_network_alone(network: str, served: bool) -> None:
    """A container's bytes reach the loopback port and come back; a peer from elsewhere gets nothing."""
    (port,) = free_ports(1)
    with socket.create_server((LOOPBACK, port)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=_echo, args=(listener,), daemon=True)
        with relayed(IPv4Interface(network), [port]):
            if served:
                thread.start()
            source = ("127.0.0.3", 0)
            with socket.create_connection(("127.0.0.2", port), 10, source_address=source) as client:
                if served:
                    client.sendall(b"hello")
                assert client.recv(1024) == (b"HELLO" if served else b"")
        if served:
            thread.join(10)


def test_an_engine_that_does_not_start_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What keeps an engine of our own from starting is the reason that is given, not an error of a test."""

    def refuse(*_: object) -> object:
        raise LaptopError("apt-get -q update failed: check the network")

    monkeypatch.setattr(docker, "_answering", lambda: None)
    monkeypatch.setattr(docker, "_why_none_of_its_own", lambda: None)
    monkeypatch.setattr(docker, "_programs", refuse)
    with pytest.raises(NoContainersError, match="none starts: apt-get"), container_engine(tmp_path):
        pytest.fail("an engine was started")
