"""What an open dashboard may watch, and the frame of live prices.

A topic is kept with the connection. `prices:AAPL` adds the prices of a symbol. `orders`, `positions`,
`signals` and `health` are kinds of events: who watches none of them gets all events, who watches some
gets those alone.
`functions/gateway/connect` takes topics, `functions/market_data/feed` polls what is watched, and
`functions/gateway/push` sends each connection its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from alpaquero.errors import InvalidRequest
from alpaquero.prices.symbols import is_symbol

PRICES = "prices:"
TOPICS_A_CONNECTION = 100
# The kind of each event of `alpaquero.events.schemas`; one that is not here goes to everybody.
KIND_OF: dict[str, str] = {
    **dict.fromkeys(
        ("OrderSubmitted", "OrderUpdated", "OrderFilled", "OrderPassedOver", "TradeRejected"), "orders"
    ),
    **dict.fromkeys(
        (
            *("PositionChanged", "PositionSplit", "SharesMoved", "CashMoved"),
            *("EquityMarked", "BooksDrifted", "BooksRebuilt", "DaySummarised"),
        ),
        "positions",
    ),
    **dict.fromkeys(("RunPlanned", "RunConcluded", "RunMissed", "SignalRaised", "SignalWithheld"), "signals"),
    **dict.fromkeys(
        (
            *("ServiceDegraded", "ServiceRecovered", "RiskLimitBreached"),
            *("TradingStateChanged", "SettingsChanged", "NoticeGiven"),
        ),
        "health",
    ),
}
KINDS = frozenset(KIND_OF.values())


class WatchedPrice(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol as the feed has it: US dollars, null where the feed knows none.

    `at` is the time of the newer of quote and trade, `age_seconds` how old that was by the market's clock.
    """

    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    at: datetime
    age_seconds: float


class PricesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of one poll, `occurred_at` its market time; goes straight to PushQueue, not to the bus."""

    id: str
    occurred_at: datetime
    prices: tuple[WatchedPrice, ...]


def check_topics(topics: Iterable[str]) -> frozenset[str]:
    """The topics, once each. Raises `InvalidRequest` naming one that nobody can watch."""
    wanted = frozenset(topics)
    for topic in sorted(wanted):
        priced = topic.startswith(PRICES) and is_symbol(topic.removeprefix(PRICES))
        if not priced and topic not in KINDS:
            raise InvalidRequest(
                f"{topic[:40]!r} cannot be watched; write a topic as {PRICES}AAPL or {PRICES}BRK.B, or "
                f"one of {', '.join(sorted(KINDS))}",
                "topics",
            )
    return wanted


def wants(topics: frozenset[str], event: str) -> bool:
    """Whether who watches these topics gets an event of this name."""
    kinds = topics & KINDS
    return not kinds or KIND_OF.get(event) in kinds or event not in KIND_OF


def priced_symbols(topics: Iterable[str]) -> frozenset[str]:
    """The symbols whose prices these topics watch."""
    return frozenset(t.removeprefix(PRICES) for t in topics if t.startswith(PRICES))
