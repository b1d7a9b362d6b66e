"""Grids and walk-forward: every combination once, choices made without seeing the test."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from laptop.backtests import grid as grids
from laptop.backtests import walk_forward as forward
from laptop.backtests.grid import Cell, Job
from laptop.errors import LaptopError
from tests.unit.backtests.samples import days


def test_values_are_lists_or_ranges() -> None:
    """Lists keep their types; a range includes its last value where a step falls on it."""
    found = grids.grid_of(["strategy.a=5,10", "risk.b=0.5:1.5:0.5", "strategy.c=x,y"])
    assert {"strategy.a": [5, 10], "risk.b": ["0.5", "1.0", "1.5"], "strategy.c": ["x", "y"]} == found


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "give at least one --grid"),
        (["a"], "write it as"),
        (["a=1", "a=2"], "given twice"),
        (["a=1:2"], "first:last:step"),
        (["a=1:2:0"], "above 0"),
    ],
)
def test_a_grid_that_cannot_be_read_says_how_to_write_it(texts: list[str], said: str) -> None:
    """The error holds the option as it was given, or the fix."""
    with pytest.raises(LaptopError, match=said):
        grids.grid_of(texts)


def test_every_combination_comes_once() -> None:
    """Three values by two are six, the last setting changing fastest."""
    found = grids.combinations({"a": [1, 2, 3], "b": ["x", "y"]})
    assert 6 == len(found)
    assert [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}] == found[:3]


def test_a_grid_too_large_to_end_is_refused() -> None:
    """The number of combinations is told before anything runs."""
    with pytest.raises(LaptopError, match="1,000,000 combinations"):
        grids.combinations({name: list(range(100)) for name in "abc"})


def cell(sharpe: float | None = None, error: str = "", **more: float) -> Cell:
    """A cell with a Sharpe ratio."""
    metrics: dict[str, float | None] = {"sharpe": sharpe, **more}
    return Cell(changes={"n": str(sharpe)}, metrics={} if error else metrics, error=error)


def test_the_best_come_first_and_what_failed_last() -> None:
    """More is better for a return, less for a drawdown; without a figure is worse than with any."""
    cells = [cell(1.0), cell(error="no"), cell(None), cell(2.0)]
    assert [2.0, 1.0, None] == [one.metrics["sharpe"] for one in grids.ranked(cells, "sharpe")[:3]]
    assert "no" == grids.ranked(cells, "sharpe")[-1].error
    falls = [cell(1.0, max_drawdown_percent=30.0), cell(2.0, max_drawdown_percent=10.0)]
    assert [10.0, 30.0] == [
        one.metrics["max_drawdown_percent"] for one in grids.ranked(falls, "max_drawdown_percent")
    ]


def test_stretches_test_each_session_once_after_its_training() -> None:
    """Tests follow each other without a gap or an overlap, each right behind what it was chosen on."""
    calendar = days(100)
    cuts = forward.stretches(calendar, 40, 20, anchored=False)
    assert [(calendar[0], calendar[39], calendar[40], calendar[59])] == cuts[:1]
    assert [calendar[40], calendar[60], calendar[80]] == [cut[2] for cut in cuts]
    assert calendar[99] == cuts[-1][3]
    assert [calendar[0], calendar[20], calendar[40]] == [cut[0] for cut in cuts]
    assert {calendar[0]} == {cut[0] for cut in forward.stretches(calendar, 40, 20, anchored=True)}


def test_too_few_sessions_for_one_step_are_refused() -> None:
    """The error says how many there are and what to lower."""
    with pytest.raises(LaptopError, match="30 sessions are fewer than 40"):
        forward.stretches(days(30), 40, 20, anchored=False)


class Session:
    """A session as walk-forward reads it."""

    def __init__(self, day: date) -> None:
        self.date = day


class Prepared:
    """As much of what was prepared as walk-forward reads."""

    def __init__(self, calendar: list[date]) -> None:
        self.prices = type(
            "Prices", (), {"sessions": [Session(day) for day in calendar], "last": calendar[-1]}
        )
        self.request = type("Request", (), {"start": calendar[0], "end": calendar[-1]})


def test_the_choice_of_each_step_is_the_best_of_its_own_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best changes half way; each test runs what was best before it, and the joined curve compounds."""
    from tests.unit.backtests.samples import outcome

    calendar = days(80)
    turn = calendar[40]
    tested: list[Job] = []

    def run(jobs: list[Job]) -> Any:
        for number, job in enumerate(jobs):
            favoured = 1 if job.start < turn else 2
            sharpe = 1.0 if job.changes["n"] == favoured else 0.0
            yield number, Cell(changes=job.changes, metrics={"sharpe": sharpe, "cagr_percent": 10.0})

    def outcome_of(_prepared: Any, job: Job) -> Any:
        tested.append(job)
        return outcome()

    monkeypatch.setattr(forward, "outcome_of", outcome_of)
    shown: list[tuple[int, int]] = []
    found = forward.walk(
        Prepared(calendar),  # type: ignore[arg-type] -- as much of it as is read
        {"n": [1, 2]},
        metric="sharpe",
        train=20,
        test=20,
        anchored=False,
        run=run,  # type: ignore[arg-type]
        show=lambda done, total, _note: shown.append((done, total)),
    )
    assert [{"n": 1}, {"n": 1}, {"n": 2}] == [fold.chosen for fold in found.folds]
    assert [(calendar[20], calendar[39])] == [(job.start, job.end) for job in tested[:1]]
    growth = outcome().equity.equity[-1] / 100_000
    assert 100_000 * growth**3 == pytest.approx(found.equity[-1])
    assert {"n=1": 2, "n=2": 1} == found.choices
    assert (9, 9) == shown[-1]


def test_when_no_combination_can_be_run_the_reason_is_told() -> None:
    """The first error of the cells is the message."""
    with pytest.raises(LaptopError, match="set it below"):
        forward._best([cell(error="set it below 30")], "sharpe")
