"""What the clouds of a failed test had to say, for its report; `tests/conftest.py` asks for it.

Fixtures keep a cloud's state in pytest's temporary folder, which is gone with the run: the ends of its
processes' logs and the troubled lines of its functions' are all that tells a cause afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from laptop.errors import NotRunningError
from laptop.layout import StateFolder
from laptop.stack import Stack

Event = dict[str, Any]

DEPTHS = ("*", "*/*")  # where fixtures put a state folder
LINES = 40
WIDTH = 1000
CALM = {"DEBUG", "INFO"}
PLATFORM = ("START ", "END ", "REPORT ", "INIT_START ")


def sections(base: Path, since: float) -> Iterator[tuple[str, str]]:
    """Titles and texts of what was logged after `since` (a Unix time) by clouds below `base`."""
    base = base.resolve()
    for log in _found(base, "logs/*.log"):
        if log.stat().st_mtime >= since and log.stat().st_size:
            yield str(log.relative_to(base)), _end(log.read_text(errors="replace").splitlines())
    for record in _found(base, "stack.json"):
        state = record.parent
        try:
            troubled = _troubled_lines(state, since)
        except Exception as error:  # the test's own failure is what the report is about
            troubled = [f"not to be had: {error!r}"]
        if troubled:
            yield f"functions of {state.relative_to(base)}", _end(troubled)


def _found(base: Path, pattern: str) -> list[Path]:
    """Each file once: pytest links to the newest folder of a name."""
    return sorted({path.resolve() for depth in DEPTHS for path in base.glob(f"{depth}/{pattern}")})


def _end(lines: list[str]) -> str:
    return "\n".join(line[:WIDTH] for line in lines[-LINES:])


def _troubled_lines(state: Path, since: float) -> list[str]:
    """Warnings, errors, answers of 500 and above, and what is no line of ours, oldest first."""
    try:
        events = _told(Stack.find(StateFolder.at(state)), since)
    except NotRunningError:  # a fixture that failed has stopped its cloud
        events = _saved(state / "engine" / "state" / "cloudwatch_logs.json", since)
    events = [event for event in events if event["timestamp"] >= since * 1000]
    events.sort(key=lambda event: int(event["timestamp"]))
    return [str(event["message"]) for event in events if _is_trouble(str(event["message"]))]


def _told(stack: Stack, since: float) -> list[Event]:
    client = stack.client("logs")
    events: list[Event] = []
    for group in client.describe_log_groups()["logGroups"]:
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group["logGroupName"], startTime=int(since * 1000)
        )
        events += [event for page in pages for event in page["events"]]
    return events


def _saved(logs: Path, since: float) -> list[Event]:
    """What the engine saved at its end."""
    if not logs.exists() or logs.stat().st_mtime < since:
        return []
    return list(_events(json.loads(logs.read_text())))


def _events(part: Any) -> Iterator[Event]:
    if isinstance(part, dict):
        yield from part["events"] if isinstance(part.get("events"), list) else _events(list(part.values()))
    elif isinstance(part, list):
        for one in part:
            yield from _events(one)


def _is_trouble(message: str) -> bool:
    if message.startswith(PLATFORM):
        return False
    try:
        entry = json.loads(message)
    except ValueError:
        return bool(message.strip())
    if not isinstance(entry, dict) or "_aws" in entry:
        return False
    return entry.get("level", "INFO") not in CALM or int(entry.get("status") or 0) >= 500
