"""The admin routes: look at the clock and the book, step or set the clock, copy the book."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices import Session, next_session
from laptop.exchange.admin_bodies import (
    CheckpointTarget,
    ClockSetting,
    Report,
    ReportedFill,
    ReportedOrder,
    ReportedPosition,
    SessionTimes,
    Status,
)
from laptop.exchange.admission import held_value
from laptop.exchange.answers import json_answer, venue_of
from laptop.exchange.clock import ClockMode
from laptop.exchange.errors import malformed
from laptop.exchange.venue import Venue

_Body = TypeVar("_Body")


async def status(request: Request) -> Response:
    """GET /admin/status."""
    return json_answer(_status(venue_of(request)))


async def step(request: Request) -> Response:
    """POST /admin/step: the next session from open to close; answers the status after it."""
    venue = venue_of(request)
    venue.step()
    return json_answer(_status(venue))


async def clock(request: Request) -> Response:
    """POST /admin/clock: who moves the clock and how fast; answers the status."""
    venue, wanted = venue_of(request), await _body(request, ClockSetting)
    mode = wanted.mode or venue.mode.value
    pace = venue.seconds_per_session if wanted.seconds_per_session is None else wanted.seconds_per_session
    if mode not in list(ClockMode):
        raise malformed("mode must be running or stepped")
    if pace <= 0:
        raise malformed("seconds_per_session must be more than 0")
    venue.set_clock(ClockMode(mode), pace, monotonic())
    return json_answer(_status(venue))


async def report(request: Request) -> Response:
    """GET /admin/report."""
    return json_answer(_report(venue_of(request)))


async def checkpoint(request: Request) -> Response:
    """POST /admin/checkpoint: a consistent copy of the book at `path`."""
    target = Path((await _body(request, CheckpointTarget)).path)
    if not target.is_absolute():
        raise malformed("path must be absolute")
    venue_of(request).copy_book(target)
    return json_answer({"path": str(target)})


async def _body(request: Request, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise malformed(f"request body is invalid: {error}") from error


def _status(venue: Venue) -> Status:
    session = venue.market.open_session(venue.now)
    shown = session or next((s for s in reversed(venue.sessions) if s.close <= venue.now), None)
    upcoming = next_session(venue.market.history.calendar, venue.now)
    closing = session or upcoming
    done = venue.sessions_done
    return Status(
        now=venue.now,
        is_open=session is not None,
        session=_times(shown),
        next_open=upcoming.open if upcoming else None,
        next_close=closing.close if closing else None,
        mode=venue.mode.value,
        seconds_per_session=venue.seconds_per_session,
        sessions_done=done,
        sessions_total=len(venue.sessions),
        data_used_up=done == len(venue.sessions),
        seed=venue.seed,
        symbols=list(venue.market.history.symbols),
    )


def _times(session: Session | None) -> SessionTimes | None:
    return None if session is None else SessionTimes(session.date, session.open, session.close)


def _report(venue: Venue) -> Report:
    book = venue.book
    positions = [
        ReportedPosition(symbol, held.quantity, held_value(book, venue.market, symbol, venue.now))
        for symbol, held in sorted(book.positions.items())
    ]
    return Report(
        cash=book.cash,
        equity=book.cash + sum(position.market_value for position in positions),
        positions=positions,
        orders_accepted=sum(order.parent is None for order in book.orders.values()),
        orders=[
            ReportedOrder(
                order.client_order_id,
                order.id,
                order.status.value,
                order.filled_quantity,
                order.symbol,
                order.side.value,
                order.parent,
            )
            for order in book.orders.values()
        ],
        fills=[
            ReportedFill(
                trade.id,
                trade.client_order_id,
                trade.order_id,
                trade.side.value,
                trade.symbol,
                trade.quantity,
                trade.price,
                trade.at,
            )
            for trade in book.trades
        ],
    )


ROUTES = [
    Route("/admin/status", status),
    Route("/admin/step", step, methods=["POST"]),
    Route("/admin/clock", clock, methods=["POST"]),
    Route("/admin/report", report),
    Route("/admin/checkpoint", checkpoint, methods=["POST"]),
]
