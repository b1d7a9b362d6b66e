"""Runs the histories of the fault campaign, here or in worker processes, and tells what was injected.

The same seeds give the same histories, so what a test finds can be run again by `histories` alone.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import median

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import MoneyPath

STEPS = 22
EVERY_PHASE = (Phase.generate, Phase.shrink)


def histories(number: int, first_seed: int, phases: Sequence[Phase] = EVERY_PHASE) -> MoneyPath.Tally:
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


def in_processes(number: int, seeds: Sequence[int]) -> MoneyPath.Tally:
    """So many histories of each seed, the seeds spread over the cores. Raises what a history found."""
    total = MoneyPath.Tally()
    fresh = multiprocessing.get_context("spawn")  # a fork would share what the parent has open
    with ProcessPoolExecutor(os.cpu_count(), mp_context=fresh) as workers:
        for tally in workers.map(partial(histories, number), seeds):
            total.add(tally)
    return total


def told(tally: MoneyPath.Tally) -> str:
    """The table of what happened."""
    lines = [f"{name:44} {number:7}" for name, number in sorted(tally.counts.items())]
    return "\n".join([*lines, f"{'median steps a history':44} {median(tally.lengths):7}"])
