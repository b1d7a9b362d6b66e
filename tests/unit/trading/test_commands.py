"""Commands besides placing: all at once, forced out, and what becomes of one that cannot be carried out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest

from alpaquero.events import queues as sending
from alpaquero.events.commands import CancelOrder, CancelOrders, PlaceOrder, ResumeOrder
from alpaquero.events.schemas import TradeRejected
from alpaquero.orders.intent import Intent, OrderClass, OrderType, TimeInForce
from alpaquero.orders.order import LegRole
from alpaquero.risk.book import TradingState
from functions.risk import monitor
from functions.trading import execute
from tests.unit.orders.builders import an_exit, an_intent
from tests.unit.trading.world import World

D = Decimal
LIMIT = {"order_type": OrderType.LIMIT, "limit_price": D(120), "quantity": D(5)}


def all_cancelled(world: World, **which: Any) -> None:
    world.command(CancelOrders(requested_by="ana", correlation_id="c1", **which))
    world.sync()


def test_cancel_all_leaves_the_stops_of_positions(world: World) -> None:
    """What is held keeps its stop and target; an entry that waits is cancelled with its legs."""
    world.broker.prices["IBM"] = D(50)
    world.hold()
    world.place(an_intent(symbol="IBM", reference_price=D(50)))
    all_cancelled(world)
    assert {"IBM"} == {o.symbol for o in world.books.orders() if o.status == "canceled"}
    assert 2 == len(world.broker.open_orders(nested=False))
    assert {} == world.book.reservations


@pytest.mark.parametrize(("symbol", "left"), [("AAPL", 0), (None, 0), ("IBM", 2)])
def test_cancel_all_takes_the_stops_when_asked(world: World, symbol: str | None, left: int) -> None:
    """By symbol or everything; the log says who."""
    world.hold()
    all_cancelled(world, symbol=symbol, protection=True)
    assert left == len(world.broker.open_orders(nested=False))
    if not left:
        assert "ana cancelled it" in {event.why for event in world.leg(LegRole.STOP_LOSS).history}


def test_an_order_by_hand_brings_its_own_stop_and_target(world: World) -> None:
    """What it lacks comes from the settings."""
    world.place(an_intent(quantity=D(5), stop_loss_price=D("95.001")))
    [placed] = world.broker.orders()
    assert ("bracket", D("95.01"), D(106)) == (
        placed.order_class,
        placed.legs[1].stop_price,
        placed.legs[0].limit_price,
    )


def test_an_order_for_dollars_reserves_them_and_is_simple(world: World) -> None:
    """No stop and no target go with it; a fraction is what it buys."""
    world.place(an_intent(notional=D(950), order_class=OrderClass.SIMPLE, time_in_force=TimeInForce.DAY))
    [placed] = world.broker.orders()
    assert ("", D(950), None, ()) == (placed.order_class, placed.notional, placed.quantity, placed.legs)
    [reservation] = world.book.reservations.values()
    assert D(950) == reservation.notional
    world.broker.step()
    world.sync()
    assert {} == world.book.reservations
    assert D("9.5") == world.book.held_quantity("AAPL")


def test_a_fraction_is_sold_by_a_day_order(world: World) -> None:
    """A gtc exit of a position with a fraction would be refused by the broker."""
    world.place(an_intent(notional=D(950), order_class=OrderClass.SIMPLE, time_in_force=TimeInForce.DAY))
    world.broker.step()
    world.sync()
    exit_order = world.begin_exit()
    assert ("accepted", TimeInForce.DAY, D("9.5")) == (
        exit_order.status, exit_order.time_in_force, exit_order.quantity,
    )  # fmt: skip


def test_a_part_of_a_position_is_sold_and_the_rest_gets_its_stop_back(world: World) -> None:
    """A percentage of whole shares is whole shares, and nothing stays bare."""
    entry = world.hold(quantity=D(11))
    world.place(an_exit(key="e" * 20, percentage=D(50)))
    world.broker.step()
    world.settle()
    assert D(6) == world.book.held_quantity("AAPL")
    [stop] = [o for o in world.broker.open_orders(nested=False) if o.stop_price]
    assert (D(6), entry.stop_loss_price) == (stop.quantity, stop.stop_price)


def test_a_forced_exit_takes_the_place_of_one_under_way(world: World) -> None:
    """An ordinary exit finds nothing free; a forced one cancels the other and sells once."""
    entry = world.hold()
    world.place(an_exit(key="e" * 20, **{**LIMIT, "quantity": None}))
    world.place(an_exit(key="f" * 20))
    assert ["nothing_to_sell"] == world.told(TradeRejected)[0].codes
    world.place(an_exit(key="g" * 20, forced=True))
    world.settle()
    world.broker.step()
    world.settle()
    assert [entry.quantity] == [fill.quantity for fill in world.broker.fills() if fill.side == "sell"]
    assert {} == world.book.positions
    assert [] == world.broker.open_orders(nested=False)
    assert [] == world.books.open_orders()


def oco(**changes: Any) -> Intent:
    """A target and a stop by hand, for five shares."""
    given = {"order_class": OrderClass.OCO, "order_type": OrderType.LIMIT, "quantity": D(5)}
    prices = {"take_profit_price": D(130), "stop_loss_price": D(90)}
    return an_exit(key="o" * 20, **{**given, **prices, **changes})


@pytest.mark.parametrize(
    "parked", [an_exit(key="e" * 20, **{**LIMIT, "quantity": None}), an_exit(key="e" * 20, **LIMIT), oco()]
)
def test_a_flatten_sells_what_a_parked_sale_holds(
    world: World, monkeypatch: pytest.MonkeyPatch, parked: Intent
) -> None:
    """Be it for all shares, for five of them, or a target with a stop: it may wait for its price for ever."""
    monkeypatch.setattr(monitor, "_clock", lambda: world.broker)
    monkeypatch.setattr(monitor, "_market_data", world.feed)
    entry = world.hold()
    world.place(parked)
    world.settle()
    asked = replace(world.book, trading_state=TradingState.REDUCING, flatten_since=world.broker.now)
    world.books.commit(risk_book=asked.next_version())
    for _ in range(2):  # the second minute finds it being sold
        monitor.handler({"job": "monitor"}, None)
        world.run_commands()
        world.settle()
    world.broker.step()
    world.settle()
    assert ({}, []) == (world.book.positions, world.broker.open_orders(nested=False))
    assert [entry.quantity] == [fill.quantity for fill in world.broker.fills() if fill.side == "sell"]


def test_a_halt_stops_a_forced_exit_too(world: World) -> None:
    """Halted means no order; the refusal says so."""
    world.hold()
    world.trading_is(TradingState.HALTED)
    world.place(an_exit(key="g" * 20, forced=True))
    [refused] = world.told(TradeRejected)
    assert "trading is HALTED, so no exit is placed" in refused.message


def test_an_oco_by_hand_holds_both_exits(world: World) -> None:
    """Its target is the order, its stop a leg; a crash after it was sent cancels neither."""
    world.hold(quantity=D(5))
    intent = an_exit(
        key="o" * 20, order_class=OrderClass.OCO, order_type=OrderType.LIMIT,
        take_profit_price=D(130), stop_loss_price=D(90),
    )  # fmt: skip
    world.broker.fail_next("submit", "unclear-after-effect")
    world.place(intent)
    world.settle()
    [oco] = world.broker.open_orders()
    assert ("oco", D(130), D(90), intent.client_order_id) == (
        oco.order_class, oco.limit_price, oco.legs[0].stop_price, oco.client_order_id,
    )  # fmt: skip
    assert oco.status == world.order(intent.client_order_id).status


# what cannot be carried out


def received(world: World, times: int) -> dict[str, Any]:
    """Delivers the waiting commands as SQS does the n-th time."""
    records = world.queues.receive("order-queue")
    for record in records:
        record["attributes"] = {"ApproximateReceiveCount": str(times)}
        record["receiptHandle"] = "r1"
    return execute.handler({"Records": records}, None)


def test_a_message_that_nobody_understands_is_told_and_dropped(world: World) -> None:
    """It would be as poor the fifth time, and everything behind it would wait."""
    sending.send_in_order("order-queue", {"type": "Nonsense"}, group="paper", deduplication_id="1")
    sending.send_in_order("order-queue", PlaceOrder(intent=an_intent()), group="paper", deduplication_id="2")
    assert [] == world.run_commands()["batchItemFailures"]
    [told] = world.told(TradeRejected)
    assert ["command_failed"] == told.codes
    assert 1 == len(world.broker.orders())


def test_a_command_about_no_order_is_told_and_dropped(world: World) -> None:
    """There is nothing to go on with, now or later."""
    answer = world.command(ResumeOrder(client_order_id="nobody", correlation_id="c1"))
    assert [] == answer["batchItemFailures"]
    assert "ResumeOrder was not carried out" in world.told(TradeRejected)[0].message


@pytest.mark.parametrize("times", [1, 2, 3])
def test_before_the_decision_a_command_comes_again_soon(world: World, times: int) -> None:
    """Nothing can pass it while the broker does not answer; in seconds, not after the queue's own pause."""
    world.broker.fail_next("clock", "unavailable")
    sending.send_in_order("order-queue", PlaceOrder(intent=an_intent()), group="g", deduplication_id="1")
    assert 1 == len(received(world, times)["batchItemFailures"])
    assert [("order-queue", "r1", 15)] == world.queues.delayed
    assert [] == world.told(TradeRejected)


@pytest.mark.parametrize(("times", "pause"), [(1, 2), (2, 4), (3, 8)])
def test_a_conflict_holds_up_the_queue_for_seconds(world: World, times: int, pause: int) -> None:
    """Whatever is behind it waits as long: a cancel of what may not have arrived is told after three more."""
    world.broker.fail_next("submit", "unclear-before-effect")
    world.place(an_intent())
    [order] = world.books.open_orders()
    cancel = CancelOrder(client_order_id=order.client_order_id, requested_by="ana", correlation_id="c1")
    sending.send_in_order("order-queue", cancel, group="g", deduplication_id="1")
    assert 1 == len(received(world, times)["batchItemFailures"])
    assert [("order-queue", "r1", pause)] == world.queues.delayed


def test_the_last_try_is_told_and_dropped(world: World) -> None:
    """An outage of minutes ends as a refusal that everyone sees, not in the dead letters."""
    world.broker.fail_next("clock", "unavailable")
    sending.send_in_order("order-queue", PlaceOrder(intent=an_intent()), group="g", deduplication_id="1")
    assert [] == received(world, 4)["batchItemFailures"]
    [told] = world.told(TradeRejected)
    assert (["command_failed"], "AAPL") == (told.codes, told.symbol)


@pytest.mark.parametrize("kind", [TypeError, InvalidOperation])
def test_errors_of_others_keep_their_text_out_of_the_event(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """Who knows what a library writes into it; the log has it. No other try would mend them."""

    def breaks(*_: object) -> None:
        raise kind("secret")

    monkeypatch.setattr(execute.Desk, "place", breaks)
    world.place(an_intent())
    [told] = world.told(TradeRejected)
    assert "secret" not in told.message
    assert kind.__name__ in told.message


def test_an_order_that_may_not_have_arrived_keeps_no_other_from_being_cancelled(world: World) -> None:
    """Cancelling everything is what one reaches for in trouble; the command comes again for the one left."""
    world.broker.prices["IBM"] = D(50)
    world.broker.fail_next("submit", "unclear-before-effect")
    world.place(an_intent())
    world.place(an_intent(symbol="IBM", reference_price=D(50)))
    answer = world.command(CancelOrders(requested_by="ana", correlation_id="c1"))
    assert 1 == len(answer["batchItemFailures"])
    assert [] == world.broker.open_orders()


def test_what_a_command_does_is_logged_under_its_correlation_id(
    world: World, log_lines: list[dict[str, Any]]
) -> None:
    """One id leads from who asked to the order that the broker got, by its client order id."""
    intent = an_intent(correlation_id="from-the-browser")
    world.place(intent)
    (line,) = [line for line in log_lines if line["message"] == "a command"]
    assert (line["correlation_id"], line["order"]) == ("from-the-browser", intent.client_order_id)
    assert [order.client_order_id for order in world.broker.orders()] == [intent.client_order_id]
    assert log_lines[-1]["correlation_id"] == "from-the-browser"
