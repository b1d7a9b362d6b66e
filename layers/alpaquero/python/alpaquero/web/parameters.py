"""A symbol in the path, as the routes of several services take it."""

from __future__ import annotations

from alpaquero.errors import NotFound
from alpaquero.prices.symbols import is_symbol


def known_form(symbol: str) -> str:
    """The symbol in capitals. Raises `NotFound` for what cannot be one."""
    if not is_symbol(symbol.upper()):
        raise unknown(symbol)
    return symbol.upper()


def unknown(symbol: str) -> NotFound:
    """The answer for a symbol that there is nothing of."""
    return NotFound(
        f"there is no market data for {symbol[:20]!r}; look it up at Alpaca (GET /v2/assets/<symbol>) "
        "and write a share class with a dot, such as BRK.B",
        {"field": "symbol"},
    )
