"""Waiting until something shows, never for a length of time; every tier's tests wait with these."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# A first request starts its function, and a loaded machine may start ten at once.
PATIENCE_SECONDS = 60
_PAUSE_SECONDS = 0.03  # between two looks


def soon(
    look: Callable[[], T], *, seconds: float = PATIENCE_SECONDS, pause_seconds: float = _PAUSE_SECONDS
) -> T:
    """The first true answer of `look`, or its last one when the time is up."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(pause_seconds)
    return found


def wait_for(look: Callable[[], T | None], *, what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """The first true answer of `look`. Fails naming `what` was waited for when the time is up."""
    found = soon(look, seconds=seconds)
    assert found, f"waited {seconds:.0f} s for {what}"
    return found
