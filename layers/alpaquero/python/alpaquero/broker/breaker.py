"""The circuit breaker of one host, as pure rules; `alpaquero.shared_breaker` runs them.

    closed --FAILURES_TO_OPEN failures in a row--> open --its time is up--> one probe
       ^                                            ^                         |
       +----------------- it succeeds --------------|-------------------------+
                                                    +--- it fails: open for twice as long

The state is one item that all functions share and change by compare-and-swap, so that a probe is
one call across all of them. Times are wall time in epoch seconds and come in as arguments. After
M. Nygard, "Release It!".
"""

from __future__ import annotations

from dataclasses import replace

from alpaquero.quickly_made import dataclass

FAILURES_TO_OPEN = 5
FORGET_SECONDS = 60.0  # a failure this long after the last one is the first again
OPEN_SECONDS = 5.0
LONGEST_OPEN_SECONDS = 60.0
PROBE_SECONDS = 20.0  # after this a probe that was not heard of again is given to another


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What all functions know of one host.

    `failures` counts calls in a row that failed, the last at `failed_at`. `open_until` is 0 while
    closed; `opened` is how often in a row it has opened. `probe_until` is when the lease of the
    call that may try is over. `version` is the item's, for the swap.
    """

    failures: int = 0
    failed_at: float = 0.0
    open_until: float = 0.0
    opened: int = 0
    probe_until: float = 0.0
    version: int = 0

    @property
    def is_open(self) -> bool:
        """Whether calls are held back, but for a probe."""
        return self.open_until > 0

    @property
    def is_clean(self) -> bool:
        """Whether a success changes nothing: closed, and no failure counted."""
        return not self.is_open and self.failures == 0

    def seconds_closed_to_calls(self, now: float) -> float:
        """How long until a call may be tried: 0 when it may now, be it as the probe."""
        return max(0.0, self.open_until - now, self.probe_until - now) if self.is_open else 0.0


def failed(before: Breaker, now: float, *, as_probe: bool) -> Breaker:
    """The breaker after a call that the host failed."""
    if before.is_open:
        return _opened(before, now) if as_probe else before  # a late failure opens nothing again
    in_a_row = before.failures + 1 if now - before.failed_at < FORGET_SECONDS else 1
    after = replace(before, failures=in_a_row, failed_at=now, version=before.version + 1)
    return _opened(after, now) if in_a_row >= FAILURES_TO_OPEN else after


def succeeded(before: Breaker, *, as_probe: bool) -> Breaker:
    """The breaker after a sound answer; only the probe's closes an open one."""
    if before.is_clean or (before.is_open and not as_probe):
        return before
    return Breaker(version=before.version + 1)


def probing(before: Breaker, now: float) -> Breaker:
    """The breaker with the one call under way that may try again."""
    return replace(before, probe_until=now + PROBE_SECONDS, version=before.version + 1)


def _opened(before: Breaker, now: float) -> Breaker:
    seconds = min(OPEN_SECONDS * 2**before.opened, LONGEST_OPEN_SECONDS)
    return replace(
        before,
        failed_at=now,
        open_until=now + seconds,
        opened=before.opened + 1,
        probe_until=0.0,
        version=before.version + 1,
    )
