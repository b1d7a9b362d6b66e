"""The BrokerState table: compare-and-swap, the stricter budget, and what a dry run would have ordered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pynamodb.exceptions import QueryError

from alpaquero.broker.breaker import Breaker, failed, probing
from alpaquero.broker.budget import Window
from alpaquero.broker.protocol import BrokerOrder
from alpaquero.errors import SharedStateLost
from alpaquero.store.broker_state import BrokerStateItem, DryRunOrders, OutboundState, SharedBrokerState

SCOPE, NOW = "trading:paper-api.alpaca.markets", 1_000_000.5


def test_what_nobody_wrote_is_a_closed_breaker_and_no_budget(tables: None) -> None:
    """A new stack begins well."""
    assert SharedBrokerState().read(SCOPE) == (Breaker(), {})


def test_a_breaker_is_swapped_once(tables: None) -> None:
    """Of two that saw the same breaker one writes, and both then read the same."""
    one, other = SharedBrokerState(), SharedBrokerState()
    seen = Breaker()
    mine, theirs = failed(seen, NOW, as_probe=False), probing(seen, NOW)
    assert one.swap(SCOPE, seen, mine)
    assert not other.swap(SCOPE, seen, theirs)
    assert other.read(SCOPE) == (mine, {})
    assert other.swap(SCOPE, mine, probing(mine, NOW))


def test_scopes_do_not_meet(tables: None) -> None:
    """The data API's breaker is not the trading API's."""
    state = SharedBrokerState()
    state.swap(SCOPE, Breaker(), failed(Breaker(), NOW, as_probe=False))
    assert state.read("data:paper-api.alpaca.markets") == (Breaker(), {})


def test_what_else_is_called_has_its_breakers_in_one_place(tables: None) -> None:
    """Each is swapped alone, and all that ever failed are listed with one query."""
    state, broken = OutboundState(), failed(Breaker(), NOW, as_probe=False)
    assert (state.read("watchdog"), state.all()) == ((Breaker(), {}), {})
    assert state.swap("watchdog", Breaker(), broken)
    assert not state.swap("watchdog", Breaker(), broken)
    assert state.read("watchdog") == (broken, {})
    assert state.read("webhook:team") == (Breaker(), {})
    assert state.all() == {"watchdog": broken}


@pytest.mark.parametrize(
    ("then", "kept"),
    [
        (Window(200, 40, NOW), Window(200, 40, NOW)),
        (Window(200, 60, NOW), Window(200, 50, NOW)),
        (Window(200, 199, NOW + 60), Window(200, 199, NOW + 60)),
        (Window(200, 3, NOW - 60), Window(200, 50, NOW)),
    ],
)
def test_the_stricter_budget_is_kept(tables: None, then: Window, kept: Window) -> None:
    """A later window replaces the one there is, and of one window the smaller rest counts."""
    state = SharedBrokerState()
    state.tell(SCOPE, "alpaquero/paper/trading", Window(200, 50, NOW))
    state.tell(SCOPE, "alpaquero/paper/trading", then)
    assert state.read(SCOPE)[1] == {"alpaquero/paper/trading": kept}


def test_a_table_out_of_reach_is_told_as_such(tables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever DynamoDB says, the guard hears one thing."""

    def out_of_reach(*_: Any, **__: Any) -> Any:
        raise QueryError("throttled")

    monkeypatch.setattr(BrokerStateItem, "query", out_of_reach)
    with pytest.raises(SharedStateLost):
        SharedBrokerState().read(SCOPE)
    with pytest.raises(SharedStateLost):
        OutboundState().all()


def test_intended_orders_are_kept_by_account(tables: None) -> None:
    """They come back whole, oldest first, and a newer state takes the place of the older."""
    at = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    first = BrokerOrder(
        id="dry-run:b",
        client_order_id="b",
        symbol="AAPL",
        side="buy",
        order_type="market",
        order_class="",
        time_in_force="day",
        quantity=Decimal("1.5"),
        notional=None,
        limit_price=None,
        stop_price=None,
        status="accepted",
        filled_quantity=Decimal(0),
        filled_average_price=None,
        submitted_at=at,
        updated_at=at,
        expires_at=at,
    )
    second = replace(first, client_order_id="a", submitted_at=at.replace(hour=15))
    orders = DryRunOrders("paper")
    for order in (second, first, replace(second, status="canceled")):
        orders.keep(order)
    assert orders.kept() == [first, replace(second, status="canceled")]
    assert DryRunOrders("other").kept() == []
