"""Derives the risk book, positions and trades again by their functions; `rebuild` and `import` call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

# The parts in the order in which one rests on the other, and the function that derives each.
_PARTS: Final = (("books", "TradingSync"), ("positions", "PositionProject"), ("trades", "AnalyticsProject"))


def derive_again(
    invoke: Callable[[str, Mapping[str, Any]], Any], say: Callable[[str], None]
) -> dict[str, dict[str, str]]:
    """What was different, by part and by what it is of; `invoke` calls a function by its logical id."""
    found: dict[str, dict[str, str]] = {}
    for part, function in _PARTS:
        say(f"{part} are derived again")
        found[part] = invoke(function, {"job": "rebuild"})["differences"]
    return found
