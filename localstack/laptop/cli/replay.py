"""``alpaquero replay``: recomputes runs from what was stored and compares byte for byte."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from laptop.cli.common import json_option, print_json, print_table, state_option

if TYPE_CHECKING:
    from alpaquero.store.replay import Replayed

_SHOWN = 20  # differences printed for people


@click.command()
@click.argument("run", required=False)
@click.option("--all", "every", is_flag=True, help="Every run on record, and every verdict.")
@state_option
@json_option
def replay(run: str | None, every: bool, state: Path | None, as_json: bool) -> int:
    """Recompute RUN (its id, as `alpaquero runs` lists them) from what was stored, and compare the bytes.

    Bars at their revisions give the reports again, these ranking, decision, intents and signals, and
    what `execute` kept gives each verdict. Works on the stack that runs, and on one that has ended.
    """
    if (run is None) is not every:
        raise click.UsageError("give the id of a run, or --all")
    from laptop.recorded import open_tables
    from laptop.stack import ACCOUNT

    source = open_tables(state)
    if not as_json:
        print(f"replayed from {source}", file=sys.stderr)
    result = _all(ACCOUNT) if run is None else _one(ACCOUNT, run)
    told = {**msgspec.to_builtins(result), "source": source}
    if as_json:
        print_json(told)
    else:
        _show(told)
    return 1 if result.mismatches else 0


def _all(account: str) -> Replayed:
    from rich.console import Console
    from rich.progress import track

    from alpaquero.store import replay as replays
    from alpaquero.store import runs

    steps, tally = runs.count(account) + 1, replays.Tally()
    console = Console(stderr=True)
    for step in track(
        replays.replay_all(account), "replay", total=steps, console=console, disable=not console.is_terminal
    ):
        tally = step
    return tally.result()


def _one(account: str, identifier: str) -> Replayed:
    from alpaquero.store import replay as replays
    from alpaquero.store import runs
    from laptop.errors import LaptopError

    run = runs.get(account, identifier)
    if run is None:
        raise LaptopError(f"there is no run {identifier}: `alpaquero runs` lists them")
    tally = replays.Tally()
    replays.replay(run, tally)
    return tally.result()


def _show(told: dict[str, Any]) -> None:
    differences = told.pop("differences")
    print_table("Replay", ("what", "value"), list(told.items()))
    for one in differences[:_SHOWN]:
        print(f"\n{one['run_id']}: {one['what']}\n{one['diff']}")
    if len(differences) > _SHOWN:
        print(f"\n{len(differences) - _SHOWN} differences more: --json shows all")
