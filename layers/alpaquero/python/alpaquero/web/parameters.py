"""Parameters that the routes of several services take: a symbol in the path, a timeframe in the query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alpaquero.errors import InvalidRequest, NotFound
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.symbols import is_symbol

if TYPE_CHECKING:
    from alpaquero.web.app import ServiceApp


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


def timeframe_asked(app: ServiceApp) -> Timeframe | None:
    """The query parameter `timeframe`, None when it is not given. Raises `InvalidRequest`."""
    text = app.query("timeframe")
    if text is None:
        return None
    if text not in set(Timeframe):
        raise InvalidRequest(f"timeframe must be one of {', '.join(Timeframe)}", "timeframe")
    return Timeframe(text)
