"""Thousands of histories of trouble over the real money path, and seven broken variants that it must catch.

`pytest tests/faults -s` prints what was injected. The normal tier runs a tenth of the histories.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from statistics import median

import pytest
from hypothesis import Phase

from tests.faults.broken import VARIANTS
from tests.faults.campaign import histories, in_processes, told
from tests.faults.in_process_exchange import Wire
from tests.faults.world import Blow

SHARDS, HISTORIES = 10, 200
# For a broken variant: what one seed draws repeats itself, and any change of the code shifts it.
SEEDS_FOR_VARIANTS, HISTORIES_FOR_VARIANTS = range(8, 20), 25
MISHAPS = ("restarts", "stream records lost", "messages repeated", "messages reordered", "messages late")


def test_books_agree_with_the_exchange_after_any_trouble() -> None:
    """Whatever breaks, an intent has one order, and the books equal the exchange's."""
    tally = histories(50, first_seed=107)
    assert median(tally.lengths) >= 20


@pytest.mark.slow
def test_two_thousand_histories_of_trouble() -> None:
    """The whole campaign: each kind of trouble a hundred times, five thousand orders, nothing lost."""
    tally = in_processes(HISTORIES, seeds=range(SHARDS))
    sys.stdout.write(f"\n{told(tally)}\n")
    assert tally.counts["histories"] >= SHARDS * HISTORIES
    assert tally.counts["orders"] >= 5_000
    assert median(tally.lengths) >= 20
    seen = {kind: tally.counts[kind] for kind in (*Blow, *Wire, *MISHAPS)}
    assert not {kind: number for kind, number in seen.items() if number < 100}


@pytest.mark.parametrize(("variant", "seen"), VARIANTS.items(), ids=[v.__name__ for v in VARIANTS])
def test_campaign_catches_a_broken_variant(
    variant: Callable[[], AbstractContextManager[None]], seen: str
) -> None:
    """A bot with this classic mistake does not survive the campaign."""
    with variant(), pytest.raises(AssertionError, match=seen):
        _short_runs()


def _short_runs() -> None:
    for seed in SEEDS_FOR_VARIANTS:
        histories(HISTORIES_FOR_VARIANTS, seed, phases=[Phase.generate])  # finding it is enough
