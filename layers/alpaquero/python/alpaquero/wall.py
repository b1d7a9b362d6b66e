"""Wall time, asked here by whatever measures leases, ages and repeats; market time is the exchange's.

One door, so that a test which replays hours of trouble in a second can move it.
"""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """This moment, aware UTC."""
    return datetime.now(UTC)


def seconds() -> float:
    """Seconds since 1970, as DynamoDB's expiry and our ages count them."""
    return now().timestamp()
