"""Alpaca's words for orders, and our two for what an order is for; the vocabulary of every other module."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """Buy or sell, in Alpaca's words."""

    BUY = "buy"
    SELL = "sell"

    @property
    def other(self) -> Side:
        """The side that trades against this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Purpose(StrEnum):
    """What for: an entry opens or grows a position, an exit shrinks or closes it."""

    ENTRY = "entry"
    EXIT = "exit"


class OrderType(StrEnum):
    """Alpaca's order types."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class OrderClass(StrEnum):
    """Alpaca's order classes; what Alpaca writes as an empty string is `simple` here."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class TimeInForce(StrEnum):
    """Alpaca's times in force."""

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"
