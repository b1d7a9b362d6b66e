"""The stages of `.ci/run`, one after another, on a bare Python with nothing installed.

Each stage is a command with a limit of minutes; what it says goes to ``build/ci/<stage>.log``. The first
that fails stops the run with the tail of its log. What a stage leaves running is ended and named, and a
table at the end says how long each took.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

REPOSITORY = Path(__file__).resolve().parents[1]
LOGS = REPOSITORY / "build" / "ci"
BUDGET_MINUTES = 40  # of all stages, on a bare machine with two cores
HEARTBEAT_SECONDS = 60.0
PATIENCE_SECONDS = 10.0  # for what still runs once its stage has ended
ENDING_SECONDS = 10.0  # for what was told to end
TAIL_LINES = 60
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Stage:
    """A command, and after how many minutes it has failed."""

    name: str
    command: tuple[str, ...]
    minutes: float


STAGES = (
    Stage("check", ("make", "check"), minutes=8),
    Stage("checkov", ("make", "checkov"), minutes=6),
    Stage("test", ("make", "test"), minutes=40),
    Stage("sam", ("make", "sam"), minutes=15),
    Stage("localstack", ("make", "test-localstack"), minutes=10),
    Stage("build", ("make", "build", "RUNTIME=aws"), minutes=5),
    Stage("sizes", ("make", "sizes", "ARGS=--twice"), minutes=8),
    Stage("sbom", ("make", "sbom"), minutes=4),
    Stage("audit", ("make", "audit"), minutes=6),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a stage; `left` names what it left running."""

    stage: Stage
    result: str
    seconds: float
    left: list[str] = field(default_factory=list)


class StoppedError(Exception):
    """Somebody asked the run to end."""


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def adopt() -> None:
    """Be the parent of what stages leave behind, so that it can be found (Linux alone)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def below(ancestor: int) -> dict[int, str]:
    """Which processes run below one, with their commands; none where there is no /proc."""
    parents, commands = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            # "pid (name) state parent ...": a name may hold anything, so from its last bracket on.
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if state != "Z":
            parents[int(path.name)], commands[int(path.name)] = int(parent), command.strip()
    found: dict[int, str] = {}
    while new := {
        pid for pid, parent in parents.items() if pid not in found and parent in {ancestor, *found}
    }:
        found.update({pid: commands[pid] for pid in new})
    return found


def reap(but: int | None = None) -> None:
    """Take note of adopted children that have ended; `but` is waited for by another."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == but:
            return
        os.waitpid(ended.si_pid, 0)


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """A signal to those that are still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def clear() -> list[str]:
    """Wait a little for what a stage left, then end it; the commands that had to be ended."""
    named: list[str] = []
    for number, seconds in (
        (None, PATIENCE_SECONDS),
        (signal.SIGTERM, ENDING_SECONDS),
        (signal.SIGKILL, ENDING_SECONDS),
    ):
        left = below(os.getpid())
        if number is not None:
            named = named or list(left.values())
            send(list(left), number)
        deadline = time.monotonic() + seconds
        while below(os.getpid()) and time.monotonic() < deadline:
            reap()
            time.sleep(0.05)
    reap()
    return named


def tail(log: Path, lines: int) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def run(stage: Stage, log: Path) -> Outcome:
    """Run a stage to its end or to its limit, and see that nothing of it goes on."""
    began = beat = time.monotonic()
    result = ""
    with log.open("wb") as output:
        process = subprocess.Popen(
            stage.command,
            cwd=REPOSITORY,
            env={**os.environ, "ALPAQUERO_CI": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None and not result:
                time.sleep(0.1)
                reap(but=process.pid)
                now = time.monotonic()
                if now - began > stage.minutes * 60:
                    result = f"took longer than {stage.minutes:g} minutes"
                elif now - beat > HEARTBEAT_SECONDS:
                    beat = now
                    say(f"  {stage.name} {(now - began) / 60:.0f} min: {tail(log, 1).strip()[-100:]}")
            result = result or ("passed" if process.returncode == 0 else f"exit code {process.returncode}")
        finally:
            if process.poll() is None:
                send([process.pid, *below(process.pid)], signal.SIGTERM)
                try:
                    process.wait(ENDING_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            left = clear()
    return Outcome(stage, result, time.monotonic() - began, left)


def table(outcomes: Sequence[Outcome], stages: Sequence[Stage]) -> str:
    """A line a stage: its name, its minutes, what came of it."""
    done = {one.stage.name: one for one in outcomes}
    lines = []
    for stage in stages:
        one = done.get(stage.name)
        lines.append(
            f"{stage.name:<12} {one.seconds / 60:6.1f} min  {one.result}"
            if one
            else f"{stage.name:<12}      -      not run"
        )
        lines += (
            [f"{'':<12}             left running, ended: {command[:120]}" for command in one.left]
            if one
            else []
        )
    minutes = sum(one.seconds for one in outcomes) / 60
    lines.append(f"{'all':<12} {minutes:6.1f} min  of {BUDGET_MINUTES}")
    return "\n".join(lines)


def stop(number: int, _frame: FrameType | None) -> None:
    """A signal ends the run as a failure does: nothing is left behind."""
    for again in STOPPING:
        signal.signal(again, signal.SIG_IGN)
    raise StoppedError(signal.Signals(number).name)


def main(arguments: Sequence[str], stages: Sequence[Stage] = STAGES, logs: Path = LOGS) -> int:
    """0 when every stage passed, 1 with the first that did not, 2 for a stage that is none."""
    names = [stage.name for stage in stages]
    if unknown := [name for name in arguments if name not in names]:
        sys.stderr.write(f"error: {', '.join(unknown)}: the stages are {', '.join(names)}\n")
        return 2
    chosen = [stage for stage in stages if not arguments or stage.name in arguments]
    logs.mkdir(parents=True, exist_ok=True)
    adopt()
    for number in STOPPING:
        signal.signal(number, stop)
    outcomes: list[Outcome] = []
    try:
        for stage in chosen:
            say(f"{stage.name}: {' '.join(stage.command)}")
            outcomes.append(run(stage, logs / f"{stage.name}.log"))
            if outcomes[-1].result != "passed":
                break
    except StoppedError as signalled:
        say(f"stopped by {signalled}")
    passed = len(outcomes) == len(chosen) and outcomes[-1].result == "passed"
    if outcomes and outcomes[-1].result != "passed":
        last = outcomes[-1].stage.name
        say(f"\nthe end of build/ci/{last}.log:\n\n{tail(logs / f'{last}.log', TAIL_LINES)}")
    say(f"\n{table(outcomes, chosen)}\n\n{'passed' if passed else 'FAILED'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
