"""What every broker of ours must do; the fake that other tests trust is held to the same words."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.broker.protocol import BrokerOrder, OrderChange, OrderRequest, with_legs
from alpaquero.errors import BrokerRejected, OrderNotFound
from tests.contract.broker.conftest import World


def order(key: str, side: Any = "buy", quantity: int = 10, **more: Any) -> OrderRequest:
    return OrderRequest(
        client_order_id=f"aq1-sig-AAPL-{key}-0", symbol="AAPL", side=side, quantity=Decimal(quantity), **more
    )


def bracket(key: str) -> OrderRequest:
    return order(
        key,
        order_class="bracket",
        time_in_force="gtc",
        take_profit_price=Decimal(110),
        stop_loss_price=Decimal(90),
    )


def leg(parent: BrokerOrder, order_type: str) -> BrokerOrder:
    [found] = [one for one in parent.legs if one.order_type == order_type]
    return found


def test_an_account_begins_with_its_cash(world: World) -> None:
    """A new paper account has 100,000 dollars, four times that to buy with, and no block."""
    account = world.broker.account()
    assert (account.cash, account.equity) == (Decimal(100000), Decimal(100000))
    assert (account.multiplier, account.buying_power) == (Decimal(4), Decimal(400000))
    assert not account.blocks
    assert world.broker.positions() == []
    assert world.broker.position("AAPL") is None
    assert world.broker.open_orders() == []
    assert world.broker.fills() == []


def test_the_clock_knows_the_next_session(world: World) -> None:
    """The next open is that of the calendar's next session, and everything is UTC."""
    clock = world.broker.clock()
    today = clock.now.date()
    upcoming = [s for s in world.broker.sessions(today, today + timedelta(10)) if s.open > clock.now]
    assert clock.next_open == upcoming[0].open
    assert upcoming == sorted(upcoming, key=lambda session: session.date)
    assert {moment.utcoffset() for moment in (clock.now, clock.next_open, clock.next_close)} == {timedelta(0)}


def test_a_market_order_fills_in_the_next_session(world: World) -> None:
    """Accepted after the close, open until the session, then filled; cash, position and fill agree."""
    placed = world.broker.submit(order("k1"))
    assert (placed.client_order_id, placed.is_terminal, placed.filled_quantity) == (
        "aq1-sig-AAPL-k1-0",
        False,
        Decimal(0),
    )
    assert [one.id for one in world.broker.open_orders()] == [placed.id]
    world.step()
    filled = world.broker.order(placed.id)
    assert (filled.status, filled.filled_quantity, filled.quantity) == ("filled", Decimal(10), Decimal(10))
    [fill] = world.broker.fills()
    assert (fill.order_id, fill.symbol, fill.side, fill.quantity) == (placed.id, "AAPL", "buy", Decimal(10))
    assert fill.price == filled.filled_average_price
    position = world.broker.position("AAPL")
    assert position is not None
    assert (position.quantity, position.available, position.average_entry_price) == (
        Decimal(10),
        Decimal(10),
        fill.price,
    )
    assert world.broker.account().cash == Decimal(100000) - 10 * fill.price
    assert world.broker.open_orders() == []


def test_a_client_order_id_is_used_once(world: World) -> None:
    """Submitting again, before and after the fill, answers the same order and buys nothing more."""
    first = world.broker.submit(order("k1"))
    assert world.broker.submit(order("k1")).id == first.id
    world.step()
    again = world.broker.submit(order("k1"))
    assert (again.id, again.status) == (first.id, "filled")
    world.step()
    assert len(world.broker.fills()) == 1


def test_a_cancelled_id_is_not_used_again(world: World) -> None:
    """An id stays taken after its order was cancelled."""
    first = world.broker.submit(order("k1"))
    world.broker.cancel(first.id)
    assert (world.broker.submit(order("k1")).id, world.broker.order(first.id).status) == (
        first.id,
        "canceled",
    )


def test_an_order_is_found_by_either_id(world: World) -> None:
    """By the broker's id and by ours it is the same order; unknown ids are told apart from errors."""
    placed = world.broker.submit(order("k1"))
    found = world.broker.order_by_client_id("aq1-sig-AAPL-k1-0")
    assert found is not None
    assert found.id == world.broker.order(placed.id).id == placed.id
    assert world.broker.order_by_client_id("aq1-sig-AAPL-k9-0") is None
    with pytest.raises(OrderNotFound):
        world.broker.order("00000000-0000-4000-8000-000000000000")


def test_what_the_money_does_not_cover_is_refused(world: World) -> None:
    """An order beyond the buying power is a 403 with its figures, and leaves no order."""
    with pytest.raises(BrokerRejected) as caught:
        world.broker.submit(order("k1", quantity=5000))
    assert (caught.value.status, caught.value.code) == (403, 40310000)
    assert Decimal(str(caught.value.body["buying_power"])) == Decimal(400000)
    assert world.broker.order_by_client_id("aq1-sig-AAPL-k1-0") is None
    assert world.broker.orders() == []


def test_open_buys_reduce_the_buying_power(world: World) -> None:
    """Two orders that each fit do not both fit."""
    world.broker.submit(order("k1", quantity=2500))
    with pytest.raises(BrokerRejected):
        world.broker.submit(order("k2", quantity=2500))


def test_more_than_is_held_cannot_be_sold(world: World) -> None:
    """Selling beyond the holding is refused with what is available."""
    world.broker.submit(order("k1"))
    world.step()
    with pytest.raises(BrokerRejected) as caught:
        world.broker.submit(order("k2", side="sell", quantity=11))
    assert (caught.value.status, caught.value.code) == (403, 40310000)
    assert Decimal(str(caught.value.body["available"])) == 10


def test_an_asset_says_what_may_be_done_with_it(world: World) -> None:
    """A listed symbol may be traded, in fractions too; of one that is not listed nothing is known."""
    asset = world.broker.asset("AAPL")
    assert asset is not None
    assert (asset.symbol, asset.tradable, asset.fractionable) == ("AAPL", True, True)
    assert world.broker.asset("NONE") is None


def test_an_unknown_symbol_is_refused(world: World) -> None:
    """What is not listed cannot be ordered."""
    request = OrderRequest(
        client_order_id="aq1-sig-NONE-k1-0", symbol="NONE", side="buy", quantity=Decimal(1)
    )
    with pytest.raises(BrokerRejected) as caught:
        world.broker.submit(request)
    assert caught.value.status == 422


def test_a_limit_waits_for_its_price(world: World) -> None:
    """A buy limit below the market stays open, session after session."""
    placed = world.broker.submit(
        order("k1", order_type="limit", limit_price=Decimal(50), time_in_force="gtc")
    )
    world.step()
    waiting = world.broker.order(placed.id)
    assert (waiting.is_terminal, waiting.limit_price) == (False, Decimal(50))


def test_a_cancel_ends_an_open_order(world: World) -> None:
    """A cancelled order never fills; cancelling it or a filled one again is fine, an unknown one is not."""
    placed = world.broker.submit(order("k1"))
    world.broker.cancel(placed.id)
    world.broker.cancel(placed.id)
    world.step()
    assert world.broker.order(placed.id).status == "canceled"
    assert world.broker.fills() == []
    filled = world.broker.submit(order("k2"))
    world.step()
    world.broker.cancel(filled.id)
    assert world.broker.order(filled.id).status == "filled"
    with pytest.raises(OrderNotFound):
        world.broker.cancel("00000000-0000-4000-8000-000000000000")


def test_a_replaced_order_points_to_the_one_in_its_place(world: World) -> None:
    """Once it works at the market: the new order has its own ids, and asked again it is the same one."""
    placed = world.broker.submit(
        order("k1", order_type="limit", limit_price=Decimal(50), time_in_force="gtc")
    )
    with pytest.raises(BrokerRejected):
        world.broker.replace(placed.id, OrderChange("aq1-sig-AAPL-k2-0", quantity=Decimal(5)))
    world.step()
    change = OrderChange("aq1-sig-AAPL-k1-1", quantity=Decimal(5), limit_price=Decimal(51))
    after = world.broker.replace(placed.id, change)
    assert (after.client_order_id, after.quantity, after.limit_price) == (
        "aq1-sig-AAPL-k1-1",
        Decimal(5),
        Decimal(51),
    )
    assert world.broker.replace(placed.id, change).id == after.id
    before = world.broker.order(placed.id)
    assert (before.status, before.replaced_by) == ("replaced", after.id)
    assert [one.id for one in world.broker.open_orders()] == [after.id]


def test_an_order_that_has_ended_is_not_replaced(world: World) -> None:
    """A refusal, and no new order; an unknown one is not found."""
    placed = world.broker.submit(order("k1"))
    world.step()
    with pytest.raises(BrokerRejected) as caught:
        world.broker.replace(placed.id, OrderChange("aq1-sig-AAPL-k1-1", quantity=Decimal(5)))
    assert caught.value.status == 422
    assert world.broker.order_by_client_id("aq1-sig-AAPL-k1-1") is None
    with pytest.raises(OrderNotFound):
        world.broker.replace(
            "00000000-0000-4000-8000-000000000000", OrderChange("aq1-sig-AAPL-k2-1", quantity=Decimal(5))
        )


def test_an_order_for_money_buys_a_fraction(world: World) -> None:
    """A notional order has no quantity; what it bought is told by its fill, to nine places."""
    request = OrderRequest(
        client_order_id="aq1-man-AAPL-k1-0", symbol="AAPL", side="buy", notional=Decimal("250.50")
    )
    placed = world.broker.submit(request)
    assert (placed.quantity, placed.notional) == (None, Decimal("250.50"))
    world.step()
    filled = world.broker.order(placed.id)
    assert filled.status == "filled"
    [fill] = world.broker.fills()
    assert fill.quantity == filled.filled_quantity
    assert Decimal("250.49") <= fill.quantity * fill.price <= Decimal("250.50")


def test_an_oco_is_one_exit_of_two(world: World) -> None:
    """On a held position target and stop stand together, and cancelling one ends both."""
    world.broker.submit(order("k1"))
    world.step()
    placed = world.broker.submit(
        order(
            "k2",
            side="sell",
            order_type="limit",
            order_class="oco",
            time_in_force="gtc",
            take_profit_price=Decimal(130),
            stop_loss_price=Decimal(90),
        )
    )
    assert (placed.order_class, placed.limit_price) == ("oco", Decimal(130))
    assert [one.stop_price for one in placed.legs] == [Decimal(90)]
    position = world.broker.position("AAPL")
    assert position is not None
    assert position.available == 0
    world.broker.cancel(placed.id)
    assert {one.status for one in with_legs([world.broker.order(placed.id)])} == {"canceled"}


def test_an_oto_is_an_entry_with_one_exit(world: World) -> None:
    """After the entry its stop is open for what was bought."""
    placed = world.broker.submit(
        order("k1", order_class="oto", time_in_force="gtc", stop_loss_price=Decimal(90))
    )
    world.step()
    parent = world.broker.order(placed.id)
    assert parent.status == "filled"
    [stop] = parent.legs
    assert (stop.side, stop.stop_price, stop.quantity, stop.is_terminal) == (
        "sell",
        Decimal(90),
        Decimal(10),
        False,
    )


def test_a_trailing_stop_follows_the_market(world: World) -> None:
    """Its mark rises with the price, and its stop stays the trail below."""
    world.broker.submit(order("k1"))
    world.step()
    placed = world.broker.submit(
        order("k2", side="sell", order_type="trailing_stop", time_in_force="gtc", trail_price=Decimal(30))
    )
    assert placed.trail_price == 30
    world.rise()
    after = world.broker.order(placed.id)
    assert not after.is_terminal
    assert after.high_water_mark is not None
    assert after.high_water_mark >= 119
    assert after.stop_price == after.high_water_mark - 30


def test_a_bracket_guards_what_it_bought(world: World) -> None:
    """After the entry both exits are open at their prices and hold the shares."""
    placed = world.broker.submit(bracket("k1"))
    assert {one.order_type for one in placed.legs} == {"limit", "stop"}
    world.step()
    parent = world.broker.order(placed.id)
    target, stop = leg(parent, "limit"), leg(parent, "stop")
    assert (parent.status, parent.order_class) == ("filled", "bracket")
    assert (target.limit_price, stop.stop_price) == (Decimal(110), Decimal(90))
    assert [(one.side, one.quantity, one.is_terminal, one.time_in_force) for one in (target, stop)] == [
        ("sell", Decimal(10), False, "gtc")
    ] * 2
    position = world.broker.position("AAPL")
    assert position is not None
    assert (position.quantity, position.available) == (Decimal(10), Decimal(0))
    assert {target.id, stop.id} <= {one.id for one in with_legs(world.broker.open_orders())}
    with pytest.raises(BrokerRejected):
        world.broker.submit(order("k2", side="sell"))


def test_a_bracket_found_by_our_id_has_its_legs(world: World) -> None:
    """What resolves an unclear submit finds the exits too."""
    world.broker.submit(bracket("k1"))
    found = world.broker.order_by_client_id("aq1-sig-AAPL-k1-0")
    assert found is not None
    assert len(found.legs) == 2
    assert len(world.broker.submit(bracket("k1")).legs) == 2


def test_the_target_ends_the_stop(world: World) -> None:
    """When one exit fills the other is cancelled, and nothing is held any more."""
    placed = world.broker.submit(bracket("k1"))
    world.step()
    world.rise()
    parent = world.broker.order(placed.id)
    assert (leg(parent, "limit").status, leg(parent, "stop").status) == ("filled", "canceled")
    assert world.broker.position("AAPL") is None
    entry, exit_fill = world.broker.fills()
    assert (entry.order_id, exit_fill.order_id) == (parent.id, leg(parent, "limit").id)
    assert (exit_fill.side, exit_fill.quantity) == ("sell", Decimal(10))
    assert exit_fill.price >= 110
    assert [fill.id for fill in world.broker.fills(entry.id)] == [exit_fill.id]
    assert world.broker.fills(exit_fill.id) == []
    gain = 10 * (exit_fill.price - entry.price)
    assert world.broker.account().cash == Decimal(100000) + gain


def test_an_exit_cancels_the_legs_and_sells(world: World) -> None:
    """Cancelling one leg ends both and frees the shares, which can then be sold."""
    placed = world.broker.submit(bracket("k1"))
    world.step()
    world.broker.cancel(leg(world.broker.order(placed.id), "stop").id)
    assert [one.status for one in world.broker.order(placed.id).legs] == ["canceled", "canceled"]
    position = world.broker.position("AAPL")
    assert position is not None
    assert position.available == 10
    world.broker.submit(order("k2", side="sell"))
    world.step()
    assert world.broker.positions() == []
    assert [fill.side for fill in world.broker.fills()] == ["buy", "sell"]


def test_cancelling_an_entry_ends_its_legs(world: World) -> None:
    """A bracket that never bought leaves no exits behind."""
    placed = world.broker.submit(bracket("k1"))
    world.broker.cancel(placed.id)
    assert {one.status for one in with_legs([world.broker.order(placed.id)])} == {"canceled"}
    assert world.broker.open_orders() == []


def test_orders_are_listed_oldest_first(world: World) -> None:
    """Open, closed and all are told apart; times bound the list."""
    first = world.broker.submit(order("k1"))
    world.step()
    second = world.broker.submit(order("k2", order_type="limit", limit_price=Decimal(50)))
    assert [one.id for one in world.broker.orders()] == [first.id, second.id]
    assert [one.id for one in world.broker.orders("closed")] == [first.id]
    assert [one.id for one in world.broker.orders("open")] == [second.id]
    assert [one.id for one in world.broker.orders(after=first.submitted_at)] == [second.id]
    assert [one.id for one in world.broker.orders(until=second.submitted_at)] == [first.id]
    assert [one.id for one in world.broker.orders(limit=1)] == [first.id]


def test_prices_are_there(world: World) -> None:
    """Daily bars, quotes and trades of a listed symbol; an unlisted one is absent."""
    now = world.broker.clock().now
    bars = world.data.daily_bars(["AAPL", "NONE"], now - timedelta(20), now)
    assert list(bars) == ["AAPL"]
    assert bars["AAPL"][-1].close == 100.0
    starts = [bar.start for bar in bars["AAPL"]]
    assert starts == sorted(starts)
    assert {start.hour for start in starts} <= {4, 5}
    quote = world.data.latest_quotes(["AAPL", "NONE"])["AAPL"]
    assert Decimal(99) < quote.bid <= quote.ask < Decimal(101)
    assert list(world.data.latest_trades(["AAPL", "NONE"])) == ["AAPL"]
    assert list(world.data.latest_bars(["AAPL", "NONE"])) == ["AAPL"]
