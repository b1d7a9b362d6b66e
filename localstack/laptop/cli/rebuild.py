"""``alpaquero rebuild``: everything that is derived, derived again from orders, fills and the broker."""

from __future__ import annotations

from pathlib import Path

import click

from laptop.cli.common import json_option, print_json, print_table, progress, state_option

# The parts in the order in which one rests on the other, and the function that derives each.
_PARTS = (("books", "TradingSync"), ("positions", "PositionProject"), ("trades", "AnalyticsProject"))


@click.command()
@state_option
@json_option
def rebuild(state: Path | None, as_json: bool) -> int:
    """Derive risk book, positions and trades again, and tell what was different.

    Safe while trading goes on; when something keeps changing it says so: set trading to HALTED first.
    """
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    stack, say = Stack.find(StateFolder.at(state)), progress()
    found: dict[str, dict[str, str]] = {}
    for part, function in _PARTS:
        say(f"{part} are derived again")
        found[part] = stack.invoke(function, {"job": "rebuild"})["differences"]
    if as_json:
        print_json(found)
        return 0
    rows = [(part, name, text) for part, texts in found.items() for name, text in sorted(texts.items())]
    if rows:
        print_table("What was different", ("part", "of", "difference"), rows)
    else:
        print("everything is what orders, fills and the broker add up to")
    return 0
