"""Every kind of item that a stack keeps: which moves with what, and why the others stay behind.

`exporting` reads by it, `importing` checks and clears by it. An item of no kind is refused, so whoever
adds one to a table adds its line here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from laptop.errors import LaptopError

Item = dict[str, Any]


class Part(StrEnum):
    """What is moved as a whole."""

    SETTINGS = "settings"
    BOOKS = "books"
    BARS = "bars"
    BACKTESTS = "backtests"


@dataclass(frozen=True, slots=True)
class Kind:
    """Items of a table by the patterns of their keys; `{account}` is the label of the books.

    `part` is what they belong to, and are cleared with; None for what is the stack's own and is never
    touched. `stays` says why they are not moved, empty for those that are.
    """

    table: str
    pk: str
    sk: str
    part: Part | None
    stays: str = ""


_DERIVED: Final = "derived from orders and fills; a rebuild makes it after the import"
_PASSING: Final = "of the moment: it belongs to the stack that runs"
_BOOKS, _SETTINGS = Part.BOOKS, Part.SETTINGS

KINDS: Final = (
    Kind("Settings", "SETTINGS", r"CURRENT|VERSION#\d+", _SETTINGS),
    Kind("Settings", "PREFERENCES", ".+", _SETTINGS),
    Kind("Notifications", "{account}#USERS", ".+", _SETTINGS),
    Kind("Settings", "LIVE", ".+", None, "an admin's word for one account in one place; it is given anew"),
    Kind("Settings", "SCHEMA", "CURRENT", None, "the versions are in the manifest"),
    Kind("Books", "{account}", "(ORDER|FILL|SHARES|CASH)#.+", _BOOKS),
    Kind("Books", "{account}", "RISKBOOK|BASELINE|NOTES|RECONCILIATION", _BOOKS),
    Kind("Books", "{account}", "FOLDED", _BOOKS, "the sum of the oldest fills; it is folded again"),
    Kind("Books", "{account}", "BROKER", _BOOKS, "the broker's figures; the next sync reads them again"),
    Kind("Books", "{account}", "OUTBOX#.+", _BOOKS, "on its way to the bus; nothing is told twice"),
    Kind("Runs", "{account}", "RUN#.+", _BOOKS),
    Kind("Runs", "RUN#.+", r"SHARD#\d+|DECISION", _BOOKS),
    Kind("Runs", "SYMBOL#.+", "SIGNAL#.+", _BOOKS),
    Kind("Runs", "VERDICT#.+", ".+", _BOOKS),
    Kind("Runs", "REQUEST#.+", "CLAIM", _BOOKS),
    Kind("Positions", "{account}", "POSITION#.+", _BOOKS, _DERIVED),
    Kind("Positions", "{account}#.+", "(FILL|SHARES|SPLIT)#.+|SUM", _BOOKS, _DERIVED),
    Kind("Analytics", "{account}", "(MARK|DAY)#.+", _BOOKS),
    Kind("Analytics", "{account}", "(TRADE|OPEN)#.+", _BOOKS, _DERIVED),
    Kind("Analytics", "{account}#.+", "(FILL|SHARES|SPLIT|CHECK)#.+|TRADES", _BOOKS, _DERIVED),
    Kind("Analytics", "EXPORTS", ".+", _BOOKS, "its file is gone within a week"),
    Kind("Analytics", "BACKTESTS", ".+", Part.BACKTESTS),
    Kind("Analytics", "BACKTESTKEYS", ".+", Part.BACKTESTS, "a caller's key for a request under way"),
    Kind("Notifications", "{account}", "SENT#.+", _BOOKS),
    Kind("Notifications", "{account}#SUMMARY", "LAST", _BOOKS),
    Kind("Notifications", "{account}#(HELD|RATE|NEWS)", ".+", _BOOKS, _PASSING),
    Kind("Bars", "[^#]+#[^#]+#[^#]+", ".+", Part.BARS),
    Kind("Bars", "INGEST", ".+", Part.BARS, "a job whose next step is a message in a queue"),
    Kind("Bars", "STATISTICS", "CURRENT", Part.BARS, "counted again"),
    Kind("Connections", ".+", ".+", None, "open sockets, one-time tickets, the price feed's lease"),
    Kind("Health", ".+", ".+", None, "what the stack's own probes found"),
    Kind("BrokerState", ".+", ".+", None, "breakers, request budgets, what a dry run would have ordered"),
    Kind("RateLimits", ".+", ".+", None, "requests counted in the last seconds"),
    Kind("ProgramKeys", ".+", ".+", None, "what opens the API; keys are given anew"),
)

# In the bucket `Archive`, by the first part of their keys.
FILES: Final[Mapping[Part, str]] = {Part.BARS: "bars/", Part.BACKTESTS: "backtests/"}


@lru_cache(maxsize=4)
def _patterns(account: str) -> dict[str, list[tuple[re.Pattern[str], re.Pattern[str], Kind]]]:
    label = re.escape(account)
    found: dict[str, list[tuple[re.Pattern[str], re.Pattern[str], Kind]]] = {}
    for kind in KINDS:
        pk, sk = (re.compile(text.replace("{account}", label)) for text in (kind.pk, kind.sk))
        found.setdefault(kind.table, []).append((pk, sk, kind))
    return found


def kind_of(table: str, item: Item, account: str) -> Kind:
    """The kind of an item, as DynamoDB answers it.

    Raises
    ------
    LaptopError
        When it is of none.
    """
    pk, sk = item["pk"]["S"], item["sk"]["S"]
    for of_pk, of_sk, kind in _patterns(account).get(table, ()):
        if of_pk.fullmatch(pk) and of_sk.fullmatch(sk):
            return kind
    raise LaptopError(
        f"{table} holds {pk} / {sk}, which is of no known kind for the account {account}: newer code, or "
        "another account, wrote it; use that release, or add its kind to laptop/moving/kinds.py"
    )


def tables_of(part: Part) -> list[str]:
    """The tables that have items of this part, those that follow from others behind them."""
    return list(dict.fromkeys(kind.table for kind in KINDS if kind.part is part))
