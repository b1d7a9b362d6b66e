"""The monitor marks equity, tells each breach once a market day, and sends what must be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.broker.protocol import BrokerTrade
from alpaquero.errors import BrokerUnavailable
from alpaquero.events.schemas import EquityMarked, Event, RiskLimitBreached, TradingStateChanged, decode
from alpaquero.orders.intent import OrderType, Side
from alpaquero.orders.order import OrderPurpose
from alpaquero.orders.timeouts import OrderSettings
from alpaquero.risk.activity import Activity, Holding
from alpaquero.risk.book import RiskBook, TradingState
from alpaquero.risk.limits import RiskLimits
from alpaquero.store import trading_settings
from alpaquero.store.books import Books
from alpaquero.store.trading_settings import TradingSettings
from functions.risk import monitor
from tests.fakes.broker import FakeBroker, FakeMarketData
from tests.fakes.queues import FakeQueues
from tests.unit.orders.builders import an_intent, an_order
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


def test_a_missing_stop_is_told_again_when_trading_halts_and_measured_each_minute(
    market: Market, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing places one while halted, so a person must hear of it: the shares an exit left, for one."""
    measured: list[tuple[str, float]] = []
    monkeypatch.setattr(monitor, "count", lambda name, value=1: measured.append((name, value)))
    BOOKS.commit(risk_book=HELD_BY_US)
    watched()
    told(RiskLimitBreached)
    BOOKS.commit(risk_book=replace(book(), trading_state=TradingState.HALTED).next_version())
    queues.receive("order-queue")
    for expected in (1, 0, 0):
        market.passes(minutes=1)
        watched()
        assert expected == sum("raises it" in breach.message for breach in told(RiskLimitBreached))
    assert 4 * [("PositionsWithoutStop", 1)] == measured
    assert [] == queues.bodies("order-queue")


def test_a_halt_cancels_entries_that_wait(market: Market, queues: FakeQueues) -> None:
    """They would fill while nothing may be done about what they bought."""
    entry = an_order(client_order_id="waiting", status="new")
    halted = replace(HELD_BY_US, trading_state=TradingState.HALTED)
    BOOKS.commit(risk_book=halted, new_orders=[stop(100), entry])
    assert ["waiting"] == watched()["cancels"]
    assert ["waiting"] == [body["client_order_id"] for body in queues.bodies("order-queue")]


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


# locks


def test_a_broken_limit_lowers_trading_and_says_so(market: Market) -> None:
    """Once: the state changes with the write that found it, and the next minutes keep it."""
    BOOKS.commit(risk_book=replace(HOLDING, peak_equity=Decimal(200_000)), new_orders=[stop(100)])
    assert TradingState.REDUCING == watched()["trading_state"]
    [change] = told(TradingStateChanged)
    assert ("ACTIVE", "REDUCING", "risk monitor") == (change.previous_state, change.state, change.author)
    assert "drawdown: 49.5000% lost, the limit is 15%" == change.reason
    market.passes(minutes=1)
    watched()
    assert ([], TradingState.REDUCING) == (told(TradingStateChanged), book().trading_state)


def test_a_limit_that_is_kept_again_lets_trading_go_on(market: Market) -> None:
    """The drawdown is below its release: the state a person asked for is back, and told."""
    BOOKS.commit(risk_book=replace(HOLDING, peak_equity=Decimal(120_000)), new_orders=[stop(100)])
    watched()
    told(TradingStateChanged)
    market.data.prices["AAPL"] = Decimal(190)
    market.passes(minutes=1)
    assert TradingState.ACTIVE == watched()["trading_state"]
    [change] = told(TradingStateChanged)
    assert ("REDUCING", "ACTIVE") == (change.previous_state, change.state)


def test_a_days_loss_is_measured_from_what_the_day_began_with(market: Market) -> None:
    """The first tick of a market day keeps the equity of the evening before."""
    BOOKS.commit(risk_book=replace(HOLDING, peak_equity=Decimal(101_000)), new_orders=[stop(100)])
    watched()
    market.passes(days=1)
    market.data.prices["AAPL"] = Decimal(50)
    assert TradingState.REDUCING == watched()["trading_state"]
    assert Decimal(101_000) == book().day_start_equity
    assert ["daily_loss_limit"] == [breach.code for breach in told(RiskLimitBreached)]


def test_what_a_day_begins_with_is_marked_when_a_sync_saw_it_last(market: Market) -> None:
    """The evening's mark is in the curve before the morning's, at the time of that sync."""
    evening = replace(HOLDING, marked_at=HOLDING.as_of - timedelta(seconds=30), day="2012-07-02")
    BOOKS.commit(risk_book=evening, new_orders=[stop(100)])
    market.passes(days=1)
    watched()
    first, second = sorted(told(EquityMarked), key=lambda mark: mark.occurred_at)
    assert (evening.equity, evening.as_of) == (first.equity, first.occurred_at)
    assert (evening.equity, market.broker.now) == (book().day_start_equity, second.occurred_at)


# what is sent


OURS = an_intent().client_order_id
HELD_BY_US = replace(HOLDING, activity=Activity(holdings={"AAPL": Holding(FakeBroker().now, OURS)}))


def set_limits(**changes: Any) -> None:
    """Saves these risk limits as version 1."""
    trading_settings.save(
        TradingSettings(risk=RiskLimits(**changes)),
        author="ana", reason="test", after_version=0, now=FakeBroker().now,
    )  # fmt: skip


def test_bare_shares_of_ours_are_put_under_a_stop(market: Market, queues: FakeQueues) -> None:
    """The monitor asks, `execute` acts: once a market minute until the shares are covered."""
    BOOKS.commit(risk_book=HELD_BY_US)
    assert ["AAPL"] == watched()["protections"]
    watched()
    [command] = queues.bodies("order-queue")
    assert ("ProtectPosition", "AAPL", OURS) == (command["type"], command["symbol"], command["episode"])
    market.passes(minutes=1)
    watched()
    assert 2 == len(queues.bodies("order-queue"))
    BOOKS.commit(new_orders=[stop(100)])
    market.passes(minutes=1)
    assert [] == watched()["protections"]


@pytest.mark.parametrize(
    "change",
    [
        {"trading_state": TradingState.HALTED},
        {"activity": Activity()},
        {"activity": Activity(holdings={"AAPL": Holding(FakeBroker().now, "baseline")})},
        {"positions": {"AAPL": held("-100", "-10000")}},
    ],
    ids=["halted", "not folded yet", "not ours", "short"],
)
def test_other_bare_shares_are_only_reported(
    market: Market, queues: FakeQueues, change: dict[str, Any]
) -> None:
    """What someone else bought is not ours to sell, and halted means no order."""
    BOOKS.commit(risk_book=replace(HELD_BY_US, **change))
    watched()
    assert [] == queues.bodies("order-queue")
    assert "stop_missing" in {breach.code for breach in told(RiskLimitBreached)}


def test_protection_can_be_switched_off(market: Market, queues: FakeQueues) -> None:
    """Then a missing stop is told and nothing else."""
    set_limits(protect_missing_stops=False)
    BOOKS.commit(risk_book=HELD_BY_US)
    watched()
    assert [] == queues.bodies("order-queue")


def test_a_trailing_stop_sells_below_the_highest_price(market: Market, queues: FakeQueues) -> None:
    """The highest of regular hours counts; the exit goes through the same queue as every order."""
    set_limits(trailing_stop_percent=Decimal(5))
    market.broker.now = market.data.now = datetime.fromisoformat("2024-01-03T17:00:00+00:00")
    BOOKS.commit(risk_book=HELD_BY_US, new_orders=[stop(100)])
    assert [] == watched()["exits"]
    market.passes(minutes=1)
    market.data.prices["AAPL"] = Decimal("104.50")
    assert ["AAPL"] == watched()["exits"]
    watched()
    [command] = queues.bodies("order-queue")
    intent = command["intent"]
    assert ("PlaceOrder", "risk", "exit", "sell", None) == (
        command["type"], intent["origin"], intent["purpose"], intent["side"], intent["quantity"],
    )  # fmt: skip
    assert intent["reason"].startswith("trailing_stop: 104.50 is 5.00% below the highest, 110")


def test_a_print_outside_of_regular_hours_moves_no_trailing_stop(market: Market, queues: FakeQueues) -> None:
    """A trade after the close neither raises the high nor sells; equity is marked by it all the same."""
    set_limits(trailing_stop_percent=Decimal(5))
    BOOKS.commit(risk_book=HELD_BY_US, new_orders=[stop(100)])
    watched()
    market.passes(minutes=1)
    market.data.prices["AAPL"] = Decimal(50)
    assert ([], "95000") == (watched()["exits"], watched()["equity"])


def test_an_exit_that_was_lost_is_sent_again(market: Market, queues: FakeQueues) -> None:
    """It stays due while the shares are held; its id is the same, so that it is one order at most."""
    BOOKS.commit(risk_book=replace(HELD_BY_US, flatten_since=market.broker.now), new_orders=[stop(100)])
    watched()
    first = queues.receive("order-queue")
    queues.seen.clear()  # five minutes pass
    market.passes(minutes=5)
    watched()
    [again] = queues.receive("order-queue")
    assert first[0]["body"].split('"key"')[1][:30] == again["body"].split('"key"')[1][:30]


def test_a_feed_that_is_down_holds_up_no_flatten(
    market: Market, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held counts as the last sync had it; exits, cancels and stops go out all the same."""

    def down(symbols: Sequence[str]) -> dict[str, BrokerTrade]:
        raise BrokerUnavailable("the data API does not answer")

    monkeypatch.setattr(market.data, "latest_trades", down)
    BOOKS.commit(risk_book=replace(HELD_BY_US, flatten_since=market.broker.now))
    found = watched()
    assert (["AAPL"], "100000") == (found["exits"], found["equity"])


def test_a_position_that_is_sold_needs_no_stop_as_well(market: Market, queues: FakeQueues) -> None:
    """The exit looks after its shares itself."""
    BOOKS.commit(risk_book=replace(HELD_BY_US, flatten_since=market.broker.now))
    found = watched()
    assert (["AAPL"], []) == (found["exits"], found["protections"])


def test_a_flatten_cancels_entries_that_wait(market: Market, queues: FakeQueues) -> None:
    """An entry queued for the next open would buy what is being sold."""
    BOOKS.commit(
        risk_book=replace(HELD_BY_US, flatten_since=market.broker.now),
        new_orders=[stop(100), an_order(client_order_id="entry-1", symbol="IBM", status="accepted")],
    )
    assert ["entry-1"] == watched()["cancels"]
    assert ["CancelOrder", "PlaceOrder"] == [body["type"] for body in queues.bodies("order-queue")]


def test_an_entry_that_waits_too_long_is_cancelled(market: Market, queues: FakeQueues) -> None:
    """Asked once a market minute until it has ended; without the setting nothing is."""
    waits = an_order(
        client_order_id="entry-1", status="new", created_at=market.broker.now - timedelta(days=1)
    )
    BOOKS.commit(risk_book=a_book(), new_orders=[waits])
    assert [] == watched()["cancels"]
    trading_settings.save(
        TradingSettings(orders=OrderSettings(entry_timeout_minutes=30)),
        author="ana", reason="test", after_version=0, now=market.broker.now,
    )  # fmt: skip
    market.passes(minutes=1)
    assert ["entry-1"] == watched()["cancels"]
    watched()
    [command] = queues.bodies("order-queue")
    assert ("CancelOrder", "entry-1", "the time-out") == (
        command["type"], command["client_order_id"], command["requested_by"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "asked"), [("ACTIVE", ["ReplaceOrder"]), ("REDUCING", []), ("HALTED", ["CancelOrder"])]
)
def test_a_limit_entry_follows_the_market(
    market: Market, queues: FakeQueues, state: str, asked: list[str]
) -> None:
    """To the ask, within the bound; a halt ends it instead."""
    waits = an_order(
        client_order_id="entry-1", status="new", created_at=market.broker.now - timedelta(days=1),
        order_type=OrderType.LIMIT, limit_price=Decimal("109.50"),
    )  # fmt: skip
    BOOKS.commit(risk_book=a_book(trading_state=TradingState(state)), new_orders=[waits])
    trading_settings.save(
        TradingSettings(orders=OrderSettings(reprice_after_minutes=10)),
        author="ana", reason="test", after_version=0, now=market.broker.now,
    )  # fmt: skip
    watched()
    found = queues.bodies("order-queue")
    assert asked == [body["type"] for body in found]
    assert (["110.01"] if "ReplaceOrder" in asked else []) == [
        body["change"]["limit_price"] for body in found if "change" in body
    ]


def test_entries_time_out_although_no_quotes_are_to_be_had(
    market: Market, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Following the market waits for the feed; ending what is late, and the minute's own count, do not."""

    def silent(symbols: Sequence[str]) -> dict[str, Any]:
        raise BrokerUnavailable("the feed does not answer")

    monkeypatch.setattr(market.data, "latest_quotes", silent)
    late = market.broker.now - timedelta(days=1)
    waits = an_order(client_order_id="entry-1", status="new", created_at=late)
    BOOKS.commit(risk_book=a_book(), new_orders=[waits])
    trading_settings.save(
        TradingSettings(orders=OrderSettings(entry_timeout_minutes=30, reprice_after_minutes=10)),
        author="ana", reason="test", after_version=0, now=market.broker.now,
    )  # fmt: skip
    assert ["entry-1"] == watched()["cancels"]
