"""``alpaquero redrive``: shows the messages that queues gave up, and sends them back."""

from __future__ import annotations

from pathlib import Path

import click

from laptop.cli.common import json_option, print_json, print_table, state_option


@click.command()
@click.argument("queue", required=False)
@click.option("--yes", is_flag=True, help="Send them back without asking.")
@state_option
@json_option
def redrive(queue: str | None, yes: bool, state: Path | None, as_json: bool) -> int:
    """Show the dead letters of QUEUE (of all queues without it), and send them back when told so.

    Find out first why they failed (`alpaquero logs`), or they will be back. With --json nothing is
    asked: it shows, and with --yes it sends back.
    """
    from laptop.layout import StateFolder
    from laptop.redrive import DeadLetters
    from laptop.stack import Stack

    dead = DeadLetters(Stack.find(StateFolder.at(state)))
    taken = {name: letters for name in dead.queues(queue) if (letters := dead.take(name))}
    found = [letter for letters in taken.values() for letter in letters]
    more = sum(dead.depth(name) for name in taken) - len(found)
    try:
        if not as_json:
            _show([letter.shown() for letter in found], more)
        wanted = bool(found) and (yes or (not as_json and click.confirm("Send them back to their queues?")))
    except BaseException:
        dead.put_down(found)
        raise
    sent = {}
    if wanted:
        sent = {name: dead.send_back(name, letters) for name, letters in taken.items()}
    else:
        dead.put_down(found)
    if as_json:
        print_json({"dead_letters": [letter.shown() for letter in found], "more": more, "sent_back": sent})
    elif sent:
        print(f"sent back: {', '.join(f'{count} to {name}' for name, count in sent.items())}")
    return 0


def _show(letters: list[dict[str, object]], more: int) -> None:
    if not letters:
        print("no dead letters")
        return
    columns = ("queue", "what", "sent_at", "received", "body")
    print_table("Dead letters", columns, [[letter[name] for name in columns] for letter in letters])
    if more > 0:
        print(f"and {more} more behind them")
