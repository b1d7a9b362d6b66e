"""Walk-forward: choose on one stretch, test on the next, move on; for `backtest walk-forward`.

The settings of each test were chosen without having seen it, so the joined tests are closer to what
would have been earned than the best cell of a grid (R. Pardo, "The Evaluation and Optimization of
Trading Strategies", 2nd edition, 2008, chapter 11). Each test starts with the same cash, without
positions; the joined curve compounds their returns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from statistics import fmean
from typing import Any

import msgspec

from alpaquero.backtests.outcome import Outcome
from alpaquero.portfolio import curve as curves
from alpaquero.portfolio.curve import CurveFigures
from laptop.backtests.grid import METRICS, Cell, Job, combinations, outcome_of, ranked
from laptop.backtests.options import Prepared
from laptop.backtests.show import Show
from laptop.errors import LaptopError


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """One step: where it was chosen and tested, what was chosen, and the metrics of both."""

    train_start: date
    train_end: date
    test_start: date
    test_end: date
    chosen: dict[str, Any]
    train: dict[str, float | None]
    test: dict[str, float | None]


class WalkForward(msgspec.Struct, frozen=True, kw_only=True):
    """All folds and the joined tests.

    `efficiency_percent` is the yearly return of the tests over that of the stretches they were chosen
    on: Pardo takes 50 and more for robust. `choices` counts how often each combination was chosen.
    """

    metric: str
    combinations: int
    folds: list[Fold]
    joined: CurveFigures
    efficiency_percent: float | None
    profitable_tests: int
    choices: dict[str, int]
    days: list[date]
    equity: list[float]


def stretches(
    days: Sequence[date], train: int, test: int, *, anchored: bool
) -> list[tuple[date, date, date, date]]:
    """First and last session of each stretch to choose on and to test on; tests do not overlap.

    An anchored one always chooses from the first day on. Raises `LaptopError` when not one fits.
    """
    if len(days) < train + test:
        raise LaptopError(
            f"{len(days)} sessions are fewer than {train} to choose on and {test} to test; "
            "lower --train-sessions or --test-sessions, or give an earlier --from"
        )
    found = []
    for begin in range(0, len(days) - train - test + 1, test):
        first = 0 if anchored else begin
        split = begin + train
        found.append((days[first], days[split - 1], days[split], days[split + test - 1]))
    return found


def walk(
    prepared: Prepared,
    grid: Mapping[str, Sequence[Any]],
    *,
    metric: str,
    train: int,
    test: int,
    anchored: bool,
    run: Callable[[Sequence[Job]], Iterator[tuple[int, Cell]]],
    show: Show,
) -> WalkForward:
    """Chooses and tests fold by fold. Raises `LaptopError` when no combination could be run."""
    days = [
        session.date
        for session in prepared.prices.sessions
        if prepared.request.start <= session.date <= min(prepared.request.end, prepared.prices.last)
    ]
    cuts = stretches(days, train, test, anchored=anchored)
    every = combinations(grid)
    jobs = [Job(changes=one, start=cut[0], end=cut[1]) for cut in cuts for one in every]
    cells: list[Cell | None] = [None] * len(jobs)
    for done, (number, cell) in enumerate(run(jobs), 1):
        cells[number] = cell
        show(done, len(jobs) + len(cuts), "choosing")
    folds, tests = [], []
    for number, cut in enumerate(cuts):
        mine = [cell for cell in cells[number * len(every) : (number + 1) * len(every)] if cell is not None]
        best = _best(mine, metric)
        found = outcome_of(prepared, Job(changes=best.changes, start=cut[2], end=cut[3]))
        tests.append(found)
        folds.append(_fold(cut, best, found))
        show(len(jobs) + number + 1, len(jobs) + len(cuts), "testing")
    return _joined(folds, tests, metric, len(every))


def _best(cells: Sequence[Cell], metric: str) -> Cell:
    best = ranked(cells, metric)[0]
    if best.error:
        raise LaptopError(f"no combination could be run: {best.error}")
    return best


def _fold(cut: tuple[date, date, date, date], best: Cell, found: Outcome) -> Fold:
    return Fold(
        train_start=cut[0],
        train_end=cut[1],
        test_start=cut[2],
        test_end=cut[3],
        chosen=best.changes,
        train=best.metrics,
        test={name: read(found) for name, (read, _) in METRICS.items()},
    )


def _joined(folds: list[Fold], tests: Sequence[Outcome], metric: str, count: int) -> WalkForward:
    days: list[date] = []
    equity: list[float] = []
    level = float(tests[0].asked.cash)
    for test in tests:
        start = float(test.asked.cash)
        days += test.equity.days
        equity += [level * value / start for value in test.equity.equity]
        level = equity[-1]
    own = _mean(fold.train["cagr_percent"] for fold in folds)
    tested = _mean(fold.test["cagr_percent"] for fold in folds)
    return WalkForward(
        metric=metric,
        combinations=count,
        folds=folds,
        joined=curves.figures_of(
            list(zip(days, equity, strict=True)),
            risk_free_percent=float(tests[0].asked.risk_free_percent),
        ),
        efficiency_percent=tested / own * 100 if own is not None and tested is not None and own > 0 else None,
        profitable_tests=sum((fold.test["total_return_percent"] or 0) > 0 for fold in folds),
        choices=dict(Counter(_said(fold.chosen) for fold in folds).most_common()),
        days=days,
        equity=equity,
    )


def _mean(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _said(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in changes.items())
