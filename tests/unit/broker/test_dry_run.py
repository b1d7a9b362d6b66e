"""A dry run: orders are written down and answered, and nothing leaves for the broker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.broker.dry_run import DryRunBroker, DryRunReader
from alpaquero.broker.protocol import OrderChange, OrderRequest
from alpaquero.errors import BrokerRejected, OrderNotFound
from tests.fakes.broker import FakeBroker
from tests.fakes.broker_state import FakeDryOrders


@dataclass
class Desk:
    """A dry run over an account that really trades, as its owner may do by hand."""

    account: FakeBroker
    orders: FakeDryOrders
    broker: DryRunBroker
    reader: DryRunReader


@pytest.fixture
def desk() -> Desk:
    account, orders = FakeBroker({"AAPL": Decimal(100)}), FakeDryOrders()
    return Desk(account, orders, DryRunBroker(account, orders), DryRunReader(account, orders))


def request(key: str = "k1", **more: Any) -> OrderRequest:
    given: dict[str, Any] = {"symbol": "AAPL", "side": "buy", "quantity": Decimal(10)}
    return OrderRequest(client_order_id=f"aq1-sig-AAPL-{key}-0", **(given | more))


def test_an_order_is_accepted_and_not_sent(desk: Desk) -> None:
    """It is answered as accepted, kept, and the account never hears of it."""
    placed = desk.broker.submit(request())
    assert (placed.status, placed.quantity, placed.filled_quantity) == ("accepted", Decimal(10), Decimal(0))
    assert desk.orders.kept() == [placed]
    assert desk.account.orders() == []


def test_what_it_would_have_ordered_is_kept_whole(desk: Desk) -> None:
    """Type, class, exits and notional are in the record."""
    bracket = request(
        "k1", order_class="bracket", take_profit_price=Decimal(110), stop_loss_price=Decimal(90)
    )
    placed = desk.broker.submit(bracket)
    assert (placed.order_class, placed.limit_price, placed.stop_price) == (
        "bracket",
        Decimal(110),
        Decimal(90),
    )
    money = desk.broker.submit(request("k2", quantity=None, notional=Decimal(250)))
    assert (money.quantity, money.notional) == (None, Decimal(250))


def test_the_same_id_is_the_same_order(desk: Desk) -> None:
    """A repeat, also by another function, writes nothing more; an id the account has is its order."""
    first = desk.broker.submit(request())
    assert DryRunBroker(desk.account, desk.orders).submit(request()) == first
    real = desk.account.submit(request("real"))
    assert desk.broker.submit(request("real")).id == real.id
    assert len(desk.orders.kept()) == 1


def test_sync_sees_the_intended_among_the_real(desk: Desk) -> None:
    """Open orders, all orders and both look-ups know them; the account's own come through."""
    real = desk.account.submit(request("real", order_type="limit", limit_price=Decimal(1)))
    ours = desk.broker.submit(request())
    assert {real.id, ours.id} == {order.id for order in desk.reader.open_orders()}
    assert {real.id, ours.id} == {order.id for order in desk.reader.orders()}
    assert desk.reader.order(ours.id) == ours == desk.reader.order_by_client_id(ours.client_order_id)
    assert desk.reader.order(real.id).client_order_id == real.client_order_id
    assert desk.reader.orders("closed") == []
    with pytest.raises(OrderNotFound):
        desk.reader.order("dry-run:nobody")


def test_an_intended_order_ends_with_its_session_unfilled(desk: Desk) -> None:
    """It is expired at the next close, so what was reserved for it is free again."""
    placed = desk.broker.submit(request())
    close = desk.account.clock().next_close
    desk.account.now = close - timedelta(seconds=1)
    assert not desk.reader.order(placed.id).is_terminal
    desk.account.now = close
    ended = desk.reader.order(placed.id)
    assert (ended.status, ended.updated_at, ended.filled_quantity) == ("expired", close, Decimal(0))
    assert desk.reader.open_orders() == []
    assert [order.id for order in desk.reader.orders("closed")] == [placed.id]


def test_cash_positions_and_fills_are_the_accounts_own(desk: Desk) -> None:
    """A dry run buys nothing; what its owner trades by hand is seen."""
    desk.broker.submit(request())
    desk.account.submit(request("by-hand", quantity=Decimal(3)))
    desk.account.step()
    assert [position.quantity for position in desk.reader.positions()] == [Decimal(3)]
    assert desk.reader.position("AAPL") == desk.account.position("AAPL")
    assert len(desk.reader.fills()) == 1
    assert desk.reader.account().cash == Decimal(100000) - 3 * 100
    assert desk.reader.clock() == desk.account.clock()


def test_a_cancel_ends_an_intended_order(desk: Desk) -> None:
    """Once cancelled it stays so; cancelling it again is fine."""
    placed = desk.broker.submit(request())
    desk.broker.cancel(placed.id)
    desk.broker.cancel(placed.id)
    assert desk.reader.order(placed.id).status == "canceled"


def test_a_replacement_is_written_down_too(desk: Desk) -> None:
    """The old order says by which it was replaced, and cannot be replaced again."""
    placed = desk.broker.submit(request(order_type="limit", limit_price=Decimal(99)))
    after = desk.broker.replace(placed.id, OrderChange("aq1-sig-AAPL-k1-1", limit_price=Decimal(98)))
    assert (after.limit_price, after.quantity, after.replaces) == (Decimal(98), Decimal(10), placed.id)
    before = desk.reader.order(placed.id)
    assert (before.status, before.replaced_by) == ("replaced", after.id)
    with pytest.raises(BrokerRejected):
        desk.broker.replace(placed.id, OrderChange("aq1-sig-AAPL-k1-2", limit_price=Decimal(97)))


def test_a_real_order_is_left_alone(desk: Desk) -> None:
    """Cancelling or changing the owner's own order would be real, so it is refused."""
    real = desk.account.submit(request("real", order_type="limit", limit_price=Decimal(1)))
    with pytest.raises(BrokerRejected, match="no real order"):
        desk.broker.cancel(real.id)
    with pytest.raises(BrokerRejected, match="no real order"):
        desk.broker.replace(real.id, OrderChange("aq1-sig-AAPL-k1-1", limit_price=Decimal(98)))
    assert not desk.account.order(real.id).is_terminal


def test_the_reader_of_a_dry_run_cannot_submit(desk: Desk) -> None:
    """As of any other, there is no method to place, replace or cancel."""
    assert not any(hasattr(desk.reader, method) for method in ("submit", "replace", "cancel"))
