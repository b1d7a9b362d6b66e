"""An intent becomes one order, with its verdict and reservation, or none at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.broker.protocol import BrokerAsset
from alpaquero.broker.requests import request_of
from alpaquero.errors import Conflict
from alpaquero.events import queues as sending
from alpaquero.events.commands import PlaceOrder
from alpaquero.events.schemas import OrderSubmitted, OrderUpdated, TradeRejected
from alpaquero.orders.intent import Intent
from alpaquero.orders.lifecycle import intended
from alpaquero.orders.order import Order
from alpaquero.risk.book import TradingState
from alpaquero.risk.limits import RiskLimits
from alpaquero.risk.rules import assess, reservation_for
from alpaquero.store import risk_facts
from alpaquero.store.books import Books
from tests.fakes.broker import FakeBroker
from tests.unit.orders.builders import an_intent
from tests.unit.trading.world import World

BUY = an_intent()


def written(world: World, intent: Intent = BUY) -> Order:
    """The intent as a crash leaves it: written with its reservation, never sent."""
    book = world.book
    limits, now = RiskLimits(), world.broker.now
    facts = risk_facts.gather(
        intent, limits, now, books=world.books, calendar=world.broker, prices=world.feed
    )
    verdict = assess(intent, book, limits, facts)
    order = intended(intent, verdict, at=world.broker.now, wall_at=datetime.now(UTC) - timedelta(minutes=5))
    reserved = book.with_order(order.client_order_id, reservation_for(intent, verdict), now)
    world.books.commit(new_orders=[order], risk_book=reserved.next_version())
    return order


def _counted(monkeypatch: pytest.MonkeyPatch, *methods: tuple[type, str]) -> dict[str, int]:
    """How often each method is called from now on, by name."""
    calls = {name: 0 for _, name in methods}

    def counting(kind: type, name: str) -> None:
        real = getattr(kind, name)

        def call(*args: Any) -> Any:
            calls[name] += 1
            return real(*args)

        monkeypatch.setattr(kind, name, call)

    for kind, name in methods:
        counting(kind, name)
    return calls


def test_a_buy_becomes_one_bracket_with_stop_and_target(world: World) -> None:
    """Sized by risk, 3% below and 6% above the price it was judged at."""
    assert {"batchItemFailures": []} == world.place(BUY)
    [placed] = world.broker.orders()
    order = world.order(BUY.client_order_id)
    assert ("bracket", "gtc", "market") == (placed.order_class, placed.time_in_force, placed.order_type)
    assert (Decimal(97), Decimal(106)) == (placed.legs[1].stop_price, placed.legs[0].limit_price)
    assert (placed.id, "accepted", placed.quantity) == (order.broker_order_id, order.status, order.quantity)
    assert [BUY.client_order_id] == [event.client_order_id for event in world.told(OrderSubmitted)]
    assert 1 == len(world.queues.bodies("sync-queue"))


def test_verdict_and_reservation_are_stored_with_the_intent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction writes the order with its verdict and the risk book that reserves for it."""
    commits: list[dict[str, Any]] = []
    commit = Books.commit

    def noted(self: Books, **what: Any) -> None:
        commits.append(what)
        commit(self, **what)

    monkeypatch.setattr(Books, "commit", noted)
    world.place(BUY)
    [order], book = commits[0]["new_orders"], commits[0]["risk_book"]
    assert "intended" == order.status
    assert all(rule.passed for rule in order.verdict)
    assert order.verdict
    assert order.quantity == book.reservations[BUY.client_order_id].quantity
    assert Decimal(102) * order.quantity == book.reservations[BUY.client_order_id].notional


def test_the_same_command_twice_is_one_order(world: World) -> None:
    """A repeat finds the order that the first one wrote."""
    world.place(BUY)
    before = world.everything()
    world.place(BUY)
    assert before == world.everything()
    assert 1 == len(world.broker.orders())


def test_an_intent_that_a_crash_left_unsent_is_sent_once(world: World) -> None:
    """Sync hands it back after a minute; the command and the resume together make one order."""
    order = written(world)
    world.sync()
    assert [order.client_order_id] == [body["client_order_id"] for body in world.queues.bodies("order-queue")]
    world.run_commands()
    world.place(BUY)
    world.resume(order)
    assert [order.client_order_id] == [placed.client_order_id for placed in world.broker.orders()]
    assert "accepted" == world.order(order.client_order_id).status


def test_an_intent_written_just_now_is_left_to_its_own_command(world: World) -> None:
    """Sync does not hurry execute, which may be about to send it."""
    order = written(world)
    young = replace(order, wall_created_at=datetime.now(UTC), version=2)
    world.books.commit(changed_orders=[young])
    world.sync()
    assert [] == world.queues.bodies("order-queue")


def test_a_crash_after_the_submit_does_not_submit_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repeat sends the same client order id, and the broker answers the order it has."""
    commit = Books.commit

    def dies(self: Books, **what: Any) -> None:
        if what.get("changed_orders"):
            raise RuntimeError("the function was killed")
        commit(self, **what)

    monkeypatch.setattr(Books, "commit", dies)
    assert 1 == len(world.place(BUY)["batchItemFailures"])
    monkeypatch.undo()
    monkeypatch.setattr("functions.trading.execute._broker", lambda: world.broker)
    monkeypatch.setattr("alpaquero.events.queues._client", lambda: world.queues)
    world.place(BUY)
    assert ("accepted", 1) == (world.order(BUY.client_order_id).status, len(world.broker.orders()))


@pytest.mark.parametrize("failure", ["unclear-before-effect", "unclear-after-effect"])
def test_an_unclear_submit_is_unknown_and_keeps_its_reservation(world: World, failure: Any) -> None:
    """Neither rejected nor sent again: sync looks it up."""
    world.broker.fail_next("submit", failure)
    world.place(BUY)
    world.place(BUY)
    order = world.order(BUY.client_order_id)
    assert "unknown" == order.status
    assert BUY.client_order_id in world.book.reservations
    assert (1 if failure == "unclear-after-effect" else 0) == len(world.broker.orders())


def test_a_refused_order_is_rejected_and_gives_its_reservation_back(world: World) -> None:
    """The broker's answer is kept with the order, and the cash is free again."""
    world.broker.fail_next("submit", "reject")
    world.place(BUY)
    order = world.order(BUY.client_order_id)
    assert ("rejected", {}) == (order.status, world.book.reservations)
    assert "the fake was told to refuse this" in order.history[-1].why
    assert ["rejected"] == [event.status for event in world.told(OrderUpdated)]


def test_an_order_waits_for_a_broker_that_does_not_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent and nobody behind it waits: it stays intended until sync hands it back."""
    world.broker.fail_next("submit", "unavailable")
    assert [] == world.place(BUY)["batchItemFailures"]
    assert "intended" == world.order(BUY.client_order_id).status
    monkeypatch.setattr("alpaquero.wall.now", lambda: datetime.now(UTC) + timedelta(minutes=2))
    world.settle()
    assert ("accepted", 1) == (world.order(BUY.client_order_id).status, len(world.broker.orders()))


def test_a_refusal_is_told_and_writes_no_order(world: World) -> None:
    """Risk names every rule that failed; the books keep no trace of an order."""
    world.trading_is(TradingState.HALTED)
    before = world.everything()
    world.place(an_intent(quantity=Decimal(5000)))
    [event] = world.told(TradeRejected)
    assert {"trading_state", "position_limit"} <= set(event.codes)
    assert before == world.everything()
    assert [] == world.broker.orders()


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_an_entry_is_not_sent_when_trading_stopped_after_it_was_written(
    world: World, state: TradingState
) -> None:
    """HALTED places nothing and REDUCING no entry, also when the verdict is older; the cash is free."""
    order = written(world)
    world.trading_is(state)
    world.resume(order)
    assert ("canceled", {}, []) == (
        world.order(order.client_order_id).status,
        world.book.reservations,
        world.broker.orders(),
    )


def test_an_order_leaves_right_after_its_verdict_without_a_second_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction that wrote it held the trading state: neither state nor clock are read once more."""
    calls = _counted(monkeypatch, (Books, "risk_book"), (FakeBroker, "clock"))
    world.place(BUY)
    assert ["accepted"] == [order.status for order in world.broker.orders()]
    assert {"risk_book": 0, "clock": 1} == calls


def test_an_order_that_was_long_in_being_written_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A halt while the transaction took its time is seen before anything is sent."""
    commit, began = Books.commit, datetime.now(UTC)

    def slow(self: Books, **what: Any) -> None:
        commit(self, **what)
        if what.get("new_orders"):
            commit(self, risk_book=replace(world.book, trading_state=TradingState.HALTED).next_version())
            monkeypatch.setattr("alpaquero.wall.now", lambda: began + timedelta(seconds=30))

    monkeypatch.setattr(Books, "commit", slow)
    world.place(BUY)
    assert ("canceled", []) == (world.order(BUY.client_order_id).status, world.broker.orders())


def test_an_order_sent_before_a_crash_is_not_called_unsent_when_trading_halts(world: World) -> None:
    """What the broker has is taken over, so that nobody believes a live order away."""
    order = written(world)
    world.broker.submit(request_of(order))
    world.trading_is(TradingState.HALTED)
    world.resume(order)
    assert "accepted" == world.order(order.client_order_id).status
    assert order.client_order_id in world.book.reservations


def test_an_order_is_not_sent_after_its_validity(world: World) -> None:
    """A signal that is too old ends as expired, and its cash is free again."""
    order = written(world, an_intent(valid_until=world.broker.now))
    world.broker.now += timedelta(seconds=1)
    world.resume(order)
    assert ("expired", {}, []) == (
        world.order(order.client_order_id).status,
        world.book.reservations,
        world.broker.orders(),
    )


@pytest.mark.parametrize(
    ("minutes", "price", "status"),
    [(10, 130, "accepted"), (30, 101, "accepted"), (30, 104, "expired"), (30, 94, "expired")],
)
def test_a_signals_order_that_waited_for_the_broker_is_judged_again(
    world: World, monkeypatch: pytest.MonkeyPatch, minutes: int, price: int, status: str
) -> None:
    """It is good for days, its price is not: at 104 it is past its limit, at 94 far from what was judged."""
    order = written(world, an_intent(valid_until=world.broker.now + timedelta(days=3)))
    world.broker.prices["AAPL"] = Decimal(price)
    monkeypatch.setattr("alpaquero.wall.now", lambda: order.wall_created_at + timedelta(minutes=minutes))
    world.resume(order)
    found = world.order(order.client_order_id)
    assert (status, status == "accepted") == (found.status, order.client_order_id in world.book.reservations)
    assert (status == "expired") == ("by now the rules say no" in found.history[-1].why)


def test_an_intent_is_judged_again_when_the_risk_book_moved(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A halt that comes between reading the book and writing to it refuses the order."""
    commit = Books.commit

    def halted_first(self: Books, **what: Any) -> None:
        if what.get("new_orders") and world.book.trading_state is TradingState.ACTIVE:
            halted = replace(world.book, trading_state=TradingState.HALTED).next_version()
            commit(self, risk_book=halted)
        commit(self, **what)

    monkeypatch.setattr(Books, "commit", halted_first)
    world.place(BUY)
    assert (None, []) == (world.books.order(BUY.client_order_id), world.broker.orders())
    assert [["trading_state"]] == [event.codes for event in world.told(TradeRejected)]


def test_a_risk_book_that_never_rests_fails_the_command(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few conflicts the record goes back to its queue, and nothing was sent."""

    def moved(self: Books, **what: Any) -> None:
        raise Conflict("someone wrote first")

    monkeypatch.setattr(Books, "commit", moved)
    assert 1 == len(world.place(BUY)["batchItemFailures"])
    assert [] == world.broker.orders()


def test_the_first_sync_must_have_opened_the_books(
    tables: None, queues: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a risk book nothing is judged; the command waits on its queue."""
    world = World(queues)
    monkeypatch.setattr("functions.trading.execute._broker", lambda: world.broker)
    assert 1 == len(world.place(BUY)["batchItemFailures"])


def test_a_persons_market_order_is_judged_at_the_last_trade(world: World) -> None:
    """Nobody gives a price with it, so execute asks for one."""
    intent = an_intent(reference_price=None, quantity=Decimal(5))
    world.market_data.prices = {"AAPL": Decimal(200)}
    world.place(intent)
    order = world.order(intent.client_order_id)
    assert (Decimal(5), Decimal(194)) == (order.quantity, order.stop_loss_price)


def test_a_market_order_without_any_price_is_refused(world: World) -> None:
    """No trade on the tape, no verdict to rest on."""
    world.place(an_intent(symbol="MSFT", reference_price=None, quantity=Decimal(5)))
    [event] = world.told(TradeRejected)
    assert {"price_known", "data_freshness"} <= set(event.codes)


# cancelling


def test_a_cancel_reaches_the_broker_and_sync_records_it(world: World) -> None:
    """The cancel of a waiting bracket ends its legs too, and the reservation comes back."""
    world.place(BUY)
    world.sync()
    world.cancel(world.order(BUY.client_order_id))
    world.sync()
    assert {"canceled"} == {order.status for order in world.books.orders()}
    assert 3 == len(world.books.orders())
    assert {} == world.book.reservations


def test_an_unsent_order_is_cancelled_in_the_books(world: World) -> None:
    """The broker never hears of it, also not later."""
    order = written(world)
    world.cancel(order)
    world.resume(order)
    assert ("canceled", {}) == (world.order(order.client_order_id).status, world.book.reservations)
    assert [] == world.broker.orders()


def test_an_order_of_unknown_outcome_is_cancelled_where_it_arrived(world: World) -> None:
    """The broker is asked for it by client order id; a cancel is not lost for want of a broker id."""
    world.broker.fail_next("submit", "unclear-after-effect")
    world.place(BUY)
    world.cancel(world.order(BUY.client_order_id))
    assert "canceled" == world.broker.orders()[0].status


def test_a_cancel_of_an_order_that_may_still_arrive_comes_again(world: World) -> None:
    """Until someone knows, the command stays on its queue."""
    world.broker.fail_next("submit", "unclear-before-effect")
    world.place(BUY)
    assert 1 == len(world.cancel(world.order(BUY.client_order_id))["batchItemFailures"])


def test_commands_behind_a_failed_one_wait_for_it(world: World) -> None:
    """Order is kept: everything behind the first failure goes back to the queue."""
    for number, key in enumerate(("a" * 20, "b" * 20)):
        sending.send_in_order(
            "order-queue", PlaceOrder(intent=an_intent(key=key)), group="g", deduplication_id=str(number)
        )
    world.broker.fail_next("clock", "unavailable")
    assert [{"itemIdentifier": "0"}, {"itemIdentifier": "1"}] == world.run_commands()["batchItemFailures"]
    assert [] == world.broker.orders()


def test_what_the_broker_does_not_list_is_refused_before_it_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal names the rule; no order is written and none is sent."""
    monkeypatch.setattr(risk_facts, "_assets", {})
    calls = _counted(monkeypatch, (FakeBroker, "submit"))
    world.broker.assets["AAPL"] = BrokerAsset("AAPL", tradable=False, fractionable=True, shortable=True)
    world.place(BUY)
    assert calls == {"submit": 0}
    assert world.books.orders() == []
    (refusal,) = world.told(TradeRejected)
    assert refusal.codes == ["tradable"]
    assert "does not let AAPL be traded" in refusal.message


def test_an_order_keeps_what_the_market_stood_at_when_it_was_judged(world: World) -> None:
    """The middle of the quote, by which its fills are measured later."""
    world.place(BUY)
    assert Decimal(100) == world.order(BUY.client_order_id).arrival_price
