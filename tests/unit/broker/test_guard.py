"""The guard: functions share one breaker and one budget, and a healthy one writes nothing."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

import pytest

from alpaquero import deadline
from alpaquero.broker.breaker import FAILURES_TO_OPEN, OPEN_SECONDS, PROBE_SECONDS, Breaker
from alpaquero.broker.budget import Priority
from alpaquero.broker.guard import LONGEST_WAIT_SECONDS, REFRESH_SECONDS, TELL_SECONDS, Guard
from alpaquero.errors import BrokerUnavailable
from tests.fakes.broker_state import FakeSharedState


@dataclass
class Clock:
    """Wall time that only moves when it is told to, or slept."""

    now: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state() -> FakeSharedState:
    return FakeSharedState()


def guard(state: FakeSharedState, clock: Clock, *, key: str = "keys", scope: str = "trading:host") -> Guard:
    return Guard(scope, key, state, wall_seconds=clock, sleep=clock.sleep)


def call(one: Guard, outcome: bool, priority: Priority = Priority.SYNC) -> None:
    one.admit(priority)
    if outcome:
        one.succeeded()
    else:
        one.failed()


def budget(remaining: int, resets_at: float, limit: int = 200) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(resets_at),
    }


def test_a_healthy_function_reads_seldom_and_writes_never(state: FakeSharedState, clock: Clock) -> None:
    """A hundred good calls in five seconds cost one read; the read is repeated only as time passes."""
    one = guard(state, clock)
    for _ in range(100):
        one.admit(Priority.SYNC)
        one.heard(budget(150, clock.now + 30), 200)
        one.succeeded()
        clock.now += REFRESH_SECONDS / 101
    assert (state.reads, state.writes) == (1, 0)
    clock.now += REFRESH_SECONDS
    call(one, True)
    assert (state.reads, state.writes) == (2, 0)


def test_failures_of_all_functions_add_up(state: FakeSharedState, clock: Clock) -> None:
    """Five functions that fail once each open the breaker for a sixth."""
    for _ in range(FAILURES_TO_OPEN):
        call(guard(state, clock), False)
    with pytest.raises(BrokerUnavailable) as caught:
        guard(state, clock).admit(Priority.ORDER)
    assert caught.value.retry_after_seconds == OPEN_SECONDS


def test_trading_and_data_have_breakers_of_their_own(state: FakeSharedState, clock: Clock) -> None:
    """When prices fail, orders still go."""
    data, trading = guard(state, clock, scope="data:host"), guard(state, clock)
    for _ in range(FAILURES_TO_OPEN):
        call(data, False)
    with pytest.raises(BrokerUnavailable):
        data.admit(Priority.ORDER)
    call(trading, True)


def test_an_open_breaker_is_not_asked_again_and_again(state: FakeSharedState, clock: Clock) -> None:
    """While it is open a warm function refuses by what it knows."""
    one = guard(state, clock)
    for _ in range(FAILURES_TO_OPEN):
        call(one, False)
    reads = state.reads
    for _ in range(20):
        with pytest.raises(BrokerUnavailable):
            one.admit(Priority.ORDER)
    assert state.reads == reads


def test_one_call_of_all_functions_is_the_probe(state: FakeSharedState, clock: Clock) -> None:
    """When the time is up the first may try, and the others wait for what comes of it."""
    functions = [guard(state, clock) for _ in range(5)]
    for one in functions:
        call(one, False)
    clock.now += OPEN_SECONDS
    functions[2].admit(Priority.SYNC)
    for other in (functions[0], functions[4], guard(state, clock)):
        with pytest.raises(BrokerUnavailable) as caught:
            other.admit(Priority.ORDER)
        assert caught.value.retry_after_seconds == PROBE_SECONDS
    functions[2].succeeded()
    clock.now += REFRESH_SECONDS
    for one in functions:
        call(one, True)


def test_threads_that_come_at_once_send_one_probe(state: FakeSharedState, clock: Clock) -> None:
    """The compare-and-swap lets one of twenty through, however they interleave."""
    for _ in range(FAILURES_TO_OPEN):
        call(guard(state, clock), False)
    clock.now += OPEN_SECONDS
    lock, swap, passed = threading.Lock(), state.swap, []

    def swap_atomically(scope: str, before: Breaker, after: Breaker) -> bool:
        with lock:
            return swap(scope, before, after)

    state.swap = swap_atomically  # type: ignore[method-assign]
    start = threading.Barrier(20)

    def come() -> None:
        one = guard(state, clock)
        start.wait(10)
        try:
            one.admit(Priority.ORDER)
        except BrokerUnavailable:
            return
        passed.append(one)

    threads = [threading.Thread(target=come) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(passed) == 1


def test_a_probe_that_fails_keeps_it_open_for_longer(state: FakeSharedState, clock: Clock) -> None:
    """The second wait is twice the first, for every function."""
    one = guard(state, clock)
    for _ in range(FAILURES_TO_OPEN):
        call(one, False)
    clock.now += OPEN_SECONDS
    call(one, False)
    with pytest.raises(BrokerUnavailable) as caught:
        guard(state, clock).admit(Priority.SYNC)
    assert caught.value.retry_after_seconds == 2 * OPEN_SECONDS


def test_a_probe_that_was_never_heard_of_again_is_replaced(state: FakeSharedState, clock: Clock) -> None:
    """A function that crashed as the probe does not keep the breaker open for ever."""
    for _ in range(FAILURES_TO_OPEN):
        call(guard(state, clock), False)
    clock.now += OPEN_SECONDS
    guard(state, clock).admit(Priority.SYNC)
    clock.now += PROBE_SECONDS
    call(guard(state, clock), True)
    call(guard(state, clock), True)


def test_a_success_forgives_what_others_counted(state: FakeSharedState, clock: Clock) -> None:
    """One write ends the row that another function began; the next success writes nothing."""
    for _ in range(FAILURES_TO_OPEN - 1):
        call(guard(state, clock), False)
    writes, one = state.writes, guard(state, clock)
    call(one, True)
    call(one, True)
    assert state.writes == writes + 1
    call(guard(state, clock), False)
    guard(state, clock).admit(Priority.ORDER)


@pytest.mark.parametrize("is_lost_from_the_start", [True, False])
def test_a_lost_table_stops_no_call(
    state: FakeSharedState, clock: Clock, caplog: pytest.LogCaptureFixture, is_lost_from_the_start: bool
) -> None:
    """It is told in the log; what the function saw itself still opens its own breaker."""
    one = guard(state, clock)
    if not is_lost_from_the_start:
        call(one, True)
    state.is_lost = True
    with caplog.at_level(logging.WARNING):
        for _ in range(FAILURES_TO_OPEN):
            call(one, False)
    assert "cannot be reached" in caplog.text
    with pytest.raises(BrokerUnavailable):
        one.admit(Priority.ORDER)
    clock.now += OPEN_SECONDS
    call(one, True)
    call(one, True)


def test_reads_yield_to_orders_when_the_budget_is_short(state: FakeSharedState, clock: Clock) -> None:
    """With ten of two hundred left, sync is told when to come again and an order goes."""
    one = guard(state, clock)
    call(one, True)
    one.heard(budget(10, clock.now + 40), 200)
    with pytest.raises(BrokerUnavailable) as caught:
        one.admit(Priority.SYNC)
    assert caught.value.retry_after_seconds == 40
    one.admit(Priority.ORDER)
    assert clock.slept == []


def test_a_budget_that_runs_low_is_known_to_a_cold_function(state: FakeSharedState, clock: Clock) -> None:
    """Another function with the same key yields before it has heard anything itself."""
    one = guard(state, clock)
    one.heard(budget(9, clock.now + 40), 200)
    with pytest.raises(BrokerUnavailable):
        guard(state, clock).admit(Priority.SYNC)
    guard(state, clock, key="other-keys").admit(Priority.SYNC)


def test_a_low_budget_is_told_at_most_every_few_seconds(state: FakeSharedState, clock: Clock) -> None:
    """Forty answers within a few seconds are one write, but that nothing is left is told at once."""
    one, resets_at = guard(state, clock), clock.now + 50
    for remaining in range(59, 19, -1):
        one.heard(budget(remaining, resets_at), 200)
        clock.now += TELL_SECONDS / 41
    assert state.writes == 1
    one.heard(budget(0, resets_at), 429)
    assert state.windows["trading:host", "keys"].remaining == 0


def test_a_short_wait_is_waited_and_a_long_one_is_told(state: FakeSharedState, clock: Clock) -> None:
    """A function sleeps two seconds at most."""
    one = guard(state, clock)
    one.heard(budget(0, clock.now + LONGEST_WAIT_SECONDS), 429)
    one.admit(Priority.ORDER)
    assert clock.slept == [LONGEST_WAIT_SECONDS]
    one.heard(budget(0, clock.now + LONGEST_WAIT_SECONDS + 1), 429)
    with pytest.raises(BrokerUnavailable):
        one.admit(Priority.ORDER)
    assert len(clock.slept) == 1


def test_no_wait_goes_beyond_the_invocation(
    state: FakeSharedState, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With less time left than the wait the caller is told instead."""
    one = guard(state, clock)
    one.heard(budget(0, clock.now + 1.5), 429)
    monkeypatch.setattr(deadline, "seconds_left", lambda: 1.0)
    with pytest.raises(BrokerUnavailable):
        one.admit(Priority.ORDER)
    assert clock.slept == []


def test_requests_between_two_answers_count(state: FakeSharedState, clock: Clock) -> None:
    """What was sent and not answered yet is already spent."""
    one = guard(state, clock)
    one.heard(budget(12, clock.now + 40), 200)
    one.admit(Priority.SYNC)
    one.admit(Priority.SYNC)
    with pytest.raises(BrokerUnavailable):
        one.admit(Priority.SYNC)
