"""How positions, assets, bars, quotes and trades look in Alpaca's JSON; routes and streams encode these.

Orders and fills are in `order_wire`, the long lists of market data in `data_wire`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from alpaquero.simulation import Quote
from alpaquero.simulation.identity import derived_id
from laptop.exchange.book import Position
from laptop.exchange.market import LastTrade, MarketBar

Json = dict[str, object]
_NAMES = {
    "AAPL": ("Apple Inc. Common Stock", "NASDAQ"),
    "FB": ("Facebook, Inc. Class A Common Stock", "NASDAQ"),
    "GOOG": ("Google Inc. Class A Common Stock", "NASDAQ"),
    "IBM": ("International Business Machines Corporation", "NYSE"),
    "MSFT": ("Microsoft Corporation Common Stock", "NASDAQ"),
}
# What Alpaca says of an asset beyond its flags.
ATTRIBUTES: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DayBasis:
    """What today's change of a position counts from: the last close, and for shares opened today
    what they cost.
    """

    last: Decimal
    cost: Decimal


def text(number: Decimal) -> str:
    """A number as Alpaca writes it: plain digits, no trailing zeros."""
    return format(number.normalize(), "f") if number else "0"


def stamp(at: datetime | None) -> str | None:
    """A time as Alpaca writes it: UTC with a Z."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def position_body(
    symbol: str, position: Position, seed: int, *, held: Decimal, price: Decimal, day: DayBasis
) -> Json:
    """A position at its last price; quantity, value and cost of a short one are negative."""
    quantity, value, cost = position.quantity, position.quantity * price, position.cost
    available = abs(quantity) - held
    return {
        "asset_id": asset_id(symbol, seed),
        "symbol": symbol,
        "exchange": exchange(symbol),
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": text(quantity),
        "qty_available": text(available if quantity > 0 else -available),
        "avg_entry_price": text((cost / quantity).quantize(Decimal("0.000001"))),
        "side": "long" if quantity > 0 else "short",
        "market_value": text(value),
        "cost_basis": text(cost),
        "unrealized_pl": text(value - cost),
        "unrealized_plpc": _ratio(value - cost, abs(cost)),
        "unrealized_intraday_pl": text(value - day.cost),
        "unrealized_intraday_plpc": _ratio(value - day.cost, abs(day.cost)),
        "current_price": text(price),
        "lastday_price": text(day.last),
        "change_today": _ratio(price - day.last, day.last),
    }


def _ratio(part: Decimal, whole: Decimal) -> str:
    return text((part / whole).quantize(Decimal("1e-9"))) if whole else "0"


@lru_cache(maxsize=65_536)
def asset_id(symbol: str, seed: int) -> str:
    """The id of a symbol's asset."""
    return derived_id(seed, "asset", symbol)


def exchange(symbol: str) -> str:
    """The exchange that a symbol is listed on."""
    return _NAMES.get(symbol, (symbol, "NASDAQ"))[1]


def asset_body(symbol: str, seed: int, *, tradable: bool) -> Json:
    """An asset: every one may be sold short and bought in fractions."""
    return {
        "id": asset_id(symbol, seed),
        "class": "us_equity",
        "exchange": exchange(symbol),
        "symbol": symbol,
        "name": _NAMES.get(symbol, (symbol, ""))[0],
        "status": "active",
        "tradable": tradable,
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
        "borrow_status": "easy_to_borrow",
        "fractionable": True,
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "30",
        "attributes": list(ATTRIBUTES),
    }


def bar_body(bar: MarketBar) -> Json:
    """A bar, made up ones included."""
    return {
        "t": _bar_stamp(bar.start),
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": bar.volume,
        "n": bar.trades,
        "vw": bar.vwap,
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
