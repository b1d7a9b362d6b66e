"""Orders by hand: listed by page, placed and cancelled as commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero import wall
from alpaquero.broker.protocol import OrderRequest
from alpaquero.events.schemas import TradeRejected
from alpaquero.orders.identity import manual_key
from alpaquero.risk.book import TradingState
from alpaquero.store.books import Books
from functions.trading import api, sync
from tests.fakes.queues import FakeQueues
from tests.unit.orders.builders import an_intent, an_order, at
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


def test_a_reconciliation_is_asked_for_and_read(world: World, call: Call) -> None:
    """A trader asks for days in order; a viewer reads what came of the last."""
    world.queues.receive("sync-queue")
    path = "/api/analytics/reconciliation"
    assert 404 == call(api.app, path)[0]
    assert 403 == call(api.app, path, method="POST", body={}, role="viewer")[0]
    wrong = call(api.app, path, method="POST", body={"from": "2012-07-03", "to": "2012-07-02"}, role="trader")
    assert (400, {"field": "to"}) == (wrong[0], wrong[1]["error"]["details"])
    assert 202 == call(api.app, path, method="POST", body={"from": "2012-07-02"}, role="trader")[0]
    [asked] = world.queues.bodies("sync-queue")
    assert ("reconcile", "2012-07-02", None) == (asked["reason"], asked["first"], asked["last"])
    world.hold()
    sync.handler({"job": "reconcile"}, None)
    status, found = call(api.app, path)
    assert (200, True, [], 0) == (status, found["agrees"], found["differences"], found["differences_found"])
    [day] = found["days"]
    assert (found["to"], "FILL", "0") == (day["day"], day["kind"], day["difference"].split(".")[0])
    assert ["cash", "AAPL"] == [balance["name"] for balance in found["balances"]]


def test_every_fill_is_listed_by_itself(world: World, call: Call) -> None:
    """Newest first, page by page, with what it was worth; those of one symbol when asked."""
    for symbol in ("AAPL", "IBM", "MSFT"):
        world.broker.prices[symbol] = Decimal(100)
        world.hold(symbol=symbol, key=manual_key("paper", f"buy {len(world.books.fills())}"))
    _, whole = call(api.app, "/api/fills")
    assert [fill.id for fill in reversed(world.books.fills())] == [fill["id"] for fill in whole["items"]]
    first = whole["items"][0]
    assert Decimal(first["value"]) == Decimal(first["quantity"]) * Decimal(first["price"]) > 0
    assert world.order(first["client_order_id"]).broker_order_id == first["broker_order_id"]
    paged: list[str] = []
    cursor: str | None = None
    for _ in whole["items"]:
        query = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        _, page = call(api.app, "/trading/fills", query=query)
        paged += [fill["id"] for fill in page["items"]]
        cursor = page["next"]
    assert [fill["id"] for fill in whole["items"]] == paged
    _, of_one = call(api.app, "/api/fills", query={"symbol": "ibm", "limit": "1"})
    assert ["IBM"] == [fill["symbol"] for fill in of_one["items"]]


def test_a_refusal_is_listed_after_it_was_told(world: World, call: Call) -> None:
    """An order that never was is found with the rules that refused it, newest first."""
    world.trading_is(TradingState.HALTED)
    for symbol in ("AAPL", "IBM"):
        world.place(an_intent(symbol=symbol, key=manual_key("paper", symbol)))
    _, page = call(api.app, "/api/refusals", query={"limit": "1"})
    [newest] = page["items"]
    assert ("IBM", True) == (newest["symbol"], "trading_state" in newest["codes"])
    _, older = call(api.app, "/trading/refusals", query={"limit": "1", "cursor": page["next"]})
    assert ["AAPL"] == [one["symbol"] for one in older["items"]]
    _, of_one = call(api.app, "/api/refusals", query={"symbol": "aapl"})
    assert ["AAPL"] == [one["symbol"] for one in of_one["items"]]


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
        ({"time_in_force": "ioc"}, 400),
        ({"quantity": "0.5"}, 400),
        ({"quantity": "1e30"}, 400),
        ({"order_type": "limit", "limit_price": "1e30"}, 400),
        ({"symbol": "a b"}, 400),
    ],
)
def test_an_order_that_cannot_be_taken_sends_nothing(
    world: World, call: Call, changes: dict[str, Any], status: int
) -> None:
    """The answer says what to change; a viewer may not trade."""
    assert status == place(call, **changes)[0]
    assert [] == world.queues.bodies("order-queue")


def test_a_key_that_placed_another_order_is_refused(world: World, call: Call) -> None:
    """Answered as accepted, a person would wait for an order that never comes."""
    assert 202 == place(call, quantity="5")[0]
    world.run_commands()
    assert 202 == place(call, quantity="5")[0]
    assert 409 == place(call, quantity="6")[0]
    assert 409 == place(call, quantity="5", order_type="limit", limit_price="90")[0]


@pytest.mark.parametrize("changes", [{"symbol": "ibm"}, {"side": "sell"}, {"quantity": "6"}])
def test_a_key_is_one_request_from_the_moment_it_was_taken(
    world: World, call: Call, changes: dict[str, Any]
) -> None:
    """Also for another symbol, whose order has another id, and before anything was placed."""
    assert 202 == place(call)[0]
    status, answer = place(call, **changes)
    assert (409, "conflict") == (status, answer["error"]["code"])
    assert 1 == len(world.queues.bodies("order-queue"))


def test_a_key_of_a_purchase_sells_nothing(world: World, call: Call) -> None:
    """Nor does the key that closed one position close another, or all of them."""
    world.hold()
    assert 202 == place(call, symbol="ibm")[0]
    close = {"method": "POST", "role": "trader", "headers": {"Idempotency-Key": "k1"}}
    path = {"symbol": "AAPL"}
    one = call(api.app, "/api/positions/{symbol}/close", path=path, body={}, **close)
    every = call(api.app, "/api/positions/close", body={}, **close)
    assert [409, 409] == [one[0], every[0]]
    assert 1 == len(world.queues.bodies("order-queue"))


def test_a_persons_order_that_waited_too_long_is_refused(
    world: World, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that stood still for an hour must not trade on what someone wanted then."""
    place(call)
    later = wall.now() + timedelta(minutes=16)
    monkeypatch.setattr(wall, "now", lambda: later)
    world.run_commands()
    [refused] = world.told(TradeRejected)
    assert (["request_age"], []) == (refused.codes, world.broker.orders())


def test_a_cancel_that_failed_may_be_asked_for_again_at_once(world: World, call: Call) -> None:
    """SQS would drop a repeat for five minutes, and the answer would still be that it is queued."""
    world.place(an_intent())
    [entry] = world.books.open_orders()
    for _ in range(2):
        asked = call(
            api.app, "/api/orders/{id}", method="DELETE", path={"id": entry.client_order_id}, role="trader"
        )
        assert 202 == asked[0]
    assert 2 == len(world.queues.bodies("order-queue"))


def test_an_order_placed_elsewhere_is_cancelled_by_whatever_id_it_has(world: World, call: Call) -> None:
    """The broker takes ids of 128 characters, spaces too, and what SQS is given must still be an id to it."""
    identifier = f"my order {'x' * 119}"
    theirs = OrderRequest(
        client_order_id="elsewhere", symbol="AAPL", side="buy", quantity=Decimal(1), order_type="limit",
        limit_price=Decimal(50),
    )  # fmt: skip
    placed = world.broker.submit(theirs)
    world.broker._orders[placed.id] = replace(placed, client_order_id=identifier)
    world.sync()
    path = {"id": identifier}
    assert 202 == call(api.app, "/api/orders/{id}", method="DELETE", path=path, role="trader")[0]
    world.run_commands()
    world.sync()
    assert "canceled" == world.order(identifier).status


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


def test_open_orders_are_listed_without_a_look_at_those_that_ended(
    world: World, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dashboard asks after each event: a history of years may not be read for a handful."""
    world.hold()
    monkeypatch.delattr(Books, "newest_orders")
    status, page = call(api.app, "/api/orders", query={"status": "open", "limit": "1"})
    [newest, *_, oldest] = [order.client_order_id for order in reversed(world.books.open_orders())]
    assert (200, [newest]) == (status, [order["client_order_id"] for order in page["items"]])
    _, page = call(api.app, "/api/orders", query={"status": "open", "cursor": page["next"]})
    assert ([oldest], None) == ([order["client_order_id"] for order in page["items"]], page["next"])


@pytest.mark.parametrize("path", ["/api/orders", "/api/fills", "/api/refusals"])
def test_a_page_of_one_symbol_looks_at_so_many_records_and_says_where_to_go_on(
    world: World, call: Call, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Years of other symbols are not read in one request: an empty page is not the last."""
    symbols = ("AAPL", "IBM", "MSFT")
    for symbol in symbols:
        world.broker.prices[symbol] = Decimal(100)
        world.hold(symbol=symbol, key=manual_key("paper", f"buy {len(world.books.fills())}"))
    world.trading_is(TradingState.HALTED)
    for symbol in symbols:
        world.place(an_intent(symbol=symbol, key=manual_key("paper", symbol)))
    monkeypatch.setattr(api, "MOST_READ", 2)
    monkeypatch.setattr(api, "READ_AT_ONCE", 2)
    _, page = call(api.app, path, query={"symbol": "AAPL", "limit": "1"})
    assert [] == page["items"]
    while page["next"] and not page["items"]:
        _, page = call(api.app, path, query={"symbol": "AAPL", "limit": "1", "cursor": page["next"]})
    assert ["AAPL"] == [one["symbol"] for one in page["items"]]


def asked(call: Call, method: str, route: str, **given: Any) -> tuple[int, Any]:
    return call(api.app, route, method=method, role=given.pop("role", "trader"), **given)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("side", {"side": "hold"}),
        ("order_type", {"order_type": "iceberg"}),
        ("order_class", {"quantity": None, "notional": "100"}),
        ("limit_price", {"order_type": "limit"}),
        ("extended_hours", {"extended_hours": True}),
        ("symbol", {"symbol": "a b"}),
    ],
)
def test_terms_that_do_not_fit_name_their_field(
    world: World, call: Call, field: str, changes: dict[str, Any]
) -> None:
    """Refused before the queue, with what to change."""
    status, answer = place(call, **changes)
    assert (400, field) == (status, answer["error"]["details"]["field"])


def test_an_order_shows_its_whole_log(world: World, call: Call) -> None:
    """Who asked and why, the verdict, each state with the broker's answer."""
    place(call, reason="looks cheap")
    world.market_data.prices = dict(world.broker.prices)
    world.run_commands()
    [order] = world.books.orders()
    status, shown = asked(call, "GET", "/api/orders/{id}", path={"id": order.client_order_id}, role="viewer")
    assert (200, "ana", "looks cheap") == (status, shown["requested_by"], shown["reason"])
    assert ["intended", "accepted"] == [step["status"] for step in shown["history"]]
    assert order.broker_order_id in shown["history"][1]["answer"]
    assert len(shown["verdict"]) > 20
    assert 404 == asked(call, "GET", "/api/orders/{id}", path={"id": "nobody"})[0]


def test_a_replacement_is_a_command(world: World, call: Call) -> None:
    """The answer names the order that takes its place; the same change is one command."""
    place(call, order_type="limit", limit_price="90", time_in_force="gtc")
    world.run_commands()
    world.broker.step()
    world.sync()
    [order] = [o for o in world.books.orders() if o.parent is None]
    route, path = "/api/orders/{id}", {"id": order.client_order_id}
    for _ in range(2):
        status, answer = asked(call, "PATCH", route, path=path, body={"limit_price": "91"})
        assert (202, f"{order.client_order_id[:-1]}1") == (status, answer["client_order_id"])
    assert 1 == len(world.queues.bodies("order-queue"))
    world.run_commands()
    assert Decimal(91) == world.order(answer["client_order_id"]).limit_price
    path = {"id": answer["client_order_id"]}  # the old one has ended
    for body, field in (
        ({}, "quantity"),
        ({"stop_price": "80"}, "stop_price"),
        ({"time_in_force": "soon"}, "time_in_force"),
    ):
        status, answer = asked(call, "PATCH", route, path=path, body=body)
        assert (400, field) == (status, answer["error"]["details"]["field"])
    assert 403 == asked(call, "PATCH", route, path=path, body={"limit_price": "92"}, role="viewer")[0]


def test_all_open_orders_are_cancelled_by_one_command(world: World, call: Call) -> None:
    """It answers which are open now, without the stops of positions unless they are asked for."""
    world.hold()
    assert [] == asked(call, "DELETE", "/api/orders")[1]["client_order_ids"]
    status, answer = asked(call, "DELETE", "/api/orders", query={"protection": "true", "symbol": "aapl"})
    assert (202, 2) == (status, len(answer["client_order_ids"]))
    world.run_commands()
    assert [] == world.broker.open_orders()
    assert 400 == asked(call, "DELETE", "/api/orders", query={"protection": "perhaps"})[0]


def test_a_position_is_closed_under_its_key(world: World, call: Call) -> None:
    """The same key is the same sale, also when the position is gone by then."""
    world.hold(quantity=Decimal(10))
    route, path, headers = "/api/positions/{symbol}/close", {"symbol": "aapl"}, {"Idempotency-Key": "k1"}
    given = {"path": path, "headers": headers, "body": {"percentage": "100"}}
    status, answer = asked(call, "POST", route, **given)
    assert 202 == status
    world.run_commands()
    world.broker.step()
    world.settle()
    assert (202, answer) == asked(call, "POST", route, **given)
    assert {} == world.book.positions
    again = {**given, "headers": {"Idempotency-Key": "k2"}}
    assert 404 == asked(call, "POST", route, **again)[0]
    assert 400 == asked(call, "POST", route, path=path, body={})[0]


@pytest.mark.parametrize(
    "body", [{"quantity": "11"}, {"percentage": "101"}, {"quantity": "1", "percentage": "1"}]
)
def test_more_than_a_position_is_not_closed(world: World, call: Call, body: dict[str, str]) -> None:
    """Ten are held: the answer says so before anything is queued."""
    world.hold(quantity=Decimal(10))
    given = {"path": {"symbol": "AAPL"}, "headers": {"Idempotency-Key": "k1"}, "body": body}
    assert 400 == asked(call, "POST", "/api/positions/{symbol}/close", **given)[0]
    assert [] == world.queues.bodies("order-queue")


def test_every_position_is_closed_at_once(world: World, call: Call) -> None:
    """One sale a symbol; nothing while trading is halted, and the answer says who may raise it."""
    world.hold(quantity=Decimal(10))
    given = {"headers": {"Idempotency-Key": "k1"}, "body": {"force": True}}
    status, answer = asked(call, "POST", "/api/positions/close", **given)
    assert (202, 1) == (status, len(answer["client_order_ids"]))
    world.trading_is(TradingState.HALTED)
    status, answer = asked(call, "POST", "/api/positions/close", **given)
    assert (409, True) == (status, "HALTED" in answer["error"]["message"])
