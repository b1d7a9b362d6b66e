"""The facts of a verdict are read from calendar, market data and books; an outage refuses, never hangs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero import wall
from alpaquero.broker.protocol import BrokerAsset, BrokerQuote, BrokerTrade
from alpaquero.errors import BrokerUnavailable
from alpaquero.orders.intent import Intent, OrderType, Side
from alpaquero.prices.bars import Bar
from alpaquero.prices.sessions import Session
from alpaquero.risk.facts import Asset, Facts, MarketPrice, OpenOrder
from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.store import risk_facts
from alpaquero.store.books import Books
from tests.fakes.broker import FakeBroker, FakeMarketData
from tests.unit.orders.builders import an_exit, an_intent, an_order

OPEN_MARKET = datetime.fromisoformat("2024-01-03T17:00:00+00:00")
CLOSED_MARKET = datetime.fromisoformat("2024-01-03T21:30:00+00:00")
BOOKS = Books("paper")


class Feed(FakeMarketData):
    """Prices that count how often they are asked, and fail when they are told to."""

    fails = False
    empty_quotes = False

    def latest_quotes(self, symbols: Any) -> dict[str, BrokerQuote]:
        self._asked("quotes")
        quotes = super().latest_quotes(symbols)
        return {s: replace(q, ask=Decimal(0)) for s, q in quotes.items()} if self.empty_quotes else quotes

    def latest_trades(self, symbols: Any) -> dict[str, BrokerTrade]:
        self._asked("trades")
        return super().latest_trades(symbols)

    def _asked(self, what: str) -> None:
        self.asked = [*getattr(self, "asked", []), what]
        if self.fails:
            raise BrokerUnavailable("the feed is down")


class Calendar(FakeBroker):
    """A calendar that counts how often it is asked."""

    asked = 0

    def sessions(self, start: date, end: date) -> list[Session]:
        self.asked += 1
        return super().sessions(start, end)


@pytest.fixture
def feed(tables: None) -> Iterator[Feed]:
    """AAPL at 100 dollars; the calendar is not remembered from another test."""
    risk_facts._calendars.clear()
    risk_facts._assets.clear()
    yield Feed(prices={"AAPL": Decimal(100)}, now=OPEN_MARKET)
    risk_facts._calendars.clear()
    risk_facts._assets.clear()


def gathered(
    feed: Feed,
    intent: Intent | None = None,
    now: datetime = OPEN_MARKET,
    calendar: Calendar | None = None,
    **limits: Any,
) -> Facts:
    return risk_facts.gather(
        intent or an_intent(),
        RiskLimits(**limits),
        now,
        books=BOOKS,
        calendar=calendar or Calendar(),
        prices=lambda: feed,
    )


def test_an_open_market_is_quoted_and_a_closed_one_has_its_last_trade(feed: Feed) -> None:
    """Quotes of a closed market are wide or empty, so the last trade counts then."""
    assert MarketPrice(OPEN_MARKET, bid=Decimal("99.99"), ask=Decimal("100.01")) == gathered(feed).market
    assert MarketPrice(OPEN_MARKET, last=Decimal(100)) == gathered(feed, now=CLOSED_MARKET).market
    assert ["quotes", "trades"] == feed.asked


def test_an_empty_quote_is_no_price(feed: Feed) -> None:
    """An ask of 0 says that nobody sells, and the last trade is asked for instead."""
    feed.empty_quotes = True
    assert MarketPrice(OPEN_MARKET, last=Decimal(100)) == gathered(feed).market


def test_a_signal_is_sized_by_its_own_price_and_a_person_by_the_market(feed: Feed) -> None:
    """So that a replay of the signal gives the same size."""
    assert Decimal(97) == gathered(feed, an_intent(reference_price=Decimal(97))).price
    assert Decimal("100.01") == gathered(feed, an_intent(reference_price=None)).price


def test_a_feed_that_fails_is_told_and_raises_nothing(feed: Feed) -> None:
    """The queue goes on; the entry is refused for want of a price."""
    feed.fails = True
    facts = gathered(feed)
    assert facts.market is None
    assert "the feed is down" in facts.trouble


def test_an_exit_at_market_asks_nobody(feed: Feed) -> None:
    """No outage keeps a position in."""
    calendar = Calendar()
    assert gathered(feed, an_exit(), calendar=calendar).market is None
    assert ([], 0) == (getattr(feed, "asked", []), calendar.asked)


def test_an_exit_with_a_price_is_compared_if_the_feed_lets_us(feed: Feed) -> None:
    """The collar of a limit sale needs the market's price, but its absence stops nothing."""
    limited = an_exit(order_type=OrderType.LIMIT, limit_price=Decimal(90), reference_price=None)
    assert gathered(feed, limited).market is not None
    feed.fails = True
    assert gathered(feed, limited).market is None


def test_the_calendar_is_asked_once_a_market_day(feed: Feed) -> None:
    """The clock is not cached, the calendar is."""
    calendar = Calendar()
    facts = gathered(feed, calendar=calendar)
    gathered(feed, now=CLOSED_MARKET, calendar=calendar)
    assert 1 == calendar.asked
    gathered(feed, now=OPEN_MARKET + timedelta(days=1), calendar=calendar)
    assert 2 == calendar.asked
    assert facts.open_session is not None


@pytest.mark.parametrize(("tradable", "believed_seconds"), [(True, 86_400), (False, 60)])
def test_an_asset_is_asked_for_once_a_day(
    feed: Feed, monkeypatch: pytest.MonkeyPatch, tradable: bool, believed_seconds: int
) -> None:
    """What may be traded is believed for a day of wall time, what may not for a minute."""
    calendar, started = Calendar(), 1_000_000.0
    now = started
    monkeypatch.setattr(wall, "seconds", lambda: now)
    told = BrokerAsset("AAPL", tradable=tradable, fractionable=False, shortable=True)
    calendar.assets["AAPL"] = told
    assert Asset(tradable=tradable, fractionable=False) == gathered(feed, calendar=calendar).asset
    calendar.assets["AAPL"] = None
    now = started + believed_seconds - 1
    assert Asset(tradable=tradable, fractionable=False) == gathered(feed, calendar=calendar).asset
    now = started + believed_seconds
    unknown = gathered(feed, calendar=calendar).asset
    assert unknown is not None
    assert not unknown.listed


def test_open_orders_of_the_symbol_are_told_but_not_the_intents_own(feed: Feed) -> None:
    """What it could wash against; its own order from before a crash is itself."""
    own = an_intent()
    BOOKS.commit(
        new_orders=[
            an_order(client_order_id=own.client_order_id),
            an_order(client_order_id="o-1", side=Side.SELL),
            an_order(client_order_id="o-2", symbol="IBM"),
            an_order(client_order_id="o-3", status="filled"),
        ]
    )
    assert (OpenOrder("o-1", "AAPL", Side.SELL),) == gathered(feed, own).open_orders


@pytest.mark.parametrize(("days", "expected"), [(40, None), (200, Decimal("2.0000"))])
def test_the_average_true_range_is_of_closed_daily_bars(
    feed: Feed, days: int, expected: Decimal | None
) -> None:
    """Of eight periods at least, and only where the size needs it; the forming bar counts for nothing."""
    first = OPEN_MARKET.replace(hour=5) - timedelta(days=days)
    bars = [Bar(first + timedelta(d), 100, 101, 99, 100, 1_000_000) for d in range(days)]
    feed.history = {"AAPL": [*bars, Bar(OPEN_MARKET.replace(hour=5), 100, 900, 1, 100, 1_000_000)]}
    assert expected == gathered(feed, sizing_method=SizingMethod.ATR).average_true_range
    assert gathered(feed).average_true_range is None
