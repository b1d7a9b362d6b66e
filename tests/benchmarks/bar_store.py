"""Ten years of daily bars of one symbol read from the store's chunks, against an item a bar.

The work is done by `bar_store_process`, which says what stands in for DynamoDB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

import alpaquero
import laptop
from laptop.layout import REPOSITORY
from tests.benchmarks.rows import Goal, Row

_PROCESS: Final = Path(__file__).with_name("bar_store_process.py")
_PEER: Final = "an item a bar, by boto3"


def measure() -> Iterator[Row]:
    """The rows of this part."""
    sources = [str(REPOSITORY), *(str(Path(module.__path__[0]).parent) for module in (alpaquero, laptop))]
    done = subprocess.run(
        [sys.executable, str(_PROCESS)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    of_api, of_backtest, theirs = (median(some) * 1000 for some in zip(*found["seconds"], strict=True))
    shown = f"bar store, {found['bars']:,} daily bars"
    goal = Goal(at_most=0.06, of_ratio=True)
    yield Row(f"{shown}, client's read time without numpy, as of the API", of_api, "ms", _PEER, theirs, goal)
    yield Row(
        f"{shown}, client's read time with numpy, as of a backtest", of_backtest, "ms", _PEER, theirs, goal
    )
    mine, other = found["units"]
    yield Row(f"{shown}, read units", mine, "units", _PEER, other, Goal(at_most=0.30, of_ratio=True))
