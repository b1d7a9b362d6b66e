"""What this machine needs to run the laptop cloud; ``alpaquero doctor`` asks for all of it."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from laptop import processes
from laptop.doctor.finding import Check, Finding, fail, judged, ok, skipped, warn
from laptop.doctor.network import Fetch, fetch
from laptop.layout import ENGINE_PYTHON, REPOSITORY, StateFolder

_LEAST_DISK: Final = 2 * 1024**3
_CLOCKS: Final = {
    "AWS": "https://sts.amazonaws.com/",
    "the exchange": "https://paper-api.alpaca.markets/v2/clock",
}
# A Date header counts whole seconds: half of one is what it cannot tell.
_MOST_SKEW: Final = 1.0 + 0.5
_PRIVATE_FILES: Final = ("credentials.json", "stack.json")


@dataclass(frozen=True)
class Machine:
    """This machine as the checks see it; a test puts its own in place."""

    state: StateFolder
    ports: Mapping[str, int]
    is_up: bool
    fetch: Fetch = fetch
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    python: tuple[int, int] = field(default=(sys.version_info[0], sys.version_info[1]))
    environments: Sequence[tuple[Path, str]] = (
        (REPOSITORY / ".venv" / ".complete-laptop", "make setup"),
        (ENGINE_PYTHON, "make setup"),
    )


def checks(machine: Machine) -> list[tuple[str, Check]]:
    """Every check, by name."""
    return [
        ("Python", lambda: python(machine)),
        ("environments", lambda: environments(machine)),
        ("disk", lambda: disk(machine)),
        ("state folder", lambda: state_folder(machine)),
        ("ports", lambda: ports(machine)),
        *(
            (f"clock against {name}", lambda name=name, url=url: clock(machine, name, url))
            for name, url in _CLOCKS.items()
        ),
    ]


def python(machine: Machine) -> Finding:
    """One that the locks are made for."""
    told = ".".join(map(str, machine.python))
    good = (3, 11) <= machine.python <= (3, 13)
    return judged(
        "Python",
        "sys.version",
        told,
        "use Python 3.11, 3.12 or 3.13: make setup PYTHON=python3.13",
        good=good,
    )


def environments(machine: Machine) -> Finding:
    """Made to the end from their locks."""
    missing = [(path, command) for path, command in machine.environments if not path.exists()]
    found = f"missing: {', '.join(path.parent.name for path, _ in missing)}" if missing else "complete"
    return judged("environments", "their stamps", found, missing[0][1] if missing else "", good=not missing)


def disk(machine: Machine) -> Finding:
    """Room for builds, books and logs."""
    free = shutil.disk_usage(machine.state.root).free
    return judged(
        "disk",
        "free space at the state folder",
        f"{free / 1024**3:.1f} GB free",
        "make room: builds, books and logs want 2 GB (make clean removes builds)",
        good=free >= _LEAST_DISK,
    )


def state_folder(machine: Machine) -> Finding:
    """Its owner alone may look into it: keys and passwords lie there."""
    found = [machine.state.root, *(machine.state.root / name for name in _PRIVATE_FILES)]
    open_ones = [path for path in found if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    return judged(
        "state folder",
        "file modes",
        f"open to others: {', '.join(p.name for p in open_ones)}" if open_ones else "private",
        f"chmod go= {' '.join(str(path) for path in open_ones)}",
        good=not open_ones,
    )


def ports(machine: Machine) -> Finding:
    """Free, or held by our own cloud."""
    if machine.is_up:
        return ok("ports", "stack.json", "held by the cloud that is up")
    taken = [f"{port} ({name})" for name, port in machine.ports.items() if not processes.port_is_free(port)]
    if not taken:
        return ok("ports", "binding each", f"{len(machine.ports)} free")
    return fail(
        "ports",
        "binding each",
        f"taken: {', '.join(taken)}",
        "end the program that listens there, or move ours: ALPAQUERO_PORT_<NAME>, alpaquero up --free-ports",
    )


def clock(machine: Machine, name: str, url: str) -> Finding:
    """Within a second of theirs: signatures, tokens and sessions go by it."""
    title = f"clock against {name}"
    began = machine.now()
    try:
        reply = machine.fetch(url, {})
    except OSError as error:
        return skipped(
            title,
            url,
            f"not reached: {error}",
            "on AWS and for real prices it must be; the laptop runs without",
        )
    ended = machine.now()
    if reply.date is None:
        return warn(title, url, "no Date header", "a proxy may have taken it; set the clock by NTP")
    skew = abs((began + (ended - began) / 2 - reply.date).total_seconds() - 0.5)
    return judged(
        title,
        f"the Date header of {url}",
        f"{max(skew - 0.5, 0):.1f} s away at least" if skew > 0.5 else "in step",
        "set the clock by NTP: timedatectl set-ntp true",
        good=skew <= _MOST_SKEW,
    )
