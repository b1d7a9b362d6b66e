"""`alpaquero exchange` as a newcomer runs it, and the commands that work on it from another terminal."""

from __future__ import annotations

import json
import os
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from alpaca.trading.client import TradingClient

from laptop.cli import main

from .conftest import READY_WITHIN_SECONDS, end


@dataclass(frozen=True)
class Alone:
    """An exchange in the foreground of another terminal, and what it told."""

    process: subprocess.Popen[str]
    state: Path
    port: int
    told: dict[str, str]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """`alpaquero exchange --json` on a free port, its clock stepped."""
    state, port = tmp_path_factory.mktemp("state"), _free_port()
    process = _started("--port", str(port), "--state", str(state), "--sessions", "9", "--clock", "stepped")
    try:
        yield Alone(process, state, port, _told(process))
    finally:
        end(process)


def _started(*options: str) -> subprocess.Popen[str]:
    """`alpaquero exchange --json` with options."""
    program = "import sys; from laptop.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, "exchange", "--json", *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _told(process: subprocess.Popen[str]) -> dict[str, str]:
    """The JSON object on stdout."""
    assert process.stdout is not None
    text = ""
    while not text.rstrip().endswith("}"):
        ready, _, _ = select.select([process.stdout], [], [], READY_WITHIN_SECONDS)
        # Past Python's own buffer, into which select cannot look.
        said = os.read(process.stdout.fileno(), 4096).decode() if ready else ""
        assert said, "the exchange did not say that it is ready"
        text += said
    told: dict[str, str] = json.loads(text)
    return told


Ask = Callable[..., Any]


@pytest.fixture
def ask(alone: Alone, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a command on the exchange by its state folder; what it printed as JSON."""

    def run(*arguments: str) -> Any:
        assert main([*arguments, "--state", str(alone.state), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_it_tells_url_and_keys_that_alpaca_py_can_use(alone: Alone) -> None:
    """One JSON object; the keys are kept for their owner alone."""
    assert alone.told["url"] == f"http://127.0.0.1:{alone.port}"
    trading = TradingClient(alone.told["key_id"], alone.told["secret_key"], url_override=alone.told["url"])
    assert trading.get_account().status == "ACTIVE"
    for name in ("credentials.json", "exchange/admin-token"):
        assert stat.S_IMODE((alone.state / name).stat().st_mode) == 0o600


def test_the_clock_is_shown_paused_stepped_and_made_to_jump(
    alone: Alone, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each option changes what it names and nothing else; backwards is one line that says why."""
    first = ask("exchange", "clock")
    assert (first["mode"], first["paused"], first["sessions_done"]) == ("stepped", False, 0)
    assert ask("exchange", "clock", "--step")["sessions_done"] == 1
    paused = ask("exchange", "clock", "--mode", "running", "--pause", "--seconds-per-session", "5")
    assert (paused["mode"], paused["paused"], paused["seconds_per_session"]) == ("running", True, 5)
    assert ask("exchange", "clock")["paused"] is True
    assert ask("exchange", "clock", "--mode", "stepped", "--resume")["paused"] is False
    jumped = ask("exchange", "clock", "--to", "2013-02-25")
    assert (jumped["now"], jumped["sessions_done"]) == ("2013-02-25T05:00:00Z", 4)
    assert main(["exchange", "clock", "--to", "2013-02-20", "--state", str(alone.state)]) == 1
    assert "never goes back" in capsys.readouterr().err


def test_faults_are_added_listed_counted_and_cleared(alone: Alone, ask: Ask) -> None:
    """A rule hits the next request, and the count proves it."""
    trading = TradingClient(alone.told["key_id"], alone.told["secret_key"], url_override=alone.told["url"])
    [added] = ask("faults", "add", "latency", "--milliseconds", "1", "--times", "1", "--id", "mine")
    assert (added["rule"]["id"], added["injected"]) == ("mine", 0)
    trading.get_account()
    assert ask("faults")[0]["injected"] == ask("faults", "list")[0]["injected"] == 1
    assert ask("faults", "remove", "mine") == []
    mix = ask("faults", "mix", "light", "--seed", "4")
    assert {rule["rule"]["seed"] for rule in mix} == {4}
    assert ask("faults", "clear") == []
    counted = ask("faults", "counts")
    assert counted["counts"] == {"latency": 1}
    assert [fault["route"] for fault in counted["items"]] == ["GET /v2/account"]


def test_report_and_ledger_are_shown(ask: Ask) -> None:
    """The report has the account's figures; the ledger lists what moved the clock."""
    assert ask("exchange", "report")["cash"] == "100000"
    assert {row["path"] for row in ask("exchange", "ledger")["items"]} <= {"/admin/step", "/admin/clock"}


def test_people_see_tables(alone: Alone, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json each command prints what it found for reading."""
    for command, shown in [
        (("exchange", "clock"), "sessions_done"),
        (("exchange", "report"), "equity"),
        (("exchange", "ledger"), "Ledger"),
        (("faults",), "No fault rule is in force"),
        (("faults", "counts"), "Injected"),
    ]:
        assert main([*command, "--port", str(alone.port), "--state", str(alone.state)]) == 0
        assert shown in capsys.readouterr().out.replace("\n", " ")


def test_a_taken_port_is_named_with_the_option_that_moves_it(
    alone: Alone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2, and nothing on stdout."""
    assert main(["exchange", "--port", str(alone.port), "--state", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert (said.out, f"port {alone.port} cannot be used" in said.err) == ("", True)
    assert "give another --port" in said.err


@pytest.mark.parametrize(
    ("group", "command", "option"),
    [("exchange", "clock", "--json"), ("exchange", "report", "--port"), ("faults", "list", "--state")],
)
def test_an_option_before_the_subcommand_is_refused_not_passed_over(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, group: str, command: str, option: str
) -> None:
    """Code 2, and the error says where it belongs."""
    value = {"--port": ["9201"], "--state": [str(tmp_path)]}.get(option, [])
    assert main([group, option, *value, command]) == 2
    assert f"put {option} behind {command}" in capsys.readouterr().err


def test_ctrl_c_stops_it_cleanly(tmp_path: Path) -> None:
    """SIGINT: code 0, no more output, and nothing says any more that an exchange runs."""
    state = tmp_path / "state"
    process = _started("--port", str(_free_port()), "--state", str(state))
    try:
        _told(process)
        assert (state / "exchange" / "address").exists()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=READY_WITHIN_SECONDS)
        assert (process.returncode, rest.strip()) == (0, "")
        assert not (state / "exchange" / "address").exists()
    finally:
        end(process)


def _free_port() -> int:
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
