"""Beyond fills: what moved by others, splits, replacements, orders placed elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from alpaquero.broker.protocol import CorporateAction, OrderChange
from alpaquero.errors import BrokerUnavailable
from alpaquero.events.schemas import (
    BooksDrifted,
    BooksRebuilt,
    CashMoved,
    EquityMarked,
    OrderPassedOver,
    PositionSplit,
    SharesMoved,
)
from alpaquero.orders.lifecycle import given_up
from alpaquero.orders.order import LegRole, OrderPurpose
from alpaquero.portfolio.lots import lots_of
from alpaquero.portfolio.positions import positions_of
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.risk.book import Reservation
from alpaquero.store import analytics
from functions.trading import sync as sync_function
from tests.fakes.queues import FakeQueues
from tests.unit.orders.builders import an_intent
from tests.unit.trading.world import World, request

BUY = an_intent()


def buy_by_hand(world: World, quantity: str = "10") -> None:
    """Bought at the broker itself, filled and synced."""
    world.broker.submit(request("by-hand", quantity=Decimal(quantity)))
    world.broker.step()
    world.sync()
    world.empty_the_outbox()


def agreed(world: World) -> bool:
    """Whether baseline, fills and movements are the broker's cash and shares."""
    folded = positions_of(world.books.share_entries())
    baseline = world.books.baseline()
    assert baseline is not None
    cash = baseline.cash + sum(p.cash_flow for p in folded.values())
    cash += sum(m.amount for m in world.books.cash_movements())
    held = {s: p.quantity for s, p in folded.items() if p.quantity}
    theirs = {p.symbol: p.quantity for p in world.broker.positions()}
    return (cash, held) == (world.broker.cash, theirs) and not world.books.notes().drift


# cash


@pytest.mark.parametrize(
    ("kind", "amount"),
    [("FEE", "-0.02"), ("DIV", "12.34"), ("INT", "-3.10"), ("CSD", "500"), ("CSW", "-700")],
)
def test_cash_that_the_broker_explains_is_no_drift(world: World, kind: str, amount: str) -> None:
    """Fees, dividends, interest, deposits and withdrawals are booked once, and told."""
    world.broker.move_cash(kind, amount)
    world.sync()
    world.broker.now += timedelta(minutes=1)
    world.sync()
    assert ([(kind, Decimal(amount))], []) == (
        [(moved.kind, moved.amount) for moved in world.told(CashMoved)],
        world.told(BooksDrifted),
    )
    assert agreed(world)


@pytest.mark.parametrize("amount", ["5000", "-5000"])
def test_the_owners_money_is_neither_gain_nor_loss(world: World, amount: str) -> None:
    """A deposit or withdrawal moves the peak and the day's start along; a fee does not."""
    before = world.book
    world.broker.move_cash("CSD" if Decimal(amount) > 0 else "CSW", amount)
    world.broker.move_cash("FEE", "-10")
    world.sync()
    after = world.book
    assert before.peak_equity + Decimal(amount) == after.peak_equity
    assert before.equity + Decimal(amount) == after.day_start_equity
    assert Decimal(10) == after.peak_equity - after.equity


def test_cash_of_the_day_before_the_books_were_opened_is_in_the_baseline(
    tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deposit of the same day, before the first sync, is not counted a second time."""
    world = World(queues)
    monkeypatch.setattr("functions.trading.sync._broker", lambda: world.broker)
    world.broker.move_cash("CSD", "500")
    world.sync()
    world.broker.move_cash("FEE", "-1")
    world.sync()
    assert ["FEE"] == [moved.kind for moved in world.books.cash_movements()]
    assert agreed(world)


def test_what_nothing_explains_is_told_once_and_taken_over_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drift stands a quarter of an hour; then the books have what the broker has, and say so."""
    world.broker.prices["IBM"] = Decimal(50)
    world.broker.move_cash("DIV", "-3", told=False)
    world.broker.move_shares("IBM", "4", "40", told=False)
    for _ in range(3):
        world.sync()
    assert 1 == len(world.told(BooksDrifted))
    assert not agreed(world)
    monkeypatch.setattr(sync_function, "TAKEN_OVER_AFTER", timedelta(0))
    world.sync()
    [shares] = world.told(SharesMoved)
    assert ("unexplained", Decimal(4), Decimal(40)) == (shares.kind, shares.quantity, shares.price)
    assert agreed(world)
    assert 1 == len(world.told(BooksDrifted))


def test_an_explanation_that_comes_late_ends_the_drift(world: World) -> None:
    """The cash was there before its activity: drift at first, explained later, nothing taken over."""
    world.broker.move_cash("DIV", "8", told=False)
    world.sync()
    assert {"cash": Decimal(8)} == world.books.notes().drift
    world.broker._happen("DIV", "AAPL", amount=Decimal(8))
    world.sync()
    assert agreed(world)
    assert ["DIV"] == [moved.kind for moved in world.books.cash_movements()]


# shares


def test_what_was_held_at_first_is_told_with_its_cost(
    tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The projections know of shares bought before the books were opened."""
    world = World(queues)
    monkeypatch.setattr("functions.trading.sync._broker", lambda: world.broker)
    world.broker.submit(request("by-hand"))
    world.broker.step()
    world.sync()
    world.sync()
    [opening] = world.told(SharesMoved)
    assert ("opening", "AAPL", Decimal(7), Decimal(100)) == (
        opening.kind, opening.symbol, opening.quantity, opening.price,
    )  # fmt: skip
    assert agreed(world)


def test_shares_journaled_in_are_no_drift(world: World) -> None:
    """The activity names them, the broker's entry price is their cost, and their value is no gain."""
    peak = world.book.peak_equity
    world.broker.prices["IBM"] = Decimal(50)
    world.broker.move_shares("IBM", "4", "40")
    world.sync()
    [moved] = world.told(SharesMoved)
    assert ("transfer", Decimal(4), Decimal(40)) == (moved.kind, moved.quantity, moved.price)
    assert (True, [], peak + 200) == (agreed(world), world.told(BooksDrifted), world.book.peak_equity)


def test_a_renamed_company_keeps_its_lots(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The position goes on under the new symbol, at its cost and since its day."""
    buy_by_hand(world)
    since = positions_of(world.books.share_entries())["AAPL"].opened_at
    world.broker._holdings["APPL2"] = world.broker._holdings.pop("AAPL")
    world.broker.prices["APPL2"] = Decimal(100)
    day = world.broker.now.astimezone(NEW_YORK).date()
    world.market_data.actions.append(CorporateAction("c1", "name_change", "AAPL", day, new_symbol="APPL2"))
    world.sync()
    position = positions_of(world.books.share_entries())["APPL2"]
    assert (Decimal(10), Decimal(1000), since) == (
        position.quantity, position.cost_basis, position.opened_at,
    )  # fmt: skip
    assert ([], True) == (world.told(BooksDrifted), agreed(world))


# splits


@pytest.mark.parametrize("announced", [True, False])
def test_a_split_is_noticed_and_told(world: World, announced: bool) -> None:
    """With or without the data API: twice the shares at half the price, stop and target too."""
    entry = world.hold()
    assert entry.quantity is not None
    stop, target = world.leg(LegRole.STOP_LOSS), world.leg(LegRole.TAKE_PROFIT)
    world.broker.now += timedelta(hours=12)
    day = world.broker.now.astimezone(NEW_YORK).date()
    if announced:
        world.market_data.actions.append(CorporateAction("c1", "forward_split", "AAPL", day, Decimal(2)))
    world.broker.split("AAPL", 2)
    high = replace(world.book, highs={f"AAPL:{entry.client_order_id}": Decimal(110)})
    world.books.commit(risk_book=high.next_version())
    world.sync()
    position = positions_of(world.books.share_entries())["AAPL"]
    assert (entry.quantity * 2, Decimal(50)) == (position.quantity, position.average_entry_price)
    halved = [
        (2 * old.quantity, (old.stop_price or old.limit_price or 0) / 2)
        for old in (stop, target)
        if old.quantity is not None
    ]
    now = [world.leg(LegRole.STOP_LOSS), world.leg(LegRole.TAKE_PROFIT)]
    assert halved == [(leg.quantity, leg.stop_price or leg.limit_price) for leg in now]
    assert 1 == len(world.told(PositionSplit))
    assert {f"AAPL:{entry.client_order_id}": Decimal(55)} == world.book.highs
    assert ([], True) == (world.told(BooksDrifted), agreed(world))


def test_a_reverse_split_pays_for_a_part_of_a_share(world: World) -> None:
    """Ten shares, one for four: two are left, and the cash in lieu belongs to the split."""
    buy_by_hand(world)
    world.broker.now += timedelta(hours=12)
    day = world.broker.now.astimezone(NEW_YORK).date()
    world.market_data.actions.append(CorporateAction("c1", "reverse_split", "AAPL", day, Decimal("0.25")))
    world.broker.split("AAPL", 1, 4, cash="200.50")
    world.sync()
    [split] = world.told(PositionSplit)
    assert (True, Decimal("200.50")) == (split.whole, split.cash)
    assert Decimal(2) == lots_of("AAPL", world.books.share_entries()).quantity
    assert ([], True) == (world.told(BooksDrifted), agreed(world))


def test_a_split_announced_before_the_broker_acts_waits_for_it(world: World) -> None:
    """The books follow the broker's shares, not the calendar."""
    buy_by_hand(world)
    day = world.broker.now.astimezone(NEW_YORK).date()
    world.market_data.actions.append(CorporateAction("c1", "forward_split", "AAPL", day, Decimal(2)))
    world.broker.now += timedelta(minutes=1)
    world.sync()
    assert ([], Decimal(10)) == (world.told(PositionSplit), world.book.held_quantity("AAPL"))


def test_a_data_api_that_does_not_answer_stops_no_sync(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was a split is then told by the shares and their cost."""
    buy_by_hand(world)

    def unavailable(*_: object) -> list[CorporateAction]:
        raise BrokerUnavailable("no answer")

    monkeypatch.setattr("tests.fakes.broker.FakeMarketData.corporate_actions", unavailable)
    world.broker.now += timedelta(hours=12)
    world.broker.split("AAPL", 3)
    world.sync()
    assert (1, True) == (len(world.told(PositionSplit)), agreed(world))


def test_shares_doubled_at_a_price_are_no_split(world: World) -> None:
    """Twice the shares at twice the cost were bought or brought: nobody calls that a split."""
    buy_by_hand(world)
    world.broker.move_shares("AAPL", "10", "100", told=False)
    world.sync()
    assert ([], 1) == (world.told(PositionSplit), len(world.told(BooksDrifted)))


# replacements


def test_a_stop_that_was_replaced_stays_our_stop(world: World) -> None:
    """Three times moved by hand at the broker: each inherits role, parent and purpose of the one before."""
    world.hold()
    first = world.leg(LegRole.STOP_LOSS)
    identifier = first.broker_order_id
    assert identifier is not None
    for number, price in enumerate(("95", "96", "97")):
        held = world.broker._orders[identifier]
        world.broker._orders[identifier] = replace(held, status="new")
        moved = world.broker.replace(identifier, OrderChange(f"hand-{number}", stop_price=Decimal(price)))
        identifier = moved.id
    world.sync()
    statuses = [world.order(i).status for i in (first.client_order_id, "hand-0", "hand-1")]
    assert ["replaced"] * 3 == statuses
    last = world.order("hand-2")
    assert (LegRole.STOP_LOSS, first.parent, OrderPurpose.LEG, Decimal(97), first.origin) == (
        last.role, last.parent, last.purpose, last.stop_price, last.origin,
    )  # fmt: skip


def test_a_replaced_entry_hands_its_reservation_on(world: World) -> None:
    """What the first order reserved is free, what the second one takes is reserved."""
    placed = an_intent(key="r" * 20)
    world.place(placed)
    world.sync()
    ours = world.order(placed.client_order_id)
    assert ours.broker_order_id is not None
    world.broker._orders[ours.broker_order_id] = replace(
        world.broker._orders[ours.broker_order_id], status="new"
    )
    world.broker.replace(
        ours.broker_order_id, OrderChange("hand-0", quantity=Decimal(3), limit_price=Decimal(90))
    )
    world.sync()
    assert OrderPurpose.ENTRY == world.order("hand-0").purpose
    assert {"hand-0": (Decimal(270), Decimal(3))} == {
        i: (r.notional, r.quantity) for i, r in world.book.reservations.items()
    }


def test_the_end_of_a_row_is_found_when_the_broker_lists_none_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced weeks ago and outside of every list: the row is followed by the broker's ids."""
    world.hold()
    stop = world.leg(LegRole.STOP_LOSS)
    assert stop.broker_order_id is not None
    world.broker._orders[stop.broker_order_id] = replace(
        world.broker._orders[stop.broker_order_id], status="new"
    )
    moved = world.broker.replace(stop.broker_order_id, OrderChange("hand-0", stop_price=Decimal(96)))
    world.broker.replace(moved.id, OrderChange("hand-1", stop_price=Decimal(97)))
    for name in ("orders", "open_orders"):
        monkeypatch.setattr(world.broker, name, lambda *a, **k: [])
    world.sync()
    assert ("replaced", LegRole.STOP_LOSS) == (world.order("hand-0").status, world.order("hand-1").role)


# orders placed elsewhere


def test_an_open_purchase_by_hand_counts_in_exposure_until_it_ends(world: World) -> None:
    """It reserves what it may cost at its limit, less what is filled, and nothing once cancelled."""
    placed = world.broker.submit(request("by-hand", order_type="limit", limit_price=Decimal(50)))
    world.sync()
    assert (Decimal(350), True) == (world.book.exposure, world.book.pending_entry("AAPL"))
    assert ("by-hand",) == world.book.deducted
    world.broker.fill(placed.id, Decimal(2), Decimal(50))
    world.sync()
    assert Decimal(250) == world.book.reserved_cash
    world.broker.cancel(placed.id)
    world.sync()
    assert {} == world.book.reservations


def test_a_purchase_at_market_by_hand_is_counted_at_the_last_trade(world: World) -> None:
    """It names no price, so the market's is taken."""
    world.broker.submit(request("by-hand"))
    world.sync()
    assert Decimal(700) == world.book.reserved_cash


def test_a_sale_by_hand_of_what_is_held_reserves_nothing(world: World) -> None:
    """It closes; only what opens a position takes room."""
    buy_by_hand(world)
    world.broker.submit(request("sell-by-hand", side="sell", order_type="limit", limit_price=Decimal(150)))
    world.sync()
    assert {} == world.book.reservations


def test_an_order_of_a_strange_form_is_told_once(world: World) -> None:
    """However many syncs see it."""
    placed = world.broker.submit(request("by-hand"))
    world.broker._orders[placed.id] = replace(placed, order_class="mleg", symbol="", side="")
    for _ in range(3):
        world.sync()
    [told] = world.told(OrderPassedOver)
    assert ("by-hand", placed.id) == (told.client_order_id, told.broker_order_id)


def test_an_order_we_gave_up_that_turns_up_reserves_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Presumed lost, then there after all: the broker's word counts, and so does its cost."""
    world.broker.fail_next("submit", "unclear-after-effect")
    world.place(BUY)
    lost = given_up(world.order(BUY.client_order_id), "rejected", at=world.broker.now, why="lost")
    world.books.commit(changed_orders=[lost])
    with monkeypatch.context() as hidden:
        for name in ("orders", "open_orders"):
            hidden.setattr(world.broker, name, lambda *a, **k: [])
        world.sync()
    assert ("rejected", {}) == (world.order(BUY.client_order_id).status, world.book.reservations)
    world.sync()
    assert "accepted" == world.order(BUY.client_order_id).status
    assert [BUY.client_order_id] == list(world.book.reservations)


# rebuild


def test_a_rebuild_of_sound_books_changes_nothing(world: World) -> None:
    """After an entry, a mark and a deposit: what is derived again is what is there, and it is told."""
    world.hold()
    world.broker.move_cash("CSD", "250")
    world.sync()
    answer = sync_function.handler({"job": "rebuild"}, None)
    assert {} == answer["differences"]
    assert [{}] == [told.differences for told in world.told(BooksRebuilt)]


def test_a_rebuild_mends_what_is_derived(world: World) -> None:
    """Lost and invented reservations, a wrong peak, activity of nowhere: derived again, and told."""
    world.place(BUY)
    world.sync()
    book = world.book
    mark = EquityMarked(
        id="m", occurred_at=book.as_of, equity=Decimal(123456), cash=Decimal(1), peak_equity=Decimal(1),
        drawdown_percent=Decimal(0),
    )  # fmt: skip
    analytics.save_mark("paper", mark)
    right = book.reservations[BUY.client_order_id]
    invented = Reservation("IBM", right.side, right.purpose, Decimal(9), Decimal(9))
    wrong = replace(book, reservations={"nobody": invented}, peak_equity=Decimal(1), highs={"x": Decimal(1)})
    world.books.commit(risk_book=wrong.next_version())
    found = sync_function.handler({"Records": [{"messageId": "m", "body": '{"reason": "rebuild"}'}]}, None)
    assert {"batchItemFailures": []} == found
    after = world.book
    assert ([BUY.client_order_id], Decimal(123456)) == (list(after.reservations), after.peak_equity)
    [told] = world.told(BooksRebuilt)
    assert "peak_equity" in told.differences
