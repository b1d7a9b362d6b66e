"""``alpaquero up``, ``down`` and ``status``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from laptop.cli.common import Day, json_option, print_json, print_table, progress, state_option
from laptop.cli.universe import refuse_two_universes, synthetic_option, watchlist_option

# The owner's rule buys MSFT on this day's bar, so a newcomer sees a fill in the second session.
FIRST_SHOWN_SESSION = "2012-04-09"


@click.command()
@click.option("--detach", is_flag=True, help="Return once everything is ready; `alpaquero down` stops it.")
@click.option(
    "--free-ports", is_flag=True, help="Take free ports instead of 9000 to 9010, 9100, 9200 and 4566."
)
@click.option(
    "--seconds-per-session", type=click.FloatRange(min=0.5), default=60, show_default=True,
    help="How long a session and its night last here.",
)  # fmt: skip
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="A folder of SYMBOL.csv files."
)
@synthetic_option
@watchlist_option
@click.option("--seed", type=int, default=1, show_default=True, help="Fixes account ids and random draws.")
@click.option("--from", "start", type=Day(), help="The first session to trade.")
@click.option(
    "--engine",
    type=click.Choice(["ministack", "localstack"]),
    default="ministack",
    show_default=True,
    help="What stands for AWS; docs/localstack.md tells them apart.",
)
@click.option("--dashboard/--no-dashboard", default=True, help="Build and publish the page.")
@state_option
@json_option
def up(**options: Any) -> int:
    """Start everything and show what happens until Ctrl-C."""
    refuse_two_universes(options["data"], options["synthetic"])
    return _detached(options) if options["detach"] else _attached(options)


def _start(options: dict[str, Any]) -> str | None:
    """The first session: as asked, else one of the shipped prices' with a trade a few sessions away."""
    if options["start"]:
        return str(options["start"].date().isoformat())
    return None if options["data"] or options["synthetic"] else FIRST_SHOWN_SESSION


def _attached(options: dict[str, Any]) -> int:
    from laptop.stack import ExchangeOptions, LaptopCloud, StackRecord
    from laptop.supervisor import Supervisor, UpOptions
    from laptop.watch import told

    exchange = ExchangeOptions(
        seed=options["seed"],
        seconds_per_session=options["seconds_per_session"],
        data=options["data"],
        synthetic=options["synthetic"],
        start=_start(options),
    )
    wanted = UpOptions(
        options["state"],
        options["free_ports"],
        exchange,
        options["dashboard"],
        options["watchlist"],
        options["engine"],
    )

    def on_ready(cloud: LaptopCloud, record: StackRecord) -> None:
        _announce(cloud, record, as_json=options["as_json"])

    def on_event(event: dict[str, Any]) -> None:
        if options["as_json"]:
            print_json(event)
        elif (line := told(event)) is not None:
            print(line, flush=True)

    Supervisor(wanted, progress()).run(on_ready, on_event)
    return 0


def _announce(cloud: Any, record: Any, *, as_json: bool) -> None:
    ready = {"urls": record.urls, "ports": record.ports, "seconds_to_ready": record.seconds_to_ready}
    sign_in = {"email": cloud.credentials.email, "password": cloud.credentials.password}
    if as_json:
        print_json(ready | {"sign_in": sign_in})
        sys.stdout.flush()
        return
    rows = [(name.replace("_", " "), f"http://localhost:{port}") for name, port in record.ports.items()]
    print_table(f"Up in {record.seconds_to_ready} s", ("part", "address"), rows)
    print(f"\nDashboard  {record.urls['dashboard']}")
    print(f"Sign in    {sign_in['email']}  {sign_in['password']}")
    print("What happens (Ctrl-C stops everything, its state kept):\n", flush=True)


def _detached(options: dict[str, Any]) -> int:
    """Start the same command in a session of its own and wait until it is ready."""
    from laptop.errors import LaptopError
    from laptop.layout import StateFolder
    from laptop.stack import StackRecord

    state = StateFolder.at(options["state"])
    log = state.logs / "up.log"
    # The log holds the sign-in, so it is its owner's alone.
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from laptop.cli import main; sys.exit(main())",
                *_arguments(options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    shown = 0
    while True:
        ended = child.poll()
        lines = log.read_text(errors="replace").splitlines()
        for line in lines[shown:] if not options["as_json"] else []:
            print(line, file=sys.stderr)
        shown = len(lines)
        if ended is not None:
            raise LaptopError(
                lines[-1].removeprefix("error: ") if lines else f"up ended with code {ended}: see {log}"
            )
        record = StackRecord.load(state.stack_file)
        if record is not None and record.supervisor.pid == child.pid and record.seconds_to_ready is not None:
            break
        time.sleep(0.1)
    if options["as_json"]:
        print_json({"urls": record.urls, "ports": record.ports, "seconds_to_ready": record.seconds_to_ready})
    return 0


def _arguments(options: dict[str, Any]) -> list[str]:
    """The same options for the process that stays."""
    given = [
        "up",
        "--seed",
        str(options["seed"]),
        "--seconds-per-session",
        str(options["seconds_per_session"]),
        "--engine",
        options["engine"],
    ]
    given.append("--dashboard" if options["dashboard"] else "--no-dashboard")
    if options["free_ports"]:
        given.append("--free-ports")
    for name in ("data", "state"):
        if options[name]:
            given += [f"--{name}", str(options[name].absolute())]
    for name in ("synthetic", "watchlist"):
        if options[name] is not None:
            given += [f"--{name}", str(options[name])]
    if options["start"]:
        given += ["--from", options["start"].date().isoformat()]
    return given


@click.command()
@state_option
@json_option
def down(state: Path | None, as_json: bool) -> int:
    """Stop what runs, its state saved."""
    from laptop import supervisor
    from laptop.layout import StateFolder

    stopped = supervisor.down(StateFolder.at(state))
    if as_json:
        print_json({"stopped": stopped})
    else:
        print("stopped" if stopped else "nothing was up")
    return 0


@click.command()
@state_option
@json_option
def status(state: Path | None, as_json: bool) -> int:
    """Show what runs: addresses, seconds to ready, memory (proportional set size), and how the bot is."""
    from laptop import supervisor
    from laptop.condition import condition
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    told = supervisor.status(StateFolder.at(state))
    told["health"] = health = condition(Stack.find(StateFolder.at(state)))
    if as_json:
        print_json(told)
        return 0
    print_table(
        "Addresses", ("part", "address"), [(k, f"http://localhost:{v}") for k, v in told["ports"].items()]
    )
    rows = [
        (part["name"], part["pid"] or "", part["processes"], part["memory_mb"]) for part in told["processes"]
    ]
    print_table("Processes", ("part", "pid", "processes", "MB"), [*rows, ("all", "", "", told["memory_mb"])])
    if health["alerts"]:
        alerts = [(one["name"], one["since"] or "", one["message"]) for one in health["alerts"]]
        print_table("Alerts", ("alert", "since", "what"), alerts)
    work = ", ".join(f"{name} {age} s ago" for name, age in sorted(health["seconds_since_work"].items()))
    print(f"health {health['status']}; last work: {work or 'none yet'}")
    print(f"ready after {told['seconds_to_ready']} s, up for {told['uptime_seconds']} s")
    return 0
