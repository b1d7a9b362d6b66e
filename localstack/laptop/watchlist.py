"""Gives a stack its watchlist, of symbols the exchange has prices of, by the configuration service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

from laptop import calls
from laptop.calls import Call
from laptop.errors import LaptopError
from laptop.stack import SERVICE_PORTS, Stack

_SERVICE: Final = "configuration"
_PATH: Final = "/config"


_MOST_NAMED: Final = 20

Watched = Sequence[str] | int | Literal["all"]


def ensure(stack: Stack, wanted: Watched | None, *, reason: str) -> None:
    """Saves as the watchlist the symbols named, or the exchange's first so many, or all of them.

    A watchlist that is set stays unless a number or "all" was asked for. None and no names are all, for a
    stack that has none yet. Raises `LaptopError` for symbols that the exchange has no prices of.
    """
    symbols = chosen(stack.exchange.status().symbols, wanted)
    current = _ask(stack)
    watched = tuple(current["settings"]["watchlist"])
    counted = wanted == "all" or isinstance(wanted, int)
    if symbols == watched or (watched and not counted):
        return
    _ask(stack, {"version": current["version"], "reason": reason, "settings": {"watchlist": list(symbols)}})


def chosen(known: Sequence[str], wanted: Watched | None) -> tuple[str, ...]:
    """Which of the exchange's symbols are wanted. Raises `LaptopError` for those it does not have."""
    if isinstance(wanted, int):
        if wanted > len(known):
            raise LaptopError(f"the exchange has {len(known)} symbols: ask for a --watchlist up to that")
        return tuple(known[:wanted])
    if not wanted or wanted == "all":
        return tuple(known)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        some = ", ".join(known[:_MOST_NAMED]) + (", …" if len(known) > _MOST_NAMED else "")
        raise LaptopError(f"the exchange has no prices of {', '.join(unknown)}: name some of {some}")
    return tuple(wanted)


def _ask(stack: Stack, change: dict[str, Any] | None = None) -> dict[str, Any]:
    """The settings in force, after `change` when there is one."""
    method = "GET" if change is None else "POST"
    body = b"" if change is None else json.dumps(change).encode()
    call = Call(SERVICE_PORTS[_SERVICE], _PATH, method, body, {"content-type": "application/json"})
    answer = calls.send_to_engine(stack, _SERVICE, call)
    if answer.is_error:
        raise LaptopError(f"the watchlist could not be set: {answer.text}; see `alpaquero logs {_SERVICE}`")
    settings: dict[str, Any] = answer.json()
    return settings
