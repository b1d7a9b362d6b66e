"""``alpaquero limits``: the risk limits and their use; sectors and blackouts imported from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from laptop.cli.common import json_option, print_json, print_table, state_option

if TYPE_CHECKING:
    from laptop.stack import Stack

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--sectors", type=_FILE, help="A CSV file of symbol,sector to put in place of the map.")
@click.option("--blackouts", type=_FILE, help="A CSV file of symbol,start,end,reason to put in place.")
@click.option("--reason", help="Why, with --sectors or --blackouts; kept with the settings' version.")
@state_option
@json_option
def limits(
    sectors: Path | None, blackouts: Path | None, reason: str | None, state: Path | None, as_json: bool
) -> int:
    """Show each risk limit and how much of it is used, or import sectors and blackouts."""
    from laptop import risk_files
    from laptop.calls import public_get
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    change: dict[str, Any] = {}
    if sectors is not None:
        change["sectors"] = risk_files.sectors(sectors)
    if blackouts is not None:
        change["blackouts"] = risk_files.blackouts(blackouts)
    if bool(change) != bool(reason):
        raise click.UsageError("--reason goes with --sectors or --blackouts")
    stack = Stack.find(StateFolder.at(state))
    if reason:
        version = _save(stack, change, reason)
        shown = {"version": version, **{name: len(entries) for name, entries in change.items()}}
        print_json(shown) if as_json else print(f"settings version {version}: {', '.join(change)} imported")
        return 0
    found = public_get(stack, "/api/risk/limits", {})
    if as_json:
        print_json(found)
    else:
        rows = [[name, value, found["used"].get(name, "")] for name, value in found["limits"].items()]
        print_table(f"Risk limits, trading is {found['trading_state']}", ("limit", "value", "used"), rows)
    return 0


def _save(stack: Stack, change: dict[str, Any], reason: str) -> int:
    """Saves the change as the next version of the settings, as the owner; answers the version."""
    from laptop.calls import Call, public_get, send
    from laptop.errors import LaptopError

    before = public_get(stack, "/api/config", {})
    body = {"version": before["version"], "reason": reason, "settings": {"risk": change}}
    call = Call(
        stack.ports["gateway"], "/api/config", "POST", json.dumps(body).encode(),
        {"content-type": "application/json"},
    )  # fmt: skip
    answer = send(stack, call)
    if answer.is_error:
        raise LaptopError(f"the settings were not changed: {answer.json()['error']['message']}")
    return int(answer.json()["version"])
