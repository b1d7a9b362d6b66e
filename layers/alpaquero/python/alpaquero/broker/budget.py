"""The broker's request budget of one key, as pure rules over what its rate limit headers say.

`X-RateLimit-Limit` requests are allowed until `X-RateLimit-Reset` (epoch seconds, wall time), and
`X-RateLimit-Remaining` are left; the figures count every caller with the key, so each answer is
the truth of its moment. `alpaquero.broker.guard` shares them between functions when few are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum

from alpaquero.quickly_made import dataclass

LONGEST_WINDOW_SECONDS = 300.0  # a reset further off than this is a clock that is wrong
LOW = 0.3  # of the limit: from here on the others are told


class Priority(Enum):
    """Who may use the last of the budget; the value is the share of the limit left to those above."""

    ORDER = 0.0
    SYNC = 0.05
    DATA = 0.15
    BULK = 0.5  # history that nobody waits for


@dataclass(frozen=True, slots=True)
class Window:
    """What is left of one window: `remaining` of `limit` requests until `resets_at`."""

    limit: int
    remaining: int
    resets_at: float

    @property
    def is_low(self) -> bool:
        """Whether so little is left that others must know."""
        return self.remaining <= self.limit * LOW

    def seconds_to_wait(self, priority: Priority, now: float) -> float:
        """How long a request of this priority has to wait: 0 while there is enough for it."""
        if now >= self.resets_at or self.remaining > self.limit * priority.value:
            return 0.0
        return self.resets_at - now

    def spent(self) -> Window:
        """The window after one more request, as far as we know before the answer says."""
        return replace(self, remaining=self.remaining - 1)


def stricter(ours: Window | None, theirs: Window | None) -> Window | None:
    """Of two views the later window, and of the same window the one with less left."""
    if ours is None or theirs is None:
        return ours or theirs
    return max(ours, theirs, key=lambda window: (window.resets_at, -window.remaining))


def window_of(headers: Mapping[str, str], status: int, now: float) -> Window | None:
    """What an answer's headers say, None when they say nothing.

    A 429 says that nothing is left, whatever the count is; `Retry-After` then names the end.
    """
    wait = seconds_to_reset(headers, now)
    limit = _whole(headers.get("X-RateLimit-Limit"))
    remaining = 0 if status == 429 else _whole(headers.get("X-RateLimit-Remaining"))
    if wait is None or remaining is None:
        return None
    return Window(limit or 0, remaining, now + min(wait, LONGEST_WINDOW_SECONDS))


def seconds_to_reset(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds to wait by `Retry-After`, or until the wall time in `X-RateLimit-Reset`."""
    try:
        if "Retry-After" in headers:
            return max(0.0, float(headers["Retry-After"]))
        if "X-RateLimit-Reset" in headers:
            return max(0.0, float(headers["X-RateLimit-Reset"]) - now)
    except ValueError:  # Retry-After may also be a date, which Alpaca does not send
        return None
    return None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdigit() else None
