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

from alpaquero.broker.alpaca import connect_reader
from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import MarketDataReader, OrderReader
from alpaquero.errors import Conflict
from alpaquero.events import bus
from alpaquero.events.bus import EncodedEvent
from alpaquero.events.schemas import EquityMarked, RiskLimitBreached
from alpaquero.observability import logger, observed
from alpaquero.risk.book import HeldPosition, RiskBook
from alpaquero.risk.drawdown import Drawdown, mark, missing_stops
from alpaquero.risk.limits import RiskLimits
from alpaquero.settings import MarketDataSettings, Text, Url, load
from alpaquero.store import health, trading_settings
from alpaquero.store.books import Books

ATTEMPTS = 5  # at a risk book that others also write to


class MonitorSettings(MarketDataSettings, frozen=True, kw_only=True):
    """What monitoring needs: market time and prices; it reads with the data keys alone."""

    alpaca_trading_url: Url
    bus: Text

    @property
    def trading_secret(self) -> str:
        """The clock is the same for every account, so the reading keys do."""
        return self.data_secret


SETTINGS = load(MonitorSettings)


@cache
def _clock() -> OrderReader:
    return connect_reader(SETTINGS)


@cache
def _market_data() -> MarketDataReader:
    return connect_market_data(SETTINGS)


@observed("risk")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Marks the account once; answers what it found."""
    books = Books(SETTINGS.account)
    now = _clock().clock().now
    marked = _marked(books, now)
    if marked is None:
        logger.info("nothing to watch before the first sync")
        return {"marked": False, "reason": "the first sync has not run yet"}
    book, drawdown = marked
    limits = trading_settings.current().settings.risk
    breaches = _breaches(book, drawdown, limits, books, now)
    if breaches:
        bus.publish(breaches, SETTINGS.bus)
    health.record_work("risk", detail="monitor")
    return {"marked": True, "equity": str(book.equity), "breaches": len(breaches)}


def _marked(books: Books, now: datetime) -> tuple[RiskBook, Drawdown] | None:
    """Writes equity at the newest prices and its peak, with the event; None before the first sync."""
    for _ in range(ATTEMPTS):
        book = books.risk_book()
        if book is None:
            return None
        positions = _priced(book)
        equity = book.cash + sum((p.market_value for p in positions.values()), Decimal(0))
        drawdown = mark(book.peak_equity, equity)
        after = replace(
            book,
            equity=equity,
            peak_equity=drawdown.peak_equity,
            positions=positions,
            version=book.version + 1,
        )
        event = EquityMarked(
            id=f"mark:{now.isoformat()}",
            occurred_at=now,
            account=book.account,
            equity=equity,
            cash=book.cash,
            peak_equity=drawdown.peak_equity,
            drawdown_percent=drawdown.drawdown_percent,
        )
        try:
            books.commit(risk_book=after, events=[bus.encoded(event, "risk")])
        except Conflict:
            continue
        return after, drawdown
    raise Conflict("the risk book kept changing while it was marked; the next minute tries again")


def _priced(book: RiskBook) -> dict[str, HeldPosition]:
    """The positions at their newest trade; one without a price keeps the value it had."""
    trades = _market_data().latest_trades(sorted(book.positions)) if book.positions else {}
    return {
        symbol: replace(held, market_value=held.quantity * trades[symbol].price) if symbol in trades else held
        for symbol, held in book.positions.items()
    }


def _breaches(
    book: RiskBook, drawdown: Drawdown, limits: RiskLimits, books: Books, now: datetime
) -> list[EncodedEvent]:
    """What the owner must hear of; the id makes one report a market day of each."""
    day = now.date().isoformat()
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
    return [bus.encoded(event, "risk") for event in found]
