"""``alpaquero settings``: the settings in force, changed, their history, diffs and roll-backs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from laptop.cli.common import (
    Group,
    json_option,
    limit_option,
    print_json,
    print_table,
    refuse_options_before,
    state_option,
)

_CONFIG = "/api/config"
_REASON = click.option("--reason", required=True, help="Why; kept with the version.")


@click.group(cls=Group, invoke_without_command=True)
@state_option
@json_option
@click.pass_context
def settings(context: click.Context, *, state: Path | None, as_json: bool) -> int:
    """Show the settings in force, or set some, show their history, compare and roll back."""
    if context.invoked_subcommand is None:
        return _show(None, state, as_json=as_json)
    refuse_options_before(context)
    return 0


@settings.command()
@click.argument("path", required=False)
@state_option
@json_option
def show(path: str | None, state: Path | None, as_json: bool) -> int:
    """Show the settings in force; with PATH, such as risk, those that begin with it."""
    return _show(path, state, as_json=as_json)


@settings.command("set")
@click.argument("pairs", metavar="KEY=VALUE...", nargs=-1, required=True)
@_REASON
@state_option
@json_option
def set_(pairs: tuple[str, ...], reason: str, state: Path | None, as_json: bool) -> int:
    """Set KEY=VALUE, as risk.stop_loss_percent=4, watchlist=AAPL,IBM or log_level=null."""
    before = _ask(state, "GET", _CONFIG)
    body = {
        "version": before["version"],
        "reason": reason,
        "settings": change_of(pairs, before["settings"]),
    }
    return _tell(_ask(state, "POST", _CONFIG, body=body), before["version"], state, as_json=as_json)


@settings.command()
@limit_option(50)
@state_option
@json_option
def history(limit: int, state: Path | None, as_json: bool) -> int:
    """Show the versions, newest first, each with what it changed."""
    items = _ask(state, "GET", f"{_CONFIG}/history", query={"limit": limit})["items"]
    if as_json:
        print_json(items)
        return 0
    rows = [
        [i["version"], i["changed_at"][:19], i["author"], i["reason"], ", ".join(i["changed"])] for i in items
    ]
    print_table("Versions of the settings", ("version", "changed at", "by", "why", "changed"), rows)
    return 0


@settings.command()
@click.argument("first", type=click.IntRange(0))
@click.argument("last", type=click.IntRange(0), required=False)
@state_option
@json_option
def diff(first: int, last: int | None, state: Path | None, as_json: bool) -> int:
    """Show what differs between the versions FIRST and LAST, which is the one in force unless given."""
    found = _diff(state, first, last)
    print_json(found) if as_json else _print_diff(found)
    return 0


@settings.command("roll-back")
@click.argument("version", type=click.IntRange(0))
@_REASON
@state_option
@json_option
def roll_back(version: int, reason: str, state: Path | None, as_json: bool) -> int:
    """Bring the settings of VERSION back, as a new version."""
    before = _ask(state, "GET", _CONFIG)["version"]
    body = {"to": version, "reason": reason, "version": before}
    return _tell(_ask(state, "POST", f"{_CONFIG}/roll-back", body=body), before, state, as_json=as_json)


def change_of(pairs: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The change that KEY=VALUE pairs ask for, in the form that POST /config takes.

    A value is JSON, or a text; one of a list may be written with commas. Raises `click.UsageError`
    for a pair without a key or a value.

    >>> change_of(["risk.stop_loss_percent=4", "watchlist=AAPL,IBM"],
    ...           {"watchlist": [], "risk": {"stop_loss_percent": "3"}})
    {'risk': {'stop_loss_percent': '4'}, 'watchlist': ['AAPL', 'IBM']}
    """
    change: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key or not equals:
            raise click.UsageError(f"{pair} is no KEY=VALUE; write risk.stop_loss_percent=4")
        *groups, name = key.split(".")
        place, known = change, settings
        for group in groups:
            place = place.setdefault(group, {})
            found = known.get(group)
            known = found if isinstance(found, dict) else {}
            if not isinstance(place, dict):
                raise click.UsageError(f"{pair}: {group} is set by another pair already; give one of them")
        place[name] = _value(text, known.get(name))
    return change


def _value(text: str, before: Any) -> Any:
    if isinstance(before, list) and not text.lstrip().startswith("["):
        return _listed(text)
    if isinstance(before, str) and text != "null":
        return text  # a decimal, exactly as it was written
    try:
        return json.loads(text)
    except ValueError:
        return _listed(text) if "," in text else text


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _leaves(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _show(path: str | None, state: Path | None, *, as_json: bool) -> int:
    found = _ask(state, "GET", _CONFIG)
    rows = [
        [name, _shown(value)]
        for name, value in _leaves(found["settings"])
        if path is None or name == path or name.startswith(f"{path}.")
    ]
    if not rows:
        from laptop.errors import LaptopError

        raise LaptopError(f"there is no setting {path}: `alpaquero settings` shows all")
    if as_json:
        print_json(found if path is None else dict(rows))
    else:
        title = f"Settings, version {found['version']} by {found['author']}: {found['reason']}"
        print_table(title, ("setting", "value"), rows)
    return 0


def _tell(saved: Mapping[str, Any], before: int, state: Path | None, *, as_json: bool) -> int:
    found = _diff(state, before, saved["version"])
    if as_json:
        print_json(found)
    else:
        print(f"settings version {saved['version']}, in force from the next run on")
        _print_diff(found)
    return 0


def _diff(state: Path | None, first: int, last: int | None) -> dict[str, Any]:
    query = {"from": first} | ({} if last is None else {"to": last})
    found: dict[str, Any] = _ask(state, "GET", f"{_CONFIG}/diff", query=query)
    return found


def _print_diff(found: Mapping[str, Any]) -> None:
    title = f"From version {found['from_version']} to {found['to_version']}"
    rows = [[d["setting"], _shown(d["before"]), _shown(d["after"])] for d in found["changes"]]
    print_table(title, ("setting", "before", "after"), rows)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    return value if isinstance(value, str) else json.dumps(value)


def _ask(state: Path | None, method: str, path: str, **given: Any) -> Any:
    from laptop.calls import public_call
    from laptop.layout import StateFolder
    from laptop.stack import Stack

    return public_call(Stack.find(StateFolder.at(state)), method, path, **given)
