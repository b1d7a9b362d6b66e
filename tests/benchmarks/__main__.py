"""`make bench`: measures every part, or those named, prints a table and writes build/bench.json.

A part is a module of this folder with a function `measure()` that yields rows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from time import perf_counter

from laptop.layout import REPOSITORY
from tests.benchmarks.rows import Row

_FOLDER = Path(__file__).parent
_FRAME = {"__init__", "__main__", "counting_guard", "peers", "prices", "rows"}
_OUTPUT = REPOSITORY / "build" / "bench.json"
_HEADER = ("", "value", "unit", "peer", "peer value", "ratio", "goal", "")


def parts() -> list[str]:
    """The names of all parts."""
    modules = (path.stem for path in _FOLDER.glob("*.py"))
    return sorted(name for name in modules if name not in _FRAME and not name.endswith("_process"))


def measured(names: Iterable[str], failed: list[str]) -> Iterator[Row]:
    """Every row of the parts, as it is measured; a part that cannot be measured is told and noted."""
    for name in names:
        began = perf_counter()
        sys.stderr.write(f"{name} ...\n")
        try:
            yield from import_module(f"tests.benchmarks.{name}").measure()
        except Exception as error:
            failed.append(name)
            sys.stderr.write(f"{name} failed: {error}\n")
        else:
            sys.stderr.write(f"{name} took {perf_counter() - began:.0f} s\n")


def record(row: Row) -> dict[str, object]:
    """A row as build/bench.json has it."""
    return {
        "name": row.name,
        "value": row.value,
        "unit": row.unit,
        "peer": row.peer,
        "peer_value": row.peer_value,
        "ratio": row.ratio,
        "goal": str(row.goal) if row.goal else None,
        "met": row.met,
    }


def _cells(row: Row) -> tuple[str, ...]:
    verdict = {None: "", True: "met", False: "NOT MET"}[row.met]
    numbers = [f"{number:,.3g}" if number is not None else "" for number in (row.peer_value, row.ratio)]
    goal = str(row.goal) if row.goal else ""
    return (row.name, f"{row.value:,.4g}", row.unit, row.peer or "", *numbers, goal, verdict)


def table(rows: Iterable[Row]) -> str:
    """The rows under a header, in columns."""
    lines = [_HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def main() -> int:
    """Measure, print and write. 0 unless a part failed: a missed goal is for the reader of the table."""
    known = parts()
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*known, []], metavar="PART", help=", ".join(known))
    chosen = parser.parse_args().parts or known
    load = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores before the start"
    sys.stderr.write(f"measuring {', '.join(chosen)}; the machine's load is {load}\n")
    failed: list[str] = []
    rows = list(measured(chosen, failed))
    _OUTPUT.parent.mkdir(exist_ok=True)
    _OUTPUT.write_text(json.dumps([record(row) for row in rows], indent=2) + "\n")
    sys.stdout.write(f"{table(rows)}\n\n{_OUTPUT.relative_to(REPOSITORY)} has them as JSON\n")
    if failed:
        sys.stderr.write(f"error: not measured: {', '.join(failed)}; why is above\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
