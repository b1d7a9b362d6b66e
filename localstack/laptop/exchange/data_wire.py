"""How bars, trades, quotes and auctions look in the JSON of the data routes, as ready bytes.

A page has thousands of them, so `series` has each formatted once and keeps it; `data_api` makes the pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from alpaquero.prices import Session
from alpaquero.simulation import Quote
from laptop.exchange.market import MarketBar
from laptop.exchange.tape import TapeTrade
from laptop.exchange.wire import stamp

# Says where the numbers of an answer come from: `recorded`, `synthetic`, or both.
SOURCE_HEADER = "X-Price-Source"
_EXCHANGE, _TAPE = "V", "C"


def bar_line(stamped: str, bar: MarketBar) -> bytes:
    """A bar whose start is already written as `stamped`."""
    return (
        f'{{"t":"{stamped}","o":{bar.open!r},"h":{bar.high!r},"l":{bar.low!r},"c":{bar.close!r},'
        f'"v":{bar.volume},"n":{bar.trades},"vw":{bar.vwap!r}}}'
    ).encode()


def trade_line(trade: TapeTrade) -> bytes:
    """A trade."""
    return (
        f'{{"t":"{stamp(trade.at)}","x":"{_EXCHANGE}","p":{trade.price!r},"s":{trade.size},'
        f'"c":["@"],"i":{trade.id},"z":"{_TAPE}"}}'
    ).encode()


def quote_line(quote: Quote, at: datetime) -> bytes:
    """A quote of a hundred shares a side."""
    return (
        f'{{"t":"{stamp(at)}","ax":"{_EXCHANGE}","ap":{float(quote.ask)!r},"as":100,'
        f'"bx":"{_EXCHANGE}","bp":{float(quote.bid)!r},"bs":100,"c":["R"],"z":"{_TAPE}"}}'
    ).encode()


def auctions_line(session: Session, opening: float, closing: float | None) -> bytes:
    """The opening and the closing auction of a day; the latter is None while the session is open."""
    opened = _auction(session.open, opening, "O")
    closed = "" if closing is None else _auction(session.close, closing, "6")
    return f'{{"d":"{session.date}","o":[{opened}],"c":[{closed}]}}'.encode()


def _auction(at: datetime, price: float, condition: str) -> str:
    return f'{{"t":"{stamp(at)}","x":"{_EXCHANGE}","p":{price!r},"c":"{condition}"}}'


def page_of_many(name: str, lines: Mapping[str, Sequence[bytes]], token: str | None, rest: bytes) -> bytes:
    """A page of several symbols; `rest` is further fields, each with its comma before it."""
    groups = [b'"%s":[%s]' % (symbol.encode(), b",".join(rows)) for symbol, rows in lines.items()]
    return b'{"%s":{%s},%s%s}' % (name.encode(), b",".join(groups), _next(token), rest)


def page_of_one(name: str, symbol: str, lines: Sequence[bytes], token: str | None, rest: bytes) -> bytes:
    """A page of one symbol."""
    rows = b",".join(lines)
    return b'{"%s":[%s],%s,"symbol":"%s"%s}' % (name.encode(), rows, _next(token), symbol.encode(), rest)


def _next(token: str | None) -> bytes:
    return b'"next_page_token":' + (b"null" if token is None else f'"{token}"'.encode())
