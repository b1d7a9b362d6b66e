"""``alpaquero mail``: reading what the bot sent."""

from __future__ import annotations

from pathlib import Path

import click

from laptop.cli.common import json_option, limit_option, print_json, state_option


@click.command()
@limit_option(200)
@click.option("--sms", is_flag=True, help="The SMS instead.")
@state_option
@json_option
def mail(limit: int, sms: bool, state: Path | None, as_json: bool) -> int:
    """Show the mail (or SMS) the bot has sent; the laptop's engine sends nothing on."""
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    stack = Stack.find(StateFolder.at(state))
    messages = (stack.sent_sms() if sms else stack.sent_mail())[-limit:]
    if as_json:
        print_json(messages)
        return 0
    for message in messages:
        if sms:
            print(f"to {message['to']}: {message['body']}")
            continue
        print(f"{message['at']}  to {', '.join(message['to'])}\n{message['subject']}\n\n{message['body']}\n")
    if not messages:
        print("no SMS yet" if sms else "no mail yet")
    return 0
