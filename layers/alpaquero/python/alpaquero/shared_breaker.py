"""One side's view of a circuit breaker that all functions share; stands before every call that leaves us.

`alpaquero.broker.guard` puts it, with a request budget, before the broker; `guarded` before webhooks, mail,
SMS and the outside watchdog. The rules are in `alpaquero.broker.breaker`, the state in one table
(`alpaquero.store.broker_state`): read once in REFRESH_SECONDS by a warm function, written when a call
fails or the breaker moves; a call that goes well writes nothing. It is a shield: a table that cannot be
reached is told in the log, and the function goes by what it saw itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol, TypeVar

from alpaquero import wall
from alpaquero.broker import breaker as rules
from alpaquero.broker.breaker import Breaker
from alpaquero.errors import ConfigurationError, LeftAlone, SharedStateLost

REFRESH_SECONDS = 5.0
SWAP_TRIES = 4

T = TypeVar("T")
_log = logging.getLogger(__name__)


class BreakerState(Protocol):
    """Where the functions meet; each method raises `SharedStateLost` when it cannot be reached."""

    def read(self, scope: str) -> tuple[Breaker, Mapping[str, Any]]:
        """The breaker of `scope` as last written, and what else is shared about it, by key."""

    def swap(self, scope: str, before: Breaker, after: Breaker) -> bool:
        """Writes `after` if the breaker is still `before`; answers whether it was."""


class SharedBreaker:
    """One connection's view of the breaker of `scope`."""

    def __init__(
        self, scope: str, state: BreakerState, *, wall_seconds: Callable[[], float] = wall.seconds
    ) -> None:
        self._scope = scope
        self._shared = state
        self._wall = wall_seconds
        self._breaker = Breaker()
        self._is_probe = False
        self._read_at = float("-inf")

    def pass_breaker(self) -> None:
        """Lets a call go. Raises `LeftAlone` with the seconds until it may be tried again."""
        if self._wall() - self._read_at >= REFRESH_SECONDS:
            self._refresh()
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
        found = self._shielded(lambda: self._shared.read(self._scope))
        self._read_at = self._wall()
        if found is not None:
            self._breaker, more = found
            self._take_over(more)

    def _take_over(self, _more: Mapping[str, Any]) -> None:
        """What else was read with the breaker; here nothing."""

    def _swapped(self, before: Breaker, after: Breaker) -> bool:
        """Whether no one else moved the breaker; what cannot be shared holds for this function alone."""
        swapped = self._shielded(lambda: self._shared.swap(self._scope, before, after)) is not False
        if not swapped:
            self._read_at = float("-inf")  # look before the next call
        return swapped

    def _refuse_while_closed_to_calls(self) -> None:
        seconds = self._breaker.seconds_closed_to_calls(self._wall())
        if seconds > 0:
            self._refuse(seconds)

    def _refuse(self, seconds: float) -> NoReturn:
        raise LeftAlone(
            f"{self._scope} keeps failing and is left alone; try again in {seconds:.0f} s", seconds
        )

    def _shielded(self, ask: Callable[[], T]) -> T | None:
        """What the shared state answers, None when it cannot be reached: the call itself goes on."""
        try:
            return ask()
        except SharedStateLost as error:
            _log.warning("the shared breaker of %s cannot be reached: %s", self._scope, error)
            return None


def _other_side_failed(error: Exception) -> bool:
    """Whether something was called at all: an address or a setting that we refuse ourselves was not."""
    from alpaquero.outbound import OutboundRefused

    return not isinstance(error, (OutboundRefused, ConfigurationError))


@contextmanager
def guarded(name: str, is_its_fault: Callable[[Exception], bool] = _other_side_failed) -> Iterator[None]:
    """Stands around one call to the outside, which all functions know by `name` (no address, no secret).

    An exception counts as a failure of the other side unless `is_its_fault` says otherwise. Raises
    `LeftAlone` instead of calling what keeps failing.
    """
    from alpaquero.store.broker_state import OutboundState  # with a table, for who calls

    breaker = SharedBreaker(name, OutboundState())
    breaker.pass_breaker()
    try:
        yield
    except Exception as error:
        if is_its_fault(error):
            breaker.failed()
        else:
            breaker.succeeded()
        raise
    breaker.succeeded()
