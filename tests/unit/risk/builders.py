"""A risk book and facts with everything filled in, for tests that care about one thing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from alpaquero.orders.intent import Purpose, Side
from alpaquero.prices.sessions import Session
from alpaquero.risk.book import HeldPosition, Reservation, RiskBook
from alpaquero.risk.facts import Facts, MarketPrice
from tests.unit.orders.builders import NOON

OPEN, CLOSE = NOON.replace(hour=13, minute=30), NOON.replace(hour=20)  # 9:30 and 16:00 in New York, in UTC
SESSIONS = tuple(
    Session(date(2012, 7, day), OPEN + timedelta(days=day - 2), CLOSE + timedelta(days=day - 2))
    for day in (2, 3, 5, 6)  # Monday; the fourth is a holiday
)


def a_book(**changes: Any) -> RiskBook:
    """An account of 100,000 dollars in cash that holds nothing."""
    given = {
        "account": "paper",
        "cash": Decimal(100_000),
        "equity": Decimal(100_000),
        "peak_equity": Decimal(100_000),
        "as_of": NOON,
    }
    return RiskBook(**{**given, **changes})


def some_facts(**changes: Any) -> Facts:
    """Monday noon in an open session, AAPL quoted a cent around 100 dollars this moment."""
    given = {
        "now": NOON,
        "market": MarketPrice(at=NOON, bid=Decimal("99.99"), ask=Decimal("100.01")),
        "sessions": SESSIONS,
    }
    return Facts(**{**given, **changes})


def utc(text: str) -> datetime:
    """A moment of July 2012, as `2T16:00` for the second at noon in New York."""
    day, clock = text.split("T")
    return datetime.fromisoformat(f"2012-07-{int(day):02}T{clock}:00").replace(tzinfo=UTC)


def held(quantity: str, value: str) -> HeldPosition:
    """Shares and what they are worth."""
    return HeldPosition(Decimal(quantity), Decimal(value))


def entry(symbol: str, notional: str) -> Reservation:
    """An entry under way."""
    return Reservation(symbol, Side.BUY, Purpose.ENTRY, Decimal(notional), Decimal(1))


def leaving(symbol: str, quantity: str) -> Reservation:
    """An exit under way."""
    return Reservation(symbol, Side.SELL, Purpose.EXIT, Decimal(0), Decimal(quantity))
