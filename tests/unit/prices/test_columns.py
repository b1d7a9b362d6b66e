"""Columns hold the same bars as the objects they were made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alpaquero.prices.bars import Bar
from alpaquero.prices.columns import Columns

FIRST = datetime(2012, 7, 2, 4, tzinfo=UTC)
BARS = [Bar(FIRST + timedelta(days=n), 10.0 + n, 12.0 + n, 9.0 + n, 11.0 + n, 100 * n) for n in range(5)]


def test_bars_come_back_as_they_were() -> None:
    """Every field of every bar survives the way into columns and back."""
    assert list(Columns.of(BARS).bars()) == BARS


def test_until_and_since_include_the_bar_they_name() -> None:
    """Both edges belong to the span, and a moment between two bars cuts between them."""
    columns = Columns.of(BARS)
    assert list(columns.until(BARS[2].start).bars()) == BARS[:3]
    assert list(columns.since(BARS[2].start).bars()) == BARS[2:]
    assert list(columns.until(BARS[2].start - timedelta(seconds=1)).bars()) == BARS[:2]
    assert list(columns.since(BARS[2].start + timedelta(seconds=1)).bars()) == BARS[3:]


def test_spans_join_to_the_whole() -> None:
    """A series cut in two and joined is the series; empty columns add nothing."""
    columns = Columns.of(BARS)
    assert columns[:2] + columns[2:] == columns
    assert Columns.empty() + columns == columns
    assert len(columns) == 5
    assert columns.start_at(-1) == BARS[-1].start
