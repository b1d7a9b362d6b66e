"""What a symbol looks like; asked by settings and routes before a text becomes a key or a question."""

from __future__ import annotations

import re

_SYMBOL = re.compile(r"[A-Z][A-Z0-9.]{0,9}")


def is_symbol(text: str) -> bool:
    """Whether `text` is written like the symbol of a US stock; it need not be listed.

    >>> [is_symbol(text) for text in ("AAPL", "BRK.B", "aapl", "BRK/B")]
    [True, True, False, False]
    """
    return _SYMBOL.fullmatch(text) is not None
