"""A request on its way through the exchange: the gate notes it, ledger and fault switchboard name it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A request as it came. `caller` is its API key id or `admin`; `fault` what its answer will suffer."""

    request_id: str
    caller: str
    method: str
    path: str
    query: str
    body: bytes
    wall: datetime
    fault: str | None = None


# The request that the running code serves; None for the clock and for whoever calls the venue directly.
current_request: ContextVar[Arrival | None] = ContextVar("current_request", default=None)
