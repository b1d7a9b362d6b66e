"""What others wrote, as processes of `.venv-peers`; each round of a measurement asks them in turn.

A peer is a program of `peer_programs/` that answers each line of JSON on its standard input with one on
its standard output: the seconds its work took and where it put its results. It loads and warms up once,
so that rounds of ours and of theirs can alternate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from laptop.layout import REPOSITORY

PYTHON: Final = REPOSITORY / ".venv-peers" / "bin" / "python"
PROGRAMS: Final = Path(__file__).with_name("peer_programs")
_SET_UP: Final = REPOSITORY / "localstack" / "set_up.py"


class PeerError(Exception):
    """A peer failed, or cannot be had; the message says what it said."""


def set_up() -> None:
    """Make the peers' environment unless it is whole. Raises PeerError when that cannot be; why is above."""
    if subprocess.run([sys.executable, str(_SET_UP), "--peers"], check=False).returncode:
        raise PeerError("there are no peers to measure against: see above, or name parts without peers")


def environment() -> dict[str, str]:
    """A peer's environment: nothing of ours on its path, no progress bars, as many threads as it likes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    return kept | {"TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}


class Peer:
    """One peer program that runs."""

    def __init__(self, process: subprocess.Popen[str], program: str) -> None:
        self._process, self._program = process, program

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer. Raises PeerError when the program ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"{self._program} ended with {self._process.wait()}; what it wrote is above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def peer(program: str, *arguments: str) -> Iterator[Peer]:
    """A program of `peer_programs/`, ended with the block."""
    set_up()
    process = subprocess.Popen(
        [str(PYTHON), str(PROGRAMS / f"{program}.py"), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        yield Peer(process, program)
    finally:
        process.kill()
        process.communicate()
