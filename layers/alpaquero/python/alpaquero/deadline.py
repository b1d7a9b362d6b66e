"""How long the present invocation may still run: set by whatever starts a handler, asked before a wait.

Lambda ends a function without a word when its time is up. Who waits for the broker asks here first,
so that there is time left to write down what became of the call.
"""

from __future__ import annotations

import math
import time
from contextvars import ContextVar

RESERVE_SECONDS = 1.5  # kept for the writes that follow a call

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


def begin(context: object) -> None:
    """Takes the end of this invocation from Lambda's `context`; without one there is no end."""
    left = getattr(context, "get_remaining_time_in_millis", None)
    _ends_at.set(None if left is None else time.monotonic() + left() / 1000)


def seconds_left() -> float:
    """The seconds that may still be spent waiting; infinite outside of an invocation, never below 0."""
    ends_at = _ends_at.get()
    return math.inf if ends_at is None else max(0.0, ends_at - time.monotonic() - RESERVE_SECONDS)
