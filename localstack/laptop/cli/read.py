"""``alpaquero mail``: reading what the bot sent."""

from __future__ import annotations

from pathlib import Path

import click

from laptop.cli.common import json_option, print_json, state_option


@click.command()
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
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
