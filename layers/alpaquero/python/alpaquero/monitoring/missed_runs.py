"""The dead man's rule: runs that should have been, by calendar and settings, and are not.

Called by `health_monitor/probe` with the very bars that `strategy.planning` would plan now. How long
one is missing is counted in wall time from the first look that missed it, since a laptop's market
runs faster than the wall; planning itself catches up once it runs again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from alpaquero.quickly_made import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRun:
    """A run nobody has planned or ended: the close of its bar, first missed at `seen_at` (wall time)."""

    run_id: str
    timeframe: str
    bar_close: datetime
    seen_at: datetime
    told: bool = False


def still_missing(before: Iterable[MissingRun], now_missing: Iterable[MissingRun]) -> list[MissingRun]:
    """Those of `now_missing`, each with when it was first missed and whether it was told."""
    known = {run.run_id: run for run in before}
    return [known.get(run.run_id, run) for run in now_missing]


def overdue(missing: Iterable[MissingRun], now: datetime, patience: timedelta) -> list[MissingRun]:
    """Those that have been missing for `patience` or longer."""
    return [run for run in missing if now - run.seen_at >= patience]


def told(missing: Iterable[MissingRun], names: Iterable[str]) -> list[MissingRun]:
    """All of `missing`, those whose ids are in `names` marked as told."""
    said = set(names)
    return [replace(run, told=True) if run.run_id in said else run for run in missing]
