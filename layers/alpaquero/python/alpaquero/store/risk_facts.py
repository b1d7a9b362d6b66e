"""Gathers the facts of a verdict from calendar, market data and books; everything is read, nothing kept.

`trading/execute` calls it before it judges an intent, the risk service before it answers what the
verdict would be. An exit needs no calendar and no price, so that no outage keeps a position in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from alpaquero import wall
from alpaquero.broker.protocol import BrokerAsset, MarketDataReader
from alpaquero.errors import BrokerError
from alpaquero.orders.intent import Intent, Purpose
from alpaquero.prices.sessions import NEW_YORK, Session, closed_bars
from alpaquero.risk.facts import Asset, Facts, MarketPrice, OpenOrder
from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.store.books import Books
from alpaquero.strategy import indicators

LOOK_BACK, LOOK_AHEAD = timedelta(days=14), timedelta(days=14)
ATR_PERIODS = 8  # bars for each bar of the period: what the seed weighs after that is below 0.1%
DAYS_A_SESSION = 1.6  # calendar days, holidays included
FOUR_DECIMALS = Decimal("0.0001")

ASSET_SECONDS = 86_400.0  # of wall time that what the broker said of a symbol is believed
REFUSED_SECONDS = 60.0  # and of one that it would not take, for that may be mended

_calendars: dict[date, tuple[Session, ...]] = {}
_assets: dict[str, tuple[float, Asset]] = {}  # by symbol, with when it was asked


class Calendar(Protocol):
    """What tells the sessions; every reader of the trading API does."""

    def sessions(self, start: date, end: date) -> list[Session]:
        """The sessions from `start` to `end`, both included, oldest first."""


class Reference(Calendar, Protocol):
    """What is the same for every account: the sessions, and what may be traded."""

    def asset(self, symbol: str) -> BrokerAsset | None:
        """What may be done with `symbol`, None for one that the broker does not know."""


def gather(
    intent: Intent,
    limits: RiskLimits,
    now: datetime,
    *,
    books: Books,
    calendar: Reference,
    prices: Callable[[], MarketDataReader],
) -> Facts:
    """The facts of a verdict on `intent` at market time `now`.

    Market data that does not answer counts as no price, which refuses an entry: the order queue
    must not wait for it with exits behind. Raises what calendar and assets raise: they come from the
    API that would take the order.
    """
    if intent.purpose is Purpose.EXIT:
        return Facts(now=now, wall_now=wall.now(), market=_price_for_exit(intent, prices))
    sessions = sessions_around(calendar, now)
    market, average_true_range, trouble = None, None, ""
    try:
        market, average_true_range = _prices_of(intent, limits, now, sessions, prices)
    except BrokerError as error:
        trouble = f"market data does not answer: {error}"
    return Facts(
        now=now,
        wall_now=wall.now(),
        price=intent.reference_price or (market.for_side(intent.side) if market else None),
        market=market,
        trouble=trouble,
        sessions=sessions,
        open_orders=tuple(
            OpenOrder(order.client_order_id, order.symbol, order.side)
            for order in books.open_orders_of(intent.symbol)
            if order.client_order_id != intent.client_order_id
        ),
        average_true_range=average_true_range,
        asset=asset_of(intent.symbol, calendar),
    )


def asset_of(symbol: str, reference: Reference) -> Asset:
    """What the broker lets one do with `symbol`; asked once a day, process and symbol."""
    now = wall.seconds()
    asked_at, kept = _assets.get(symbol, (0.0, None))
    if kept is not None and now - asked_at < (ASSET_SECONDS if kept.tradable else REFUSED_SECONDS):
        return kept
    found = reference.asset(symbol)
    told = (
        Asset(listed=False, tradable=False, fractionable=False, shortable=False)
        if found is None
        else Asset(tradable=found.tradable, fractionable=found.fractionable, shortable=found.shortable)
    )
    _assets[symbol] = now, told
    return told


def sessions_around(calendar: Calendar, now: datetime) -> tuple[Session, ...]:
    """The sessions around market time `now`; asked once a market day, unlike the clock."""
    today = now.astimezone(NEW_YORK).date()
    if today not in _calendars:
        _calendars.clear()
        _calendars[today] = tuple(calendar.sessions(today - LOOK_BACK, today + LOOK_AHEAD))
    return _calendars[today]


def _price_for_exit(intent: Intent, prices: Callable[[], MarketDataReader]) -> MarketPrice | None:
    """What the collar measures an exit's own price by; None where it has none, or the feed fails."""
    if intent.limit_price is None and intent.stop_price is None:
        return None
    try:
        return _market_price(intent.symbol, prices(), is_open=True)
    except BrokerError:
        return None


def _prices_of(
    intent: Intent,
    limits: RiskLimits,
    now: datetime,
    sessions: tuple[Session, ...],
    prices: Callable[[], MarketDataReader],
) -> tuple[MarketPrice | None, Decimal | None]:
    """The newest price, and the average true range where the size or the stop needs it."""
    feed = prices()
    is_open = any(session.open <= now < session.close for session in sessions)
    market = _market_price(intent.symbol, feed, is_open=is_open)
    if limits.sizing_method is not SizingMethod.ATR:
        return market, None
    return market, _true_range(intent.symbol, limits.atr_period_bars, now, sessions, feed)


def _market_price(symbol: str, feed: MarketDataReader, *, is_open: bool) -> MarketPrice | None:
    if is_open:
        quote = feed.latest_quotes([symbol]).get(symbol)
        if quote is not None and quote.ask > 0 and quote.bid > 0:
            return MarketPrice(quote.at, bid=quote.bid, ask=quote.ask)
    trade = feed.latest_trades([symbol]).get(symbol)
    return None if trade is None else MarketPrice(trade.at, last=trade.price)


def _true_range(
    symbol: str, period: int, now: datetime, sessions: tuple[Session, ...], feed: MarketDataReader
) -> Decimal | None:
    """Wilder's average true range of the closed daily bars, split-adjusted as of now, to four decimals."""
    wanted = period * ATR_PERIODS
    start = now - timedelta(days=int(wanted * DAYS_A_SESSION) + 10)
    found = feed.daily_bars([symbol], start, now, "split").get(symbol, [])
    bars = closed_bars(found, sessions, now, timedelta())[-wanted:]
    if len(bars) < wanted:
        return None
    highs, lows, closes = ([getattr(bar, name) for bar in bars] for name in ("high", "low", "close"))
    value = indicators.average_true_range(highs, lows, closes, period)
    return None if value is None else Decimal(str(value)).quantize(FOUR_DECIMALS)
