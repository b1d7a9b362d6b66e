"""``alpaquero signals`` and ``runs``: what was judged, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from laptop.cli.common import json_option, limit_option, print_json, print_table, state_option

_LIMIT = limit_option(200)


@click.command()
@click.option("--symbol", help="Of one symbol only.")
@_LIMIT
@state_option
@json_option
def signals(symbol: str | None, limit: int, state: Path | None, as_json: bool) -> int:
    """Show the last signals, raised and withheld."""
    items = _listed(state, f"/api/signals/{symbol.upper()}" if symbol else "/api/signals", limit=limit)
    columns = ("bar_close", "timeframe", "symbol", "strategy", "side", "code", "reason")
    _print("Signals", columns, items, as_json=as_json)
    return 0


@click.command()
@click.argument("run", required=False)
@click.option(
    "--timeframe", type=click.Choice(["1Min", "5Min", "15Min", "1Hour", "1Day"]), help="Of these bars only."
)
@_LIMIT
@state_option
@json_option
def runs(run: str | None, timeframe: str | None, limit: int, state: Path | None, as_json: bool) -> int:
    """Show the last runs, or RUN with its signals."""
    if run is None:
        items = _listed(state, "/api/runs", timeframe=timeframe, limit=limit)
        columns = ("id", "state", "late", "symbols", "raised", "withheld", "intents")
        _print("Runs", columns, items if as_json else [_worded(item) for item in items], as_json=as_json)
        return 0
    found = _got(state, f"/api/runs/{run}", {})
    if as_json:
        print_json(found)
        return 0
    listed = found.pop("signals")
    print_table(f"Run {run}", ("what", "value"), list(found.items()))
    shown = ("symbol", "strategy", "outcome", "side", "strength", "reference_price", "code", "reason")
    _print("Its signals", shown, listed, as_json=False)
    return 0


def _worded(run: dict[str, Any]) -> dict[str, Any]:
    """The run with a word for late ones, and how many bars before it were missed."""
    words = ["late"] if run["late"] else []
    words += [f"{run['missed']} missed"] if run["missed"] else []
    return {**run, "late": ", ".join(words)}


def _listed(state: Path | None, path: str, **query: Any) -> list[dict[str, Any]]:
    wanted = {name: value for name, value in query.items() if value is not None}
    items: list[dict[str, Any]] = _got(state, path, wanted)["items"]
    return items


def _got(state: Path | None, path: str, query: dict[str, Any]) -> Any:
    from laptop.calls import public_get
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    return public_get(Stack.find(StateFolder.at(state)), path, query)


def _print(title: str, columns: tuple[str, ...], items: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(items)
        return
    rows = [["" if item.get(column) is None else item[column] for column in columns] for item in items]
    print_table(title, columns, rows)
