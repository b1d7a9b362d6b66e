"""The analytics service's routes: performance, round trips and the equity curve."""

from __future__ import annotations

import msgspec

from alpaquero.errors import InvalidRequest
from alpaquero.events.schemas import EquityMarked
from alpaquero.portfolio.performance import EquityPoint, performance_of
from alpaquero.portfolio.trades import Trade
from alpaquero.settings import FunctionSettings, load
from alpaquero.store import analytics
from alpaquero.web import bodies
from alpaquero.web.app import service_app, to_cursor

SETTINGS = load(FunctionSettings)

app = service_app("analytics", {"analytics": lambda: analytics.newest_marks(SETTINGS.account, 1)})


@app.endpoint("GET", public="/api/analytics/summary", service="/analytics/analytics/summary")
def summary() -> bodies.AnalyticsSummary:
    """Performance over every round trip and the whole equity curve."""
    marks = (EquityPoint(mark.occurred_at, mark.equity) for mark in analytics.marks(SETTINGS.account))
    performance = performance_of(analytics.trades(SETTINGS.account), marks)
    return msgspec.convert(performance, bodies.AnalyticsSummary, from_attributes=True)


@app.endpoint("GET", public="/api/analytics/trades", service="/analytics/analytics/trades")
def trades() -> bodies.Page[bodies.Trade]:
    """Round trips, newest first."""
    page, last = analytics.newest_trades(SETTINGS.account, app.limit(), after(analytics.TRADE))
    return bodies.Page(items=[_trade_body(trade) for trade in page], next=to_cursor(last) if last else None)


@app.endpoint("GET", public="/api/analytics/pnl-history", service="/analytics/analytics/pnl-history")
def pnl_history() -> bodies.Page[bodies.EquityMark]:
    """The equity curve, newest mark first."""
    page, last = analytics.newest_marks(
        SETTINGS.account, app.limit(default=500, most=5000), after(analytics.MARK)
    )
    return bodies.Page(items=[_mark_body(mark) for mark in page], next=to_cursor(last) if last else None)


def after(prefix: str) -> str | None:
    """The sort key in the cursor. Raises `InvalidRequest` for one of another list."""
    key = app.after()
    if key is not None and not key.startswith(prefix):
        raise InvalidRequest("cursor is not one we gave; use `next` of the page before", "cursor")
    return key


def _trade_body(trade: Trade) -> bodies.Trade:
    """One round trip as the API answers it."""
    return msgspec.convert(trade, bodies.Trade, from_attributes=True)


def _mark_body(mark: EquityMarked) -> bodies.EquityMark:
    """One equity mark as the API answers it."""
    return bodies.EquityMark(
        at=mark.occurred_at,
        equity=mark.equity,
        cash=mark.cash,
        drawdown_percent=mark.drawdown_percent,
    )
