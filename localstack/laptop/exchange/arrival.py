"""A request on its way through the exchange: the gate notes it, ledger and fault switchboard name it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A request as it came. `caller` is its API key id, `admin` or `faults`; `fault` what hits its answer."""

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
# Where the gate puts the Arrival in the ASGI scope of its request, and a stale clock how far it is behind.
ARRIVAL: Final = "exchange.arrival"
BEHIND: Final = "exchange.behind"


def told_time(request: Request, now: datetime) -> datetime:
    """Market time as the clock routes tell it: `now`, or earlier while a fault makes the clock stale."""
    behind: timedelta = request.scope.get(BEHIND, timedelta(0))
    return now - behind
