"""``alpaquero explain``: why a symbol did, or did not, trade, from schedule tick to fill."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from laptop.cli.common import Day, json_option, print_json, state_option


@click.command()
@click.argument("symbol")
@click.option(
    "--at", type=Day(times=True),
    help="A time in UTC, or a day, of the market: the last bar that closed by then; else the newest.",
)  # fmt: skip
@state_option
@json_option
def explain(symbol: str, at: datetime | None, state: Path | None, as_json: bool) -> int:
    """Say why SYMBOL did, or did not, trade: tick, bar, values, conditions, ranking, verdict, order, fills.

    Asks the stack that runs, else reads the records of the one that ended.
    """
    moment = None if at is None else at.replace(tzinfo=UTC)
    if moment is not None and (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        moment = moment.replace(hour=23, minute=59, second=59)  # a day is meant as a whole
    told = _asked(symbol.upper(), moment, state)
    if as_json:
        print_json(told)
    else:
        _show(told)
    return 0


def _asked(symbol: str, at: datetime | None, state: Path | None) -> Any:
    from laptop.calls import public_get
    from laptop.errors import NotRunningError
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    try:
        stack = Stack.find(StateFolder.at(state))
    except NotRunningError:
        return _read(symbol, at, state)
    query = {} if at is None else {"at": at.isoformat()}
    return public_get(stack, f"/api/signals/{symbol}/explain", query)


def _read(symbol: str, at: datetime | None, state: Path | None) -> Any:
    import msgspec

    from laptop.recorded import open_tables

    open_tables(state)
    from alpaquero.store import explained
    from laptop.stack import ACCOUNT

    return msgspec.to_builtins(explained.explain(ACCOUNT, symbol, at))


def _show(told: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if not told["chains"]:
        console.print(f"{told['symbol']}: {told['answer']}", markup=False)
    for chain in told["chains"]:
        bar = f", bar closed {_minute(chain['bar_close'])}" if chain["bar_close"] else ""
        console.print(
            f"[bold]{told['symbol']}[/] by {chain['strategy']} ({chain['mode']}), {chain['timeframe']}{bar}"
        )
        console.print(f"[bold]{chain['answer']}[/]\n")
        for step in chain["steps"]:
            _show_step(console, step)
        console.print()


def _minute(iso: str) -> str:
    return f"{iso[:16].replace('T', ' ')} UTC"


def _show_step(console: Any, step: dict[str, Any]) -> None:
    mark = "[green]ok[/]" if step.get("passed", True) else "[red]no[/]"
    console.print(f"{mark} [bold]{step['name']:<9}[/]", end=" ")
    console.print(step["result"] + (f"  ({_minute(step['at'])})" if step.get("at") else ""), markup=False)
    for line in step.get("lines", []):
        holds = {None: " ", True: "+", False: "-"}[line.get("holds")]
        off = f"  (off by {line['by']:g})" if line.get("by") is not None else ""
        console.print(f"             {holds} {line['text']}{off}", markup=False)
