"""How orders, positions, bars and the rest look in Alpaca's JSON; the routes encode what these answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from alpaquero.prices import NEW_YORK, Bar, Session
from alpaquero.simulation import Quote
from laptop.exchange.book import Position
from laptop.exchange.identity import derived_id
from laptop.exchange.market import LastTrade

Json = dict[str, object]
_NAMES = {
    "AAPL": ("Apple Inc. Common Stock", "NASDAQ"),
    "FB": ("Facebook, Inc. Class A Common Stock", "NASDAQ"),
    "GOOG": ("Google Inc. Class A Common Stock", "NASDAQ"),
    "IBM": ("International Business Machines Corporation", "NYSE"),
    "MSFT": ("Microsoft Corporation Common Stock", "NASDAQ"),
}
_SETTLEMENT_DAYS = timedelta(days=1)


def text(number: Decimal) -> str:
    """A number as Alpaca writes it: plain digits, no trailing zeros."""
    return format(number.normalize(), "f") if number else "0"


def stamp(at: datetime | None) -> str | None:
    """A time as Alpaca writes it: UTC with a Z."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def position_body(
    symbol: str, position: Position, seed: int, *, held: Decimal, price: Decimal, previous: Decimal | None
) -> Json:
    """A position at its last price; `previous` is the close that today's change counts from."""
    value = position.quantity * price
    last = price if previous is None else previous
    today = position.quantity * (price - last)
    return {
        "asset_id": asset_id(symbol, seed),
        "symbol": symbol,
        "exchange": _exchange(symbol),
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": text(position.quantity),
        "qty_available": text(position.quantity - held),
        "avg_entry_price": text((position.cost / position.quantity).quantize(Decimal("0.000001"))),
        "side": "long",
        "market_value": text(value),
        "cost_basis": text(position.cost),
        "unrealized_pl": text(value - position.cost),
        "unrealized_plpc": _ratio(value - position.cost, position.cost),
        "unrealized_intraday_pl": text(today),
        "unrealized_intraday_plpc": _ratio(today, position.quantity * last),
        "current_price": text(price),
        "lastday_price": text(last),
        "change_today": _ratio(price - last, last),
    }


def _ratio(part: Decimal, whole: Decimal) -> str:
    return text((part / whole).quantize(Decimal("1e-9"))) if whole else "0"


def asset_id(symbol: str, seed: int) -> str:
    """The id of a symbol's asset."""
    return derived_id(seed, "asset", symbol)


def _exchange(symbol: str) -> str:
    return _NAMES.get(symbol, (symbol, "NASDAQ"))[1]


def asset_body(symbol: str, seed: int, *, tradable: bool) -> Json:
    """An asset: whole shares, no short sales."""
    return {
        "id": asset_id(symbol, seed),
        "class": "us_equity",
        "exchange": _exchange(symbol),
        "symbol": symbol,
        "name": _NAMES.get(symbol, (symbol, ""))[0],
        "status": "active",
        "tradable": tradable,
        "marginable": True,
        "shortable": False,
        "easy_to_borrow": False,
        "fractionable": False,
        "maintenance_margin_requirement": 25,
        "attributes": [],
    }


def calendar_body(session: Session) -> Json:
    """A day of the calendar, in New York time."""
    return {
        "date": session.date.isoformat(),
        "open": f"{session.open.astimezone(NEW_YORK):%H:%M}",
        "close": f"{session.close.astimezone(NEW_YORK):%H:%M}",
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": (session.date + _SETTLEMENT_DAYS).isoformat(),
    }


def bar_body(bar: Bar) -> Json:
    """A bar. Trade count and average price are estimates: daily history has neither."""
    return {
        "t": _bar_stamp(bar.start),
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": int(bar.volume),
        "n": int(bar.volume) // 100,
        "vw": round((bar.high + bar.low + bar.close) / 3, 6),
    }


@lru_cache(maxsize=65_536)
def _bar_stamp(start: datetime) -> str | None:
    """Hundreds of symbols share a bar's start: format it once."""
    return stamp(start)


def quote_body(quote: Quote, at: datetime) -> Json:
    """A quote of a hundred shares a side."""
    return {
        "t": stamp(at),
        "ax": "V",
        "ap": float(quote.ask),
        "as": 100,
        "bx": "V",
        "bp": float(quote.bid),
        "bs": 100,
        "c": ["R"],
        "z": "C",
    }


def trade_body(trade: LastTrade) -> Json:
    """The last trade."""
    at = int(trade.at.timestamp())
    return {"t": stamp(trade.at), "x": "V", "p": float(trade.price), "s": 100, "c": ["@"], "i": at, "z": "C"}
