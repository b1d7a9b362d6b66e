"""Children start, are waited for, and never outlive their parent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from laptop import processes
from laptop.errors import NotReadyError
from tests.waiting import soon

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_child_that_ends_at_its_start_is_told_with_its_last_line(tmp_path: Path) -> None:
    """The error carries what the child said last, and where its log is."""
    log = tmp_path / "child.log"
    child = processes.start(
        [sys.executable, "-c", "import sys; sys.exit('the price file is broken')"],
        environment=processes.base_environment(),
        log=log,
    )
    with pytest.raises(NotReadyError, match="the price file is broken"):
        processes.wait_until(lambda: False, what="the exchange", log=log, process=child)


def test_waiting_ends_at_its_deadline(tmp_path: Path) -> None:
    """A part that never becomes ready is named, with its time."""
    with pytest.raises(NotReadyError, match=r"the engine was not ready within 0 s"):
        processes.wait_until(lambda: False, what="the engine", log=tmp_path / "x", seconds=0.05)


def test_a_child_is_stopped(tmp_path: Path) -> None:
    """SIGTERM ends it and its exit is collected."""
    child = processes.start(SLEEP, environment=processes.base_environment(), log=tmp_path / "log")
    assert processes.stop(child) != 0
    assert not psutil.pid_exists(child.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    """When the supervisor is killed, its children end too."""
    program = (
        "import sys, time; from pathlib import Path; from laptop import processes\n"
        f"log = Path({str(tmp_path / 'log')!r})\n"
        f"child = processes.start({SLEEP!r}, environment=processes.base_environment(), log=log)\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert soon(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, seconds=10)


def test_a_child_sees_no_credentials_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and endpoints of the user's shell do not reach the engine or the exchange."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the user's own")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    assert not [name for name in processes.base_environment() if name.startswith("AWS")]
