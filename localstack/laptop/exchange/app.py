"""Puts the exchange's routes, streams, gates and running clock together into one ASGI app."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from laptop.exchange import (
    account_api,
    admin_api,
    assets_api,
    calendar_api,
    data_api,
    orders_api,
    portfolio_api,
    positions_api,
    watchlists_api,
)
from laptop.exchange.answers import json_answer
from laptop.exchange.errors import RefusedError
from laptop.exchange.fault_gate import FaultGate
from laptop.exchange.fault_streams import SpoiltStreams
from laptop.exchange.faults import Switchboard
from laptop.exchange.gate import Gate, Keys, Settling
from laptop.exchange.streams import Streams
from laptop.exchange.unserved import no_route
from laptop.exchange.venue import Venue

_TICK_SECONDS = 0.25
_log = logging.getLogger(__name__)


def build_app(
    venue: Venue,
    keys: Keys,
    faults: Switchboard | None = None,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Starlette:
    """The ASGI app that serves `venue`, as `app.state` shows beside `faults` and `streams`.

    `faults` is the switchboard to use, one of its own otherwise; `sleep` (seconds) is how latency waits.
    """
    switchboard = Switchboard() if faults is None else faults

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        ticking = asyncio.create_task(_tick(venue))
        yield
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
        venue.close()

    streams = Streams(venue, keys, SpoiltStreams(switchboard, lambda: venue.now))
    app = Starlette(
        routes=[
            *streams.routes,
            *account_api.ROUTES,
            *assets_api.ROUTES,
            *calendar_api.ROUTES,
            *orders_api.ROUTES,
            *portfolio_api.ROUTES,
            *positions_api.ROUTES,
            *watchlists_api.ROUTES,
            *data_api.ROUTES,
            *admin_api.ROUTES,
        ],
        middleware=[
            Middleware(Gate, venue=venue, keys=keys),
            Middleware(FaultGate, venue=venue, faults=switchboard, sleep=sleep),
            Middleware(Settling, venue=venue),
        ],
        exception_handlers={RefusedError: _refused, HTTPException: no_route},
        lifespan=lifespan,
    )
    app.state.venue = venue
    app.state.faults = switchboard
    app.state.streams = streams
    return app


async def _tick(venue: Venue) -> None:
    """Keep the market moving while nobody asks."""
    while True:
        try:
            venue.run_to(monotonic())
        except Exception:
            _log.exception("the clock could not advance; it tries again")
        await asyncio.sleep(_TICK_SECONDS)


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, RefusedError):
        raise error
    return json_answer(error.body, error.status)
