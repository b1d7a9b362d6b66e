"""Starts the functions that the dashboard's first page asks, so that nobody who signs in waits for them.

The supervisor calls it beside its work, once the cloud is up. Routes are asked one after another, in the
order in which a page shows their answers: cold starts at once make each other late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from laptop.calls import public_get
from laptop.errors import LaptopError

if TYPE_CHECKING:
    from laptop.stack import Stack

# The gateway's own function answers the first, the others stand behind its authorizer.
_FIRST: Final = ("/health", "/api/account", "/api/positions")
_THEN: Final = (
    "/api/trading_state",
    "/api/orders",
    "/api/signals",
    "/api/monitoring/metrics",
    "/api/analytics/summary",
    "/api/notifications/settings",
)


def start(stack: Stack, say: Callable[[str], None]) -> None:
    """Asks each route once; tells of the first one that fails and asks no more."""
    import httpx

    try:
        for path in _FIRST:
            public_get(stack, path, {})
        watchlist = public_get(stack, "/api/config", {})["settings"]["watchlist"]
        for path in (*_of_symbols(watchlist[:1]), *_THEN):
            public_get(stack, path, {})
    except (LaptopError, httpx.HTTPError) as error:
        say(f"the dashboard's functions start when they are first asked: {error}")


def _of_symbols(symbols: Iterable[str]) -> Iterator[str]:
    """What the page shows of the symbol that it opens with."""
    for symbol in symbols:
        yield f"/api/chart/{quote(symbol)}"
        yield f"/api/indicators/{quote(symbol)}"
