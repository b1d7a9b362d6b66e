"""`alpaquero up` as a user meets it: up, asked, killed, up again, down, and nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.waiting import soon

PROGRAM = "import sys; from laptop.cli import main; sys.exit(main())"


def alpaquero(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the command line on one state folder."""
    command = [sys.executable, "-c", PROGRAM, *arguments, "--state", str(state)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)


def answered(state: Path, *arguments: str) -> Any:
    """A command's JSON; the test fails with what it said when the command fails."""
    done = alpaquero(state, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose stack is down in the end."""
    yield tmp_path
    alpaquero(tmp_path, "down")


def start(state: Path) -> Any:
    """Bring the stack up in the background."""
    return answered(state, "up", "--detach", "--free-ports", "--no-dashboard", "--seconds-per-session", "5")


def started(state: Path) -> list[psutil.Process]:
    """Every process of the stack, the functions' workers among them."""
    record = json.loads((state / "stack.json").read_text())
    found = [psutil.Process(child["pid"]) for child in [record["supervisor"], *record["children"]]]
    return found + [worker for process in found for worker in process.children(recursive=True)]


def all_gone(processes: list[psutil.Process]) -> bool:
    """Whether none runs any more."""
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_a_stack_comes_up_survives_a_kill_and_goes_down(state: Path) -> None:
    """Ready within a minute and 2 GB; a killed one comes back with its books; down leaves no process."""
    up = start(state)
    assert up["seconds_to_ready"] < 60
    told = answered(state, "status")
    assert told["memory_mb"] < 2000
    assert {"supervisor", "engine", "exchange", "ports"} <= {part["name"] for part in told["processes"]}
    assert told["health"]["status"] in {"ok", "degraded", "unknown"}
    account = answered(state, "curl", "position/account")
    assert (200, "100000") == (account["status"], account["body"]["cash"])

    soon((state / "checkpoint" / "CURRENT").exists)
    first = started(state)
    first[0].kill()
    assert soon(partial(all_gone, first)), "processes outlived the killed supervisor"
    assert "nothing is up" in alpaquero(state, "status").stderr

    start(state)
    assert account["body"]["cash"] == answered(state, "curl", "position/account")["body"]["cash"]
    second = started(state)
    assert answered(state, "down") == {"stopped": True}
    assert all_gone(second)


def test_a_services_port_answers_signed_requests_alone(cloud: Any, ports: dict[str, int]) -> None:
    """The same path answers 403 unsigned and 200 signed for the API's own host."""
    from laptop.calls import Call, send

    unsigned = httpx.get(f"http://127.0.0.1:{ports['position']}/positions", trust_env=False)
    assert (403, "forbidden") == (unsigned.status_code, unsigned.json()["error"]["code"])
    signed = send(cloud, Call(ports["position"], "/positions"))
    assert (200, ["items", "next"]) == (signed.status_code, sorted(signed.json()))


def test_a_signature_for_one_service_does_not_open_another(cloud: Any, ports: dict[str, int]) -> None:
    """A signature covers the full path, so it is worth nothing on another service's port."""
    from laptop.calls import Call, signature

    headers = signature(cloud, "position", Call(ports["position"], "/health"))
    answer = httpx.get(f"http://127.0.0.1:{ports['trading']}/health", headers=headers, trust_env=False)
    assert answer.status_code == 403


def test_the_public_api_wants_a_token(cloud: Any, ports: dict[str, int]) -> None:
    """Without a token the gateway answers 401, with the owner's 200, on its port and the dashboard's."""
    from laptop import owner

    for name in ("gateway", "dashboard"):
        url = f"http://127.0.0.1:{ports[name]}/api/account"
        assert httpx.get(url, trust_env=False).status_code == 401
        bearer = {"authorization": f"Bearer {owner.access_token(cloud)}"}
        assert httpx.get(url, headers=bearer, trust_env=False, timeout=30).status_code == 200


def test_a_taken_port_stops_the_start_with_its_name(tmp_path: Path) -> None:
    """A port in use is named with the variable that moves it; nothing is left half-started."""
    import os
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-c", PROGRAM, "up", "--no-dashboard", "--state", str(tmp_path)]
        variables = os.environ | {"ALPAQUERO_PORT_DASHBOARD": str(port)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=60)
    assert done.returncode == 1
    assert f"port {port} (dashboard) is taken" in done.stderr or "is taken" in done.stderr
    assert not (tmp_path / "stack.json").exists()


def test_a_broken_price_file_stops_the_start_with_one_line(tmp_path: Path) -> None:
    """What the exchange says of a broken CSV is the error's line, and nothing keeps running."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "IBM.csv").write_text("timestamp,open,high,low,close,volume\n2012-03-05,not a price,1,1,1,1\n")
    arguments = ("up", "--free-ports", "--no-dashboard", "--data", str(data))
    done = alpaquero(tmp_path / "state", *arguments)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: the exchange ended at its start:")
    assert "IBM.csv" in last
