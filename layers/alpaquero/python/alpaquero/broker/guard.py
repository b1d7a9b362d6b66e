"""Stands before each call to the broker: the breaker and the budget that all functions share.

`alpaquero.broker.transport` asks it before a call and tells it what came of it. What others must
know is in one table (`alpaquero.store.broker_state`): read once in REFRESH_SECONDS by a warm
function, written when a call fails, when the breaker moves, and when little of the budget is left;
a call that goes well writes nothing. It is a shield, not the guarantee (that is the order's id), so
a table that cannot be reached is told in the log, and the function goes by what it saw itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from alpaquero import deadline, wall
from alpaquero.broker import breaker as rules
from alpaquero.broker.breaker import Breaker
from alpaquero.broker.budget import Priority, Window, stricter, window_of
from alpaquero.errors import BrokerUnavailable, SharedStateLost

REFRESH_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 2.0  # for the budget; a longer one is the caller's to wait for, outside of a function
TELL_SECONDS = 3.0  # between two writes about a budget that runs low
SWAP_TRIES = 4

T = TypeVar("T")
_log = logging.getLogger(__name__)


class SharedState(Protocol):
    """Where the functions meet; each method raises `SharedStateLost` when it cannot be reached."""

    def read(self, scope: str) -> tuple[Breaker, dict[str, Window]]:
        """The breaker of `scope` and the budgets by key, as last written."""

    def swap(self, scope: str, before: Breaker, after: Breaker) -> bool:
        """Writes `after` if the breaker is still `before`; answers whether it was."""

    def tell(self, scope: str, key: str, window: Window) -> None:
        """Notes what is left of a budget, unless something stricter is known already."""


def shared_guard(api: str, url: str, key: str) -> Guard:
    """The guard of the host in `url`, for its `api` (trading or data) and the keys' secret `key`."""
    from alpaquero.store.broker_state import SharedBrokerState

    return Guard(f"{api}:{urlsplit(url).netloc}", key, SharedBrokerState())


class Guard:
    """One connection's view of the host `scope` and of the budget of the key `key`."""

    def __init__(
        self,
        scope: str,
        key: str,
        state: SharedState,
        *,
        wall_seconds: Callable[[], float] = wall.seconds,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._scope = scope
        self._key = key
        self._state = state
        self._wall = wall_seconds
        self._sleep = sleep
        self._breaker = Breaker()
        self._window: Window | None = None
        self._is_probe = False
        self._read_at = float("-inf")
        self._told_at = float("-inf")

    def admit(self, priority: Priority) -> None:
        """Lets the call go, after a short wait for the budget if need be.

        Raises `BrokerUnavailable` with the seconds until it may be tried again.
        """
        if self._wall() - self._read_at >= REFRESH_SECONDS:
            self._refresh()
        self._keep_to_budget(priority)
        self._pass_breaker()

    def heard(self, headers: Mapping[str, str], status: int) -> None:
        """Takes over what an answer says about the budget; tells the others when it runs low."""
        now = self._wall()
        window = window_of(headers, status, now)
        if window is None:
            return
        self._window = window
        if window.is_low and (now - self._told_at >= TELL_SECONDS or window.remaining <= 0):
            self._told_at = now
            self._shielded(lambda: self._state.tell(self._scope, self._key, window))

    def succeeded(self) -> None:
        """The host answered, be it a refusal; ends a row of failures, and as the probe an open breaker."""
        after = rules.succeeded(self._breaker, as_probe=self._is_probe)
        if after is not self._breaker:
            before, self._breaker = self._breaker, after
            self._swapped(before, after)
        self._is_probe = False

    def failed(self) -> None:
        """The host did not answer, or with nonsense: one more failure for all to know."""
        now, as_probe, self._is_probe = self._wall(), self._is_probe, False
        for _ in range(SWAP_TRIES):
            self._refresh()
            before = self._breaker
            self._breaker = after = rules.failed(before, now, as_probe=as_probe)
            if after is before or self._swapped(before, after):
                return

    # inside

    def _refresh(self) -> None:
        found = self._shielded(lambda: self._state.read(self._scope))
        self._read_at = self._wall()
        if found is not None:
            self._breaker, windows = found
            self._window = stricter(self._window, windows.get(self._key))

    def _keep_to_budget(self, priority: Priority) -> None:
        wait = self._window.seconds_to_wait(priority, self._wall()) if self._window else 0.0
        if wait > min(LONGEST_WAIT_SECONDS, deadline.seconds_left()):
            raise BrokerUnavailable(
                f"the request budget of {self._key} is used up, but for more urgent calls; "
                f"try again in {wait:.0f} s",
                wait,
            )
        if wait > 0:
            self._sleep(wait)
        if self._window:
            self._window = self._window.spent()

    def _pass_breaker(self) -> None:
        if not self._breaker.is_open:
            return
        self._refuse_while_closed_to_calls()
        self._refresh()  # due by what we know; another may have probed since
        self._refuse_while_closed_to_calls()
        if not self._breaker.is_open:
            return
        before, after = self._breaker, rules.probing(self._breaker, self._wall())
        if not self._swapped(before, after):
            self._refuse(rules.PROBE_SECONDS)
        self._breaker, self._is_probe = after, True

    def _swapped(self, before: Breaker, after: Breaker) -> bool:
        """Whether no one else moved the breaker; what cannot be shared holds for this function alone."""
        swapped = self._shielded(lambda: self._state.swap(self._scope, before, after)) is not False
        if not swapped:
            self._read_at = float("-inf")  # look before the next call
        return swapped

    def _refuse_while_closed_to_calls(self) -> None:
        seconds = self._breaker.seconds_closed_to_calls(self._wall())
        if seconds > 0:
            self._refuse(seconds)

    def _refuse(self, seconds: float) -> None:
        raise BrokerUnavailable(
            f"the broker ({self._scope}) keeps failing and is left alone; try again in {seconds:.0f} s",
            seconds,
        )

    def _shielded(self, ask: Callable[[], T]) -> T | None:
        """What the shared state answers, None when it cannot be reached: the call itself goes on."""
        try:
            return ask()
        except SharedStateLost as error:
            _log.warning("the broker's shared breaker and budget cannot be reached: %s", error)
            return None
