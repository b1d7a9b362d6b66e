"""Replacing an open order: judged when it grows, done once, and harmless whatever is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero import wall
from alpaquero.events.commands import ReplaceOrder
from alpaquero.events.schemas import TradeRejected
from alpaquero.orders.intent import Intent, OrderClass, OrderType, TimeInForce
from alpaquero.orders.order import LegRole, Order
from alpaquero.orders.replacement import Change
from alpaquero.risk.book import TradingState
from tests.unit.orders.builders import an_intent
from tests.unit.trading.world import World

D = Decimal


def a_limit_order(**changes: Any) -> Intent:
    """A simple limit purchase of ten AAPL at 90 dollars."""
    given = {
        "quantity": D(10),
        "order_class": OrderClass.SIMPLE,
        "order_type": OrderType.LIMIT,
        "limit_price": D(90),
        "time_in_force": TimeInForce.GTC,
    }
    return an_intent(**{**given, **changes})


def waiting(world: World, **changes: Any) -> Order:
    """Such an order, new at the broker."""
    intent = a_limit_order(**changes)
    world.place(intent)
    world.broker.step()
    world.sync()
    return world.order(intent.client_order_id)


def ask(world: World, order: Order, **change: Any) -> dict[str, Any]:
    return world.command(
        ReplaceOrder(
            client_order_id=order.client_order_id,
            change=Change(**change),
            requested_by="ana",
            correlation_id="c1",
        )
    )


def successor(world: World, order: Order, revision: int = 1) -> Order:
    return world.order(f"{order.client_order_id[:-1]}{revision}")


@pytest.mark.parametrize("quantity", [D(5), D(20)])
def test_a_change_that_waited_too_long_is_refused(world: World, quantity: Decimal) -> None:
    """Whether the order would grow or shrink: its price was meant for the market of then."""
    order = waiting(world)
    world.command(
        ReplaceOrder(
            client_order_id=order.client_order_id,
            change=Change(quantity=quantity),
            requested_by="ana",
            correlation_id="c1",
            asked_at=wall.now() - timedelta(minutes=16),
        )
    )
    [refused] = world.told(TradeRejected)
    assert ["request_age"] == refused.codes
    assert D(10) == world.order(order.client_order_id).quantity


def test_a_replacement_takes_the_place_of_its_order(world: World) -> None:
    """The next revision is at the broker, the old one says what replaced it, the reservation moves."""
    old = waiting(world)
    ask(world, old, quantity=D(20), limit_price=D("95.019"))
    world.sync()
    new, old = successor(world, old), world.order(old.client_order_id)
    assert ("new", D(20), D("95.01"), old.client_order_id) == (
        new.status, new.quantity, new.limit_price, new.replaces,
    )  # fmt: skip
    assert ("replaced", new.broker_order_id) == (old.status, old.replaced_by)
    assert [new.client_order_id] == list(world.book.reservations)
    assert D("1900.20") == world.book.reservations[new.client_order_id].notional
    assert all(rule.passed for rule in new.verdict)
    assert ("ana", "ana changed it") == (new.requested_by, new.history[0].why)


def test_the_same_change_twice_is_one_replacement(world: World) -> None:
    """A repeat finds what the first one wrote; another change of the same order is refused and told."""
    old = waiting(world)
    ask(world, old, limit_price=D(91))
    ask(world, old, limit_price=D(91))
    ask(world, old, limit_price=D(92))
    assert ["replaced", "new"] == [o.status for o in world.broker.orders()]
    [refused] = world.told(TradeRejected)
    assert ("command_failed",) == tuple(refused.codes)
    assert "replaced by" in refused.message


def test_growth_past_a_limit_is_refused(world: World) -> None:
    """Risk judges the whole new order; the old one stays as it is."""
    old = waiting(world)
    ask(world, old, quantity=D(200))
    [refused] = world.told(TradeRejected)
    assert "position_limit" in refused.codes
    assert ["new"] == [o.status for o in world.broker.orders()]
    assert [old.client_order_id] == list(world.book.reservations)


@pytest.mark.parametrize(
    ("state", "change", "refused"),
    [
        (TradingState.HALTED, {"limit_price": D(80)}, True),
        (TradingState.REDUCING, {"limit_price": D(95)}, True),
        (TradingState.REDUCING, {"limit_price": D(80)}, False),
    ],
)
def test_the_trading_state_holds_for_replacements(
    world: World, state: TradingState, change: dict[str, Any], refused: bool
) -> None:
    """Halted nothing is placed; reducing, an entry may only shrink."""
    old = waiting(world)
    world.trading_is(state)
    ask(world, old, **change)
    assert (["trading_state"] if refused else []) == [c for e in world.told(TradeRejected) for c in e.codes]
    assert (1 if refused else 2) == len(world.broker.orders())


def test_a_refused_replacement_leaves_the_old_order_and_its_reservation(world: World) -> None:
    """The broker's answer is in the log, and the next try has an id of its own."""
    old = waiting(world)
    world.broker.fail_next("replace", "reject")
    ask(world, old, limit_price=D(95))
    assert ("rejected", "new") == (successor(world, old).status, world.broker.orders()[0].status)
    assert [old.client_order_id] == list(world.book.reservations)
    assert "the fake was told to refuse this" in successor(world, old).history[-1].why
    ask(world, old, limit_price=D(95))
    assert "new" == successor(world, old, 2).status


@pytest.mark.parametrize("failure", ["unclear-before-effect", "unclear-after-effect"])
def test_an_unclear_replacement_is_looked_up(
    world: World, failure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it arrived or not, sync finds out by its client order id, and one of the two is open."""
    old = waiting(world)
    world.broker.fail_next("replace", failure)
    ask(world, old, limit_price=D(95))
    assert "unknown" == successor(world, old).status
    world.empty_the_outbox()
    monkeypatch.setattr("alpaquero.wall.now", lambda: datetime.now(UTC) + timedelta(minutes=2))
    world.settle()
    arrived = failure == "unclear-after-effect"
    assert ("new" if arrived else "rejected") == successor(world, old).status
    assert ("replaced" if arrived else "new") == world.order(old.client_order_id).status
    assert 1 == len(world.book.reservations)


def test_a_replacement_that_a_crash_left_unsent_is_sent_by_a_resume(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker did not answer; sync hands it back a minute later."""
    old = waiting(world)
    world.broker.fail_next("replace", "unavailable")
    assert [] == ask(world, old, limit_price=D(95))["batchItemFailures"]
    assert "intended" == successor(world, old).status
    world.empty_the_outbox()
    monkeypatch.setattr("alpaquero.wall.now", lambda: datetime.now(UTC) + timedelta(minutes=2))
    world.settle()
    assert ("new", "replaced") == (successor(world, old).status, world.order(old.client_order_id).status)


@pytest.mark.parametrize(
    ("failure", "status"),
    [("unavailable", "intended"), ("unclear-after-effect", "unknown"), ("unclear-before-effect", "unknown")],
)
def test_a_replacement_of_an_order_that_did_not_arrive_holds_up_no_other(
    world: World, failure: Any, status: str
) -> None:
    """It goes on with the order, then the broker or we say no; the next command is carried out at once."""
    world.broker.prices["IBM"] = D(50)
    world.broker.fail_next("submit", failure)
    intent = a_limit_order()
    world.place(intent)
    old = world.order(intent.client_order_id)
    assert status == old.status
    assert [] == ask(world, old, limit_price=D(91))["batchItemFailures"]
    if failure == "unclear-before-effect":
        [refused] = world.told(TradeRejected)
        assert "not known yet" in refused.message
        assert status == world.order(old.client_order_id).status
    else:
        assert "accepted" == world.order(old.client_order_id).status
        assert '422 42210000 order is in "accepted" state' in successor(world, old).history[-1].answer
    world.place(an_intent(symbol="IBM", reference_price=D(50)))
    assert "IBM" in {order.symbol for order in world.broker.open_orders()}


def test_an_order_that_arrived_unheard_is_replaced(world: World) -> None:
    """The look-up by its client order id finds it, and the change goes through in the same command."""
    world.broker.fail_next("submit", "unclear-after-effect")
    intent = a_limit_order()
    world.place(intent)
    world.broker.step()
    old = world.order(intent.client_order_id)
    ask(world, old, limit_price=D(91))
    assert ("unknown", "new", D(91)) == (
        old.status, successor(world, old).status, successor(world, old).limit_price,
    )  # fmt: skip


def test_the_price_of_a_stop_leg_can_be_moved(world: World) -> None:
    """A leg's id is the broker's, so its successor's is made of it; a position keeps its stop."""
    world.hold()
    leg = world.leg(LegRole.STOP_LOSS)
    ask(world, leg, stop_price=D("98.001"))
    world.sync()
    [new] = [o for o in world.books.orders() if o.replaces == leg.client_order_id]
    assert (D("98.01"), LegRole.STOP_LOSS, False) == (new.stop_price, new.role, new.broker_order_id is None)
    ask(world, leg, quantity=D(1))
    assert ["command_failed"] == world.told(TradeRejected)[-1].codes
