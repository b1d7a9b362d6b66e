"""Our adapter against the paper exchange with its fault switchboard on: what each fault is told as."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.request import Request, urlopen

import pytest

from alpaquero.broker.protocol import OrderChange, OrderRequest
from alpaquero.errors import BrokerRejected, BrokerUnavailable, BrokerUnclear
from tests.contract.broker.conftest import TOKEN, ExchangeWorld

REQUEST = OrderRequest(
    client_order_id="aq1-sig-AAPL-k1-0",
    symbol="AAPL",
    side="buy",
    quantity=Decimal(10),
    order_type="limit",
    limit_price=Decimal(50),
    time_in_force="gtc",
)


def admin(world: ExchangeWorld, method: str, path: str, body: Any = None) -> Any:
    """One call of the exchange's admin API."""
    request = Request(  # noqa: S310 - loopback
        f"{world.url}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        method=method,
    )
    with urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read())


def spoil(world: ExchangeWorld, kind: str, route: str, **more: Any) -> None:
    """The next request of `route` goes wrong as `kind` says, or the next `times`."""
    admin(world, "POST", "/admin/faults", {"rules": [{"kind": kind, "route": route, "times": 1} | more]})


def injected(world: ExchangeWorld) -> dict[str, int]:
    """How often each kind of fault really happened."""
    found: dict[str, int] = admin(world, "GET", "/admin/faults/injected")["counts"]
    return found


@pytest.mark.parametrize(
    ("kind", "arrives"),
    [
        ("500", False),
        ("503", False),
        ("504_before", False),
        ("504_after", True),
        ("cut_before", False),
        ("cut_after", True),
        ("html", True),
        ("truncated", True),
    ],
)
def test_a_submission_of_unknown_outcome_is_unclear_and_found_by_its_id(
    exchange: ExchangeWorld, kind: str, arrives: bool
) -> None:
    """Whether it arrived is not to be told from the answer, only by looking it up; a repeat is one order."""
    spoil(exchange, kind, "submit")
    with pytest.raises(BrokerUnclear):
        exchange.broker.submit(REQUEST)
    assert injected(exchange)[kind] == 1
    found = exchange.broker.order_by_client_id(REQUEST.client_order_id)
    assert arrives == (found is not None)
    again = exchange.broker.submit(REQUEST)
    assert [order.id for order in exchange.broker.orders()] == [again.id]


def test_a_submission_beyond_the_rate_limit_was_not_made(exchange: ExchangeWorld) -> None:
    """A 429 says when to come again, and nothing is there."""
    spoil(exchange, "429", "submit", retry_after=3)
    with pytest.raises(BrokerUnavailable) as caught:
        exchange.broker.submit(REQUEST)
    assert caught.value.retry_after_seconds == 3
    assert exchange.broker.order_by_client_id(REQUEST.client_order_id) is None


@pytest.mark.parametrize("kind", ["500", "504_after", "cut_before", "cut_after", "html", "truncated"])
def test_a_read_and_a_cancel_are_tried_again(exchange: ExchangeWorld, kind: str) -> None:
    """One fault is ridden out: the account is read, and the order is cancelled once."""
    placed = exchange.broker.submit(REQUEST)
    spoil(exchange, kind, "account")
    assert exchange.broker.account().account_number
    spoil(exchange, kind, "cancel")
    exchange.broker.cancel(placed.id)
    assert exchange.broker.order(placed.id).status == "canceled"
    assert injected(exchange)[kind] == 2


def test_a_read_gives_up_when_the_faults_do_not_end(exchange: ExchangeWorld) -> None:
    """Three tries, then the caller is told."""
    spoil(exchange, "500", "clock", times=3)
    with pytest.raises(BrokerUnclear):
        exchange.broker.clock()
    assert injected(exchange)["500"] == 3
    assert exchange.broker.clock().now is not None


@pytest.mark.parametrize(
    ("kind", "arrives"), [("504_before", False), ("504_after", True), ("cut_after", True)]
)
def test_a_replacement_of_unknown_outcome_is_found_by_its_id(
    exchange: ExchangeWorld, kind: str, arrives: bool
) -> None:
    """The same look-up tells whether the change was made, and a repeat changes nothing more."""
    placed = exchange.broker.submit(REQUEST)
    exchange.step()  # from accepted to new: before that the broker changes nothing
    change = OrderChange("aq1-sig-AAPL-k1-1", limit_price=Decimal(51))
    spoil(exchange, kind, "PATCH /v2/orders/*")
    with pytest.raises(BrokerUnclear):
        exchange.broker.replace(placed.id, change)
    found = exchange.broker.order_by_client_id(change.client_order_id)
    assert arrives == (found is not None)
    after = exchange.broker.replace(placed.id, change)
    assert (after.limit_price, exchange.broker.order(placed.id).replaced_by) == (Decimal(51), after.id)
    assert len(exchange.broker.orders()) == 2


def test_a_blocked_account_is_a_refusal_that_names_the_block(exchange: ExchangeWorld) -> None:
    """An order is rejected and the account says why."""
    spoil(exchange, "account_blocked", "", times=2)
    with pytest.raises(BrokerRejected) as caught:
        exchange.broker.submit(REQUEST)
    assert caught.value.status == 403
    assert exchange.broker.account().blocks
    assert exchange.broker.order_by_client_id(REQUEST.client_order_id) is None
