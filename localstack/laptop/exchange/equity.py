"""The account's equity over time, folded from the book's fills and splits, for the portfolio history.

Pure: the book, the market and the times come in. Equity at a time is the cash then, and the shares
held then at the last prices then. At a session's close it is what the book recorded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from alpaquero.prices import Session
from alpaquero.simulation import Side
from laptop.exchange.book import OPENING_CASH, Book, SharesSplit, Trade
from laptop.exchange.market import Market

_NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class DaySplit:
    """A split that takes effect as the session of its ex date opens."""

    symbol: str
    at: datetime


def equity_at(book: Book, market: Market, times: Iterable[datetime]) -> Iterator[Decimal]:
    """The equity at each of `times`, which are in order and not after now."""
    events: list[Trade | DaySplit] = sorted(
        [*(trade for trade in book.trades), *_splits(book, market)],
        key=lambda event: (event.at, isinstance(event, Trade)),
    )
    recorded: dict[str, list[SharesSplit]] = defaultdict(list)
    for split in reversed(book.splits):
        recorded[split.symbol].append(split)
    cash, held, done = OPENING_CASH, dict[str, Decimal](), 0
    for at in times:
        while done < len(events) and events[done].at <= at:
            event = events[done]
            done += 1
            if isinstance(event, Trade):
                cash += _settle(held, event)
            elif event.symbol in held and recorded[event.symbol]:
                cash += _split(held, recorded[event.symbol].pop())
        yield cash + sum((_worth(market, symbol, shares, at) for symbol, shares in held.items()), start=_NONE)


def _splits(book: Book, market: Market) -> Iterator[DaySplit]:
    """The splits of the symbols whose position the book has split."""
    calendar = market.history.calendar
    for symbol in {split.symbol for split in book.splits}:
        for split in market.history.symbols[symbol].splits:
            index = bisect_left(calendar, split.ex_date, key=_date)
            if index < len(calendar) and calendar[index].date == split.ex_date:
                yield DaySplit(symbol, calendar[index].open)


def _settle(held: dict[str, Decimal], trade: Trade) -> Decimal:
    """Move the shares of a fill; answers the cash that it brings."""
    quantity = trade.quantity if trade.side is Side.BUY else -trade.quantity
    _put(held, trade.symbol, held.get(trade.symbol, _NONE) + quantity)
    return -quantity * trade.price


def _split(held: dict[str, Decimal], split: SharesSplit) -> Decimal:
    """Multiply the shares as the book did; answers the cash paid for a broken share."""
    quantity = held[split.symbol] * split.ratio
    _put(held, split.symbol, Decimal(int(quantity)) if split.cash else quantity)
    return split.cash


def _put(held: dict[str, Decimal], symbol: str, quantity: Decimal) -> None:
    if quantity:
        held[symbol] = quantity
    else:
        held.pop(symbol, None)


def _worth(market: Market, symbol: str, shares: Decimal, at: datetime) -> Decimal:
    trade = market.last_trade(symbol, at)
    return _NONE if trade is None else shares * trade.price


def _date(session: Session) -> date:
    return session.date
