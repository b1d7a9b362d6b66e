"""``alpaquero keys``: the keys that programs sign in with, made, listed and revoked as the owner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from laptop.cli.common import Group, json_option, print_json, print_table, refuse_options_before, state_option

_KEYS = "/api/keys"


@click.group(cls=Group, invoke_without_command=True)
@state_option
@json_option
@click.pass_context
def keys(context: click.Context, state: Path | None, *, as_json: bool) -> int:
    """Make, list and revoke the keys that programs sign in with; without a subcommand, list them."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context)
        return 0
    return _show(_ask(state, "GET", _KEYS)["items"], as_json=as_json)


@keys.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "trader"]), required=True, help="What it may do.")
@click.option("--days", type=click.IntRange(1, 365), default=90, show_default=True, help="Until it ends.")
@click.option(
    "--requests-a-day", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True,
    help="How many it may send, in a day of UTC.",
)  # fmt: skip
@state_option
@json_option
def create(name: str, role: str, days: int, requests_a_day: int, state: Path | None, *, as_json: bool) -> int:
    """Make the key NAME and show it, this once."""
    from alpaquero.store.program_keys import NAME

    if not re.fullmatch(NAME, name):
        raise click.BadParameter(
            f"{name!r} does not fit; write 2 to 31 small letters, digits and dashes, a letter first",
            param_hint="NAME",
        )
    wanted = {"name": name, "role": role, "expires_in_days": days, "requests_a_day": requests_a_day}
    made = _ask(state, "POST", _KEYS, body=wanted)
    if as_json:
        print_json(made)
        return 0
    print(made["key"])
    click.echo(
        f"{name} is a {role}'s key until {made['expires_at'][:10]}. It is not shown again; send it as "
        "`Authorization: Bearer KEY`.",
        err=True,
    )
    return 0


@keys.command("list")
@state_option
@json_option
def list_(state: Path | None, *, as_json: bool) -> int:
    """List the keys, never their secrets."""
    return _show(_ask(state, "GET", _KEYS)["items"], as_json=as_json)


@keys.command()
@click.argument("name")
@state_option
@json_option
def revoke(name: str, state: Path | None, *, as_json: bool) -> int:
    """End the key NAME; the gateway refuses it within a minute. Lists the others."""
    return _show(_ask(state, "DELETE", f"{_KEYS}/{name}")["items"], as_json=as_json)


def _show(items: list[dict[str, Any]], *, as_json: bool) -> int:
    if as_json:
        print_json(items)
        return 0
    rows = [
        [i["name"], i["role"], i["made_by"], i["expires_at"][:10], i["requests_a_day"],
         (i["last_used_at"] or "never")[:13]]
        for i in items
    ]  # fmt: skip
    print_table("Keys of programs", ("name", "role", "made by", "until", "a day", "last used"), rows)
    return 0


def _ask(state: Path | None, method: str, path: str, *, body: dict[str, Any] | None = None) -> Any:
    from laptop.calls import public_call
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    return public_call(Stack.find(StateFolder.at(state)), method, path, body=body)
