"""Ports, records and options of a stack, without a cloud."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from laptop import processes, supervisor
from laptop.engine import port_from_environment
from laptop.errors import LaptopError, NotRunningError, PortTakenError
from laptop.layout import StateFolder
from laptop.stack import (
    DEFAULT_PORTS,
    Child,
    ExchangeOptions,
    LaptopCloud,
    Stack,
    StackRecord,
    chosen_ports,
)

NOBODY = 2**22 + 1  # above the largest pid


def record(**changes: object) -> StackRecord:
    """A record of a stack whose supervisor is gone."""
    gone = Child("supervisor", NOBODY, 1.0)
    fields: dict[str, object] = {
        "ports": dict(DEFAULT_PORTS),
        "outputs": {"Bus": "b"},
        "resources": {},
        "children": [Child("engine", NOBODY, 1.0)],
        "supervisor": gone,
        "started_at": 1.0,
    }
    return StackRecord(**(fields | changes))  # type: ignore[arg-type]


def test_the_ports_are_those_of_the_design(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateway, ten services, dashboard, engine and exchange have the owner's numbers."""
    for name in [name for name in os.environ if name.startswith("ALPAQUERO_PORT")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("LOCALSTACK_HOST", raising=False)
    ports = chosen_ports("default")
    assert list(range(9000, 9011)) == sorted(ports.values())[1:12]
    assert (9100, 4566, 9200) == (ports["dashboard"], ports["engine"], ports["exchange"])


def test_each_port_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """ALPAQUERO_PORT_<NAME> moves a port."""
    monkeypatch.setenv("ALPAQUERO_PORT_MARKET_DATA", "19005")
    assert chosen_ports("default")["market_data"] == 19005


@pytest.mark.parametrize("value", ["", "x", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A variable without a port number is named with what it should hold."""
    monkeypatch.setenv("ALPAQUERO_PORT_GATEWAY", value)
    with pytest.raises(LaptopError, match=r"ALPAQUERO_PORT_GATEWAY=.* is no port"):
        chosen_ports("default")


@pytest.mark.parametrize(
    ("variables", "port"),
    [
        ({}, 4566),
        ({"LOCALSTACK_HOST": "localhost:4600"}, 4600),
        ({"LOCALSTACK_HOST": "localhost"}, 4566),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4700", "LOCALSTACK_HOST": "localhost:4600"}, 4700),
    ],
)
def test_the_standard_variables_move_the_engine(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], port: int
) -> None:
    """AWS_ENDPOINT_URL and LOCALSTACK_HOST say where the engine listens."""
    for name in ("AWS_ENDPOINT_URL", "LOCALSTACK_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert port == port_from_environment()


def test_a_taken_port_is_named_with_the_fix() -> None:
    """The error names the port, its part and the variable that moves it."""
    with socket.socket() as taken:
        taken.bind((processes.LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"port {port} \(market data\).*ALPAQUERO_PORT_MARKET_DATA"):
            processes.require_free({"market_data": port})


def test_free_ports_differ() -> None:
    """No two parts get the same free port."""
    ports = processes.free_ports(len(DEFAULT_PORTS))
    assert len(set(ports)) == len(DEFAULT_PORTS)


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    """stack.json says again what was recorded."""
    kept = record(seconds_to_ready=3.5, urls={"api": "u"})
    kept.keep(tmp_path / "stack.json")
    assert kept == StackRecord.load(tmp_path / "stack.json")


def test_a_pid_given_to_another_program_is_not_ours() -> None:
    """A running process with the recorded pid but another start is not taken for the child."""
    mine = Child.of("me", os.getpid())
    assert mine.runs
    assert not Child("me", os.getpid(), mine.started_at - 100).runs
    assert not Child("me", NOBODY, mine.started_at).runs


def test_a_stale_record_is_not_taken_for_a_stack(tmp_path: Path) -> None:
    """Commands say that nothing is up, and how to start it, when the recorded processes are gone."""
    state = StateFolder.at(tmp_path)
    record().keep(state.stack_file)
    with pytest.raises(NotRunningError, match="alpaquero up"):
        Stack.find(state)
    with pytest.raises(NotRunningError, match="alpaquero up"):
        supervisor.status(state)
    assert not supervisor.down(state)


def test_a_second_supervisor_is_refused(tmp_path: Path) -> None:
    """While one runs, another start in the same folder says how to stop it."""
    state = StateFolder.at(tmp_path)
    record(supervisor=Child.of("supervisor", os.getpid())).keep(state.stack_file)
    with pytest.raises(LaptopError, match="alpaquero down"):
        supervisor.end_leftovers(state)


def test_exchange_options_become_its_command_line() -> None:
    """Options that are not given are left to the exchange."""
    assert ExchangeOptions(seed=7, clock="stepped", synthetic=50, sessions=3).arguments() == [
        *("--seed", "7", "--clock", "stepped", "--seconds-per-session", "60"),
        *("--synthetic", "50", "--sessions", "3"),
    ]


def test_no_secret_stands_in_the_exchanges_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every user of the machine can list command lines: the secrets go by files for the owner alone."""
    started: list[str] = []

    def start(command: Sequence[str | Path], **_: object) -> None:
        started.extend(map(str, command))

    monkeypatch.setattr(processes, "start", start)
    cloud = LaptopCloud(tmp_path / "state", exchange=ExchangeOptions())
    cloud._start_exchange(ExchangeOptions())
    secrets = cloud.credentials
    line = " ".join(started)
    assert secrets.exchange_secret not in line
    assert secrets.exchange_admin_token not in line
    assert secrets.exchange_faults_token not in line
    for option, held in (
        ("--secret-file", secrets.exchange_secret),
        ("--admin-token-file", secrets.exchange_admin_token),
        ("--faults-token-file", secrets.exchange_faults_token),
    ):
        file = Path(started[started.index(option) + 1])
        assert file.read_text() == held
        assert file.stat().st_mode & 0o777 == 0o600


def test_faults_are_for_a_stack_with_an_exchange(tmp_path: Path) -> None:
    """Its template is told which secret opens them; a stack without one is told nothing."""
    told = LaptopCloud(tmp_path / "with").parameters()
    assert told["FaultsSecret"] == "alpaquero/local/faults"
    assert "FaultsSecret" not in LaptopCloud(tmp_path / "without", with_exchange=False).parameters()
