"""Stands before each call to the broker: the breaker and the budget that all functions share.

`alpaquero.broker.transport` asks it before a call and tells it what came of it. What others must
know is in one table: the breaker (`alpaquero.shared_breaker`) and, when little of it is left, the
budget. It is a shield, not the guarantee, which is the order's id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol
from urllib.parse import urlsplit

from alpaquero import deadline, wall
from alpaquero.broker.breaker import Breaker
from alpaquero.broker.budget import Priority, Window, stricter, window_of
from alpaquero.errors import BrokerUnavailable
from alpaquero.shared_breaker import REFRESH_SECONDS, SharedBreaker

LONGEST_WAIT_SECONDS = 2.0  # for the budget; a longer one is the caller's to wait for, outside of a function
TELL_SECONDS = 3.0  # between two writes about a budget that runs low


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


class Guard(SharedBreaker):
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
        super().__init__(scope, state, wall_seconds=wall_seconds)
        self._key = key
        self._state = state
        self._sleep = sleep
        self._window: Window | None = None
        self._told_at = float("-inf")

    def admit(self, priority: Priority) -> None:
        """Lets the call go, after a short wait for the budget if need be.

        Raises `BrokerUnavailable` with the seconds until it may be tried again.
        """
        if self._wall() - self._read_at >= REFRESH_SECONDS:
            self._refresh()
        self._keep_to_budget(priority)
        self.pass_breaker()

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

    # inside

    def _take_over(self, more: Mapping[str, Window]) -> None:
        self._window = stricter(self._window, more.get(self._key))

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

    def _refuse(self, seconds: float) -> NoReturn:
        raise BrokerUnavailable(
            f"the broker ({self._scope}) keeps failing and is left alone; try again in {seconds:.0f} s",
            seconds,
        )
