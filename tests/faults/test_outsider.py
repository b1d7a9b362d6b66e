"""The books of an account that someone else trades too, through trouble and over a split."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import MoneyPath
from tests.faults.outsider import SharedAccount

HISTORIES, STEPS = 20, 25


def test_books_agree_when_someone_else_trades_too() -> None:
    """Orders placed, moved and cancelled at the broker itself, and a split: fills, cash and terms agree."""

    class Shard(SharedAccount):
        tally = MoneyPath.Tally()

    seed(11)(Shard)
    limits = settings(
        max_examples=HISTORIES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a failing history is told as it is
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Shard, settings=limits)
    counts = Shard.tally.counts
    seen = ("orders placed elsewhere", "orders replaced elsewhere", "splits of what was held")
    assert all(counts[name] for name in seen), counts
