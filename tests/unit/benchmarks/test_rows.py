"""Rows of `make bench`: what a goal means and what the table shows."""

from __future__ import annotations

import pytest

from tests.benchmarks.__main__ import parts, record, table
from tests.benchmarks.rows import Goal, Row, percentile


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (Goal(at_least=1000), 1000, True),
        (Goal(at_least=1000), 999, False),
        (Goal(at_most=300), 301, False),
        (Goal(at_most=0.5, of_ratio=True), 40, True),
        (Goal(at_most=0.3, of_ratio=True), 40, False),
        (None, 1, None),
    ],
)
def test_a_goal_bounds_the_value_or_its_ratio_to_the_peer(
    goal: Goal | None, value: float, met: bool | None
) -> None:
    """A bound itself is kept; a ratio is the value over that of the peer."""
    assert met == Row("part thing", value, "us", "peer", 100, goal).met


def test_a_ratio_goal_without_a_peer_is_not_met() -> None:
    """What was not compared is not said to be good."""
    assert False is Row("part thing", 1, "us", goal=Goal(at_most=1, of_ratio=True)).met


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """Nearest rank: of 200 values the p99 is the 198th."""
    values = [float(number) for number in range(1, 201)]
    assert (198, 100, 1) == (percentile(values, 0.99), percentile(values, 0.5), percentile([1.0], 0.99))


def test_the_table_says_which_goals_are_met() -> None:
    """A line for each row, its goal and the verdict."""
    rows = [
        Row("part a", 1234.5, "orders/s", goal=Goal(at_least=1000)),
        Row("part b", 20, "ms", "peer", 10, Goal(at_most=1, of_ratio=True)),
    ]
    _, first, second = table(rows).splitlines()
    assert first.split() == ["part", "a", "1,234", "orders/s", ">=", "1000", "met"]
    assert second.split() == ["part", "b", "20", "ms", "peer", "10", "2", "ratio", "<=", "1", "NOT", "MET"]


def test_a_record_has_the_keys_that_readers_of_the_file_rely_on() -> None:
    """Name, value, unit, peer, peer value, ratio and goal, and whether it is met."""
    assert {
        "name": "part b",
        "value": 20,
        "unit": "ms",
        "peer": "peer",
        "peer_value": 10,
        "ratio": 2,
        "goal": None,
        "met": None,
    } == record(Row("part b", 20, "ms", "peer", 10))


def test_a_part_is_found_by_its_file() -> None:
    """The frame's own modules are no parts."""
    assert "exchange" in parts()
    assert not {"rows", "__main__"} & set(parts())
