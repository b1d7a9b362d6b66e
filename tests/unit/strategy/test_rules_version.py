"""What strategies decide on fixed bars belongs to a version: a change of one alone is noticed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from alpaquero.prices.bars import Bar
from alpaquero.prices.columns import Columns
from alpaquero.rules_version import RULES_VERSION
from alpaquero.strategy.judging import judge
from alpaquero.strategy.settings import StrategySettings
from alpaquero.strategy.signal import Signal
from tests.unit.strategy.prices import walk

# A new strategy adds a line; a decision that changes on purpose raises RULES_VERSION and changes its line.
VERSION = 3
OUTCOMES = {
    "stochrsi_ema": "5de4acc4b0e98b3d",
    "ema_cross": "76ee4336ec1cbfdc",
}
START = datetime(2020, 1, 1, tzinfo=UTC)


def outcomes(rule: str) -> tuple[int, str]:
    """How often the rule decides over random walks, and a digest of what it says, values to 1e-6."""
    settings, said = StrategySettings(rule=rule), []
    for seed in range(4):
        bars = Columns.of(
            Bar(START + timedelta(days=day), price, price * 1.01, price * 0.99, price, 1)
            for day, price in enumerate(walk(seed, 600))
        )
        for end in range(250, len(bars) + 1):
            at = bars.start_at(end - 1)
            found = judge(rule, bars[:end], strategy=rule, settings=settings, bar_start=at, bar_close=at)
            if isinstance(found, Signal):
                values = " ".join(f"{name}={value:.6f}" for name, value in sorted(found.values.items()))
                said.append(f"{seed} {end} {found.side} {found.strength} {found.reason} {values}")
    return len(said), sha256("\n".join(said).encode()).hexdigest()[:16]


@pytest.mark.parametrize("rule", OUTCOMES)
def test_a_changed_decision_raises_the_version(rule: str) -> None:
    """Code may change; sides, strengths, tags and values of the default settings may not."""
    count, digest = outcomes(rule)
    assert count > 10
    assert (VERSION, OUTCOMES[rule]) == (RULES_VERSION, digest), (
        f"{rule} decides otherwise: if that is meant, raise RULES_VERSION in alpaquero/rules_version.py "
        f"and put VERSION and {digest!r} here; a replay of older runs then tells the versions apart"
    )
