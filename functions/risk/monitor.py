"""Watches the account each minute: marks equity, measures drawdown, reports positions without a stop.

Started by the rule `MonitorSchedule`. It reads the risk book that `sync` keeps, prices what is
held, and trades nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from alpaquero.broker.alpaca import connect_clock
from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import ClockReader, MarketDataReader
from alpaquero.errors import Conflict
from alpaquero.events import bus
from alpaquero.events.schemas import EquityMarked, Event, RiskLimitBreached
from alpaquero.observability import logger, observed
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.risk.book import HeldPosition, RiskBook
from alpaquero.risk.drawdown import Drawdown, mark, missing_stops
from alpaquero.risk.limits import RiskLimits
from alpaquero.settings import ClockSettings, load
from alpaquero.store import health, trading_settings
from alpaquero.store.books import Books

ATTEMPTS = 5  # at a risk book that others also write to


SETTINGS = load(ClockSettings)


@cache
def _clock() -> ClockReader:
    return connect_clock(SETTINGS)


@cache
def _market_data() -> MarketDataReader:
    return connect_market_data(SETTINGS)


@observed("risk")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Marks the account once a market time; answers what it found."""
    books = Books(SETTINGS.account)
    found = watch(books, _clock().clock().now)
    if found is None:
        logger.info("nothing to watch before the first sync")
        return {"marked": False, "reason": "the first sync has not run yet"}
    book, breaches = found
    health.record_work("risk", detail="monitor")
    return {"marked": True, "equity": str(book.equity), "breaches": breaches}


def watch(books: Books, now: datetime) -> tuple[RiskBook, int] | None:
    """Writes equity at the newest prices and its peak, with the events; None before the first sync.

    Answers the book after it and how many breaches there are, told today already or not.
    """
    limits = trading_settings.current().settings.risk
    for _ in range(ATTEMPTS):
        book = books.risk_book()
        if book is None:
            return None
        if book.marked_at is None or _market_day(book.marked_at) != _market_day(now):
            book = replace(book, told=())
        after, drawdown = _marked(book, now)
        breaches = _breaches(after, drawdown, limits, books, now)
        untold = [breach for breach in breaches if breach.id not in book.told]
        events: list[Event] = [*untold] if book.marked_at == now else [_mark(after, drawdown, now), *untold]
        if not events:
            return book, len(breaches)
        told = (*book.told, *(breach.id for breach in untold))
        try:
            books.commit(
                risk_book=replace(after, told=told), events=[bus.encoded(event, "risk") for event in events]
            )
        except Conflict:
            continue
        return after, len(breaches)
    raise Conflict("the risk book kept changing while it was marked; the next minute tries again")


def _marked(book: RiskBook, now: datetime) -> tuple[RiskBook, Drawdown]:
    positions = _priced(book)
    equity = book.cash + sum((p.market_value for p in positions.values()), Decimal(0))
    drawdown = mark(book.peak_equity, equity)
    after = replace(
        book,
        equity=equity,
        peak_equity=drawdown.peak_equity,
        positions=positions,
        marked_at=now,
        version=book.version + 1,
    )
    return after, drawdown


def _mark(book: RiskBook, drawdown: Drawdown, now: datetime) -> EquityMarked:
    return EquityMarked(
        id=f"mark:{now.isoformat()}",
        occurred_at=now,
        account=book.account,
        equity=book.equity,
        cash=book.cash,
        peak_equity=drawdown.peak_equity,
        drawdown_percent=drawdown.drawdown_percent,
    )


def _market_day(at: datetime) -> str:
    return at.astimezone(NEW_YORK).date().isoformat()


def _priced(book: RiskBook) -> dict[str, HeldPosition]:
    """The positions at their newest trade; one without a price keeps the value it had."""
    trades = _market_data().latest_trades(sorted(book.positions)) if book.positions else {}
    return {
        symbol: replace(held, market_value=held.quantity * trades[symbol].price) if symbol in trades else held
        for symbol, held in book.positions.items()
    }


def _breaches(
    book: RiskBook, drawdown: Drawdown, limits: RiskLimits, books: Books, now: datetime
) -> list[RiskLimitBreached]:
    """What the owner must hear of; the id makes one report a market day of each."""
    day = _market_day(now)
    found: list[RiskLimitBreached] = []
    if drawdown.drawdown_percent >= limits.drawdown_limit_percent:
        found.append(
            RiskLimitBreached(
                id=f"breach:drawdown:{day}",
                occurred_at=now,
                account=book.account,
                code="drawdown_limit",
                message=f"equity is {drawdown.drawdown_percent}% below its peak of {drawdown.peak_equity}",
                limit=str(limits.drawdown_limit_percent),
                used=str(drawdown.drawdown_percent),
            )
        )
    held = {symbol: position.quantity for symbol, position in book.positions.items()}
    found += [
        RiskLimitBreached(
            id=f"breach:stop_missing:{stop.symbol}:{day}",
            occurred_at=now,
            account=book.account,
            code="stop_missing",
            symbol=stop.symbol,
            message=f"{stop.held} {stop.symbol} held, {stop.covered} of them with a stop at the broker",
            limit=str(stop.held),
            used=str(stop.covered),
        )
        for stop in missing_stops(held, books.open_orders())
    ]
    return found
