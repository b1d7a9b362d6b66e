"""What a change makes of the settings, and what two versions differ in; for the configuration service.

Pure rules over settings as JSON has them. Messages name the setting by its whole path, such as
`settings.risk.stop_loss_percent`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from alpaquero.errors import InvalidRequest
from alpaquero.store.trading_settings import DEFAULT_WATCHLIST, TradingSettings
from alpaquero.strategy.settings import StrategySettings

Fields = dict[str, Any]

ROOT = "settings"
MAPS = {"sectors", "overrides"}  # settings whose names a person chooses; they are replaced as a whole
_SECRET = re.compile(r"secret|passw|token|api_?key|key_?id|credential|private_?key", re.IGNORECASE)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A setting by its path, and what it was and is; None where it is not set or not there."""

    setting: str
    before: Any = None
    after: Any = None


def changed(settings: TradingSettings, change: Fields) -> TradingSettings:
    """`settings` with `change` laid over them: what is left out stays, a map is replaced as a whole.

    Strategies and watchlists are added and changed by name; null takes one away. Raises
    `InvalidRequest` that names a setting which does not exist or does not fit.
    """
    fields: Fields = msgspec.to_builtins(settings)
    _overlay(fields, change, ROOT)
    _refuse_two_lists(fields, change)
    for name, one in fields["strategies"].items():
        _converted(one, StrategySettings, f"{ROOT}.strategies.{name}")
    made: TradingSettings = _converted(fields, TradingSettings, ROOT)
    return made


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """The settings that differ, in the order of their paths; symbols that follow a watchlist are left out."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return [
        Difference(setting=path, before=old.get(path), after=new.get(path))
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    ]


def looks_secret(name: str) -> bool:
    """Whether a name speaks of a secret; those are kept in Secrets Manager and never in settings."""
    return _SECRET.search(name) is not None


def _leaves(fields: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if name == "symbols" and fields.get("watchlist") is not None:
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _overlay(fields: Fields, change: Fields, path: str) -> None:
    """Puts `change` into `fields`. Raises `InvalidRequest` for a name that `fields` does not have."""
    for name, value in change.items():
        where = f"{path}.{name}"
        if name not in fields:
            _refuse_secret(name, where)
            raise InvalidRequest(
                f"there is no setting {where}; it can hold {', '.join(sorted(fields))}", where
            )
        if name in {"strategies", "watchlists"} and isinstance(value, dict):
            _overlay_named(fields[name], value, where)
        elif isinstance(fields[name], dict) and name not in MAPS:
            if not isinstance(value, dict):
                raise InvalidRequest(f"{where} must be an object", where)
            _overlay(fields[name], value, where)
        else:
            fields[name] = value


def _overlay_named(named: Fields, change: Fields, path: str) -> None:
    """Puts `change` into strategies or watchlists: a new name adds one, null removes it."""
    for name, value in change.items():
        known = named.get(name)
        if value is None and known is not None:
            del named[name]
        elif known is None or not (isinstance(known, dict) and isinstance(value, dict)):
            _refuse_secret(name, f"{path}.{name}")
            named[name] = value
        else:
            _overlay_strategy(known, value, f"{path}.{name}")


def _overlay_strategy(known: Fields, change: Fields, path: str) -> None:
    """Puts `change` into a strategy: another rule starts with its own parameters."""
    if known["watchlist"] is not None and change.get("watchlist", "") is None:
        known["symbols"] = None  # they were that watchlist's
    if change.get("rule", known["rule"]) != known["rule"]:
        known |= {"parameters": {}, "overrides": {}}
        change = dict(change)
        for name in ("parameters", "overrides"):
            known[name] = change.pop(name, {})
    _overlay(known, change, path)


def _refuse_two_lists(fields: Fields, change: Fields) -> None:
    """Raises `InvalidRequest` for a strategy that is given symbols while it follows a watchlist."""
    given = change.get("strategies")
    for name, value in given.items() if isinstance(given, dict) else ():
        one = fields["strategies"].get(name)
        watchlist = one.get("watchlist") if isinstance(one, dict) else None
        if watchlist is None or not isinstance(value, dict) or value.get("symbols") is None:
            continue
        listed = (
            fields["watchlist"] if watchlist == DEFAULT_WATCHLIST else fields["watchlists"].get(watchlist)
        )
        if value["symbols"] != listed:
            where = f"{ROOT}.strategies.{name}.symbols"
            raise InvalidRequest(
                f"{where} is given, but the strategy follows the watchlist {watchlist!r}; change that list, "
                "or set the strategy's watchlist to null",
                where,
            )


def _refuse_secret(name: str, where: str) -> None:
    if looks_secret(name):
        raise InvalidRequest(
            f"{where} looks like a secret, and secrets are never settings: keep it in Secrets Manager, under "
            "the name that the stack's parameters TradingSecret and DataSecret give",
            where,
        )


def _converted(given: Any, kind: Any, path: str) -> Any:
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        message, _, below = str(error).partition(" - at `$")
        field = _named(given, message, path + below.rstrip("`").replace("[...]", ""), path)
        raise InvalidRequest(f"{message} (in {field})", field) from None


def _named(given: Any, message: str, field: str, path: str) -> str:
    """`field`, with the setting below it that the message begins with, where there is such a one."""
    for name in field.removeprefix(path).split(".")[1:]:
        given = given.get(name) if isinstance(given, dict) else None
    first = message.partition(" ")[0].rstrip(":")
    known = isinstance(given, dict) and first.partition(".")[0] in given
    return f"{field}.{first}" if known else field
