"""``alpaquero logs``, ``restart`` and ``tick``: looking at and working the functions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from laptop.cli.common import json_option, print_json, progress, state_option

# The lines Lambda itself writes around an invocation.
_PLATFORM = ("START RequestId", "END RequestId", "REPORT RequestId", "INIT_START")


@click.command()
@click.argument("service", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--minutes", type=click.FloatRange(min=0), default=10, show_default=True, help="How far back.")
@state_option
@json_option
def logs(service: str | None, follow: bool, minutes: float, state: Path | None, as_json: bool) -> int:
    """Show the functions' logs, of one SERVICE or of all."""
    from laptop.layout import TEMPLATE, StateFolder
    from laptop.redeploy import functions_of
    from laptop.stack import Stack

    stack = Stack.find(StateFolder.at(state))
    if service is not None:
        functions_of(service, TEMPLATE.read_text())  # a name that is none would show nothing, for ever
    since = int((time.time() - minutes * 60) * 1000)
    while True:
        for event in _lines(stack, since):
            since = max(since, event["timestamp"] + 1)
            entry = _entry(event["message"])
            if service is None or entry.get("service") == service:
                _show(event, entry, as_json=as_json)
        if not follow:
            return 0
        time.sleep(1)


def _lines(stack: Any, since: int) -> Iterator[dict[str, Any]]:
    client = stack.client("logs")
    found = []
    for group in client.describe_log_groups()["logGroups"]:
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group["logGroupName"], startTime=since
        )
        found += [event for page in pages for event in page["events"]]
    for event in sorted(found, key=lambda event: event["timestamp"]):
        if not event["message"].startswith(_PLATFORM):
            yield event


def _entry(message: str) -> dict[str, Any]:
    """A structured line's fields; any other line as its message."""
    try:
        entry = json.loads(message)
    except ValueError:
        return {"message": message}
    return entry if isinstance(entry, dict) else {"message": message}


def _show(event: dict[str, Any], entry: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"at": event["timestamp"], **entry}))
        return
    at = time.strftime("%H:%M:%S", time.localtime(event["timestamp"] / 1000))
    if "_aws" in entry:  # a metric in CloudWatch's embedded format, which --json shows
        return
    line = f"{at} {entry.get('level', ''):7} {entry.get('service', ''):15} {entry.get('message', '')}"
    print(f"{line}{reason_of(entry)}", flush=True)


def reason_of(entry: dict[str, Any]) -> str:
    """Why a logged failure happened: its exception's last line; nothing for other lines."""
    trace = str(entry.get("exception", "")).strip()
    return f": {trace.splitlines()[-1]}" if trace else ""


@click.command()
@click.argument("service")
@state_option
@json_option
def restart(service: str, state: Path | None, as_json: bool) -> int:
    """Put the current code of SERVICE (a folder of functions/) into its functions."""
    from laptop.layout import StateFolder
    from laptop.redeploy import restart_service
    from laptop.stack import Stack

    names = restart_service(Stack.find(StateFolder.at(state)), service, say=progress())
    if as_json:
        print_json({"restarted": names})
    else:
        print(f"restarted {', '.join(names)}")
    return 0


@click.command()
@click.argument("job", type=click.Choice(["plan", "sync", "monitor", "probe"]))
@state_option
@json_option
def tick(job: str, state: Path | None, as_json: bool) -> int:
    """Send a JOB the very event its schedule sends, and wait for it."""
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    answer = Stack.find(StateFolder.at(state)).tick(job)
    if as_json:
        print_json({"job": job, "answer": answer})
    else:
        print(f"{job}: {json.dumps(answer)}")
    return 0
