"""Gives a new stack its first watchlist, all the exchange has prices of, by the configuration service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from laptop import calls
from laptop.calls import Call
from laptop.errors import LaptopError
from laptop.stack import SERVICE_PORTS, Stack

_SERVICE: Final = "configuration"
_PATH: Final = "/config"


def ensure(stack: Stack, symbols: Sequence[str] | None, *, reason: str) -> None:
    """Saves `symbols` (all that the exchange has, by default) as the watchlist, unless one is set.

    Raises `LaptopError` naming a symbol the exchange has no prices of.
    """
    known = stack.exchange.status().symbols
    wanted = tuple(symbols) if symbols else tuple(known)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise LaptopError(
            f"the exchange has no prices of {', '.join(unknown)}: name some of {', '.join(known)}"
        )
    current = _ask(stack)
    if current["settings"]["watchlist"]:
        return
    _ask(stack, {"version": current["version"], "reason": reason, "settings": {"watchlist": list(wanted)}})


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
