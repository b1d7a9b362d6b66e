"""Thousands of histories of trouble over the real money path, and five broken variants that it must catch.

`pytest tests/faults -s` prints what was injected. The normal tier runs a tenth of the histories.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from statistics import median

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.broken import VARIANTS
from tests.faults.in_process_exchange import Wire
from tests.faults.machine import MoneyPath
from tests.faults.world import Blow

STEPS = 25
HISTORIES = 2_000
SHARDS = 4
MISHAPS = ("restarts", "stream records lost", "messages repeated", "messages reordered")


def histories(number: int, first_seed: int, phases: Sequence[Phase] = tuple(Phase)) -> MoneyPath.Tally:
    """Runs so many histories, the same ones for the same seed. Raises what a history found."""

    class Shard(MoneyPath):
        tally = MoneyPath.Tally()

    seed(first_seed)(Shard)
    limits = settings(
        max_examples=number,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=phases,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Shard, settings=limits)
    return Shard.tally


def told(tally: MoneyPath.Tally) -> str:
    lines = [f"{name:36} {number:7}" for name, number in sorted(tally.counts.items())]
    return "\n".join([*lines, f"{'median steps a history':36} {median(tally.lengths):7}"])


def test_books_agree_with_the_exchange_after_any_trouble() -> None:
    """Whatever breaks, an intent has one order, and the books equal the exchange's."""
    tally = histories(200, first_seed=7)
    assert median(tally.lengths) >= 20


@pytest.mark.slow
def test_two_thousand_histories_of_trouble() -> None:
    """The whole campaign: each kind of trouble a hundred times, five thousand orders, nothing lost."""
    tally = MoneyPath.Tally()
    for shard in range(SHARDS):
        tally.add(histories(HISTORIES // SHARDS, first_seed=shard))
    sys.stdout.write(f"\n{told(tally)}\n")
    assert tally.counts["histories"] >= HISTORIES
    assert tally.counts["orders"] >= 5_000
    assert median(tally.lengths) >= 20
    seen = {kind: tally.counts[kind] for kind in (*Blow, *Wire, *MISHAPS)}
    assert not {kind: number for kind, number in seen.items() if number < 100}


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.__name__)
def test_campaign_catches_a_broken_variant(variant: Callable[[], AbstractContextManager[None]]) -> None:
    """A bot with this classic mistake does not survive the campaign."""
    with variant(), pytest.raises(AssertionError):
        histories(200, first_seed=7, phases=[Phase.generate])  # finding it is enough
