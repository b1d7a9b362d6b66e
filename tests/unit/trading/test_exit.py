"""An exit frees the shares, sells them once, and leaves none without a stop."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.events.commands import ReplaceOrder
from alpaquero.orders.lifecycle import BrokerUpdate
from alpaquero.orders.order import ExitStep, LegRole, Order, OrderPurpose
from alpaquero.orders.replacement import Change
from alpaquero.risk.book import TradingState
from alpaquero.risk.drawdown import missing_stops
from alpaquero.store.books import Books
from tests.fakes.broker import FakeBroker
from tests.unit.orders.builders import an_exit
from tests.unit.trading.world import World


def uncovered(world: World) -> list[str]:
    """The symbols that the monitor would call unprotected."""
    held = {symbol: position.quantity for symbol, position in world.book.positions.items()}
    return [stop.symbol for stop in missing_stops(held, world.books.open_orders())]


def stops_at(broker: FakeBroker) -> list[tuple[Decimal | None, Decimal | None]]:
    return [
        (order.stop_price, order.quantity)
        for order in broker.open_orders(nested=False)
        if order.order_type == "stop"
    ]


def test_an_exit_cancels_the_legs_and_sells_once(world: World) -> None:
    """Stop and target go, the whole position is sold under the exit's own id, and sync ends it."""
    entry = world.hold()
    exit_order = world.begin_exit()
    assert ("accepted", ExitStep.SELL) == (exit_order.status, exit_order.exit_step)
    world.settle()
    assert {"canceled"} == {world.leg(role).status for role in LegRole}
    world.broker.step()
    world.settle()
    done = world.order(exit_order.client_order_id)
    assert ("filled", ExitStep.DONE, entry.quantity) == (done.status, done.exit_step, done.filled_quantity)
    assert {} == world.book.positions
    assert {} == world.book.reservations
    assert [] == world.books.open_orders()
    assert ["buy", "sell"] == [fill.side for fill in world.broker.fills()]


def test_the_same_exit_twice_sells_once(world: World) -> None:
    """Neither the repeated command nor a resume in flight makes a second sale."""
    entry = world.hold()
    exit_order = world.begin_exit()
    world.begin_exit()
    world.resume(exit_order)
    world.broker.step()
    world.resume(exit_order)
    world.settle()
    assert [entry.quantity] == [fill.quantity for fill in world.broker.fills() if fill.side == "sell"]


def test_a_sale_that_filled_before_its_answer_was_written_is_no_cancelled_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the sale was accepted and resumed once it had filled, the exit is filled."""
    entry = world.hold()

    def dies(*_: object) -> BrokerUpdate:
        raise RuntimeError("the function was killed")

    with monkeypatch.context() as killed:
        killed.setattr("functions.trading.execute.update_of", dies)
        exit_order = world.begin_exit()
    world.broker.step()
    world.resume(exit_order)
    done = world.order(exit_order.client_order_id)
    assert ("filled", ExitStep.DONE, entry.quantity) == (done.status, done.exit_step, done.filled_quantity)
    world.settle()
    assert {} == world.book.reservations


@pytest.mark.parametrize("survived", range(6))
def test_an_exit_ends_whatever_write_it_dies_after(
    world: World, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """Killed after any of its writes, it is taken up from the books: sold once, flat, nothing open."""
    entry = world.hold()
    commit = Books.commit
    written: list[dict[str, Any]] = []

    def dies(self: Books, **what: Any) -> None:
        if len(written) == survived:
            raise RuntimeError("the function was killed")
        written.append(what)
        commit(self, **what)

    with monkeypatch.context() as killed:
        killed.setattr(Books, "commit", dies)
        world.place(an_exit(key="e" * 20))
    if survived == 0:
        world.begin_exit()
    world.settle()
    world.broker.step()
    world.settle()
    assert [entry.quantity] == [fill.quantity for fill in world.broker.fills() if fill.side == "sell"]
    assert [] == world.books.open_orders()


def test_a_sale_that_the_broker_could_not_be_reached_for_is_sent_later(world: World) -> None:
    """An exit stored at its sale and not sent is handed back by sync, not forgotten."""
    world.hold()
    world.broker.fail_next("submit", "unavailable")
    exit_order = world.begin_exit()
    assert ("intended", ExitStep.SELL) == (exit_order.status, exit_order.exit_step)
    world.settle()
    assert "accepted" == world.order(exit_order.client_order_id).status


def test_a_rejected_sale_puts_the_stop_back(world: World) -> None:
    """The shares are under the stop they had, for as many as are held; the monitor finds them covered."""
    entry = world.hold()
    world.broker.fail_next("submit", "reject")
    exit_order = world.begin_exit()
    assert "rejected" == exit_order.status
    world.settle()
    assert [(Decimal(97), entry.quantity)] == stops_at(world.broker)
    [stop] = [o for o in world.books.orders() if o.purpose is OrderPurpose.PROTECTION]
    assert ("accepted", "prot") == (stop.status, stop.client_order_id.split("-")[1])
    assert ExitStep.DONE == world.order(exit_order.client_order_id).exit_step
    world.sync()
    assert [] == uncovered(world)
    assert {} == world.book.reservations


def test_the_stop_goes_back_where_it_was_last_and_no_history_is_read_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone had moved it up to 99; years of orders are not looked through for that."""

    def too_much(self: Books) -> list[Order]:
        raise AssertionError("every order ever was read")

    entry = world.hold()
    moved = ReplaceOrder(
        client_order_id=world.leg(LegRole.STOP_LOSS).client_order_id,
        change=Change(stop_price=Decimal(99)),
        requested_by="ana",
        correlation_id="",
    )
    world.command(moved)
    world.sync()
    monkeypatch.setattr(Books, "orders", too_much)
    world.broker.fail_next("submit", "reject")
    exit_order = world.begin_exit()
    world.settle()
    assert [(Decimal(99), entry.quantity)] == stops_at(world.broker)
    assert Decimal(99) == world.order(exit_order.client_order_id).stop_taken


def test_shares_without_a_stop_go_under_the_one_their_entry_brought(world: World) -> None:
    """The exit found none to remember, for someone had cancelled it."""
    entry = world.hold(stop_loss_price=Decimal("95.50"))
    world.cancel(world.leg(LegRole.STOP_LOSS))
    world.sync()
    world.broker.fail_next("submit", "reject")
    world.begin_exit()
    world.settle()
    assert [(Decimal("95.50"), entry.quantity)] == stops_at(world.broker)


def test_a_stop_that_is_refused_is_tried_again(world: World) -> None:
    """Under the next revision, a minute later, until the shares are covered."""
    entry = world.hold()
    for _ in range(3):
        world.broker.fail_next("submit", "reject")
    world.begin_exit()
    world.settle()
    tried = [o.status for o in world.books.orders() if o.purpose is OrderPurpose.PROTECTION]
    assert ["rejected", "rejected", "accepted"] == tried
    assert [(Decimal(97), entry.quantity)] == stops_at(world.broker)


def test_an_exit_ends_when_a_leg_was_faster(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop fills while it is being cancelled: nothing is left, so nothing is sold."""
    world.hold()
    stop = world.leg(LegRole.STOP_LOSS)

    def too_late(broker_order_id: str) -> None:
        if broker_order_id == stop.broker_order_id:
            world.broker.fill(broker_order_id, price=Decimal(97))

    monkeypatch.setattr(world.broker, "cancel", too_late)
    exit_order = world.begin_exit()
    assert ("canceled", ExitStep.DONE) == (exit_order.status, exit_order.exit_step)
    world.settle()
    assert [stop.broker_order_id] == [f.order_id for f in world.broker.fills() if f.side == "sell"]
    assert ({}, {}, []) == (world.book.positions, world.book.reservations, world.books.open_orders())


def test_an_exit_sells_what_a_leg_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop sold 40 of the shares before it was cancelled; the rest is sold, not the whole again."""
    entry = world.hold()
    stop = world.leg(LegRole.STOP_LOSS)
    cancel = world.broker.cancel

    def partly_filled_first(broker_order_id: str) -> None:
        if (
            world.broker.order(broker_order_id).filled_quantity == 0
            and broker_order_id == stop.broker_order_id
        ):
            world.broker.fill(broker_order_id, Decimal(40), Decimal(97))
        cancel(broker_order_id)

    monkeypatch.setattr(world.broker, "cancel", partly_filled_first)
    monkeypatch.setattr("tests.fakes.broker.FakeBroker._hangs_together", lambda self, order_id: [order_id])
    exit_order = world.begin_exit()
    assert entry.quantity is not None
    assert entry.quantity - 40 == world.order(exit_order.client_order_id).quantity
    world.broker.step()
    world.settle()
    assert {} == world.book.positions


def test_an_exit_that_waits_for_its_cancels_goes_on_at_the_next_sync(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that takes its time to cancel is asked again; nothing is sold before."""
    world.hold()
    with monkeypatch.context() as slow:
        slow.setattr(world.broker, "cancel", lambda broker_order_id: None)
        exit_order = world.begin_exit()
        assert ("intended", ExitStep.CONFIRM) == (exit_order.status, exit_order.exit_step)
    world.sync()
    world.run_commands()
    assert "accepted" == world.order(exit_order.client_order_id).status


def test_part_of_a_position_is_sold_and_the_rest_keeps_a_stop(world: World) -> None:
    """A person sells 10 shares of many: 10 are sold, and the others are under a stop again."""
    entry = world.hold()
    world.begin_exit(quantity=Decimal(10))
    world.broker.step()
    world.settle()
    assert entry.quantity is not None
    left = entry.quantity - 10
    assert [Decimal(10)] == [fill.quantity for fill in world.broker.fills() if fill.side == "sell"]
    assert [(Decimal(97), left)] == stops_at(world.broker)
    world.sync()
    assert [] == uncovered(world)


def test_an_unclear_sale_is_looked_up(world: World) -> None:
    """The sale may have arrived: it is found by its id, and there is no second one."""
    world.hold()
    world.broker.fail_next("submit", "unclear-after-effect")
    exit_order = world.begin_exit()
    assert "accepted" == exit_order.status
    world.broker.step()
    world.settle()
    assert 1 == sum(fill.side == "sell" for fill in world.broker.fills())
    assert ExitStep.DONE == world.order(exit_order.client_order_id).exit_step


def test_an_exit_leaves_the_legs_alone_when_trading_is_halted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halted after its verdict and before its first step, it ends, and the stop is still there."""
    entry = world.hold()
    with monkeypatch.context() as early:
        early.setattr("functions.trading.execute.Desk._go_on", lambda self, order: None)
        exit_order = world.begin_exit()
    world.trading_is(TradingState.HALTED)
    world.resume(exit_order)
    world.settle()
    assert ("canceled", ExitStep.DONE) == (
        world.order(exit_order.client_order_id).status,
        world.order(exit_order.client_order_id).exit_step,
    )
    assert [(Decimal(97), entry.quantity)] == stops_at(world.broker)
    assert {} == world.book.reservations


def test_an_exit_that_is_no_longer_valid_leaves_the_legs_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old sell signal ends as expired before anything is cancelled."""
    entry = world.hold()
    with monkeypatch.context() as early:
        early.setattr("functions.trading.execute.Desk._go_on", lambda self, order: None)
        exit_order = world.begin_exit(valid_until=world.broker.now)
    world.broker.now += timedelta(seconds=1)
    world.resume(exit_order)
    assert "expired" == world.order(exit_order.client_order_id).status
    assert [(Decimal(97), entry.quantity)] == stops_at(world.broker)


def test_no_order_is_placed_while_halted_and_the_stop_returns_after(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halted between cancel and sale: no sale and no stop, the monitor says so; later the stop returns."""
    entry = world.hold()
    cancel = world.broker.cancel

    def halts(broker_order_id: str) -> None:
        cancel(broker_order_id)
        if world.book.trading_state is TradingState.ACTIVE:
            world.trading_is(TradingState.HALTED)

    monkeypatch.setattr(world.broker, "cancel", halts)
    exit_order = world.begin_exit()
    before = len(world.broker.orders())
    for _ in range(3):
        world.queues.seen.clear()
        world.sync()
        world.run_commands()
    assert before == len(world.broker.orders())
    assert ("canceled", ["AAPL"]) == (world.order(exit_order.client_order_id).status, uncovered(world))
    monkeypatch.setattr(world.broker, "cancel", cancel)
    world.trading_is(TradingState.ACTIVE)
    world.settle()
    assert [(Decimal(97), entry.quantity)] == stops_at(world.broker)


def test_a_step_is_decided_again_when_someone_wrote_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sale is never sent in a quantity or at a step that the books did not take."""
    entry = world.hold()
    commit = Books.commit
    disturbed: list[Any] = []

    def disturb(self: Books, **what: Any) -> None:
        changed = what.get("changed_orders")
        if changed and not disturbed and changed[0].exit_step is ExitStep.SELL:
            disturbed.append(changed)
            before = world.order(changed[0].client_order_id)
            commit(self, changed_orders=[replace(before, reason="touched", version=before.version + 1)])
        commit(self, **what)

    monkeypatch.setattr(Books, "commit", disturb)
    exit_order = world.begin_exit()
    assert ("accepted", "touched", ExitStep.SELL) == (
        exit_order.status,
        exit_order.reason,
        exit_order.exit_step,
    )
    assert [entry.quantity] == [o.quantity for o in world.broker.open_orders(nested=False)]


def test_an_exit_keeps_what_its_shares_stood_at_when_it_could_sell(world: World) -> None:
    """The position's own price, so no exit asks market data for it."""
    world.hold()
    world.broker.prices["AAPL"] = Decimal(103)
    assert Decimal(103) == world.begin_exit().arrival_price
