"""What goes with what in an order, told before anything is queued."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alpaquero.orders.intent import OrderClass, OrderType, TimeInForce
from alpaquero.orders.replacement import Change
from alpaquero.orders.terms import TermsError, on_ticks
from tests.unit.orders.builders import an_exit, an_intent

D = Decimal
SIMPLE = {"order_class": OrderClass.SIMPLE}
DAY = {"time_in_force": TimeInForce.DAY}
LIMIT = {"order_type": OrderType.LIMIT, "limit_price": D(100)}
TRAILING = {"order_type": OrderType.TRAILING_STOP}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "bracket"),
        ({"take_profit_price": D(110), "stop_loss_price": D(90)}, "bracket"),
        ({**LIMIT, "stop_loss_price": D(90)}, "bracket"),
        ({"order_class": OrderClass.OTO, "stop_loss_price": D(90), "stop_loss_limit_price": D(89)}, "oto"),
        ({"order_class": OrderClass.OTO, "take_profit_price": D(110)}, "oto"),
        ({**SIMPLE, **DAY, "notional": D(1)}, "simple"),
        ({**SIMPLE, **DAY, "quantity": D("0.000000001")}, "simple"),
        ({**SIMPLE, **TRAILING, "trail_percent": D("0.1")}, "simple"),
        ({**SIMPLE, **TRAILING, "trail_price": D(2)}, "simple"),
        ({**SIMPLE, **LIMIT, "extended_hours": True}, "simple"),
        *(({**SIMPLE, "time_in_force": force}, "simple") for force in TimeInForce),
        *(({**SIMPLE, **LIMIT, "time_in_force": force}, "simple") for force in TimeInForce),
    ],
)
def test_an_entry_alpaca_takes_is_an_intent(changes: dict[str, Any], kind: str) -> None:
    """Every type, class and time in force that Alpaca has for stocks."""
    assert kind == an_intent(**changes).kind


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"percentage": D(50)},
        {"quantity": D("0.5"), **DAY},
        {"order_class": OrderClass.OCO, "order_type": OrderType.LIMIT, "take_profit_price": D(110),
         "stop_loss_price": D(90)},
        {**TRAILING, "trail_percent": D(3)},
        {"order_type": OrderType.STOP, "stop_price": D(95)},
        {"order_type": OrderType.STOP_LIMIT, "stop_price": D(95), "limit_price": D(94)},
        {"time_in_force": TimeInForce.CLS},
    ],
)  # fmt: skip
def test_an_exit_alpaca_takes_is_an_intent(changes: dict[str, Any]) -> None:
    """A sale may be of any type, and an oco holds both its exits."""
    assert an_exit(**changes).kind in {"simple", "oco"}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("notional", {"quantity": D(1), "notional": D(100), **SIMPLE, **DAY}),
        ("notional", {"notional": D("0.99"), **SIMPLE, **DAY}),
        ("notional", {"notional": D(100), **SIMPLE, **DAY, **LIMIT}),
        ("percentage", {"percentage": D(50)}),
        ("quantity", {"quantity": D("1.0000000001"), **SIMPLE, **DAY}),
        ("order_class", {"quantity": D("1.5"), **DAY}),
        ("order_class", {"notional": D(100), **DAY}),
        ("time_in_force", {"quantity": D("1.5"), **SIMPLE}),
        ("quantity", {"quantity": D("1.5"), **SIMPLE, **DAY, **TRAILING, "trail_percent": D(2)}),
        ("trail_price", {**SIMPLE, **TRAILING}),
        ("trail_price", {**SIMPLE, **TRAILING, "trail_price": D(1), "trail_percent": D(1)}),
        ("trail_percent", {**SIMPLE, **TRAILING, "trail_percent": D("0.09")}),
        ("trail_percent", {**SIMPLE, **TRAILING, "trail_percent": D(100)}),
        ("trail_percent", {"trail_percent": D(1)}),
        ("order_class", {**TRAILING, "trail_percent": D(1)}),
        ("order_class", {"order_class": OrderClass.OCO}),
        ("order_class", {"order_class": OrderClass.OTO}),
        ("order_class", {"order_class": OrderClass.OTO, "take_profit_price": D(9), "stop_loss_price": D(8)}),
        ("take_profit_price", {**SIMPLE, "take_profit_price": D(110)}),
        ("take_profit_price", {"take_profit_price": D(90), "stop_loss_price": D(90)}),
        ("take_profit_price", {**LIMIT, "take_profit_price": D(100)}),
        ("stop_loss_price", {**LIMIT, "stop_loss_price": D(100)}),
        ("stop_loss_limit_price", {"stop_loss_limit_price": D(90)}),
        ("time_in_force", {"time_in_force": TimeInForce.OPG}),
        ("time_in_force", {"time_in_force": TimeInForce.IOC}),
        ("time_in_force", {**SIMPLE, "order_type": OrderType.STOP, "stop_price": D(9),
                           "time_in_force": TimeInForce.FOK}),
        ("extended_hours", {**SIMPLE, "extended_hours": True}),
        ("extended_hours", {**LIMIT, "extended_hours": True}),
        ("limit_price", {"limit_price": D(100)}),
        ("stop_price", {"order_type": OrderType.STOP}),
    ],
)  # fmt: skip
def test_an_entry_alpaca_refuses_names_its_field(field: str, changes: dict[str, Any]) -> None:
    """The message goes to whoever asked, so it names what to change."""
    with pytest.raises(TermsError) as refusal:
        an_intent(**changes)
    assert field == refusal.value.field


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("order_class", {"order_class": OrderClass.BRACKET}),
        ("notional", {"notional": D(100), **DAY}),
        ("percentage", {"percentage": D("100.1")}),
        ("percentage", {"percentage": D(0)}),
        (
            "order_class",
            {"order_class": OrderClass.OCO, "order_type": OrderType.LIMIT, "take_profit_price": D(9)},
        ),
        ("order_type", {"order_class": OrderClass.OCO, "take_profit_price": D(9), "stop_loss_price": D(8)}),
    ],
)
def test_an_exit_alpaca_refuses_names_its_field(field: str, changes: dict[str, Any]) -> None:
    """A bracket opens a position, an oco closes one."""
    with pytest.raises(TermsError) as refusal:
        an_exit(**changes)
    assert field == refusal.value.field


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (an_intent(**{**LIMIT, "limit_price": D("100.019")}), {"limit_price": D("100.01")}),
        (an_exit(**{**LIMIT, "limit_price": D("100.011")}), {"limit_price": D("100.02")}),
        (an_exit(order_type=OrderType.STOP, stop_price=D("0.98765")), {"stop_price": D("0.9877")}),
        (an_intent(stop_loss_price=D("90.001")), {"stop_loss_price": D("90.01")}),
        (an_intent(take_profit_price=D("110.001")), {"take_profit_price": D("110.01")}),
        (an_exit(**TRAILING, trail_price=D("1.239")), {"trail_price": D("1.23")}),
    ],
)
def test_prices_go_to_their_step_and_never_against_who_asked(made: Any, expected: dict[str, Decimal]) -> None:
    """A purchase pays no more, a sale gets no less, a stop gives up no more."""
    assert expected == {name: getattr(on_ticks(made), name) for name in expected}


def test_prices_on_their_step_stay() -> None:
    """The very same intent comes back."""
    intent = an_intent(**LIMIT)
    assert intent is on_ticks(intent)


@pytest.mark.parametrize("name", ["quantity", "notional", "limit_price", "take_profit_price"])
@pytest.mark.parametrize("size", ["1e13", "1e30", "1" * 30, "1e999999", "Infinity", "NaN"])
def test_a_number_that_no_order_has_is_named(name: str, size: str) -> None:
    """Not an error of arithmetic, which the API would answer with 500 and the queue would try again."""
    given: dict[str, Any] = {**SIMPLE, **DAY} if name == "notional" else {}
    if name == "limit_price":
        given = {"order_type": OrderType.LIMIT}
    with pytest.raises(TermsError, match="at most 1,000,000,000,000") as told:
        on_ticks(an_intent(**{**given, name: D(size)}))
    assert told.value.field == name


@pytest.mark.parametrize("name", ["quantity", "limit_price", "stop_price", "trail"])
def test_a_change_to_such_a_number_is_named_too(name: str) -> None:
    """As soon as it is asked for."""
    given: dict[str, Any] = {name: D("1e30")}
    with pytest.raises(TermsError, match="at most 1,000,000,000,000"):
        Change(**given)
