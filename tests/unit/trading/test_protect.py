"""Shares of ours that no stop covers get one; what the broker has now counts, not what the books say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero import wall
from alpaquero.broker.protocol import BrokerOrder, CorporateAction
from alpaquero.events.commands import ProtectPosition
from alpaquero.orders.identity import is_ours
from alpaquero.orders.intent import Intent, OrderType
from alpaquero.orders.lifecycle import is_live
from alpaquero.orders.order import LegRole, OrderOrigin, OrderPurpose
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.risk.book import TradingState
from alpaquero.risk.drawdown import missing_stops
from alpaquero.risk.limits import RiskLimits
from alpaquero.store import trading_settings
from alpaquero.store.trading_settings import TradingSettings
from functions.risk import monitor
from tests.unit.orders.builders import an_intent
from tests.unit.trading.world import World

BUY = an_intent()


def protect(world: World, intent: Intent = BUY) -> dict[str, Any]:
    """What the monitor sends for a bare holding that `intent` opened."""
    return world.command(
        ProtectPosition(symbol=intent.symbol, episode=intent.client_order_id, correlation_id="c-1")
    )


def stops(world: World) -> list[BrokerOrder]:
    """The open stops at the broker."""
    return [o for o in world.broker.open_orders(nested=False) if o.stop_price is not None]


def partly_filled(world: World, quantity: int = 40) -> None:
    """An entry of 98 shares of which `quantity` are filled; its legs wait for the rest."""
    world.place(BUY)
    [entry] = world.broker.open_orders()
    world.broker.fill(entry.id, Decimal(quantity))
    world.sync()


def test_a_partly_filled_entry_ends_and_its_shares_get_the_entrys_stop(world: World) -> None:
    """Its legs would wait for the rest, which may never come."""
    partly_filled(world)
    assert {"batchItemFailures": []} == protect(world)
    [stop] = stops(world)
    assert ("sell", Decimal(40), Decimal("97.00"), "gtc") == (
        stop.side, stop.quantity, stop.stop_price, stop.time_in_force,
    )  # fmt: skip
    world.settle()
    assert "canceled" == world.order(BUY.client_order_id).status
    record = world.order(stop.client_order_id)
    assert (OrderOrigin.PROTECT, OrderPurpose.PROTECTION, "c-1") == (
        record.origin, record.purpose, record.correlation_id,
    )  # fmt: skip
    assert is_ours(stop.client_order_id)


def test_the_monitor_protects_a_partly_filled_entry_within_one_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Monitor, queue and execute together: one tick after the sync that saw the fill."""
    monkeypatch.setattr(monitor, "_clock", lambda: world.broker)
    monkeypatch.setattr(monitor, "_market_data", world.feed)
    partly_filled(world)
    assert ["AAPL"] == monitor.handler({"job": "monitor"}, None)["protections"]
    world.run_commands()
    assert [Decimal(40)] == [stop.quantity for stop in stops(world)]
    world.settle()
    world.broker.step()
    world.sync()
    assert [] == monitor.handler({"job": "monitor"}, None)["protections"]


def test_a_repeat_places_no_second_stop(world: World) -> None:
    """The stop that is there covers the shares."""
    partly_filled(world)
    protect(world)
    protect(world)
    world.settle()
    protect(world)
    assert 1 == len(stops(world))


def test_shares_under_their_brackets_stop_are_left_alone(world: World) -> None:
    """The monitor's books may be a minute old; the broker's state decides."""
    world.place(BUY)
    world.broker.step()  # filled, and not synced yet
    before = world.broker.open_orders(nested=False)
    protect(world)
    assert before == world.broker.open_orders(nested=False)


def test_a_stop_that_was_lost_is_replaced(world: World) -> None:
    """Someone cancelled the bracket's legs: the entry's own stop price comes back."""
    world.hold()
    for leg in (LegRole.STOP_LOSS, LegRole.TAKE_PROFIT):
        identifier = world.leg(leg).broker_order_id
        assert identifier is not None
        world.broker.cancel(identifier)
    world.sync()
    protect(world)
    assert [(Decimal(98), Decimal("97.00"))] == [(s.quantity, s.stop_price) for s in stops(world)]


def lose_the_stop(world: World) -> None:
    """Someone cancels the bracket's legs."""
    for leg in (LegRole.STOP_LOSS, LegRole.TAKE_PROFIT):
        identifier = world.leg(leg).broker_order_id
        assert identifier is not None
        world.broker.cancel(identifier)


@pytest.mark.parametrize(
    ("new", "old", "stop"),
    [(1, 4, Decimal("388.00")), (2, 1, Decimal("48.50"))],
    ids=["one for four", "two for one"],
)
def test_a_stop_comes_back_in_the_shares_of_today(world: World, new: int, old: int, stop: Decimal) -> None:
    """A reverse split ends the legs at the broker; 97 dollars under shares of 400 would guard nothing."""
    world.hold(quantity=Decimal(80))
    world.broker.now += timedelta(hours=12)
    day = world.broker.now.astimezone(NEW_YORK).date()
    ratio = Decimal(new) / Decimal(old)
    world.market_data.actions.append(CorporateAction("c1", "reverse_split", "AAPL", day, ratio))
    lose_the_stop(world)
    world.broker.split("AAPL", new, old)
    world.sync()
    assert ({}, 80 * ratio) == (world.books.notes().drift, world.book.held_quantity("AAPL"))
    protect(world)
    assert [(80 * ratio, stop)] == [(s.quantity, s.stop_price) for s in stops(world)]


def test_a_stop_goes_by_the_settings_while_shares_moved_that_nobody_explained(world: World) -> None:
    """Three for one by no announcement: the broker's cost is of today, the price we kept is not."""
    world.hold(quantity=Decimal(80))
    lose_the_stop(world)
    world.broker.split("AAPL", 7, 11)  # no company splits so
    world.sync()
    assert ["AAPL"] == list(world.books.notes().drift)
    protect(world)
    cost = Decimal(100) * 11 / 7
    assert [round_price(cost * Decimal("0.97"), Direction.DOWN)] == [s.stop_price for s in stops(world)]


def test_the_stop_of_an_entry_that_waits_covers_nothing_that_is_held(world: World) -> None:
    """Its legs sleep at the broker until it is filled, and look like stops that work."""
    trading_settings.save(
        TradingSettings(risk=RiskLimits(one_position_per_symbol=False)),
        after_version=0,
        author="ana",
        reason="several",
        now=world.broker.now,
    )
    world.hold(quantity=Decimal(40))
    lose_the_stop(world)
    world.sync()
    world.place(
        an_intent(key="w" * 20, quantity=Decimal(50), order_type=OrderType.LIMIT, limit_price=Decimal(98))
    )
    world.sync()
    assert ["AAPL"] == [one.symbol for one in missing_stops({"AAPL": Decimal(40)}, world.books.open_orders())]
    protect(world)
    protect(world)
    assert [(Decimal(40), Decimal("97.00"))] == [
        (s.quantity, s.stop_price) for s in stops(world) if is_ours(s.client_order_id)
    ]


def test_a_refused_stop_is_tried_again_under_the_next_revision(world: World) -> None:
    """A broker takes an id once, so the second try has one of its own."""
    partly_filled(world)
    world.broker.fail_next("submit", "reject")
    protect(world)
    assert [] == stops(world)
    protect(world)
    tried = [o for o in world.books.orders() if o.origin is OrderOrigin.PROTECT]
    assert [("0", "rejected"), ("1", "accepted")] == [
        (o.client_order_id.rpartition("-")[2], o.status) for o in tried
    ]


def test_halted_places_no_stop_and_keeps_the_entry(world: World) -> None:
    """No order while halted: not even a cancel that would leave the shares as bare as before."""
    partly_filled(world)
    world.trading_is(TradingState.HALTED)
    protect(world)
    assert [] == [s for s in stops(world) if is_ours(s.client_order_id)]
    assert "partially_filled" == world.broker.orders()[0].status


def test_an_exit_under_way_looks_after_its_own_shares(world: World) -> None:
    """It puts a stop back itself if it fails."""
    world.hold()
    world.begin_exit()
    before = world.broker.open_orders(nested=False)
    protect(world)
    assert before == world.broker.open_orders(nested=False)


def test_nothing_held_needs_no_stop(world: World) -> None:
    """The shares were sold meanwhile."""
    protect(world)
    assert [] == world.broker.orders()


def test_shares_added_to_a_holding_get_a_stop_of_their_own(world: World) -> None:
    """The stop that is there covers the first ones alone."""
    partly_filled(world)
    protect(world)
    world.settle()
    world.broker.move_shares("AAPL", "10", "100")
    protect(world)
    assert [Decimal(10), Decimal(40)] == sorted(stop.quantity or Decimal(0) for stop in stops(world))


def test_a_stop_that_the_broker_keeps_refusing_is_tried_less_and_less(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try is an order in the books and a mail: sixty in an hour tell no more than seven."""
    partly_filled(world)
    began = datetime.now(UTC)
    for minute in range(60):
        later = began + timedelta(minutes=minute)
        monkeypatch.setattr(wall, "now", lambda later=later: later)
        world.broker.fail_next("submit", "reject")
        protect(world)
    tried = [o for o in world.books.orders() if o.origin is OrderOrigin.PROTECT]
    assert [0, 1, 2, 4, 8, 16, 32] == [(o.wall_created_at - began) // timedelta(minutes=1) for o in tried]


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"order_type": OrderType.LIMIT, "limit_price": Decimal(120)}, [(Decimal(88), Decimal("97.00"))]),
        (
            {"order_type": OrderType.STOP, "stop_price": Decimal(98)},
            [(Decimal(10), Decimal(98)), (Decimal(88), Decimal("97.00"))],
        ),
    ],
)
def test_what_an_exit_for_a_part_leaves_is_stopped_while_it_waits(
    world: World, terms: dict[str, Any], expected: list[tuple[Decimal, Decimal]]
) -> None:
    """It took the bracket's stop away for ten of the shares, and may wait at the broker for months."""
    entry = world.hold()
    exit_order = world.begin_exit(quantity=Decimal(10), **terms)
    world.sync()
    assert is_live(world.order(exit_order.client_order_id).status)
    held = {symbol: position.quantity for symbol, position in world.book.positions.items()}
    assert ["AAPL"] == [stop.symbol for stop in missing_stops(held, world.books.open_orders())]
    for _ in range(2):  # asked for twice it is placed once
        protect(world)
        world.sync()
    assert expected == [(o.quantity, o.stop_price) for o in stops(world)]
    assert [] == missing_stops(held, world.books.open_orders())
    assert entry.quantity == Decimal(98)


def test_an_exit_on_its_way_to_the_broker_gets_no_stop_in_its_way(world: World) -> None:
    """It needs all shares free, and puts the stop back itself when it fails."""
    world.hold()
    world.broker.fail_next("submit", "unclear-before-effect")
    world.begin_exit(quantity=Decimal(10))
    held = {symbol: position.quantity for symbol, position in world.book.positions.items()}
    assert [] == missing_stops(held, world.books.open_orders())
    protect(world)
    assert [] == stops(world)
