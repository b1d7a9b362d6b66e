"""The admin routes: the clock, the book's report and ledger, its copy, and the fault switchboard."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices import NEW_YORK, Session, next_session
from laptop.exchange.admin_bodies import (
    ChangesPage,
    CheckpointTarget,
    ClockSetting,
    FaultBoard,
    FaultMix,
    FaultsInForce,
    InjectedFaults,
    LedgerPage,
    NewFaults,
    Report,
    ReportedFill,
    ReportedOrder,
    ReportedPosition,
    SessionTimes,
    Status,
)
from laptop.exchange.answers import json_answer, venue_of, whole
from laptop.exchange.clock import ClockMode
from laptop.exchange.errors import malformed, not_found
from laptop.exchange.faults import GROUPS, MIXES, FaultKind, FaultRuleError, RuleState, Switchboard
from laptop.exchange.margin import held_value
from laptop.exchange.venue import Venue
from laptop.exchange.wire import text

_Body = TypeVar("_Body")
_LARGEST_PAGE = 1000
_MOST_RULES = 100  # in force at once; whoever reads the board reads them all
_LARGEST_NUMBER = 10**15


async def status(request: Request) -> Response:
    """GET /admin/status."""
    return json_answer(_status(venue_of(request)))


async def step(request: Request) -> Response:
    """POST /admin/step: the next session from open to close; answers the status after it."""
    venue = venue_of(request)
    venue.step()
    return json_answer(_status(venue))


async def clock(request: Request) -> Response:
    """POST /admin/clock: who moves the clock, how fast, pause, jump; answers the status."""
    venue, wanted = venue_of(request), await _body(request, ClockSetting)
    mode = wanted.mode or venue.mode.value
    pace = venue.seconds_per_session if wanted.seconds_per_session is None else wanted.seconds_per_session
    if mode not in list(ClockMode):
        raise malformed(f"mode must be one of {', '.join(ClockMode)}")
    if pace <= 0:
        raise malformed("seconds_per_session must be more than 0")
    to = None if wanted.to is None else _moment(wanted.to)
    venue.set_clock(ClockMode(mode), pace, monotonic())
    if wanted.paused is not None:
        venue.pause(monotonic(), paused=wanted.paused)
    if to is not None:
        venue.jump(to)
    return json_answer(_status(venue))


def _moment(given: str) -> datetime:
    """A time in RFC 3339, or a date, which is its midnight in New York."""
    try:
        at = datetime.fromisoformat(given)
        if len(given) <= len("2012-12-31") or at.tzinfo is None:
            at = at.replace(tzinfo=NEW_YORK)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise malformed("to must be a date like 2012-12-31 or a time like 2012-12-31T15:00:00Z") from None


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


async def ledger(request: Request) -> Response:
    """GET /admin/ledger: the requests that changed something, paged by `after` and `limit`."""
    after, limit = _page(request)
    items = venue_of(request).requests(after, limit)
    return json_answer(LedgerPage(items, items[-1].number if len(items) == limit else None))


async def changes(request: Request) -> Response:
    """GET /admin/changes: the changes of the book themselves, paged by `after` and `limit`."""
    after, limit = _page(request)
    items = venue_of(request).changes(after, limit)
    return json_answer(ChangesPage(items, items[-1].number if len(items) == limit else None))


async def faults(request: Request) -> Response:
    """GET /admin/faults: the rules in force."""
    return json_answer(FaultsInForce(_switchboard(request).states()))


async def fault_board(request: Request) -> Response:
    """GET /admin/faults/board: the rules in force, what was injected, and what there is to choose from."""
    switchboard = _switchboard(request)
    mixes = [FaultMix(name, rules_of(0)) for name, rules_of in MIXES.items()]
    kinds = [kind.value for kind in FaultKind]
    board = FaultBoard(switchboard.states(), switchboard.counts(), mixes, kinds, list(GROUPS))
    return json_answer(board)


async def add_faults(request: Request) -> Response:
    """POST /admin/faults: put rules in force, all or none; answers them with their ids."""
    wanted, switchboard = await _body(request, NewFaults), _switchboard(request)
    if wanted.mix is not None and wanted.mix not in MIXES:
        raise malformed(f"mix must be one of {', '.join(MIXES)}")
    rules = [*wanted.rules, *(MIXES[wanted.mix](wanted.seed) if wanted.mix else ())]
    if not rules:
        raise malformed("rules or mix is required")
    if len(switchboard.states()) + len(rules) > _MOST_RULES:
        raise malformed(f"at most {_MOST_RULES} rules are in force at once; take some away first")
    added: list[RuleState] = []
    try:
        for rule in rules:
            added.append(switchboard.add(rule))  # noqa: PERF401 - what was added is taken back below
    except FaultRuleError as error:
        for state in added:
            switchboard.remove(state.rule.id)
        raise malformed(str(error)) from error
    return json_answer(FaultsInForce(added))


async def remove_fault(request: Request) -> Response:
    """DELETE /admin/faults/{id}: take one rule out of force; answers those that are left."""
    switchboard, rule_id = _switchboard(request), request.path_params["id"]
    if rule_id not in switchboard:
        raise not_found(f"there is no fault rule {rule_id}")
    switchboard.remove(rule_id)
    return json_answer(FaultsInForce(switchboard.states()))


async def clear_faults(request: Request) -> Response:
    """DELETE /admin/faults: take every rule out of force; what was injected stays listed."""
    _switchboard(request).clear()
    return json_answer(FaultsInForce([]))


async def injected_faults(request: Request) -> Response:
    """GET /admin/faults/injected: counts by kind, and the faults themselves, paged by `after` and `limit`."""
    (after, limit), switchboard = _page(request), _switchboard(request)
    items = switchboard.injected(after, limit)
    following = items[-1].number if len(items) == limit else None
    return json_answer(InjectedFaults(switchboard.counts(), items, following))


async def cut_streams(request: Request) -> Response:
    """POST /admin/streams/cut: drop every open websocket at once; answers how many there were."""
    return json_answer({"cut": request.app.state.streams.cut_all()})


def _switchboard(request: Request) -> Switchboard:
    switchboard: Switchboard = request.app.state.faults
    return switchboard


def _page(request: Request) -> tuple[int, int]:
    """`after` and `limit`."""
    after = request.query_params.get("after") or "0"
    if not after.isascii() or not after.isdigit() or len(after) > len(str(_LARGEST_NUMBER)):
        raise malformed("after must be the number of an item")
    return int(after), whole(request, "limit", _LARGEST_PAGE, _LARGEST_PAGE)


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
        paused=venue.paused,
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
        ReportedPosition(symbol, _plain(held.quantity), held_value(book, venue.market, symbol, venue.now))
        for symbol, held in sorted(book.positions.items())
    ]
    return Report(
        cash=book.cash,
        equity=book.cash + sum(position.market_value for position in positions),
        long_market_value=sum((p.market_value for p in positions if p.market_value > 0), start=Decimal(0)),
        short_market_value=sum((p.market_value for p in positions if p.market_value < 0), start=Decimal(0)),
        positions=positions,
        orders_accepted=sum(order.parent is None for order in book.orders.values()),
        open_orders=[order.client_order_id for order in book.all_open_orders()],
        orders=[
            ReportedOrder(
                order.client_order_id,
                order.id,
                order.status.value,
                _plain(order.filled_quantity),
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
                _plain(trade.quantity),
                trade.price,
                trade.at,
            )
            for trade in book.trades
        ],
    )


def _plain(quantity: Decimal) -> Decimal:
    """The quantity without trailing zeros, as the trading routes write it."""
    return Decimal(text(quantity))


ROUTES = [
    Route("/admin/status", status),
    Route("/admin/step", step, methods=["POST"]),
    Route("/admin/clock", clock, methods=["POST"]),
    Route("/admin/report", report),
    Route("/admin/checkpoint", checkpoint, methods=["POST"]),
    Route("/admin/ledger", ledger),
    Route("/admin/changes", changes),
    Route("/admin/faults", faults),
    Route("/admin/faults", add_faults, methods=["POST"]),
    Route("/admin/faults", clear_faults, methods=["DELETE"]),
    Route("/admin/faults/board", fault_board),
    Route("/admin/faults/injected", injected_faults),
    Route("/admin/faults/{id}", remove_fault, methods=["DELETE"]),
    Route("/admin/streams/cut", cut_streams, methods=["POST"]),
]
