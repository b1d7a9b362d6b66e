"""Sync brings the books level with the broker, and a second sync finds nothing left to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from alpaquero import wall
from alpaquero.broker.protocol import BrokerAccount, BrokerFill, BrokerOrder
from alpaquero.errors import ConfigurationError, Conflict, OrderNotFound
from alpaquero.events.schemas import (
    BooksDrifted,
    EquityMarked,
    Event,
    OrderFilled,
    OrderSubmitted,
    TradeRejected,
    TradingStateChanged,
)
from alpaquero.orders.identity import manual_key
from alpaquero.orders.intent import OrderClass, OrderType, TimeInForce
from alpaquero.orders.lifecycle import OrderStatus, given_up, is_live
from alpaquero.orders.order import LegRole, Order, OrderOrigin, OrderPurpose
from alpaquero.risk.activity import Activity
from alpaquero.risk.book import TradingState
from alpaquero.risk.derived import rebuilt
from alpaquero.store import books as books_module
from alpaquero.store.books import Books
from functions.trading import sync as sync_function
from functions.trading.sync import Reconciliation
from tests.fakes.broker import FakeBroker
from tests.fakes.queues import FakeQueues
from tests.unit.orders.builders import an_intent
from tests.unit.trading.world import World, request

BUY = an_intent()


# opening the books


def test_the_first_sync_opens_the_books(
    tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the account held when first seen is the baseline; older fills are in it, not counted again."""
    world = World(queues)
    monkeypatch.setattr("functions.trading.sync._broker", lambda: world.broker)
    world.broker.submit(request("by-hand"))
    world.broker.step()
    world.sync()
    baseline = world.books.baseline()
    assert baseline is not None
    assert ({"AAPL": Decimal(7)}, Decimal(99300)) == (baseline.positions, baseline.cash)
    assert ([], [], Decimal(100000)) == (world.books.fills(), world.told(BooksDrifted), world.book.equity)


def test_what_blocks_the_account_is_kept_with_its_figures(world: World) -> None:
    """Health tells of it by what the last sync read."""
    world.broker.blocks = ("account_blocked",)
    world.sync()
    figures = world.books.broker_figures()
    assert figures is not None
    assert ("account_blocked",) == figures.blocks


def test_books_never_follow_another_account(world: World) -> None:
    """Keys of another account stop trading and sync: what it holds would be taken over as a difference."""
    held = world.hold()
    waiting = an_intent(symbol="MSFT", key="m" * 20)
    world.broker.prices["MSFT"] = Decimal(100)
    world.place(waiting)
    world.empty_the_outbox()
    before = {sk: body for sk, body in world.everything().items() if sk != "RISKBOOK"}
    world.broker = FakeBroker(prices=world.broker.prices, number="PA99RESET")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="ESET, the books of the one ending in 0001"):
            world.sync()
    assert {sk: body for sk, body in world.everything().items() if sk != "RISKBOOK"} == before
    assert (TradingState.HALTED, held.quantity) == (
        world.book.trading_state,
        world.book.held_quantity("AAPL"),
    )
    [told] = world.told(TradingStateChanged)
    assert ("HALTED", "trading sync") == (told.state, told.author)
    assert "another Account label" in told.reason


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ("local", TradingState.ACTIVE),
        ("paper", TradingState.ACTIVE),
        ("dry_run", TradingState.ACTIVE),
        ("live", TradingState.HALTED),
    ],
)
def test_a_live_account_begins_halted(
    tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch, environment: str, state: TradingState
) -> None:
    """Deploying to live places no order: an admin must raise the trading state first."""
    world = World(queues)
    monkeypatch.setattr("functions.trading.sync._broker", lambda: world.broker)
    url = {"live": "https://api.alpaca.markets"}.get(environment, sync_function.SETTINGS.alpaca_trading_url)
    live = msgspec.structs.replace(sync_function.SETTINGS, environment=environment, alpaca_trading_url=url)
    monkeypatch.setattr(sync_function, "SETTINGS", live)
    world.sync()
    assert state is world.book.trading_state


def test_books_are_not_opened_while_the_account_trades(
    tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fill between cash and fills would be missing for good: the next sync tries again."""
    world = World(queues)
    monkeypatch.setattr("functions.trading.sync._broker", lambda: world.broker)
    placed, positions = world.broker.submit(request("by-hand")), world.broker.positions

    def filled_meanwhile() -> Any:
        if not world.broker.fills():
            world.broker.fill(placed.id)
        return positions()

    monkeypatch.setattr(world.broker, "positions", filled_meanwhile)
    with pytest.raises(Conflict):
        world.sync()
    world.sync()
    assert [] == world.told(BooksDrifted)


# news of our orders


def test_legs_are_recorded_with_their_role_and_parent(world: World) -> None:
    """Stop and target of a bracket inherit what their entry was for."""
    world.place(an_intent(run_id="r1", strategy="s"))
    world.sync()
    assert {"parent": BUY.client_order_id, "run": "r1", "purpose": "leg"} == {
        "parent": world.leg(LegRole.STOP_LOSS).parent,
        "run": world.leg(LegRole.TAKE_PROFIT).run_id,
        "purpose": world.leg(LegRole.STOP_LOSS).purpose,
    }


def test_a_second_sync_changes_nothing(world: World) -> None:
    """No new versions and no events, after an entry and after its exit."""

    def leave() -> None:
        world.begin_exit()
        world.broker.step()
        world.settle()

    for story in (world.hold, leave):
        story()
        world.sync()
        before = world.everything()
        world.empty_the_outbox()
        assert {"orders": 0, "adopted": 0, "fills": 0, "swept": 0} == world.sync()
        assert before == world.everything()
        assert [] == world.told(Event)


def test_a_minute_asks_for_the_orders_of_about_that_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many were placed in the days before: what has been seen is not read again."""
    asked: list[datetime] = []
    orders = FakeBroker.orders

    def listening(self: FakeBroker, status: Any = "all", after: Any = None, **more: Any) -> list[BrokerOrder]:
        asked.append(after)
        return orders(self, status, after, **more)

    monkeypatch.setattr(FakeBroker, "orders", listening)
    world.hold()
    before = world.book.as_of
    world.broker.now += timedelta(minutes=1)
    asked.clear()
    world.sync()
    assert {before - timedelta(hours=1)} == set(asked)


def test_many_orders_that_ended_are_read_in_one_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Day orders end together at the close; a request for each would use up the broker's budget."""
    for number in range(8):
        order = an_intent(
            key=manual_key("paper", str(number)), symbol=f"SYM{number}", reference_price=Decimal(1),
            order_type=OrderType.LIMIT, limit_price=Decimal(1), quantity=Decimal(1),
            order_class=OrderClass.SIMPLE, time_in_force=TimeInForce.DAY,
        )  # fmt: skip
        world.broker.prices[f"SYM{number}"] = Decimal(1)
        world.place(order)
    world.sync()
    world.broker.now += timedelta(hours=20)
    for theirs in world.broker.open_orders():
        world.broker.cancel(theirs.id)
    monkeypatch.setattr(FakeBroker, "order_by_client_id", None)
    world.sync()
    assert [] == world.books.open_orders()
    assert 8 == sum(order.status == "canceled" for order in world.books.orders())


def test_a_leg_leads_to_its_entrys_verdict_instead_of_copying_it(world: World) -> None:
    """Two legs an entry would make three copies of thirty rules' words; the parent has them."""
    entry = world.hold()
    for role in LegRole:
        leg = world.leg(role)
        assert ((), entry.client_order_id) == (leg.verdict, leg.parent)
        assert len(world.everything()[f"ORDER#{leg.client_order_id}"]) < 2_000
    assert entry.verdict


def test_a_leg_is_followed_for_as_long_as_it_is_open(world: World) -> None:
    """Legs are gtc: the stop that fires weeks after its entry is still heard of."""
    world.hold()
    world.broker.now += timedelta(days=60)
    world.broker.prices["AAPL"] = Decimal(90)
    world.broker.step()
    world.sync()
    assert ("filled", "canceled") == (
        world.leg(LegRole.STOP_LOSS).status,
        world.leg(LegRole.TAKE_PROFIT).status,
    )
    assert {} == world.book.positions


@pytest.mark.parametrize("days", [1, 60])
def test_an_order_that_ended_while_nobody_looked_is_found(world: World, days: int) -> None:
    """Outside of what the broker lists lately, each open order of ours is asked for by its id."""
    world.place(BUY)
    world.broker.step()
    world.broker.now += timedelta(days=days)
    world.sync()
    assert ("filled", {LegRole.STOP_LOSS, LegRole.TAKE_PROFIT}) == (
        world.order(BUY.client_order_id).status,
        {order.role for order in world.books.orders() if order.role},
    )


def test_a_bracket_cancelled_by_its_owner_gives_everything_back(world: World) -> None:
    """Entry and legs end, and the cash is free again."""
    world.place(BUY)
    world.sync()
    world.broker.cancel(world.broker.orders()[0].id)
    world.sync()
    assert {"canceled"} == {order.status for order in world.books.orders()}
    assert {} == world.book.reservations


def test_an_order_done_for_the_day_stays_open(world: World) -> None:
    """It may fill tomorrow, so it keeps its reservation and is still followed."""
    world.place(BUY)
    placed = world.broker.orders()[0]
    world.broker._orders[placed.id] = replace(
        placed, status="done_for_day", updated_at=placed.updated_at + timedelta(hours=1), legs=()
    )
    world.sync()
    assert "done_for_day" == world.order(BUY.client_order_id).status
    assert BUY.client_order_id in world.book.reservations
    world.broker.fill(placed.id)
    world.sync()
    assert ("filled", {}) == (world.order(BUY.client_order_id).status, world.book.reservations)


def test_a_status_nobody_knows_is_kept(world: World) -> None:
    """A word that the broker adds next year does not stop a sync."""
    world.place(BUY)
    placed = world.broker.orders()[0]
    world.broker._orders[placed.id] = replace(
        placed, status="on_the_moon", updated_at=placed.updated_at + timedelta(hours=1), legs=()
    )
    world.sync()
    assert "on_the_moon" == world.order(BUY.client_order_id).status


def test_both_halves_of_an_oco_are_followed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop below a target placed by hand is known as a stop, also where it is listed by itself too."""
    target = world.broker.submit(request("oco", order_type="limit", limit_price=Decimal(50)))
    stop = replace(
        target, id="stop-1", client_order_id="oco-stop", order_type="stop", limit_price=None,
        stop_price=Decimal(40), status="held",
    )  # fmt: skip
    parent = replace(target, order_class="oco", legs=(stop,))
    monkeypatch.setattr(world.broker, "open_orders", lambda nested=True: [stop, parent])
    monkeypatch.setattr(world.broker, "orders", lambda *a, **k: [])
    world.sync()
    assert (LegRole.STOP_LOSS, "oco") == (world.order("oco-stop").role, world.order("oco-stop").parent)


# orders of unknown outcome


def test_an_unknown_order_that_arrived_is_found_by_its_id(world: World) -> None:
    """The time-out hid an order that the broker took; there is still only one."""
    world.broker.fail_next("submit", "unclear-after-effect")
    world.place(BUY)
    world.sync()
    order = world.order(BUY.client_order_id)
    assert ("accepted", world.broker.orders()[0].id) == (order.status, order.broker_order_id)


def minutes_pass(monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    """Wall time as it is so many minutes from now; what the sweeper would publish by then stays."""
    monkeypatch.setattr(Books, "publish", lambda *_: ())
    later = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr(wall, "now", lambda: later)


def test_a_lost_entry_is_sent_again_under_its_own_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute after it was sent it is looked up and sent once more; before that it may still arrive."""
    world.broker.fail_next("submit", "unclear-before-effect")
    world.place(BUY)
    world.sync()
    assert [] == world.queues.bodies("order-queue")
    minutes_pass(monkeypatch, 2)
    world.settle()
    assert [BUY.client_order_id] == [order.client_order_id for order in world.broker.orders()]
    assert "accepted" == world.order(BUY.client_order_id).status
    assert BUY.client_order_id in world.book.reservations


def test_an_order_lost_three_times_is_rejected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then its reservation is given back."""
    world.broker.fail_next("submit", "unclear-before-effect")
    world.place(BUY)
    for minute in (2, 4):
        minutes_pass(monkeypatch, minute)
        world.queues.seen.clear()
        world.sync()
        world.broker.fail_next("submit", "unclear-before-effect")
        world.run_commands()
        assert "unknown" == world.order(BUY.client_order_id).status
    minutes_pass(monkeypatch, 6)
    world.settle()
    assert ("rejected", {}) == (world.order(BUY.client_order_id).status, world.book.reservations)
    assert [] == world.broker.orders()


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_a_lost_entry_is_not_sent_again_once_trading_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch, state: TradingState
) -> None:
    """The state that counts is the one at the second sending."""
    world.broker.fail_next("submit", "unclear-before-effect")
    world.place(BUY)
    world.trading_is(state)
    minutes_pass(monkeypatch, 2)
    world.settle()
    assert ("canceled", {}) == (world.order(BUY.client_order_id).status, world.book.reservations)
    assert [] == world.broker.orders()


def test_a_lost_entry_that_did_arrive_is_not_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker's lists lacked it, the look-up before the second sending finds it."""
    world.broker.fail_next("submit", "unclear-after-effect")
    world.place(BUY)
    minutes_pass(monkeypatch, 2)
    monkeypatch.setattr(world.broker, "submit", None)
    world.resume(world.order(BUY.client_order_id))
    assert "accepted" == world.order(BUY.client_order_id).status


def test_a_lost_sale_is_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit's legs are cancelled by then: giving it up would keep a position that was to be sold."""
    world.hold()
    world.broker.fail_next("submit", "unclear-before-effect")
    sale = world.begin_exit()
    minutes_pass(monkeypatch, 2)
    world.settle()
    assert "accepted" == world.order(sale.client_order_id).status
    world.broker.step()
    world.settle()
    assert {} == world.book.positions


def test_a_lost_sale_of_shares_that_are_gone_is_not_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent now it would sell short."""
    world.hold()
    world.broker.fail_next("submit", "unclear-before-effect")
    sale = world.begin_exit()
    monkeypatch.setattr(world.broker, "position", lambda symbol: None)
    minutes_pass(monkeypatch, 2)
    world.settle()
    assert "rejected" == world.order(sale.client_order_id).status
    assert sale.client_order_id not in {order.client_order_id for order in world.broker.orders()}


def test_an_entry_without_an_end_is_not_sent_much_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that was away for an hour: a person's market order would meet another market."""
    world.broker.fail_next("submit", "unavailable")
    world.place(BUY)
    minutes_pass(monkeypatch, 60)
    world.settle()
    assert ("expired", {}) == (world.order(BUY.client_order_id).status, world.book.reservations)
    assert [] == world.broker.orders()


def test_an_entry_that_turns_up_after_it_was_given_up_reserves_again(world: World) -> None:
    """Its cash is promised once more from the sync that finds it, before it fills."""
    world.broker.fail_next("submit", "unclear-after-effect")
    world.place(BUY)
    [placed] = world.broker.open_orders()
    order = world.order(BUY.client_order_id)
    ended = given_up(order, OrderStatus.REJECTED, at=world.broker.now, why="it never arrived")
    released = world.book.without_reservation(BUY.client_order_id).next_version()
    world.books.commit(changed_orders=[ended], risk_book=released)
    world.sync()
    assert is_live(world.order(BUY.client_order_id).status)
    reserved = world.book.reservations[BUY.client_order_id]
    assert (placed.quantity, True) == (reserved.quantity, reserved.notional > 0)


def test_an_old_intent_sent_just_now_is_not_given_up(world: World) -> None:
    """Its age counts from the submission, not from when it was written: it may have waited for minutes."""
    world.broker.fail_next("submit", "unavailable")
    world.place(BUY)
    order = world.order(BUY.client_order_id)
    long_ago = datetime.now(UTC) - timedelta(minutes=10)
    world.books.commit(changed_orders=[replace(order, wall_created_at=long_ago, version=2)])
    world.broker.fail_next("submit", "unclear-before-effect")
    world.resume(order)
    world.sync()
    assert "unknown" == world.order(BUY.client_order_id).status
    assert BUY.client_order_id in world.book.reservations


# orders we did not write


def test_an_order_placed_elsewhere_is_adopted(world: World) -> None:
    """External without our prefix, recovered with it; each is told once."""
    world.broker.submit(request("by-hand"))
    world.broker.submit(request("aq1-sig-AAPL-" + "b" * 20 + "-0"))
    world.sync()
    world.sync()
    assert {OrderOrigin.EXTERNAL, OrderOrigin.RECOVERED} == {order.origin for order in world.books.orders()}
    assert {OrderPurpose.UNKNOWN} == {order.purpose for order in world.books.orders()}
    assert 2 == len(world.told(OrderSubmitted))


def test_an_order_that_was_open_long_before_us_is_adopted(
    tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gtc stop from last month covers its shares: the monitor must know of it."""
    world = World(queues)
    monkeypatch.setattr("functions.trading.sync._broker", lambda: world.broker)
    world.broker.submit(request("last-month", order_type="limit", limit_price=Decimal(1)))
    world.broker.now += timedelta(days=30)
    world.sync()
    assert ["last-month"] == [order.client_order_id for order in world.books.open_orders()]


def test_settled_orders_cost_no_read_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many orders have ended lately, the books are asked for them in one batch."""
    for number in range(5):
        placed = world.broker.submit(request(f"by-hand-{number}"))
        world.broker.cancel(placed.id)
    world.sync()

    def one_by_one(self: Books, client_order_id: str) -> None:
        raise AssertionError(f"{client_order_id} was read by itself")

    monkeypatch.setattr(Books, "order", one_by_one)
    assert 0 == world.sync()["orders"]


def test_a_write_of_execute_wins_over_news_that_sync_read_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both write the same order: the second is refused, and the next sync finds what is left."""
    world.place(BUY)
    world.broker.step()
    order = world.order(BUY.client_order_id)
    commit = Books.commit
    touched: list[Order] = []

    def execute_first(self: Books, **what: Any) -> None:
        if what.get("changed_orders") and not touched:
            touched.append(order)
            commit(self, changed_orders=[replace(order, reason="by execute", version=order.version + 1)])
        commit(self, **what)

    monkeypatch.setattr(Books, "commit", execute_first)
    world.sync()
    assert ("by execute", "accepted") == (
        world.order(BUY.client_order_id).reason,
        world.order(BUY.client_order_id).status,
    )
    world.sync()
    assert ("by execute", "filled") == (
        world.order(BUY.client_order_id).reason,
        world.order(BUY.client_order_id).status,
    )


# fills


@pytest.mark.parametrize(("price", "role"), [("96", "stop_loss"), ("107", "take_profit")])
def test_fills_are_recorded_and_told_with_their_role(world: World, price: str, role: str) -> None:
    """A fill of the stop or the target says so, in the books and in its event."""
    entry = world.hold()
    world.broker.prices["AAPL"] = Decimal(price)
    world.broker.step()
    world.sync()
    [event] = world.told(OrderFilled)
    assert (role, role.replace("_", " "), "sell", entry.quantity) == (
        event.role,
        event.reason,
        event.side,
        event.quantity,
    )
    assert ["buy", "sell"] == [fill.side for fill in world.books.fills()]
    assert {} == world.book.positions


def test_a_fill_reported_late_is_not_missed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids sort by market time: a fill may appear below the newest one we hold."""
    world.broker.submit(request("by-hand"))
    for quantity in (3, 3, 1):
        world.broker.fill("order-000001", Decimal(quantity))
    fills, every = world.broker.fills, world.broker.fills()
    late = every[0]

    def without_late(after_id: str | None = None) -> list[BrokerFill]:
        return [fill for fill in fills(after_id) if fill != late]

    with monkeypatch.context() as early:
        early.setattr(world.broker, "fills", without_late)
        world.sync()
        assert [every[1].id, every[2].id] == [fill.id for fill in world.books.fills()]
    world.sync()
    assert [fill.id for fill in every] == [fill.id for fill in world.books.fills()]


def test_a_fill_reported_very_late_is_found_by_the_difference(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below all that are read again, and below those that are kept added up: cash tells that it lacks."""
    for module, name, number in (
        (sync_function, "FILLS_READ_AGAIN", 1),
        (books_module, "FOLD_AFTER", 3),
        (books_module, "FILLS_LEFT_OUT", 1),
    ):
        monkeypatch.setattr(module, name, number)
    world.broker.submit(request("by-hand"))
    for _ in range(5):
        world.broker.fill("order-000001", Decimal(1))
    fills, every = world.broker.fills, world.broker.fills()

    def without_late(after_id: str | None = None) -> list[BrokerFill]:
        return [fill for fill in fills(after_id) if fill != every[0]]

    with monkeypatch.context() as early:
        early.setattr(world.broker, "fills", without_late)
        world.sync()
    world.sync()
    assert [fill.id for fill in every] == [fill.id for fill in world.books.fills()]
    assert ({"AAPL": Decimal(5)}, {}) == (world.books.held()[0], world.books.notes().drift)
    assert every[0].at == world.book.activity.holdings["AAPL"].since


def test_fills_are_read_from_a_known_one_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest are read again, not the whole history."""
    monkeypatch.setattr(sync_function, "FILLS_READ_AGAIN", 2)
    world.broker.submit(request("by-hand"))
    for _ in range(5):
        world.broker.fill("order-000001", Decimal(1))
    world.sync()
    asked: list[str | None] = []
    fills = world.broker.fills

    def asking(after_id: str | None = None) -> list[BrokerFill]:
        asked.append(after_id)
        return fills(after_id)

    monkeypatch.setattr(world.broker, "fills", asking)
    assert 0 == world.sync()["fills"]
    assert [world.broker._fills[3].id] == asked


def test_repeated_and_disordered_fills_are_one_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with doubles in any order records each fill once and tells it once."""
    world.broker.submit(request("by-hand"))
    for _ in range(3):
        world.broker.fill("order-000001", Decimal(1))
    fills = world.broker.fills
    monkeypatch.setattr(world.broker, "fills", lambda after_id=None: 2 * fills(after_id)[::-1])
    world.sync()
    world.sync()
    assert 3 == len(world.books.fills())
    assert 3 == len(world.told(OrderFilled))


def test_a_fill_whose_order_is_not_to_be_found_is_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shares are ours all the same; one lost order does not stop every sync after it."""
    world.broker.submit(request("by-hand"))
    world.broker.fill("order-000001")

    def hidden(broker_order_id: str) -> BrokerOrder:
        raise OrderNotFound(404, 40410000, "order not found")

    for name in ("orders", "open_orders"):
        monkeypatch.setattr(world.broker, name, lambda *a, **k: [])
    monkeypatch.setattr(world.broker, "order", hidden)
    world.sync()
    [fill] = world.books.fills()
    assert (None, Decimal(7)) == (fill.client_order_id, fill.quantity)


# the risk book


def test_a_reservation_shrinks_with_what_is_filled(world: World) -> None:
    """In proportion, however often it is synced, and it is gone at the end."""
    world.place(BUY)
    before = world.book.reservations[BUY.client_order_id]
    placed = world.broker.orders()[0]
    world.broker.fill(placed.id, before.quantity / 4)
    world.sync()
    world.sync()
    after = world.book.reservations[BUY.client_order_id]
    assert (before.quantity * 3 / 4, before.notional * 3 / 4) == (after.quantity, after.notional)
    world.broker.fill(placed.id, before.quantity / 2)
    world.sync()
    after = world.book.reservations[BUY.client_order_id]
    assert (before.quantity / 4, before.notional / 4) == (after.quantity, after.notional)
    world.broker.fill(placed.id)
    world.sync()
    assert {} == world.book.reservations


def test_an_order_that_ended_half_filled_reserves_nothing(world: World) -> None:
    """What it bought is a position; what it did not is free."""
    world.place(BUY)
    placed = world.broker.orders()[0]
    world.broker.fill(placed.id, Decimal(10))
    world.broker.cancel(placed.id)
    world.sync()
    assert ({}, Decimal(10)) == (world.book.reservations, world.book.held_quantity("AAPL"))


def test_a_reservation_stays_until_its_shares_are_in_the_book(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fill that lands while a sync reads never leaves neither shares nor reservation in the book."""
    world.place(BUY)
    placed, positions = world.broker.orders()[0], world.broker.positions

    def filled_just_after() -> Any:
        found = positions()
        if world.broker.order(placed.id).status != "filled":
            world.broker.fill(placed.id)
            other = Reconciliation(world.books, world.broker)
            other.orders()  # another sync hears of the fill before this one writes
        return found

    seen: list[tuple[bool, bool]] = []
    commit = Books.commit

    def watched(self: Books, **what: Any) -> None:
        book = what.get("risk_book")
        if book is not None:
            seen.append((bool(book.held_quantity("AAPL")), BUY.client_order_id in book.reservations))
        commit(self, **what)

    monkeypatch.setattr(world.broker, "positions", filled_just_after)
    monkeypatch.setattr(Books, "commit", watched)
    world.sync()
    assert (False, False) not in seen
    assert (True, False) == seen[-1]


def test_an_older_reading_does_not_overwrite_a_newer_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When another sync wrote in between, cash and positions are read again."""
    account = world.broker.account
    raced: list[BrokerAccount] = []

    def other_sync_first() -> Any:
        found = account()
        if not raced:
            raced.append(found)
            world.broker.submit(request("by-hand"))
            world.broker.fill("order-000001")
            monkeypatch.setattr(world.broker, "account", account)
            world.sync()
        return found

    world.broker.now += timedelta(minutes=1)
    monkeypatch.setattr(world.broker, "account", other_sync_first)
    world.sync()
    assert (Decimal(99300), Decimal(7)) == (world.book.cash, world.book.held_quantity("AAPL"))


def test_the_state_of_trading_survives_a_sync(world: World) -> None:
    """Sync writes cash and positions, never what a person decided."""
    world.trading_is(TradingState.HALTED)
    world.broker.now += timedelta(minutes=1)
    world.sync()
    assert TradingState.HALTED == world.book.trading_state


def test_the_activity_follows_the_fills(world: World) -> None:
    """A stop that filled at a loss: no holding, one loss in a row, one stop, the symbol sold out."""
    bought = world.hold()
    assert bought.client_order_id == world.book.activity.holdings["AAPL"].episode
    world.broker.prices["AAPL"] = Decimal(97)
    stop = world.leg(LegRole.STOP_LOSS)
    assert stop.broker_order_id is not None
    world.broker.now += timedelta(hours=1)
    world.broker.fill(stop.broker_order_id, price=Decimal(97))
    world.sync()
    activity, now = world.book.activity, world.broker.now
    assert ({}, 1, (now,), {"AAPL": now}) == (
        activity.holdings, activity.loss_streak, activity.stop_exits, activity.last_exit_at,
    )  # fmt: skip


def test_the_activity_can_be_had_again_from_fills_and_orders(world: World) -> None:
    """What sync keeps in the risk book is what the books alone give, so a rebuild loses nothing."""
    world.hold()
    kept = world.book.activity
    assert kept == world.books.activity(replace(world.book, activity=Activity()))


def test_a_minute_without_fills_folds_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The history is read only when it has grown."""
    world.hold()
    monkeypatch.setattr(Books, "fills", lambda _: pytest.fail("the history was read"))
    world.broker.now += timedelta(minutes=1)
    world.sync()


def test_the_books_know_the_brokers_buying_power(world: World) -> None:
    """And which of our orders it counts already, so that none is taken off twice."""
    intent = an_intent()
    world.place(intent)
    world.broker.now += timedelta(minutes=1)
    world.sync()
    assert world.broker.account().buying_power == world.book.buying_power
    assert (intent.client_order_id,) == world.book.deducted
    assert Decimal(0) == world.book.undeducted_cash < world.book.reserved_cash


def test_a_new_market_day_begins_with_the_equity_of_the_last(world: World) -> None:
    """Also when sync is the first to see it, with the new day's prices already."""
    world.hold()
    before = world.book.equity
    world.broker.prices["AAPL"] = Decimal(50)
    world.broker.now += timedelta(days=1)
    world.sync()
    assert (before, True) == (world.book.day_start_equity, world.book.equity < before)


def test_a_day_that_nobody_watched_is_marked_when_the_next_begins(world: World) -> None:
    """Sync alone sets no mark; without one a rebuild would take an older day's equity for the day's start."""
    world.hold()
    seen, at = world.book.equity, world.book.as_of
    for _ in range(2):
        world.broker.now += timedelta(days=1)
        world.sync()
    first, second = world.told(EquityMarked)
    assert (seen, at) == (first.equity, first.occurred_at)
    assert second.equity == world.book.day_start_equity
    again = rebuilt(
        replace(world.book, day_start_equity=Decimal(1)),
        world.books.open_orders(),
        marks=[(m.occurred_at, m.equity) for m in (first, second)],
        funding=[],
        opened_with=None,
    )
    assert again.day_start_equity == world.book.day_start_equity


def test_an_evening_that_was_marked_is_not_marked_again(world: World) -> None:
    """Nor is a minute of the same day, which has its own look."""
    world.hold()
    world.books.commit(risk_book=replace(world.book, marked_at=world.book.as_of).next_version())
    world.broker.now += timedelta(days=1)
    world.sync()
    world.broker.now += timedelta(minutes=1)
    world.sync()
    assert world.told(EquityMarked) == []


# agreement


def test_a_missing_fill_is_told_as_drift_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cash and shares that no fill explains are named, in the write that took them over."""
    fills = world.broker.fills
    monkeypatch.setattr(world.broker, "fills", lambda after_id=None: fills(after_id)[:0])
    world.broker.submit(request("by-hand"))
    world.broker.fill("order-000001")
    world.sync()
    world.broker.now += timedelta(minutes=1)
    world.sync()
    [event] = world.told(BooksDrifted)
    assert {
        "AAPL": "0 in our books, 7 at the broker",
        "cash": "100000.00 in our books, 99300.00 at the broker",
    } == event.differences


def test_a_fill_that_lands_during_a_sync_is_no_drift(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sync reads fills and orders again before it says that the books are wrong."""
    world.broker.submit(request("by-hand"))
    positions = world.broker.positions

    def filled_meanwhile() -> Any:
        if not world.broker.fills():
            world.broker.fill("order-000001")
        return positions()

    monkeypatch.setattr(world.broker, "positions", filled_meanwhile)
    world.sync()
    assert [] == world.told(BooksDrifted)
    assert (1, "filled") == (len(world.books.fills()), world.order("by-hand").status)


# the outbox and the queue


def test_the_sweeper_publishes_what_the_stream_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that waited too long go to the bus and leave the outbox; young ones are left to the stream."""
    world.place(BUY)
    assert 0 == world.sync()["swept"]
    monkeypatch.setattr(sync_function, "SWEEP_AFTER_SECONDS", 0)
    sent: list[Any] = []
    monkeypatch.setattr("alpaquero.events.bus._client", lambda: _bus(sent, failing=()))
    waiting = len(world.books.outbox())
    assert waiting == world.sync()["swept"] == len(sent)
    assert [] == world.books.outbox()


def test_a_sync_is_not_lost_with_a_failing_bus(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the bus refuses stays in the outbox; the rest is deleted, and the sync ends well."""
    world.place(BUY)
    world.sync()
    monkeypatch.setattr(sync_function, "SWEEP_AFTER_SECONDS", 0)
    monkeypatch.setattr("alpaquero.events.bus._client", lambda: _bus([], failing=(0,)))
    waiting = [event.id for event in world.books.outbox()]
    assert len(waiting) - 1 == world.sync()["swept"]
    assert waiting[:1] == [event.id for event in world.books.outbox()]


def _bus(sent: list[Any], failing: tuple[int, ...]) -> Any:
    class Bus:
        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's own name
            sent.extend(Entries)
            entries = [{"ErrorCode": "InternalFailure"} if n in failing else {} for n in range(len(Entries))]
            return {"FailedEntryCount": len(failing), "Entries": entries}

    return Bus()


def test_a_request_to_sync_that_fails_comes_again(world: World) -> None:
    """The record is reported as failed; a broker that answers again ends it."""
    records = {"Records": [{"messageId": "m1", "body": "{}"}]}
    world.broker.fail_next("clock", "unavailable")
    assert {"batchItemFailures": [{"itemIdentifier": "m1"}]} == sync_function.handler(records, None)
    assert {"batchItemFailures": []} == sync_function.handler(records, None)


def test_resuming_does_not_depend_on_the_markets_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a stepped market time stands still: an exit is asked for again when a wall minute has passed."""
    world.hold()
    monkeypatch.setattr(world.broker, "cancel", lambda broker_order_id: None)
    world.begin_exit()
    world.queues.receive("order-queue")
    ledger = Reconciliation(world.books, world.broker)
    for minutes in (0, 0, 1):
        ledger.wall_now += timedelta(minutes=minutes)
        ledger.hand_back()
    assert 2 == len(world.queues.bodies("order-queue"))


def test_an_order_of_a_form_we_do_not_keep_stops_no_sync(world: World) -> None:
    """An options spread placed by hand is passed over, and the order beside it is adopted."""
    placed = world.broker.submit(request("by-hand"))
    spread = replace(placed, id="spread", client_order_id="spread", order_class="mleg", symbol="", side="")
    world.broker._orders[spread.id] = spread
    world.sync()
    assert world.books.order("spread") is None
    assert world.books.order("by-hand") is not None


def test_a_clock_that_is_set_back_stops_entries_until_an_admin_rebuilds(world: World) -> None:
    """The books keep the later time however often they are synced, and take the market's in a rebuild."""
    world.sync()
    later = world.book.as_of
    world.broker.now -= timedelta(hours=30)
    world.sync()
    assert (later, later.date().isoformat()) == (world.book.as_of, world.book.day)
    world.place(an_intent())
    assert [["market_clock"]] == [event.codes for event in world.told(TradeRejected)]
    sync_function.rebuild()
    assert (world.broker.now, world.broker.now.date().isoformat()) == (world.book.as_of, world.book.day)
    world.place(an_intent())
    assert 1 == len(world.broker.orders())


def test_an_entry_is_not_sent_once_the_clock_was_set_back(world: World) -> None:
    """One that was written before ends as cancelled, and its cash is free."""
    world.broker.fail_next("submit", "unavailable")
    intent = an_intent()
    world.place(intent)
    world.broker.now -= timedelta(hours=1)
    world.resume(world.order(intent.client_order_id))
    order = world.order(intent.client_order_id)
    assert ("canceled", {}, []) == (order.status, world.book.reservations, world.broker.orders())


def test_one_sync_is_for_all_who_asked_before_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a hundred submissions the broker is not asked a hundred times; who failed is asked again."""
    runs: list[str] = []

    def run() -> dict[str, Any]:
        runs.append("sync")
        if len(runs) == 1:
            raise Conflict("the risk book kept changing")
        return {}

    monkeypatch.setattr(sync_function, "sync", run)
    records = [{"messageId": str(number), "body": '{"reason": "after an order"}'} for number in range(4)]
    answer = sync_function.handler({"Records": records}, None)
    assert (["sync", "sync"], ["0"]) == (runs, [f["itemIdentifier"] for f in answer["batchItemFailures"]])
