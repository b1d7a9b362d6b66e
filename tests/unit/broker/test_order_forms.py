"""Every order type and class of Alpaca's for stocks, as it goes over the wire; and replacing an order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alpaquero.broker.alpaca import AlpacaSubmitter
from alpaquero.broker.protocol import OrderChange, OrderRequest
from alpaquero.errors import BrokerRejected, BrokerUnavailable, BrokerUnclear, KeysRefused, OrderNotFound
from tests.fakes.http_server import Reply, ScriptedServer
from tests.unit.broker.payloads import ACCOUNT, NOT_FOUND, order, refusal

ID = "aq1-sig-AAPL-k1-0"
NEXT = "aq1-sig-AAPL-k1-1"
BASE: dict[str, Any] = {"client_order_id": ID, "symbol": "AAPL", "side": "buy"}
FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "market": ({"quantity": Decimal(3)}, {"type": "market", "time_in_force": "day", "qty": "3"}),
    "limit, extended hours": (
        {
            "quantity": Decimal(3),
            "order_type": "limit",
            "limit_price": Decimal("187.20"),
            "extended_hours": True,
        },
        {
            "type": "limit",
            "time_in_force": "day",
            "qty": "3",
            "limit_price": "187.20",
            "extended_hours": True,
        },
    ),
    "stop": (
        {
            "quantity": Decimal(3),
            "order_type": "stop",
            "stop_price": Decimal(180),
            "time_in_force": "gtc",
        },
        {"type": "stop", "time_in_force": "gtc", "qty": "3", "stop_price": "180"},
    ),
    "stop limit": (
        {
            "quantity": Decimal(3),
            "order_type": "stop_limit",
            "stop_price": Decimal(180),
            "limit_price": Decimal(179),
        },
        {"type": "stop_limit", "time_in_force": "day", "qty": "3", "stop_price": "180", "limit_price": "179"},
    ),
    "trailing stop by price": (
        {"quantity": Decimal(3), "order_type": "trailing_stop", "trail_price": Decimal("2.5")},
        {"type": "trailing_stop", "time_in_force": "day", "qty": "3", "trail_price": "2.5"},
    ),
    "trailing stop by percent": (
        {"quantity": Decimal(3), "order_type": "trailing_stop", "trail_percent": Decimal(5)},
        {"type": "trailing_stop", "time_in_force": "day", "qty": "3", "trail_percent": "5"},
    ),
    "fraction": (
        {"quantity": Decimal("1E-9")},
        {"type": "market", "time_in_force": "day", "qty": "0.000000001"},
    ),
    "notional": (
        {"notional": Decimal("250.50")},
        {"type": "market", "time_in_force": "day", "notional": "250.50"},
    ),
    "at the open": (
        {"quantity": Decimal(3), "time_in_force": "opg"},
        {"type": "market", "time_in_force": "opg", "qty": "3"},
    ),
    "bracket with a stop limit": (
        {
            "quantity": Decimal(3),
            "order_class": "bracket",
            "time_in_force": "gtc",
            "take_profit_price": Decimal(199),
            "stop_loss_price": Decimal(181),
            "stop_loss_limit_price": Decimal(180),
        },
        {
            "type": "market",
            "time_in_force": "gtc",
            "qty": "3",
            "order_class": "bracket",
            "take_profit": {"limit_price": "199"},
            "stop_loss": {"stop_price": "181", "limit_price": "180"},
        },
    ),
    "oco": (
        {
            "side": "sell",
            "quantity": Decimal(3),
            "order_type": "limit",
            "order_class": "oco",
            "take_profit_price": Decimal(199),
            "stop_loss_price": Decimal(181),
        },
        {
            "side": "sell",
            "type": "limit",
            "time_in_force": "day",
            "qty": "3",
            "order_class": "oco",
            "take_profit": {"limit_price": "199"},
            "stop_loss": {"stop_price": "181"},
        },
    ),
    "oto": (
        {"quantity": Decimal(3), "order_class": "oto", "stop_loss_price": Decimal(181)},
        {
            "type": "market",
            "time_in_force": "day",
            "qty": "3",
            "order_class": "oto",
            "stop_loss": {"stop_price": "181"},
        },
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_written_as_the_broker_reads_it(
    broker: AlpacaSubmitter, server: ScriptedServer, form: str
) -> None:
    """What is not part of the form is not in the body, and decimals are texts."""
    given, written = FORMS[form]
    server.script = [Reply(200, order())]
    broker.submit(OrderRequest(**(BASE | given)))
    assert BASE | written == server.asked[0].body


THREE = {"quantity": Decimal(3)}
STOP, TARGET = {"stop_loss_price": Decimal(1)}, {"take_profit_price": Decimal(2)}
TRAIL = {"trail_price": Decimal(1), "trail_percent": Decimal(1)}


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({}, "give one of them"),
        (THREE | {"notional": Decimal(300)}, "give one of them"),
        ({"quantity": Decimal(0)}, "quantity must be a number above zero"),
        ({"quantity": Decimal("Infinity")}, "quantity must be a number above zero"),
        ({"notional": Decimal(-1)}, "notional must be a number above zero"),
        ({"notional": Decimal(300), "order_class": "oto"} | STOP, "a simple one"),
        (THREE | {"order_type": "limit"}, "needs limit_price, not no price"),
        (THREE | {"limit_price": Decimal(1)}, "needs no price, not limit_price"),
        (
            THREE | {"order_type": "stop_limit", "stop_price": Decimal(1)},
            "needs limit_price and stop_price, not stop_price",
        ),
        (THREE | {"order_type": "trailing_stop"}, "goes with a trailing_stop"),
        (THREE | {"order_type": "trailing_stop"} | TRAIL, "goes with a trailing_stop"),
        (THREE | {"trail_price": Decimal(1)}, "goes with a trailing_stop"),
        (THREE | {"order_class": "bracket"} | STOP, "a bracket order cannot have stop_loss_price"),
        (THREE | STOP, "a simple order cannot have stop_loss_price"),
        (THREE | {"order_class": "oto"} | STOP | TARGET, "a oto order cannot have"),
        (THREE | {"order_class": "oco"} | STOP | TARGET, "an oco is of the type limit"),
        (
            THREE | {"order_class": "oto", "stop_loss_limit_price": Decimal(1)} | TARGET,
            "stop_loss_limit_price goes with stop_loss_price",
        ),
    ],
)
def test_a_form_that_cannot_be_is_never_sent(wrong: dict[str, Any], complaint: str) -> None:
    """Prices that do not fit the type, exits that do not fit the class, two sizes or none."""
    with pytest.raises(ValueError, match=complaint):
        OrderRequest(**(BASE | wrong))


def test_a_replacement_carries_its_own_id(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """One PATCH with what changes and the new order's client order id; the new order is the answer."""
    server.script = [Reply(200, order(id="new", client_order_id=NEXT, replaces="old", limit_price="186"))]
    change = OrderChange(NEXT, quantity=Decimal(4), limit_price=Decimal(186), time_in_force="gtc")
    after = broker.replace("old", change)
    assert (after.id, after.replaces, after.limit_price) == ("new", "old", Decimal(186))
    [asked] = server.asked
    assert (asked.method, asked.path) == ("PATCH", "/v2/orders/old")
    assert asked.body == {"client_order_id": NEXT, "qty": "4", "limit_price": "186", "time_in_force": "gtc"}


@pytest.mark.parametrize(
    "reply",
    [Reply(500, b""), Reply(504, b"<html>"), Reply(200, b'{"id": "ne'), Reply(cut=True), Reply(200, order())],
    ids=str,
)
def test_a_replacement_of_unknown_outcome_is_unclear_and_not_repeated(
    broker: AlpacaSubmitter, server: ScriptedServer, reply: Reply
) -> None:
    """Nobody knows which of the two orders works: look up the new id."""
    server.script = [reply]
    with pytest.raises(BrokerUnclear):
        broker.replace("old", OrderChange(NEXT, quantity=Decimal(4)))
    assert [asked.method for asked in server.asked] == ["PATCH"]


@pytest.mark.parametrize("status", [403, 422])
def test_a_replacement_that_was_made_before_is_its_order(
    broker: AlpacaSubmitter, server: ScriptedServer, status: int
) -> None:
    """A refusal is looked up by the new id: when it is there, the change was made."""
    server.script = [
        refusal(status, 40010001, "client_order_id must be unique"),
        Reply(200, order(id="new", client_order_id=NEXT)),
    ]
    assert broker.replace("old", OrderChange(NEXT, quantity=Decimal(4))).id == "new"
    assert server.asked[1].query == {"client_order_id": NEXT}


def test_a_refused_replacement_is_told(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """An order that was filled meanwhile cannot be changed; code and reason are the broker's."""
    server.script = [refusal(422, 42210000, "order is not open"), NOT_FOUND]
    with pytest.raises(BrokerRejected) as caught:
        broker.replace("old", OrderChange(NEXT, quantity=Decimal(4)))
    assert (caught.value.code, caught.value.message) == (42210000, "order is not open")


def test_replacing_an_unknown_order_is_not_found(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """Neither the order nor its replacement is there."""
    server.script = [NOT_FOUND, NOT_FOUND]
    with pytest.raises(OrderNotFound):
        broker.replace("old", OrderChange(NEXT, quantity=Decimal(4)))


def test_a_budget_that_is_used_up_replaces_nothing(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A 429 on a change means that nothing was done."""
    server.script = [Reply(429, {}, {"Retry-After": "3"})]
    with pytest.raises(BrokerUnavailable):
        broker.replace("old", OrderChange(NEXT, quantity=Decimal(4)))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({}, "changes nothing"),
        ({"quantity": Decimal(0)}, "quantity must be a number above zero"),
        ({"client_order_id": "", "trail": Decimal(1)}, "1 to 48 characters"),
    ],
)
def test_a_change_that_changes_nothing_cannot_be_made(wrong: dict[str, Any], complaint: str) -> None:
    """A change names the new order and at least one sound figure."""
    with pytest.raises(ValueError, match=complaint):
        OrderChange(**({"client_order_id": NEXT} | wrong))


def test_refused_keys_are_told_as_such(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A 401 says that the keys are wrong, for an order without asking whether it exists."""
    server.script = [refusal(401, None, "unauthorized."), refusal(401, None, "unauthorized.")]
    with pytest.raises(KeysRefused):
        broker.submit(OrderRequest(**(BASE | {"quantity": Decimal(1)})))
    with pytest.raises(KeysRefused):
        broker.account()
    assert len(server.asked) == 2


def test_an_account_names_its_blocks(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """Which of the broker's blocks stand, and its margins."""
    told = ACCOUNT | {
        "trade_suspended_by_user": True,
        "maintenance_margin": "1200.50",
        "shorting_enabled": True,
    }
    server.script = [Reply(200, told)]
    account = broker.account()
    assert account.blocks == ("trade_suspended_by_user",)
    assert (account.maintenance_margin, account.initial_margin) == (Decimal("1200.50"), None)
    assert account.shorting_enabled


def test_a_trailing_stop_tells_its_mark(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """Trail, high-water mark and present stop are read exactly."""
    server.script = [
        Reply(
            200,
            order(
                type="trailing_stop",
                trail_percent="5",
                hwm="190.5",
                stop_price="180.975",
                extended_hours=None,
            ),
        )
    ]
    found = broker.order("61e69015")
    assert (found.trail_percent, found.high_water_mark, found.stop_price) == (
        Decimal(5),
        Decimal("190.5"),
        Decimal("180.975"),
    )
    assert not found.extended_hours
