"""Orders by hand: listed by page, placed and cancelled as commands."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from functions.trading import api
from tests.fakes.queues import FakeQueues
from tests.unit.orders.builders import an_order, at
from tests.unit.trading.world import World

Call = Callable[..., tuple[int, Any]]
BODY = {"symbol": "aapl", "side": "buy", "quantity": "5"}


def place(call: Call, *, key: str | None = "k1", role: str = "trader", **changes: Any) -> tuple[int, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    return call(api.app, "/api/orders", method="POST", body={**BODY, **changes}, role=role, headers=headers)


def test_a_persons_order_is_a_command_under_its_key(world: World, call: Call) -> None:
    """The same Idempotency-Key is the same order: one command, one order."""
    first, second = place(call), place(call)
    assert (202, first) == (first[0], second)
    assert 1 == len(world.queues.bodies("order-queue"))
    world.market_data.prices = dict(world.broker.prices)
    world.run_commands()
    order = world.order(first[1]["client_order_id"])
    assert ("accepted", Decimal(5), "ana") == (order.status, order.quantity, order.requested_by)


def test_a_sync_may_be_asked_for(world: World, call: Call) -> None:
    """A trader queues it; only an admin may have everything derived again."""
    world.queues.receive("sync-queue")
    assert 202 == call(api.app, "/api/sync", method="POST", role="trader")[0]
    assert 403 == call(api.app, "/api/rebuild", method="POST", role="trader")[0]
    assert 202 == call(api.app, "/api/rebuild", method="POST", role="admin")[0]
    assert ["ana asked for it", "rebuild"] == [body["reason"] for body in world.queues.bodies("sync-queue")]


def test_another_key_is_another_order(world: World, call: Call) -> None:
    """Two orders that look alike are two when the person says so."""
    assert place(call, key="k1")[1] != place(call, key="k2")[1]
    assert 2 == len(world.queues.bodies("order-queue"))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"key": None}, 400),
        ({"side": "hold"}, 400),
        ({"order_type": "limit"}, 400),
        ({"role": "viewer"}, 403),
    ],
)
def test_an_order_that_cannot_be_taken_sends_nothing(
    world: World, call: Call, changes: dict[str, Any], status: int
) -> None:
    """The answer says what to change; a viewer may not trade."""
    assert status == place(call, **changes)[0]
    assert [] == world.queues.bodies("order-queue")


def test_a_cancel_is_a_command(world: World, call: Call) -> None:
    """The order is cancelled at the broker once execute has read it."""
    identifier = world.hold().client_order_id
    leg = world.books.open_orders()[0].client_order_id
    route = "/api/orders/{id}"
    assert 400 == call(api.app, route, method="DELETE", path={"id": identifier}, role="trader")[0]
    assert 404 == call(api.app, route, method="DELETE", path={"id": "nobody"}, role="trader")[0]
    assert 202 == call(api.app, route, method="DELETE", path={"id": leg}, role="trader")[0]
    world.run_commands()
    world.sync()
    assert "canceled" == world.order(leg).status


def test_orders_are_listed_newest_first_by_page(tables: None, queues: FakeQueues, call: Call) -> None:
    """Pages follow each other without a gap or a double, filtered or not."""
    for number in range(7):
        api.BOOKS.commit(
            new_orders=[
                an_order(
                    client_order_id=f"o{number}",
                    created_at=at(number),
                    status="filled" if number % 2 else "new",
                    symbol="IBM" if number == 3 else "AAPL",
                )
            ]
        )
    for query, expected in (
        ({}, ["o6", "o5", "o4", "o3", "o2", "o1", "o0"]),
        ({"status": "open"}, ["o6", "o4", "o2", "o0"]),
        ({"status": "closed"}, ["o5", "o3", "o1"]),
        ({"symbol": "ibm"}, ["o3"]),
    ):
        found: list[str] = []
        cursor: dict[str, str] = {}
        for _ in range(9):
            status, page = call(api.app, "/api/orders", query={**query, "limit": "2", **cursor})
            assert 200 == status
            found += [order["client_order_id"] for order in page["items"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert expected == found
