"""The market data service's routes: charts with what the bot did on them, quotes, market status."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Final

from alpaquero.broker.alpaca import connect_clock
from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import BrokerClock, ClockReader, MarketDataReader
from alpaquero.errors import InvalidRequest, NotFound
from alpaquero.orders.order import Fill
from alpaquero.prices.bars import Bar, Timeframe
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.settings import ClockSettings, load
from alpaquero.store import runs
from alpaquero.store.books import Books
from alpaquero.store.runs import SignalRecord
from alpaquero.web import bodies
from alpaquero.web.app import service_app

ADJUSTMENT: Final = "split"
DAYS_A_SESSION = 1.6  # a year has 252 sessions in 365 days; the rest is for holidays
SIGNALS_A_CHART = 500
SYMBOL = re.compile(r"[A-Z][A-Z0-9.]{0,9}")


SETTINGS = load(ClockSettings)
BOOKS = Books(SETTINGS.account)


@cache
def reader() -> ClockReader:
    """The trading API, for its clock; connected at the first request."""
    return connect_clock(SETTINGS)


@cache
def market_data() -> MarketDataReader:
    """The data API, connected at the first request."""
    return connect_market_data(SETTINGS)


app = service_app("market_data", {"broker": lambda: reader().clock()})


@app.endpoint("GET", public="/api/chart/{symbol}", service="/market_data/chart/{symbol}")
def chart(symbol: str) -> bodies.Chart:
    """The newest daily bars of a symbol, with its signals and fills on them."""
    symbol = known_form(symbol)
    timeframe = app.query("timeframe") or Timeframe.DAY
    if timeframe != Timeframe.DAY:
        raise InvalidRequest(
            f"timeframe {timeframe} is not served; leave it out or send {Timeframe.DAY}", "timeframe"
        )
    limit = app.limit(default=250, most=1000)
    clock = reader().clock()
    start = clock.now - timedelta(days=10 + limit * DAYS_A_SESSION)
    bars = market_data().daily_bars([symbol], start, clock.now, ADJUSTMENT).get(symbol)
    if not bars:
        raise unknown(symbol)
    signals = runs.newest_signals(symbol, SIGNALS_A_CHART)
    return chart_body(symbol, bars[-limit:], clock, signals, BOOKS.fills())


@app.endpoint("GET", public="/api/latest/{symbol}", service="/market_data/quote/{symbol}")
def quote(symbol: str) -> bodies.Quote:
    """The newest bid, ask and trade of a symbol."""
    symbol = known_form(symbol)
    best = market_data().latest_quotes([symbol]).get(symbol)
    trade = market_data().latest_trades([symbol]).get(symbol)
    if best is None or trade is None:
        raise unknown(symbol)
    return bodies.Quote(
        symbol=symbol, bid=best.bid, ask=best.ask, last=trade.price, at=max(best.at, trade.at)
    )


@app.endpoint("GET", public="/api/market_status", service="/market_data/market-status")
def market_status() -> bodies.MarketStatus:
    """Whether the market is open, and the next edges of the session."""
    clock = reader().clock()
    return bodies.MarketStatus(
        is_open=clock.is_open, now=clock.now, next_open=clock.next_open, next_close=clock.next_close
    )


def known_form(symbol: str) -> str:
    """The symbol in capitals. Raises `NotFound` for what cannot be one."""
    if not SYMBOL.fullmatch(symbol.upper()):
        raise unknown(symbol)
    return symbol.upper()


def unknown(symbol: str) -> NotFound:
    """The answer for a symbol the feed has no data of."""
    return NotFound(
        f"there is no market data for {symbol[:20]!r}; look it up at Alpaca (GET /v2/assets/<symbol>) "
        "and write a share class with a dot, such as BRK.B",
        {"field": "symbol"},
    )


def chart_body(
    symbol: str,
    bars: Sequence[Bar],
    clock: BrokerClock,
    signals: Iterable[SignalRecord],
    fills: Iterable[Fill],
) -> bodies.Chart:
    """The chart as the API answers it; markers outside of the bars are left out."""
    markers = [signal_marker(s) for s in signals if s.outcome == "raised"]
    markers += [fill_marker(f) for f in fills if f.symbol == symbol]
    return bodies.Chart(
        symbol=symbol,
        timeframe=Timeframe.DAY,
        adjustment=ADJUSTMENT,
        feed="paper exchange" if SETTINGS.environment == "local" else "alpaca",
        synthetic=False,
        bars=[
            bodies.Bar(time=b.start, open=b.open, high=b.high, low=b.low, close=b.close, volume=b.volume)
            for b in bars
        ],
        forming=is_forming(bars[-1], clock),
        markers=sorted((m for m in markers if m.time >= bars[0].start), key=lambda m: (m.time, m.kind)),
        as_of=clock.now,
    )


def is_forming(last: Bar, clock: BrokerClock) -> bool:
    """Whether the bar belongs to the session that closes next: until then it is not final."""
    return _day(last.start) == _day(clock.next_close)


def _day(moment: datetime) -> str:
    return moment.astimezone(NEW_YORK).date().isoformat()


def signal_marker(signal: SignalRecord) -> bodies.Marker:
    """A raised signal on the chart, at the close of the bar it judged."""
    return bodies.Marker(
        kind="signal",
        time=signal.bar_close,
        side=signal.side or "",
        price=Decimal(signal.reference_price) if signal.reference_price is not None else None,
        quantity=None,
        text=signal.message,
    )


def fill_marker(fill: Fill) -> bodies.Marker:
    """A fill on the chart, at its raw price."""
    return bodies.Marker(
        kind="fill",
        time=fill.at,
        side=fill.side,
        price=fill.price,
        quantity=fill.quantity,
        text=f"{fill.side} {fill.quantity:f} at {fill.price:f}",
    )
