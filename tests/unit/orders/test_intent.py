"""Intents travel on a queue and refuse what no broker could take."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from alpaquero.orders.intent import Intent, OrderClass, OrderType, TimeInForce
from tests.unit.orders.builders import NOON, an_intent


def test_an_intent_survives_the_queue() -> None:
    """What is decoded is what was encoded, decimals as strings."""
    intent = an_intent(
        quantity=Decimal("1.50"),
        order_class=OrderClass.SIMPLE,
        time_in_force=TimeInForce.DAY,
        order_type=OrderType.STOP_LIMIT,
        limit_price=Decimal("10.10"),
        stop_price=Decimal("10.20"),
        bar_close=NOON,
        valid_until=NOON,
        strength=85,
    )
    wire = msgspec.json.encode(intent)
    assert b'"quantity":"1.50"' in wire
    assert intent == msgspec.json.decode(wire, type=Intent)


def test_the_id_comes_from_the_content() -> None:
    """Two equal intents have one id, another revision has another."""
    assert an_intent().client_order_id == an_intent(reason="told otherwise").client_order_id
    assert an_intent().client_order_id != an_intent(revision=1).client_order_id


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": Decimal(0)},
        {"quantity": Decimal(-1)},
        {"quantity": Decimal("NaN")},
        {"quantity": Decimal("Infinity")},
        {"reference_price": Decimal(0)},
        {"limit_price": Decimal(10)},
        {"stop_price": Decimal(10)},
        {"order_type": OrderType.LIMIT},
        {"order_type": OrderType.STOP},
        {"order_type": OrderType.STOP_LIMIT, "limit_price": Decimal(10)},
        {"order_type": OrderType.TRAILING_STOP},
        {"symbol": "aapl"},
        {"key": "free text"},
        {"revision": -1},
        {"bar_close": datetime(2012, 7, 2)},  # noqa: DTZ001 - the naive time is the point
        {"valid_until": datetime(2012, 7, 2)},  # noqa: DTZ001 - the naive time is the point
    ],
)
def test_a_nonsensical_intent_is_refused(changes: dict[str, Any]) -> None:
    """It is refused where it is made, and again where it is read from the queue."""
    with pytest.raises(ValueError, match=r"must|goes with|needs trail_price"):
        an_intent(**changes)


def test_a_forged_message_is_refused() -> None:
    """A message that skipped the check on its way is caught when it is decoded."""
    wire = msgspec.json.encode(an_intent(quantity=Decimal(1))).replace(b'"quantity":"1"', b'"quantity":"-1"')
    with pytest.raises(msgspec.ValidationError, match="quantity is -1"):
        msgspec.json.decode(wire, type=Intent)
