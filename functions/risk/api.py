"""The risk service's routes: limits and their use, the verdict on a trade not placed, the trading state."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from alpaquero import wall
from alpaquero.errors import Conflict, InvalidRequest, NotFound
from alpaquero.events import bus, queues
from alpaquero.events.commands import CancelOrder, PlaceOrder
from alpaquero.events.trading_state import state_set
from alpaquero.observability import correlation_id
from alpaquero.orders.identity import manual_key
from alpaquero.orders.intent import Intent
from alpaquero.risk import drawdown, sizing
from alpaquero.risk.activity import orders_within
from alpaquero.risk.book import RiskBook, StateChange, TradingState
from alpaquero.risk.exits import due_exits, entries_to_cancel, next_exit
from alpaquero.risk.limits import UNKNOWN_SECTOR, RiskLimits
from alpaquero.risk.locks import asked_state, is_raise, set_by_person
from alpaquero.risk.rules import assess
from alpaquero.risk.verdict import Verdict
from alpaquero.settings import ClockSettings, Text, load
from alpaquero.store import risk_facts, trading_settings
from alpaquero.store.books import Books
from alpaquero.web.app import service_app
from alpaquero.web.bodies import RuleOutcome
from alpaquero.web.bodies import risk as bodies
from alpaquero.web.tickets import manual_intent

if TYPE_CHECKING:
    from alpaquero.broker.protocol import ClockReader, MarketDataReader

ZERO, HUNDRED, STEP = Decimal(0), Decimal(100), Decimal("0.0001")
ATTEMPTS = 5  # at a risk book that others also write to


class RiskSettings(ClockSettings, frozen=True, kw_only=True):
    """What this function needs: clock and prices with the reading keys, and the queue `execute` reads."""

    order_queue: Text


SETTINGS = load(RiskSettings)
BOOKS = Books(SETTINGS.account)

app = service_app(
    "risk", works=True, dependencies={"books": BOOKS.risk_book, "settings": trading_settings.current}
)


@cache
def _clock() -> ClockReader:
    from alpaquero.broker.alpaca import connect_clock

    return connect_clock(SETTINGS)


@cache
def _market_data() -> MarketDataReader:
    from alpaquero.broker.market_data import connect_market_data

    return connect_market_data(SETTINGS)


def opened_book() -> RiskBook:
    """The risk book. Raises `NotFound` before the first sync."""
    book = BOOKS.risk_book()
    if book is None:
        raise NotFound("the books are not open yet: the first sync opens them, within a minute of the start")
    return book


# limits


@app.endpoint("GET", public="/api/risk/limits", service="/risk/risk/limits", refuses=(404,))
def limits() -> bodies.RiskLimits:
    """The limits in force with what the risk book uses of them."""
    return limits_body(trading_settings.current().settings.risk, opened_book())


def limits_body(limits: RiskLimits, book: RiskBook) -> bodies.RiskLimits:
    """The limits as the API answers them; switches, lists and methods are left out: nothing uses them up."""
    values = {field.name: getattr(limits, field.name) for field in fields(limits)}
    return bodies.RiskLimits(
        trading_state=book.trading_state,
        limits={n: Decimal(v) for n, v in values.items() if type(v) in {int, Decimal}},
        used=used(book, limits),
        as_of=book.as_of,
    )


def used(book: RiskBook, limits: RiskLimits) -> dict[str, Decimal]:
    """What is used of each limit that can be used up, in the limit's unit.

    `cash_reserve_percent` is the cash that no open entry has promised: it should stay above its
    limit, the others below theirs. Of symbols and sectors it is the fullest.
    """
    largest = max((book.symbol_exposure(symbol) for symbol in book.symbols), default=ZERO)
    sectors = {limits.sector_of(symbol) for symbol in book.symbols}
    by_sector = {sector: sizing.sector_exposure(sector, book, limits) for sector in sectors}
    unknown = by_sector.pop(UNKNOWN_SECTOR, ZERO)
    return {
        "position_limit_percent": _ratio(largest * HUNDRED, book.equity),
        "total_exposure_limit_percent": _ratio(book.exposure * HUNDRED, book.equity),
        "sector_limit_percent": _ratio(max(by_sector.values(), default=ZERO) * HUNDRED, book.equity),
        "unknown_sector_limit_percent": _ratio(unknown * HUNDRED, book.equity),
        "leverage_limit": _ratio(book.exposure, book.equity),
        "cash_reserve_percent": _ratio((book.cash - book.reserved_cash) * HUNDRED, book.equity),
        "open_positions_limit": Decimal(len(book.symbols)),
        "orders_per_minute_limit": Decimal(len(orders_within(book.recent_orders, book.as_of))),
        "daily_loss_limit_percent": drawdown.daily_loss_percent(book.day_start_equity, book.equity),
        "drawdown_limit_percent": drawdown.mark(book.peak_equity, book.equity).drawdown_percent,
        "loss_streak_limit_trades": Decimal(book.activity.loss_streak),
        "stop_guard_limit_stops": Decimal(stops_hit(book, limits)),
    }


def stops_hit(book: RiskBook, limits: RiskLimits) -> int:
    """How many stops were hit within the guard's window, up to the last sync."""
    since = book.as_of - timedelta(hours=limits.stop_guard_window_hours)
    return sum(at > since for at in book.activity.stop_exits)


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return (part / whole).quantize(STEP) if whole > 0 else ZERO


# what the verdict would be


@app.endpoint(
    "POST",
    public="/api/risk/assess",
    service="/risk/risk/assess",
    role="viewer",
    body=bodies.AssessTrade,
    refuses=(404, 502, 503),
)
def assess_trade(body: bodies.AssessTrade) -> bodies.Assessment:
    """The verdict on a proposed trade, rule by rule; nothing is written or sent."""
    intent = proposed(body, app.principal().username)
    risk_limits = trading_settings.current().settings.risk
    book, now = opened_book(), _clock().clock().now
    facts = risk_facts.gather(intent, risk_limits, now, books=BOOKS, calendar=_clock(), prices=_market_data)
    return assessment_body(assess(intent, book, risk_limits, facts), book)


def proposed(body: bodies.AssessTrade, username: str) -> Intent:
    """The intent a person's order would make. Raises `InvalidRequest` for one no broker could take."""
    return manual_intent(
        body,
        account=SETTINGS.account,
        key=manual_key(SETTINGS.account, "assess"),
        username=username,
        asked_at=wall.now(),
        correlation_id=correlation_id(),
    )


def assessment_body(verdict: Verdict, book: RiskBook) -> bodies.Assessment:
    """The verdict as the API answers it, every rule in its place."""
    return bodies.Assessment(
        approved=verdict.approved,
        quantity=verdict.quantity,
        stop_loss_price=verdict.stop_loss_price,
        take_profit_price=verdict.take_profit_price,
        reserve_notional=verdict.reserve_notional,
        bound_by=verdict.bound_by,
        rules=[msgspec.convert(rule, RuleOutcome, from_attributes=True) for rule in verdict.results],
        book_version=book.version,
        as_of=book.as_of,
    )


# the trading state


@app.endpoint("GET", public="/api/trading_state", service="/risk/trading_state", refuses=(404,))
def trading_state() -> bodies.CurrentTradingState:
    """The state in force, who asked for it, and the broken limits that hold it down."""
    return state_body(opened_book())


@app.endpoint(
    "POST",
    public="/api/trading_state",
    service="/risk/trading_state",
    role="trader",
    body=bodies.ChangeTradingState,
    refuses=(404, 409, 502, 503),
)
def change_trading_state(body: bodies.ChangeTradingState) -> bodies.CurrentTradingState:
    """Sets the trading state: a trader lowers it, an admin raises it; `flatten` sells what is held."""
    state = checked(body)
    for _ in range(ATTEMPTS):
        book = opened_book()
        if is_raise(book.trading_state, state) or is_raise(asked_state(book), state):
            app.require("admin")
        change = StateChange(author=app.principal().username, reason=body.reason.strip(), at=wall.now())
        after = set_by_person(book, state, change, flatten=body.flatten).next_version()
        events = [state_set(book, after, change, correlation_id())] if differs(book, after) else []
        try:
            BOOKS.commit(risk_book=after, events=[bus.encoded(event, "risk") for event in events])
        except Conflict:
            continue
        if body.flatten or state is TradingState.HALTED:
            send_at_once(after)
        return state_body(after)
    raise Conflict("the risk book kept changing; send the request again")


def checked(wanted: bodies.ChangeTradingState) -> TradingState:
    """The state asked for. Raises `InvalidRequest` naming the field that does not fit."""
    if not wanted.reason.strip():
        raise InvalidRequest("reason is empty; say why, it is kept and told", "reason")
    if wanted.flatten and wanted.state is not TradingState.REDUCING:
        raise InvalidRequest(
            "flatten goes with REDUCING: HALTED would stop the exits too, ACTIVE buys again", "flatten"
        )
    return wanted.state


def differs(before: RiskBook, after: RiskBook) -> bool:
    """Whether there is something to tell: a repeat with another reason is kept, but no news."""
    old, new = ((b.trading_state, b.locks, b.flatten_since) for b in (before, after))
    return old != new


def send_at_once(book: RiskBook) -> None:
    """Ends the open entries and, for a flatten, sends the exit of every position.

    What is lost the monitor sends again. A halt asks the broker nothing.
    """
    risk_limits = trading_settings.current().settings.risk
    for identifier in entries_to_cancel(book, BOOKS.open_orders(), risk_limits):
        queues.send_in_order(
            SETTINGS.order_queue,
            CancelOrder(client_order_id=identifier, requested_by="risk", correlation_id=correlation_id()),
            group=SETTINGS.account,
            deduplication_id=f"cancel:{identifier}:{wall.now():%Y%m%d%H%M}",
        )
    if book.flatten_since is None:
        return
    now = _clock().clock().now
    for due in due_exits(book, risk_limits, {}, now):
        intent = next_exit(due, book, now, correlation_id(), BOOKS.order)
        if intent is None:
            continue
        queues.send_in_order(
            SETTINGS.order_queue,
            PlaceOrder(intent=intent),
            group=SETTINGS.account,
            deduplication_id=f"{intent.client_order_id}:{wall.now():%Y%m%d%H%M}",
        )


def state_body(book: RiskBook) -> bodies.CurrentTradingState:
    """The trading state as the API answers it."""
    change = book.state_changed
    return bodies.CurrentTradingState(
        state=book.trading_state,
        asked=asked_state(book),
        locks=[
            bodies.TradingLock(code=code, state=lock.state, since=lock.since, reason=lock.reason)
            for code, lock in sorted(book.locks.items())
        ],
        flattening=book.flatten_since is not None,
        author=change.author if change else None,
        reason=change.reason if change else None,
        changed_at=change.at if change else None,
        book_version=book.version,
    )
