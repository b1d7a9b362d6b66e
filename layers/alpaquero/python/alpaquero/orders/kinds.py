"""Alpaca's words for orders, and our two for what an order is for; the vocabulary of every other module."""

from __future__ import annotations

from alpaquero.words import Word


class Side(Word):
    """Buy or sell, in Alpaca's words."""

    BUY = "buy"
    SELL = "sell"

    @property
    def other(self) -> Side:
        """The side that trades against this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Purpose(Word):
    """What for: an entry opens or grows a position, an exit shrinks or closes it."""

    ENTRY = "entry"
    EXIT = "exit"


class OrderType(Word):
    """Alpaca's order types."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class OrderClass(Word):
    """Alpaca's order classes; what Alpaca writes as an empty string is `simple` here."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class TimeInForce(Word):
    """Alpaca's times in force."""

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"
