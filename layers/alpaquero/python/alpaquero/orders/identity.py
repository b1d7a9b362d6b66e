"""Client order ids: how the bot recognises its own orders and never places one twice.

Called by whoever makes an intent, and by sync to tell our orders from others'. The same signal,
request or exit always gives the same id, so a repeat meets the broker's uniqueness check.

The form is `aq1-<origin>-<symbol>-<key>-<revision>`, at most 48 characters:
4 for `aq1-`, up to 4 of origin, up to 10 of symbol, 20 of key, up to 7 digits of revision, 3 dashes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

PREFIX = "aq1"
_OURS = PREFIX + "-"
MAX_REVISION = 9_999_999
KEY_LENGTH = 20  # base32 characters, 100 bits
_KEY_BYTES = 15  # those, and 20 bits more
_BASE_32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _BASE_32 for second in _BASE_32]
_SHIFTS = range(8 * _KEY_BYTES - 10, 8 * _KEY_BYTES - 5 * KEY_LENGTH - 1, -10)
SYMBOL_LENGTH = 10
SHORTENED = "~"

_ORIGINS = frozenset({"sig", "man", "risk", "prot"})
_KEY = re.compile(r"[a-z2-7]{20}")
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.]*")
_ID = re.compile(
    r"aq1-(?P<origin>sig|man|risk|prot)-(?P<symbol>[A-Z0-9][A-Z0-9.]{0,9}|[A-Z0-9][A-Z0-9.]{8}~)"
    r"-(?P<key>[a-z2-7]{20})-(?P<revision>0|[1-9][0-9]{0,6})"
)


def signal_key(  # noqa: PLR0917 - the parts of the key, in the order they are hashed
    account: str, strategy: str, timeframe: str, side: str, symbol: str, bar_close: datetime
) -> str:
    """The key of a signal's order: one per account, strategy, timeframe, side, symbol and bar.

    Raises `ValueError` when `bar_close` is naive.
    """
    if bar_close.tzinfo is None:
        raise ValueError("bar_close must carry a time zone; pass an aware UTC datetime")
    return _encoded(_signals_of(account, strategy, timeframe, side, symbol) + _part(_in_utc(bar_close)))


@lru_cache(maxsize=1024)  # a backtest's signals of a symbol differ in their bar's close alone
def _signals_of(*parts: str) -> str:
    return _joined("signal", *parts)


@lru_cache(maxsize=4096)  # the signals of a run share their bar's close
def _in_utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def manual_key(account: str, idempotency_key: str) -> str:
    """The key of a person's order: one per account and `Idempotency-Key`."""
    if not idempotency_key:
        raise ValueError("idempotency_key is empty; send the Idempotency-Key header")
    return _hash("manual", account, idempotency_key)


def exit_key(account: str, symbol: str, episode: str) -> str:
    """The key of a risk exit or of the stop that protects a position.

    `episode` names one holding of the symbol, such as the client order id of its entry: the
    same episode is exited once.
    """
    if not episode:
        raise ValueError("episode is empty; pass what names this holding, such as its entry's id")
    return _hash("exit", account, symbol, episode)


@lru_cache(maxsize=1024)  # an intent is asked for its id many times
def client_order_id(origin: str, symbol: str, key: str, revision: int = 0) -> str:
    """The client order id, at most 48 characters.

    A symbol of more than 10 characters (an option's) is shortened to its first 9 and `~`: the
    key, not the symbol, makes the id unique. Raises `ValueError` for a part that does not fit.
    """
    if not _SYMBOL.fullmatch(symbol):
        raise ValueError(f"symbol {symbol!r} must be capital letters, digits and dots, such as BRK.B")
    if not _KEY.fullmatch(key):
        raise ValueError(f"key {key!r} must be made by signal_key, manual_key or exit_key")
    if not 0 <= revision <= MAX_REVISION:
        raise ValueError(f"revision {revision} must be between 0 and {MAX_REVISION}")
    short = symbol if len(symbol) <= SYMBOL_LENGTH else symbol[: SYMBOL_LENGTH - 1] + SHORTENED
    if origin not in _ORIGINS:
        raise ValueError(f"origin {origin!r} must be sig, man, risk or prot")
    return f"{PREFIX}-{origin}-{short}-{key}-{revision}"


def successor_id(account: str, identifier: str, symbol: str) -> str:
    """The id of the order that takes the place of the one with `identifier`: its next revision.

    A leg's id is the broker's, so its successor's key is made of it. The same order always has the
    same successor: of two replacements of one order the second meets the first.
    """
    ours = _ID.fullmatch(identifier)
    if ours is None:
        return client_order_id("man", symbol, _hash("replaced", account, identifier))
    return client_order_id(ours["origin"], symbol, ours["key"], int(ours["revision"]) + 1)


def is_ours(text: str) -> bool:
    """Whether the id carries our prefix, whole or not: such an order is ours to recover."""
    return text.startswith(_OURS)


def _hash(*parts: str) -> str:
    return _encoded(_joined(*parts))


def _joined(*parts: str) -> str:
    return "".join([_part(part) for part in parts])


def _part(text: str) -> str:
    # Each part carries its length, so ("ab", "c") and ("a", "bc") differ.
    return f"{len(text)}:{text}"


def _encoded(text: str) -> str:
    number = int.from_bytes(sha256(text.encode()).digest()[:_KEY_BYTES])
    return "".join([_PAIRS[number >> shift & 0x3FF] for shift in _SHIFTS])
