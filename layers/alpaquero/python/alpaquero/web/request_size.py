"""How large a request may be; `alpaquero.web.app` asks before anything of the request is read.

API Gateway takes bodies of 10 MB and headers of 10 KB. Nothing of ours needs such bodies, and each
would be parsed, checked and perhaps stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpaquero.errors import QueryTooLong, TooLarge

USUAL_KB = 64  # a backtest of 5,000 symbols is 45 KB
SETTINGS_KB = 256  # a watchlist of every listed company is 90 KB; DynamoDB keeps 400 KB an item
QUERY_KB = 8


def refuse_oversized(event: Mapping[str, Any], most_kb: int) -> None:
    """Raises `TooLarge` or `QueryTooLong` when the request's body or query is larger than it may be."""
    body = event.get("body") or ""
    size = len(body) * 3 // 4 - body[-2:].count("=") if event.get("isBase64Encoded") else _size_of(body)
    if size > most_kb * 1024:
        raise TooLarge(
            f"The body has {size:,} bytes and this route takes {most_kb} KB; send less at once.",
            {"limit_bytes": str(most_kb * 1024)},
        )
    query = event.get("multiValueQueryStringParameters") or {}
    if sum(len(name) + len(value) for name, values in query.items() for value in values) > QUERY_KB * 1024:
        raise QueryTooLong(f"The query parameters are longer than {QUERY_KB} KB; ask for less at once.")


def _size_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
