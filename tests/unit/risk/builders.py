"""A risk book with everything filled in, for tests that care about one thing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from alpaquero.orders.intent import Purpose, Side
from alpaquero.risk.book import HeldPosition, Reservation, RiskBook
from tests.unit.orders.builders import NOON


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


def held(quantity: str, value: str) -> HeldPosition:
    """Shares and what they are worth."""
    return HeldPosition(Decimal(quantity), Decimal(value))


def entry(symbol: str, notional: str) -> Reservation:
    """An entry under way."""
    return Reservation(symbol, Side.BUY, Purpose.ENTRY, Decimal(notional), Decimal(1))


def leaving(symbol: str, quantity: str) -> Reservation:
    """An exit under way."""
    return Reservation(symbol, Side.SELL, Purpose.EXIT, Decimal(0), Decimal(quantity))
