"""What the account may still open: positions at their last prices, less what waiting orders reserve.

Admission asks for every order, so the venue values the positions once a moment and hands `Standing`
on; what orders reserve is a sum that the book keeps. Sources: Alpaca's pages on margin (four times the
equity during the day, one below 2,000 dollars) and on placing orders (open orders reduce the power, a
short sale counts for its limit or 3 per cent above the ask, whichever is more).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpaquero.simulation.margin import multiplier, power
from laptop.exchange.book import Book
from laptop.exchange.market import Market

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """What positions are worth, in dollars: shorts count against `net` and towards `gross`."""

    net: Decimal
    gross: Decimal


def standing(book: Book, market: Market, now: datetime) -> Standing:
    """The positions at their last prices."""
    values = [held_value(book, market, symbol, now) for symbol in book.positions]
    return Standing(sum(values, start=_NONE), sum(map(abs, values), start=_NONE))


def held_value(book: Book, market: Market, symbol: str, now: datetime) -> Decimal:
    """What one position is worth at the last price; negative when short."""
    trade = market.last_trade(symbol, now)
    if trade is None:
        return book.positions[symbol].cost
    return book.positions[symbol].quantity * trade.price


def may_short(book: Book, worth: Standing) -> bool:
    """Whether the account may sell short: on margin, and not made long-only by its owner."""
    limit = Decimal(book.configuration.max_margin_multiplier)
    on_margin = min(multiplier(book.cash + worth.net), limit) > 1
    return on_margin and not book.configuration.no_shorting


def power_left(book: Book, worth: Standing) -> Decimal:
    """What may still be opened, in dollars and cents, never below zero."""
    most = Decimal(book.configuration.max_margin_multiplier)
    return power(book.cash + worth.net, worth.gross, book.reserved, most)
