"""A whole cold signal run of 500 symbols from JSON, as a process, against alpaca-py and pandas.

Both read the same pages, as the exchange answers them, and end with the signals written; each is a
process of its own from its start to its end, ours and theirs in turn. Memory is the most each held. Both
find their packages by PYTHONPATH, as on Lambda, and start without `site`: what an editable install does at
a start is nobody's run. Ours takes a twentieth of theirs, too short for a shared processor to be even over
it, so that each round asks it several times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from sysconfig import get_path
from typing import Final

import alpaquero
from tests.benchmarks import peers, prices
from tests.benchmarks.exchange import exchange, pages_of_universe
from tests.benchmarks.rows import Goal, Row

BARS: Final = 250
ROUNDS: Final = 5
OURS_A_ROUND: Final = 4
_OURS: Final = Path(__file__).with_name("signal_run_process.py")
_TIMED: Final = Path(__file__).with_name("timed_process.py")
_THEIRS: Final = peers.PROGRAMS / "signal_run.py"
_PEER: Final = "alpaca-py + pandas"


@dataclass(frozen=True)
class Took:
    """Seconds from start to end of a process, and the most memory it held, in MB."""

    seconds: float
    megabytes: float


def measure() -> Iterator[Row]:
    """The rows of this part."""
    peers.set_up()
    with tempfile.TemporaryDirectory(prefix="alpaquero-bench-") as name:
        folder = Path(name)
        pages = folder / "pages"
        pages.mkdir()
        with exchange("--synthetic", str(prices.SYMBOLS), "--sessions", "1") as port:
            for number, body in enumerate(pages_of_universe(port, BARS)):
                (pages / f"{number:03}.json").write_bytes(body)
        sources = str(Path(alpaquero.__path__[0]).parent)
        own = {**peers.environment(), "PYTHONPATH": os.pathsep.join([sources, get_path("purelib")])}
        other_packages = next(peers.PYTHON.parents[1].glob("lib/python3*/site-packages"))
        others = {**peers.environment(), "PYTHONPATH": str(other_packages)}
        ours: list[Took] = []
        theirs: list[Took] = []
        for turn in range(ROUNDS + 1):
            mine = [
                _run([sys.executable, "-S", _OURS, pages, folder / "ours.json"], own)
                for _ in range(OURS_A_ROUND)
            ]
            other = _run([peers.PYTHON, "-S", _THEIRS, pages, folder / "theirs.json"], others)
            if turn:  # the first one of each compiles modules and warms the disk
                ours += mine
                theirs.append(other)
            else:
                _require_agreement(folder)
    shown = f"cold signal run, {prices.SYMBOLS} symbols x {BARS} bars of JSON"
    yield Row(
        f"{shown}, time",
        median(took.seconds for took in ours) * 1000,
        "ms",
        _PEER,
        median(took.seconds for took in theirs) * 1000,
        Goal(at_most=0.06, of_ratio=True),
    )
    yield Row(
        f"{shown}, memory",
        median(took.megabytes for took in ours),
        "MB",
        _PEER,
        median(took.megabytes for took in theirs),
        Goal(at_most=0.15, of_ratio=True),
    )


def _run(command: Sequence[str | Path], environment: Mapping[str, str]) -> Took:
    launched = [sys.executable, str(_TIMED), *map(str, command)]
    done = subprocess.run(launched, env=dict(environment), stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(command[2]).name} failed; what it wrote is above")
    return Took(**json.loads(done.stdout))


def _require_agreement(folder: Path) -> None:
    report = json.loads((folder / "ours.json").read_bytes())
    ours = {signal["symbol"]: signal["side"] for signal in report["raised"]}
    theirs = json.loads((folder / "theirs.json").read_bytes())
    if ours != theirs or not ours or len(report["judged"]) != prices.SYMBOLS:
        differing = sorted(ours.items() ^ theirs.items())
        raise RuntimeError(f"our signals and theirs differ, so the times mean nothing: {differing[:10]}")
