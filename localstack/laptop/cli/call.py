"""``alpaquero token`` and ``curl``: calling the bot's APIs as the owner."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from laptop.cli.common import json_option, print_json, state_option


@click.command()
@state_option
@json_option
def token(state: Path | None, as_json: bool) -> int:
    """Sign in as the owner and print an access token."""
    from laptop import owner
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    access = owner.access_token(Stack.find(StateFolder.at(state)))
    if as_json:
        print_json({"access_token": access})
    else:
        print(access)
    return 0


@click.command()
@click.argument("target", metavar="[PORT/]PATH")
@click.option("--request", "-X", "method", help="The method; GET, or POST with --data.")
@click.option("--data", "-d", help="The body (JSON).")
@click.option("--header", "-H", "headers", multiple=True, help="name: value")
@click.option("--include", "-i", is_flag=True, help="Show the status and the headers too.")
@state_option
@json_option
def curl(
    *,
    target: str,
    method: str | None,
    data: str | None,
    headers: tuple[str, ...],
    include: bool,
    state: Path | None,
    as_json: bool,
) -> int:
    """Call a port: `9001/positions` signed, `/api/account` with the owner's token."""
    from laptop.calls import Call, parse_target, send
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    stack = Stack.find(StateFolder.at(state))
    port, path = parse_target(target, stack.ports)
    given = dict(part.split(":", 1) for part in headers if ":" in part)
    if data is not None:
        given.setdefault("content-type", "application/json")
    call = Call(
        port,
        path,
        method or ("POST" if data is not None else "GET"),
        (data or "").encode(),
        {name.strip().lower(): value.strip() for name, value in given.items()},
    )
    answer = send(stack, call)
    if as_json:
        print_json(
            {"status": answer.status_code, "headers": dict(answer.headers), "body": _body(answer.text)}
        )
    else:
        if include:
            print(f"{answer.status_code} {answer.reason_phrase}")
            for name, value in answer.headers.items():
                print(f"{name}: {value}")
            print()
        print(answer.text)
    if answer.is_error:
        print(f"error: {call.method} {target} answered {answer.status_code}", file=sys.stderr)
    return 1 if answer.is_error else 0


def _body(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
