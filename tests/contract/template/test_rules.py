"""The rules of the bus speak the words of the events: a pattern that can never match would be silent."""

from __future__ import annotations

from typing import Any

import pytest

from alpaquero.events.schemas import EVENTS
from alpaquero.orders.lifecycle import OrderStatus
from laptop.template import template

PATTERNS: dict[str, dict[str, Any]] = {
    name: resource["Properties"]["EventPattern"]
    for name, resource in template()["Resources"].items()
    if "EventPattern" in resource.get("Properties", {})
}
STATUSES = {value for name, value in vars(OrderStatus).items() if name.isupper()}


@pytest.mark.parametrize("rule", PATTERNS)
def test_a_rule_names_events_that_exist(rule: str) -> None:
    """Every detail type of a pattern is an event of ours."""
    assert set(PATTERNS[rule].get("detail-type", [])) <= set(EVENTS)


@pytest.mark.parametrize("rule", [name for name, pattern in PATTERNS.items() if "detail" in pattern])
def test_a_rule_names_statuses_that_exist(rule: str) -> None:
    """Every order status of a pattern is one that orders have, letter for letter."""
    assert set(PATTERNS[rule]["detail"]["status"]) <= STATUSES
