"""The live price feed: one beat goes round while somebody watches, and none when nobody does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero import wall
from alpaquero.broker.protocol import BrokerClock
from alpaquero.errors import BrokerRejected, BrokerUnavailable
from alpaquero.events import queues as sending
from alpaquero.events.commands import FeedBeat
from alpaquero.store import price_feed
from alpaquero.store.connections import forget_connection, remember_connection, unwatch, watch
from functions.market_data import feed
from tests.fakes.broker import FakeBroker, FakeMarketData
from tests.fakes.queues import FakeQueues

FEED, PUSH = feed.SETTINGS.feed_queue, feed.SETTINGS.push_queue


class OpenBroker(FakeBroker):
    """A broker in the middle of a session."""

    def clock(self) -> BrokerClock:
        return replace(super().clock(), is_open=True)


class Clockwork:
    """The feed with its broker, its queue and the time that passes."""

    def __init__(self, broker: FakeBroker, market: FakeMarketData, queues: FakeQueues) -> None:
        self.broker, self.market, self.queues = broker, market, queues
        self.seconds = 1_800_000_000.0

    def beat(self) -> None:
        """Delivers what waits on the feed's queue once its delay has passed."""
        self.seconds += sum(self.delays())
        records = self.queues.receive(FEED)
        assert feed.handler({"Records": records}, None) == {"batchItemFailures": []}

    def delays(self) -> list[int]:
        return [message["DelaySeconds"] for message in self.queues.messages.get(FEED, [])]

    def prices(self) -> list[dict[str, Any]]:
        """The rows of all polls that were sent on since the last look."""
        told = self.queues.bodies(PUSH)
        self.queues.messages.pop(PUSH, None)
        return [price for message in told for price in message["detail"]["prices"]]


@pytest.fixture
def clockwork(tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    """An open market with two symbols and nobody who watches."""
    broker = OpenBroker()
    prices = {"AAPL": Decimal("20.5"), "IBM": Decimal(100)}
    market = FakeMarketData(prices=prices, now=broker.now - timedelta(seconds=4))
    made = Clockwork(broker, market, queues)
    monkeypatch.setattr(feed, "reader", lambda: broker)
    monkeypatch.setattr(feed, "market_data", lambda: market)
    monkeypatch.setattr(wall, "seconds", lambda: made.seconds)
    return made


def watched(connection: str, *symbols: str) -> None:
    """An open dashboard that watches `symbols`."""
    remember_connection(connection, "ana", "viewer")
    watch(connection, frozenset(f"prices:{symbol}" for symbol in symbols))


def begun(clockwork: Clockwork) -> FeedBeat:
    """The feed's first beat, on its queue."""
    first = price_feed.begin()
    assert first is not None
    sending.send(FEED, first)
    return first


def test_watched_prices_are_polled_again_and_again(clockwork: Clockwork) -> None:
    """Each beat tells bid, ask, last and age of what is watched, each symbol once, and sends the next."""
    watched("c1", "AAPL", "IBM")
    watched("c2", "AAPL")
    begun(clockwork)
    for _ in range(3):
        clockwork.beat()
        rows = clockwork.prices()
        assert [row["symbol"] for row in rows] == ["AAPL", "IBM"]
        assert clockwork.delays() == [feed.OPEN_SECONDS]
    assert (rows[0]["bid"], rows[0]["ask"], rows[0]["last"]) == ("20.49", "20.51", "20.5")
    assert rows[0]["age_seconds"] == 4.0


def test_nobody_watching_costs_nothing(clockwork: Clockwork) -> None:
    """When the last one has gone no beat follows, and the next to come begins a new life."""
    watched("c1", "AAPL")
    begun(clockwork)
    unwatch("c1", frozenset({"prices:AAPL"}))
    clockwork.beat()
    assert clockwork.queues.messages == {}
    assert price_feed.begin() is not None


def test_a_beat_that_comes_twice_is_answered_once(clockwork: Clockwork) -> None:
    """Duplicates do not multiply: of the same message delivered three times one goes on."""
    watched("c1", "AAPL")
    begun(clockwork)
    clockwork.queues.messages[FEED] *= 3
    clockwork.beat()
    assert len(clockwork.prices()) == len(clockwork.delays()) == 1


def test_a_beat_of_an_ended_life_is_dropped(clockwork: Clockwork) -> None:
    """A message that was given up for lost and comes after all finds that another goes round."""
    watched("c1", "AAPL")
    begun(clockwork)
    late = clockwork.queues.messages.pop(FEED)
    clockwork.seconds += price_feed.BEAT_SECONDS + 1
    begun(clockwork)
    clockwork.queues.messages[FEED] += late
    clockwork.beat()
    assert len(clockwork.prices()) == len(clockwork.delays()) == 1


def test_who_comes_while_the_feed_ends_is_not_left_without(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watcher who saw the feed alive just before it ended gets a new one at once."""
    begun(clockwork)
    end = price_feed.end

    def end_as_somebody_comes(beat: FeedBeat) -> None:
        watched("c1", "AAPL")
        assert price_feed.begin() is None
        end(beat)

    monkeypatch.setattr(price_feed, "end", end_as_somebody_comes)
    clockwork.beat()
    assert len(clockwork.delays()) == 1
    clockwork.beat()
    assert len(clockwork.prices()) == 1


def test_two_who_begin_at_once_get_one_feed(clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both saw no feed; the conditional write lets one of them begin it."""
    other: list[FeedBeat | None] = []
    save = price_feed.LeaseItem.save

    def save_second(item: price_feed.LeaseItem, condition: Any) -> Any:
        monkeypatch.setattr(price_feed.LeaseItem, "save", save)
        other.append(price_feed.begin())
        return save(item, condition)

    monkeypatch.setattr(price_feed.LeaseItem, "save", save_second)
    assert price_feed.begin() is None
    assert other[0] is not None


@pytest.mark.parametrize(
    ("until_open", "pause"),
    [
        (timedelta(hours=15), feed.CLOSED_SECONDS),
        (timedelta(seconds=7), 7),
        (timedelta(0), feed.OPEN_SECONDS),
    ],
)
def test_a_closed_market_is_polled_slowly_until_it_opens(
    clockwork: Clockwork, until_open: timedelta, pause: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause is long, but ends when the market opens."""
    closed = replace(clockwork.broker.clock(), is_open=False, next_open=clockwork.broker.now + until_open)
    monkeypatch.setattr(clockwork.broker, "clock", lambda: closed)
    watched("c1", "AAPL")
    begun(clockwork)
    clockwork.beat()
    assert clockwork.delays() == [pause]


def test_the_feed_waits_out_a_broker_that_is_away(clockwork: Clockwork) -> None:
    """It asks again later for as long as somebody watches, and is alive all the while."""
    watched("c1", "AAPL")
    begun(clockwork)
    clockwork.broker.fail_next("clock", "unavailable")
    clockwork.beat()
    assert (clockwork.prices(), clockwork.delays()) == ([], [feed.TROUBLE_SECONDS])
    clockwork.seconds += feed.TROUBLE_SECONDS
    assert price_feed.begin() is None
    clockwork.beat()
    assert len(clockwork.prices()) == 1


def test_a_used_up_budget_is_waited_for(clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause is what the broker asks for, up to a limit, and a watcher's ping begins no second feed."""

    def refused(symbols: object) -> dict[str, Any]:
        raise BrokerUnavailable("used up", 40.0)

    monkeypatch.setattr(clockwork.market, "latest_quotes", refused)
    watched("c1", "AAPL")
    begun(clockwork)
    clockwork.beat()
    assert clockwork.delays() == [40]
    clockwork.seconds += 45
    assert price_feed.begin() is None


def test_one_symbol_the_broker_refuses_does_not_hold_up_the_others(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused batch is halved until the one is alone; what that costs makes the pause longer."""
    ask = clockwork.market.latest_quotes

    def picky(symbols: Any) -> dict[str, Any]:
        if "WRONG" in symbols:
            raise BrokerRejected(400, None, "invalid symbol: WRONG")
        return ask(symbols)

    monkeypatch.setattr(clockwork.market, "latest_quotes", picky)
    watched("c1", "AAPL", "IBM", "WRONG", "ZM")
    begun(clockwork)
    clockwork.beat()
    assert [row["symbol"] for row in clockwork.prices()] == ["AAPL", "IBM"]
    assert clockwork.delays() == [6]  # five requests for quotes, one for trades


def test_many_symbols_travel_in_several_messages_and_are_polled_less_often(clockwork: Clockwork) -> None:
    """A message stays within what SQS takes, and the feed within its share of the request budget."""
    symbols = [f"S{number:03}" for number in range(990)]
    clockwork.market.prices = dict.fromkeys(symbols, Decimal(10))
    for number in range(10):
        watched(f"c{number}", *symbols[number * 99 : number * 99 + 99])
    begun(clockwork)
    clockwork.beat()
    assert len(clockwork.queues.bodies(PUSH)) == 2
    assert [row["symbol"] for row in clockwork.prices()] == symbols
    assert clockwork.delays() == [10]


def test_a_connection_that_ended_is_not_polled_for(clockwork: Clockwork) -> None:
    """What a closed dashboard watched counts no more."""
    watched("c1", "AAPL")
    watched("c2", "IBM")
    begun(clockwork)
    forget_connection("c1")
    clockwork.beat()
    assert [row["symbol"] for row in clockwork.prices()] == ["IBM"]
