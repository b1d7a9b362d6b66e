"""The monitor marks equity once a market time and tells each breach once a market day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.events.schemas import EquityMarked, Event, RiskLimitBreached, decode
from alpaquero.orders.intent import OrderType, Side
from alpaquero.orders.order import OrderPurpose
from alpaquero.risk.book import RiskBook, TradingState
from alpaquero.store.books import Books
from functions.risk import monitor
from tests.fakes.broker import FakeBroker, FakeMarketData
from tests.fakes.queues import FakeQueues
from tests.unit.orders.builders import an_order
from tests.unit.risk.builders import a_book, held

BOOKS = Books("paper")
HOLDING = a_book(cash=Decimal(90_000), positions={"AAPL": held("100", "10000")})


class Market:
    """The two connections of the monitor."""

    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.data = FakeMarketData(prices={"AAPL": Decimal(110)})

    def passes(self, **time: float) -> None:
        self.broker.now += timedelta(**time)


@pytest.fixture
def market(tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> Market:
    """Half an hour after a close; AAPL trades at 110."""
    market = Market()
    monkeypatch.setattr(monitor, "_clock", lambda: market.broker)
    monkeypatch.setattr(monitor, "_market_data", lambda: market.data)
    return market


def watched() -> dict[str, Any]:
    return monitor.handler({"job": "monitor"}, None)


def told(kind: type[Event]) -> list[Any]:
    """The events in the outbox; each written anew counts anew."""
    every = [decode(event.name, event.detail) for event in BOOKS.outbox()]
    BOOKS.published(event.id for event in BOOKS.outbox())
    return [event for event in every if isinstance(event, kind)]


def stop(quantity: int) -> Any:
    return an_order(
        client_order_id=f"stop-{quantity}", side=Side.SELL, order_type=OrderType.STOP, status="new",
        purpose=OrderPurpose.LEG, quantity=Decimal(quantity), stop_price=Decimal(97),
    )  # fmt: skip


def book() -> RiskBook:
    found = BOOKS.risk_book()
    assert found is not None
    return found


def test_equity_is_marked_at_the_newest_prices(market: Market) -> None:
    """Cash and holdings at the last trade; the peak rises with it, and the event says so."""
    BOOKS.commit(risk_book=HOLDING)
    found = watched()
    assert (True, "101000", 1) == (found["marked"], found["equity"], found["breaches"])
    [mark] = told(EquityMarked)
    assert (Decimal(101_000), Decimal(101_000), Decimal(0)) == (
        mark.equity,
        mark.peak_equity,
        mark.drawdown_percent,
    )
    assert (Decimal(101_000), Decimal(11_000)) == (book().peak_equity, book().positions["AAPL"].market_value)


def test_one_market_time_is_marked_once(market: Market) -> None:
    """Where the clock is stepped, a second tick at the same time writes and tells nothing."""
    BOOKS.commit(risk_book=HOLDING, new_orders=[stop(100)])
    watched()
    version = book().version
    told(EquityMarked)
    watched()
    assert ([], version) == (told(EquityMarked), book().version)
    market.passes(minutes=1)
    watched()
    assert 1 == len(told(EquityMarked))


def test_a_missing_stop_is_told_once_a_market_day(market: Market) -> None:
    """Again the next day in New York, not when the date changes in UTC."""
    BOOKS.commit(risk_book=HOLDING)
    watched()
    [breach] = told(RiskLimitBreached)
    assert ("stop_missing", "AAPL", "100", "0") == (breach.code, breach.symbol, breach.limit, breach.used)
    for hours in (1, 2, 1):  # until 20:30 in New York, when it is tomorrow in UTC
        market.passes(hours=hours)
        assert 1 == watched()["breaches"]
        assert [] == told(RiskLimitBreached)
    market.passes(hours=4)
    watched()
    assert 1 == len(told(RiskLimitBreached))


def test_shares_under_a_stop_are_no_breach(market: Market) -> None:
    """Only the part that no stop covers is told."""
    BOOKS.commit(risk_book=HOLDING, new_orders=[stop(60)])
    watched()
    assert ["60"] == [breach.used for breach in told(RiskLimitBreached)]
    BOOKS.commit(new_orders=[stop(40)])
    market.passes(days=1)
    assert 0 == watched()["breaches"]


def test_a_drawdown_past_its_limit_is_told(market: Market) -> None:
    """15% below the peak, by default."""
    BOOKS.commit(risk_book=replace(HOLDING, peak_equity=Decimal(200_000)), new_orders=[stop(100)])
    watched()
    [breach] = told(RiskLimitBreached)
    assert ("drawdown_limit", "15", "49.5000") == (breach.code, breach.limit, breach.used)


def test_a_position_without_a_price_keeps_its_value(market: Market) -> None:
    """A symbol that does not trade is not worth nothing."""
    market.data.prices = {}
    BOOKS.commit(risk_book=HOLDING)
    assert "100000" == watched()["equity"]


def test_a_mark_never_overwrites_what_another_decided(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A halt that comes while the monitor prices positions stays a halt."""
    BOOKS.commit(risk_book=HOLDING, new_orders=[stop(100)])
    trades = market.data.latest_trades

    def halted_meanwhile(symbols: Any) -> Any:
        if book().trading_state is TradingState.ACTIVE:
            BOOKS.commit(risk_book=replace(book(), trading_state=TradingState.HALTED).next_version())
        return trades(symbols)

    monkeypatch.setattr(market.data, "latest_trades", halted_meanwhile)
    watched()
    assert (TradingState.HALTED, Decimal(101_000)) == (book().trading_state, book().equity)


def test_before_the_first_sync_there_is_nothing_to_watch(market: Market) -> None:
    """It says why, and writes nothing."""
    assert {"marked": False, "reason": "the first sync has not run yet"} == watched()
    assert [] == BOOKS.outbox()
