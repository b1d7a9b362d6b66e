"""``alpaquero signals`` and ``mail``: reading what the bot did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from laptop.cli.common import json_option, print_json, print_table, state_option

_LIMIT = click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
_SYMBOL = click.option("--symbol", help="Of one symbol only.")


def _listed(state: Path | None, path: str, **query: Any) -> list[dict[str, Any]]:
    from laptop.calls import public_get
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    wanted = {name: value for name, value in query.items() if value is not None}
    items: list[dict[str, Any]] = public_get(Stack.find(StateFolder.at(state)), path, wanted)["items"]
    return items


def _print(title: str, columns: tuple[str, ...], items: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(items)
    else:
        print_table(title, columns, [[_cell(item.get(column)) for column in columns] for item in items])


def _cell(value: object) -> object:
    return "" if value is None else value


@click.command()
@_SYMBOL
@_LIMIT
@state_option
@json_option
def signals(symbol: str | None, limit: int, state: Path | None, as_json: bool) -> int:
    """Show the last signals, raised and withheld."""
    items = _listed(state, "/api/signals", symbol=symbol, limit=limit)
    columns = ("bar_close", "symbol", "side", "strength", "reference_price", "code", "reason")
    _print("Signals", columns, items, as_json=as_json)
    return 0


@click.command()
@_LIMIT
@state_option
@json_option
def mail(limit: int, state: Path | None, as_json: bool) -> int:
    """Show the mail the bot has sent."""
    from laptop.engine import sent_mail
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    messages = sent_mail(Stack.find(StateFolder.at(state)).endpoint)[-limit:]
    if as_json:
        print_json(messages)
        return 0
    for message in messages:
        print(f"{message['at']}  to {', '.join(message['to'])}\n{message['subject']}\n\n{message['body']}\n")
    if not messages:
        print("no mail yet")
    return 0
