"""A curve beside its benchmark, by hand; what agrees with empyrical is in `test_against_empyrical`."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from alpaquero.portfolio.comparison import compare, from_day

FIRST = date(2012, 1, 3)


def on(*days: int) -> list[date]:
    return [FIRST + timedelta(days=number) for number in days]


def test_twice_the_benchmark_has_a_beta_of_two_and_no_alpha() -> None:
    """Twice each of its returns: correlated to the full, alpha nothing."""
    held = [(day, value) for day, value in zip(on(0, 1, 2, 3), (100, 110, 99, 118.8), strict=True)]
    own = [(day, value) for day, value in zip(on(0, 1, 2, 3), (50, 60, 48, 67.2), strict=True)]
    found = compare(own, held)
    assert (found.sessions, found.beta, found.correlation) == (3, pytest.approx(2), pytest.approx(1))
    assert found.alpha_percent == pytest.approx(0, abs=1e-9)
    assert (found.total_return_percent, found.benchmark_return_percent) == (
        pytest.approx(34.4), pytest.approx(18.8)
    )  # fmt: skip
    assert found.gain_percent == pytest.approx([0, 20, -4, 34.4])


def test_only_days_that_both_have_are_compared() -> None:
    """A day one of them lacks joins the return before and after it to one."""
    own = list(zip(on(0, 1, 2), (100.0, 50.0, 110.0), strict=True))
    held = list(zip(on(0, 2, 5), (10.0, 12.0, 13.0), strict=True))
    found = compare(own, held)
    assert (found.days, found.sessions) == (on(0, 2), 1)
    assert found.gain_percent == pytest.approx([0, 10])
    assert (found.beta, found.correlation, found.tracking_error_percent, found.information_ratio) == (
        None, None, None, None
    )  # fmt: skip


def test_a_benchmark_that_stands_still_has_no_beta() -> None:
    """There is nothing to vary with; how far it was missed can still be told."""
    own = list(zip(on(0, 1, 2), (100.0, 101.0, 105.0), strict=True))
    found = compare(own, list(zip(on(0, 1, 2), (7.0, 7.0, 7.0), strict=True)))
    assert (found.beta, found.alpha_percent, found.correlation) == (None, None, None)
    assert found.tracking_error_percent is not None


def test_no_day_in_common_is_no_comparison() -> None:
    """Without a common day every figure is None and the curves are empty."""
    found = compare([(FIRST, 100.0)], [])
    assert (found.sessions, found.total_return_percent, found.days) == (0, None, [])


def test_a_day_without_a_bar_takes_the_one_before() -> None:
    """An account first seen on a Sunday is held against Friday's close."""
    held = list(zip(on(0, 1, 4), (10.0, 11.0, 12.0), strict=True))
    assert from_day(held, on(3)[0]) == [(on(3)[0], 11.0), (on(4)[0], 12.0)]
    assert from_day(held, on(1)[0]) == [(on(1)[0], 11.0), (on(4)[0], 12.0)]
    assert from_day(held, FIRST - timedelta(days=1)) == held
