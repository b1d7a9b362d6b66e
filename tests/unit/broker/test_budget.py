"""The request budget: what the headers say, and who yields when little is left."""

from __future__ import annotations

import pytest

from alpaquero.broker.budget import LONGEST_WINDOW_SECONDS, Priority, Window, stricter, window_of

NOW = 1_000_000.0


def headers(limit: object, remaining: object, reset: object) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(reset),
    }


@pytest.mark.parametrize(
    ("remaining", "waiting"),
    [
        (101, set()),
        (100, {Priority.BULK}),
        (31, {Priority.BULK}),
        (30, {Priority.BULK, Priority.DATA}),
        (11, {Priority.BULK, Priority.DATA}),
        (10, {Priority.BULK, Priority.DATA, Priority.SYNC}),
        (1, {Priority.BULK, Priority.DATA, Priority.SYNC}),
        (0, set(Priority)),
    ],
)
def test_the_last_requests_are_for_orders(remaining: int, waiting: set[Priority]) -> None:
    """Of 200 a minute half are not for bulk, the last 30 not for data, the last 10 for orders alone."""
    window = Window(200, remaining, NOW + 20)
    assert waiting == {priority for priority in Priority if window.seconds_to_wait(priority, NOW) > 0}


def test_a_short_budget_is_waited_for_until_it_resets() -> None:
    """The wait is until the reset; afterwards nothing is known to be short."""
    window = Window(200, 0, NOW + 20)
    assert window.seconds_to_wait(Priority.ORDER, NOW) == 20
    assert window.seconds_to_wait(Priority.DATA, NOW + 20) == 0


def test_the_headers_are_read() -> None:
    """Limit and rest are counts, the reset is in epoch seconds."""
    assert Window(200, 157, NOW + 42) == window_of(headers(200, 157, int(NOW) + 42), 200, NOW)


def test_a_429_means_that_nothing_is_left() -> None:
    """Whatever the count says; Retry-After is believed before the reset."""
    told = headers(200, 3, int(NOW) + 42) | {"Retry-After": "7"}
    assert Window(200, 0, NOW + 7) == window_of(told, 429, NOW)
    assert Window(0, 0, NOW + 7) == window_of({"Retry-After": "7"}, 429, NOW)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"X-RateLimit-Remaining": "3"},
        {"X-RateLimit-Reset": "1000042"},
        headers(200, "many", 1000042),
        headers(200, 3, "soon"),
        {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"},
    ],
    ids=str,
)
def test_headers_that_say_nothing_are_no_budget(told: dict[str, str]) -> None:
    """An answer without sound figures changes nothing."""
    assert window_of(told, 200, NOW) is None


def test_a_clock_that_is_wrong_does_not_stop_trading() -> None:
    """A reset hours away is taken for five minutes."""
    window = window_of(headers(200, 0, int(NOW) + 9000), 200, NOW)
    assert window is not None
    assert window.resets_at == NOW + LONGEST_WINDOW_SECONDS


def test_the_stricter_of_two_views_counts() -> None:
    """A later window beats an earlier one, and within one the smaller rest."""
    early, late, less = Window(200, 5, NOW), Window(200, 150, NOW + 60), Window(200, 100, NOW + 60)
    assert stricter(early, late) == late
    assert stricter(late, less) == less
    assert stricter(None, early) == early == stricter(early, None)
