"""What the demo counts as a disagreement between the books and the exchange."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from laptop.agreement import (
    differing_positions,
    duplicate_orders,
    missing_fills,
    unknown_orders,
    without_verdict,
)
from laptop.demo import DemoResult, Progress, Replay
from laptop.demo_options import DemoOptions
from laptop.exchange.admin_bodies import ReportedFill, ReportedPosition

AT = datetime(2013, 2, 11, 14, 30, tzinfo=UTC)
FINE = DemoResult(
    trades_sha256="", sessions=1, runs=1, signals=1, withheld=0, intents=1, orders_accepted_by_exchange=1,
    orders_known=1, fills=1, entries=1, exits=0, duplicate_orders=0, unknown_orders=0, positions={},
    cash=Decimal(1), equity=Decimal(1), exchange_cash=Decimal(1), exchange_equity=Decimal(1), notifications=1,
    dead_letters=0, errors=0, faults_injected={}, fills_missing=[], positions_differing=[],
    orders_without_verdict=[], seconds=1.0,
)  # fmt: skip


def fill(identifier: str, quantity: str = "10", price: str = "27.66") -> ReportedFill:
    """A fill as the exchange reports it."""
    return ReportedFill(identifier, "entry", "id", "buy", "X", Decimal(quantity), Decimal(price), AT)


def test_a_demo_in_which_all_agrees_has_nothing_to_say() -> None:
    """No disagreement, with and without faults."""
    assert FINE.disagreements() == []
    assert msgspec.structs.replace(FINE, faults_injected={"500": 3}, errors=2).disagreements() == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cash": Decimal(2)}, "cash differs from the exchange's"),
        ({"equity": Decimal(2)}, "equity differs from the exchange's"),
        ({"orders_known": 0}, "orders are missing from the books"),
        ({"duplicate_orders": 1}, "an intent has two orders"),
        ({"unknown_orders": 1}, "orders are left unknown"),
        ({"dead_letters": 1}, "messages were given up"),
        ({"errors": 1}, "functions logged errors"),
        ({"notifications": 0}, "fills were not notified"),
        ({"fills_missing": ["a"]}, "fills are missing from the books"),
        ({"positions_differing": ["X"]}, "positions differ from the exchange's"),
        ({"orders_without_verdict": ["aq1"]}, "orders were placed without a verdict"),
    ],
)
def test_each_thing_that_must_not_be_is_said(wrong: dict[str, Any], said: str) -> None:
    """Exactly that one."""
    assert msgspec.structs.replace(FINE, **wrong).disagreements() == [said]


def test_a_fill_is_missing_when_the_books_lack_it_or_have_it_otherwise() -> None:
    """Compared by id, shares and price; how a number is written does not matter."""
    known = [
        {"id": "same", "quantity": "10.0", "price": "27.660"},
        {"id": "fewer", "quantity": "9", "price": "27.66"},
        {"id": "dearer", "quantity": "10", "price": "27.67"},
    ]
    traded = [fill(name) for name in ("same", "fewer", "dearer", "lost")]
    assert missing_fills(known, traded) == ["dearer", "fewer", "lost"]


def test_positions_differ_in_quantity_or_by_being_on_one_side_alone() -> None:
    """Equal holdings are not named, short ones compare with their sign."""
    owned = [
        ReportedPosition("SAME", Decimal("5.0"), Decimal(1)),
        ReportedPosition("SHORT", Decimal(-5), Decimal(-1)),
        ReportedPosition("THERE", Decimal(1), Decimal(1)),
    ]
    held = {"SAME": Decimal(5), "SHORT": Decimal(5), "HERE": Decimal(2)}
    assert differing_positions(held, owned) == ["HERE", "SHORT", "THERE"]


def test_our_orders_want_a_verdict_and_those_of_others_do_not() -> None:
    """An order is ours by its client order id."""
    orders = [
        {"client_order_id": "aq1-sig-X-key-0", "verdict": []},
        {"client_order_id": "aq1-sig-Y-key-0", "verdict": [{"rule": "r"}]},
        {"client_order_id": "by-hand", "verdict": []},
    ]
    assert without_verdict(orders) == ["aq1-sig-X-key-0"]


def test_unknown_and_unsent_orders_are_counted_and_second_orders_of_an_intent() -> None:
    """`intended` is as open as `unknown`; another revision of one key is a duplicate."""
    assert unknown_orders([{"status": status} for status in ("unknown", "intended", "filled")]) == 2
    ids = ["aq1-sig-X-key-0", "aq1-sig-X-key-1", "aq1-sig-Y-key-0", "by-hand", "by-hand-1"]
    assert duplicate_orders(ids) == 1


def test_a_demo_begun_before_there_were_faults_can_be_resumed() -> None:
    """Its kept progress names none, which is what a demo without faults asks for."""
    kept = msgspec.to_builtins(
        Progress(replay=Replay.of(DemoOptions()), sessions_done=3, seconds=1.0, errors=0, dead_letters=0)
    )
    del kept["faults_injected"], kept["replay"]["faults"]
    found = msgspec.convert(kept, Progress)
    assert (found.replay, found.faults_injected) == (Replay.of(DemoOptions()), {})
    assert Replay.of(DemoOptions(faults="heavy")) != found.replay
