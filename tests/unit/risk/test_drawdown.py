"""Equity marks measure the fall from the peak; positions without a working stop are found."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alpaquero.orders.intent import OrderClass, OrderType, Side
from alpaquero.orders.order import LegRole, Order, OrderPurpose
from alpaquero.risk.drawdown import Drawdown, MissingStop, guarding, mark, missing_stops
from tests.unit.orders.builders import an_order

HELD = {"AAPL": Decimal(10)}
BARE = [MissingStop("AAPL", Decimal(10), Decimal(0))]


@pytest.mark.parametrize(
    ("peak", "equity", "expected_peak", "percent"),
    [
        ("100", "100", "100", "0.0000"),
        ("100", "120", "120", "0.0000"),
        ("100", "85", "100", "15.0000"),
        ("100", "85.0001", "100", "14.9999"),
        ("300", "200", "300", "33.3333"),
        ("100", "-20", "100", "120.0000"),
        ("0", "-20", "0", "0"),
    ],
)
def test_drawdown_is_the_fall_from_the_peak(peak: str, equity: str, expected_peak: str, percent: str) -> None:
    """A new high moves the peak; below it the fall is in percent of the peak."""
    assert Drawdown(Decimal(expected_peak), Decimal(percent)) == mark(Decimal(peak), Decimal(equity))


def a_stop(**changes: Any) -> Order:
    """The live stop of a bracket whose entry is filled."""
    given = {
        "client_order_id": "stop",
        "side": Side.SELL,
        "purpose": OrderPurpose.LEG,
        "order_type": OrderType.STOP,
        "status": "held",
        "parent": "entry",
    }
    return an_order(**{**given, **changes})


@pytest.mark.parametrize("order_type", [OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP])
@pytest.mark.parametrize("status", ["new", "held", "accepted", "a_word_of_next_year"])
def test_a_live_stop_covers_its_shares(order_type: OrderType, status: str) -> None:
    """Any kind of stop the broker holds protects the position."""
    assert [] == missing_stops(HELD, [a_stop(order_type=order_type, status=status)])


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "canceled"},
        {"status": "filled"},
        {"status": "unknown"},
        {"status": "intended"},
        {"status": "pending_cancel"},
        {"order_type": OrderType.LIMIT},
        {"side": Side.BUY},
        {"symbol": "MSFT"},
    ],
)
def test_what_does_not_protect_does_not_count(changes: dict[str, Any]) -> None:
    """A stop that has ended, is unclear, is going, or is no stop leaves the position bare."""
    assert BARE == missing_stops(HELD, [a_stop(**changes)])


def test_stops_add_up_and_a_partial_cover_is_told() -> None:
    """Two stops cover together; what is missing is in the answer."""
    four, six = a_stop(quantity=Decimal(4)), a_stop(client_order_id="other", quantity=Decimal(6))
    assert [] == missing_stops(HELD, [four, six])
    assert [MissingStop("AAPL", Decimal(10), Decimal(4))] == missing_stops(HELD, [four])
    assert [MissingStop("AAPL", Decimal(10), Decimal(7))] == missing_stops(
        HELD, [a_stop(filled_quantity=Decimal(3))]
    )


def test_legs_of_an_entry_still_filling_protect_nothing() -> None:
    """Bracket legs wait for the whole entry: a partly filled one is bare until then."""
    entry = an_order(client_order_id="entry", status="partially_filled", filled_quantity=Decimal(4))
    assert [MissingStop("AAPL", Decimal(4), Decimal(0))] == missing_stops(
        {"AAPL": Decimal(4)}, [entry, a_stop()]
    )


def test_the_stop_of_an_oco_counts() -> None:
    """An OCO's parent is its own target, which waits for nothing."""
    target = a_stop(client_order_id="target", order_type=OrderType.LIMIT, status="new", parent=None)
    assert [] == missing_stops(HELD, [target, a_stop(parent="target")])


def test_a_symbol_being_exited_is_left_to_its_exit() -> None:
    """An exit has taken the stop away on purpose and puts it back itself; a finished one does not."""
    sale = an_order(client_order_id="exit", side=Side.SELL, purpose=OrderPurpose.EXIT, status="intended")
    assert [] == missing_stops(HELD, [sale])
    assert BARE == missing_stops(HELD, [an_order(purpose=OrderPurpose.EXIT, status="rejected")])


def test_what_a_waiting_exit_leaves_needs_a_stop() -> None:
    """It sells four of ten, and its stop, where it is an OCO, covers the same four."""
    sale = an_order(
        client_order_id="exit", side=Side.SELL, purpose=OrderPurpose.EXIT, status="new",
        order_type=OrderType.LIMIT, quantity=Decimal(4),
    )  # fmt: skip
    assert BARE == missing_stops(HELD, [sale])
    assert [] == missing_stops(HELD, [sale, a_stop(quantity=Decimal(6))])
    own = a_stop(client_order_id="leg", parent="exit", quantity=Decimal(4))
    assert [MissingStop("AAPL", Decimal(10), Decimal(4))] == missing_stops(HELD, [sale, own])


def test_flat_symbols_need_no_stop_and_shorts_need_a_buy_stop() -> None:
    """Nothing held, nothing to protect; a short is covered by a stop that buys; symbols come in order."""
    positions = {"MSFT": Decimal(-5), "AAPL": Decimal(10), "IBM": Decimal(0)}
    cover = a_stop(symbol="MSFT", side=Side.BUY)
    assert BARE == missing_stops(positions, [cover])
    assert ["AAPL", "MSFT"] == [stop.symbol for stop in missing_stops(positions, [])]


def a_target(**changes: Any) -> Order:
    """The live target of the same bracket."""
    given = {
        "client_order_id": "target",
        "order_type": OrderType.LIMIT,
        "limit_price": Decimal(110),
        "role": LegRole.TAKE_PROFIT,
    }
    return a_stop(**{**given, **changes})


def test_what_guards_a_position_is_what_counts_as_its_stop() -> None:
    """A stop placed by hand guards too; a leg of an entry that waits, or one taken back, does not."""
    by_hand = a_stop(client_order_id="hand", parent=None, purpose=OrderPurpose.EXIT)
    waiting = an_order(client_order_id="second", status="new")
    idle = a_stop(client_order_id="idle", parent="second")
    going = a_stop(client_order_id="going", status="pending_cancel")
    assert ([by_hand], []) == guarding("AAPL", Decimal(10), [by_hand, waiting, idle, going])


def test_the_nearest_guard_comes_first() -> None:
    """The highest stop and the lowest target of a long position, the other way round of a short one."""
    prices = [Decimal(90), Decimal(97), None, Decimal(95)]
    long = [a_stop(client_order_id=str(n), stop_price=price) for n, price in enumerate(prices)]
    stops, _ = guarding("AAPL", Decimal(10), long)
    assert [Decimal(97), Decimal(95), Decimal(90), None] == [stop.stop_price for stop in stops]
    short = [
        a_stop(client_order_id=str(n), side=Side.BUY, stop_price=price) for n, price in enumerate(prices)
    ]
    stops, _ = guarding("AAPL", Decimal(-10), short)
    assert [Decimal(90), Decimal(95), Decimal(97), None] == [stop.stop_price for stop in stops]
    targets = [
        a_target(client_order_id=str(n), limit_price=Decimal(price)) for n, price in enumerate((120, 106))
    ]
    assert [Decimal(106), Decimal(120)] == [
        target.limit_price for target in guarding("AAPL", Decimal(10), targets)[1]
    ]


def test_the_stop_of_an_oco_and_its_parent_are_stop_and_target() -> None:
    """The parent sells at the limit, its leg at the stop; a plain limit order is no target."""
    parent = a_target(
        client_order_id="oco", parent=None, role=None, purpose=OrderPurpose.EXIT, order_class=OrderClass.OCO
    )
    stop = a_stop(parent="oco")
    plain = a_target(client_order_id="plain", parent=None, role=None, purpose=OrderPurpose.EXIT)
    assert ([stop], [parent]) == guarding("AAPL", Decimal(10), [parent, stop, plain])
