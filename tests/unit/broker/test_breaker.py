"""The circuit breaker's rules: when it opens, for how long, and who may try again."""

from __future__ import annotations

import pytest

from alpaquero.broker.breaker import (
    FAILURES_TO_OPEN,
    FORGET_SECONDS,
    LONGEST_OPEN_SECONDS,
    OPEN_SECONDS,
    PROBE_SECONDS,
    Breaker,
    failed,
    probing,
    succeeded,
)

NOW = 1_000_000.0


def after_failures(count: int, *, seconds_apart: float = 1.0) -> Breaker:
    breaker = Breaker()
    for number in range(count):
        breaker = failed(breaker, NOW + number * seconds_apart, as_probe=False)
    return breaker


@pytest.mark.parametrize(("count", "is_open"), [(FAILURES_TO_OPEN - 1, False), (FAILURES_TO_OPEN, True)])
def test_it_opens_after_enough_failures_in_a_row(count: int, is_open: bool) -> None:
    """One failure fewer leaves it closed."""
    assert is_open == after_failures(count).is_open


def test_failures_far_apart_do_not_add_up() -> None:
    """A failure a minute is a nuisance, not an outage."""
    breaker = after_failures(3 * FAILURES_TO_OPEN, seconds_apart=FORGET_SECONDS)
    assert (breaker.is_open, breaker.failures) == (False, 1)


def test_a_success_ends_the_row() -> None:
    """Four failures, a success and four failures are not eight in a row."""
    breaker = succeeded(after_failures(FAILURES_TO_OPEN - 1), as_probe=False)
    for number in range(FAILURES_TO_OPEN - 1):
        breaker = failed(breaker, NOW + 10 + number, as_probe=False)
    assert not breaker.is_open


def test_a_success_on_a_clean_breaker_is_no_change() -> None:
    """What is well stays the same object, so that nothing is written."""
    clean = Breaker(version=7)
    assert succeeded(clean, as_probe=False) is clean


def test_open_says_when_to_try_again() -> None:
    """Calls are held back until its time is up, not a moment longer."""
    breaker = after_failures(FAILURES_TO_OPEN)
    opened_at = NOW + FAILURES_TO_OPEN - 1
    assert breaker.seconds_closed_to_calls(opened_at) == OPEN_SECONDS
    assert breaker.seconds_closed_to_calls(opened_at + OPEN_SECONDS) == 0


def test_one_probe_holds_the_others_back_until_its_lease_is_over() -> None:
    """A probe that crashed is given to another after its lease."""
    opened = after_failures(FAILURES_TO_OPEN)
    due = opened.open_until
    trying = probing(opened, due)
    assert trying.seconds_closed_to_calls(due) == PROBE_SECONDS
    assert trying.seconds_closed_to_calls(due + PROBE_SECONDS) == 0
    assert trying.version == opened.version + 1


def test_a_probe_that_fails_opens_for_twice_as_long_up_to_a_limit() -> None:
    """The waits grow from 5 s to a minute."""
    breaker, waits = after_failures(FAILURES_TO_OPEN), []
    for _ in range(6):
        now = breaker.open_until
        breaker = failed(probing(breaker, now), now, as_probe=True)
        waits.append(breaker.open_until - now)
    assert waits == [10.0, 20.0, 40.0, LONGEST_OPEN_SECONDS, LONGEST_OPEN_SECONDS, LONGEST_OPEN_SECONDS]


def test_a_probe_that_succeeds_closes_it_and_forgets() -> None:
    """Afterwards the first failure is the first again, and so is the wait."""
    opened = after_failures(FAILURES_TO_OPEN)
    closed = succeeded(probing(opened, opened.open_until), as_probe=True)
    assert (closed.is_clean, closed.opened) == (True, 0)
    assert closed.version == opened.version + 2


def test_only_the_probe_decides_about_an_open_breaker() -> None:
    """The late answer of a call that was under way neither closes it nor opens it for longer."""
    opened = after_failures(FAILURES_TO_OPEN)
    assert succeeded(opened, as_probe=False) is opened
    assert failed(opened, NOW + 100, as_probe=False) is opened
