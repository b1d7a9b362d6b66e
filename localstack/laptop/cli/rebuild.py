"""``alpaquero rebuild``: everything that is derived, derived again from orders, fills and the broker."""

from __future__ import annotations

from pathlib import Path

import click

from laptop.cli.common import json_option, print_json, print_table, progress, state_option


@click.command()
@state_option
@json_option
def rebuild(state: Path | None, as_json: bool) -> int:
    """Derive risk book, positions and trades again, and tell what was different.

    Safe while trading goes on; when something keeps changing it says so: set trading to HALTED first.
    """
    from laptop.layout import StateFolder
    from laptop.rebuilding import derive_again
    from laptop.stack import Stack

    stack, say = Stack.find(StateFolder.at(state)), progress()
    found = derive_again(stack.invoke, say)
    if as_json:
        print_json(found)
        return 0
    rows = [(part, name, text) for part, texts in found.items() for name, text in sorted(texts.items())]
    if rows:
        print_table("What was different", ("part", "of", "difference"), rows)
    else:
        print("everything is what orders, fills and the broker add up to")
    return 0
