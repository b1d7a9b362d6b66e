"""The command line as the tests start it, and what may be left of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.waiting import soon

PROGRAM = "import sys; from laptop.cli import main; sys.exit(main())"
ENDS_WITHIN_SECONDS = 240


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit code (negative: the signal), what it printed and said."""

    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> list[str]:
        """The lines of stderr that are not progress."""
        return [line for line in self.stderr.splitlines() if line.strip() and not line.startswith("[")]


def start(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A command that runs while the test does something else; `ended` waits for it."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        env=os.environ | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """The end of a command; one that does not end is killed, and the test fails."""
    try:
        stdout, stderr = process.communicate(timeout=ENDS_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, stdout, stderr)


def left_in(state: Path) -> list[str]:
    """The processes that still work in a state folder: by their folder, or because their command names it."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        told = process.info
        if told["status"] == psutil.STATUS_ZOMBIE:
            continue
        if any(str(state) in text for text in [*(told["cmdline"] or []), told["cwd"] or ""]):
            found.append(f"{process.pid} {' '.join(told['cmdline'] or [])}")
    return found


def left_soon(state: Path, *, seconds: float = 10) -> list[str]:
    """What still works there once the kernel has had time to end what was killed."""
    soon(lambda: not left_in(state), seconds=seconds)
    return left_in(state)
