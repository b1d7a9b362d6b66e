"""Wall time, asked here by whatever measures leases, ages and repeats; market time is the exchange's.

One door, so that a test which replays hours of trouble in a second can move it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Lock


def now() -> datetime:
    """This moment, aware UTC."""
    return datetime.now(UTC)


def seconds() -> float:
    """Seconds since 1970, as DynamoDB's expiry and our ages count them."""
    return now().timestamp()


_lapse_lock = Lock()
_lapsed, _wall_then, _monotonic_then = 0.0, seconds(), time.monotonic()


def lapsed() -> float:
    """Seconds of this process for the age of what it keeps; they never go back and leave out no freeze.

    While Lambda freezes a sandbox its monotonic clock may stand (hashicorp/vault-lambda-extension#150), and
    wall time may be set back. Of what passed since the last call the larger counts: what is kept is rather
    read anew too early than given out too late.
    """
    global _lapsed, _wall_then, _monotonic_then  # noqa: PLW0603 - of the process, as its clocks are
    with _lapse_lock:
        wall_now, monotonic_now = seconds(), time.monotonic()
        _lapsed += max(wall_now - _wall_then, monotonic_now - _monotonic_then)
        _wall_then, _monotonic_then = wall_now, monotonic_now
        return _lapsed
