"""The runner of CI's stages: the first failure stops, everything is told, nothing goes on running."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from laptop.layout import REPOSITORY

CI = REPOSITORY / ".ci"
# A process of its own session, as the engine is; it would outlive its parent by a minute.
LEAVES = (
    "import subprocess, sys; "
    "waits = [sys.executable, '-c', 'import select; select.select([], [], [], 60)']; "
    "p = subprocess.Popen(waits, start_new_session=True); "
    "print('left', p.pid, flush=True)"
)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="strays are found through /proc")


def driver(stages: Mapping[str, tuple[str, float]], logs: Path, heartbeat: float = 60) -> list[str]:
    """A command that runs these stages, each a Python program and its limit in minutes."""
    made = [
        f"stages.Stage({name!r}, (sys.executable, '-c', {code!r}), {m})" for name, (code, m) in stages.items()
    ]
    program = (
        f"import sys; from pathlib import Path; sys.path.insert(0, {str(CI)!r}); import stages; "
        f"stages.PATIENCE_SECONDS = 0.3; stages.HEARTBEAT_SECONDS = {heartbeat}; "
        f"sys.exit(stages.main(sys.argv[1:], ({', '.join(made)},), Path({str(logs)!r})))"
    )
    return [sys.executable, "-c", program]


def run(stages: Mapping[str, tuple[str, float]], logs: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """What the run of these stages says."""
    return subprocess.run([*driver(stages, logs), *names], capture_output=True, text=True, check=False)


def test_stages_that_pass_are_listed_with_their_minutes(tmp_path: Path) -> None:
    """The output of each is in its log, not on the screen; the exit code is 0."""
    done = run({"one": ("print('of', 'one')", 1), "two": ("print('of', 'two')", 1)}, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\w+) +[\d.]+ min  (.*)$", done.stdout, re.MULTILINE) == [
        ("one", "passed"),
        ("two", "passed"),
        ("all", "of 40"),
    ]
    assert done.stdout.endswith("passed\n")
    assert "of one" not in done.stdout
    assert (tmp_path / "one.log").read_text() == "of one\n"


def test_the_first_failure_stops_with_the_end_of_its_log(tmp_path: Path) -> None:
    """What follows is not run, and the table says so."""
    failing = "print('begins'); print('the reason'); raise SystemExit(3)"
    done = run({"one": (failing, 1), "two": ("print('never')", 1)}, tmp_path)
    assert done.returncode == 1
    assert "the reason" in done.stdout
    assert re.search(r"^one .*exit code 3$", done.stdout, re.MULTILINE)
    assert re.search(r"^two .*not run$", done.stdout, re.MULTILINE)
    assert not (tmp_path / "two.log").exists()


def test_a_stage_that_takes_too_long_has_failed(tmp_path: Path) -> None:
    """It is ended at its limit."""
    done = run({"one": ("import select; select.select([], [], [], 60)", 0.005)}, tmp_path)
    assert done.returncode == 1
    assert "took longer than 0.005 minutes" in done.stdout


@on_linux
def test_what_a_stage_leaves_running_is_ended_and_named(tmp_path: Path) -> None:
    """A session of its own is no hiding place."""
    done = run({"one": (LEAVES, 1)}, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left running, ended: " in done.stdout
    assert not psutil.pid_exists(int((tmp_path / "one.log").read_text().split()[1]))


@on_linux
def test_a_run_that_is_told_to_stop_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM to the runner ends the stage, whose last line is shown meanwhile, and all below it."""
    stages = {"one": (f"{LEAVES}; import select; select.select([], [], [], 60)", 1)}
    with subprocess.Popen(driver(stages, tmp_path, 0.2), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        shown = next(line for line in process.stdout if re.search(r"left \d+$", line))
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 1
    assert "stopped by SIGTERM" in rest
    assert not psutil.pid_exists(int(shown.rpartition("left ")[2]))


def test_stages_are_chosen_by_name(tmp_path: Path) -> None:
    """Only these run; a name that is none is refused before anything runs."""
    stages = {"one": ("print(1)", 1.0), "two": ("print(2)", 1.0)}
    assert run(stages, tmp_path, "two").returncode == 0
    assert not (tmp_path / "one.log").exists()
    refused = run(stages, tmp_path, "three")
    assert refused.returncode == 2
    assert "error: three: the stages are one, two" in refused.stderr


def test_every_stage_is_a_target_that_make_knows() -> None:
    """A name twice, or a target that is gone, would be seen first on a bare machine."""
    text = (CI / "stages.py").read_text()
    named = re.findall(r'Stage\("([a-z-]+)", \("make", "([a-z-]+)"', text)
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert len(named) == text.count('Stage("')
    assert {target for _, target in named} <= targets
    assert len({name for name, _ in named}) == len(named)
