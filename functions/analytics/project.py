"""Folds fills to round trips and keeps the equity curve; fed by AnalyticsQueue.

`OrderFilled` and `EquityMarked` may come twice, late and in any order: the fill is kept first,
then the symbol's round trips are folded from all of them, also on a repeat.
"""

from __future__ import annotations

from typing import Any

from alpaquero.errors import Conflict
from alpaquero.events.bus import received
from alpaquero.events.queues import work_through
from alpaquero.events.schemas import EquityMarked, OrderFilled
from alpaquero.observability import correlation, observed, record_failed
from alpaquero.portfolio.trades import trades_of
from alpaquero.settings import FunctionSettings, load
from alpaquero.store import analytics
from alpaquero.store.projections import fill_of

TRIES = 4

SETTINGS = load(FunctionSettings)


@observed("analytics")
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Works through a batch of AnalyticsQueue."""
    return work_through(event, project, record_failed)


def project(record: dict[str, Any]) -> None:
    """Takes one fact into the projection."""
    event = received(record["body"])
    correlation(event.correlation_id)
    if isinstance(event, EquityMarked):
        analytics.save_mark(SETTINGS.account, event)
    elif isinstance(event, OrderFilled):
        _refold(event)
    else:
        raise TypeError(
            f"AnalyticsQueue takes fills and equity marks, not {type(event).__name__}; correct the bus rule"
        )


def _refold(fill: OrderFilled, tries: int = TRIES) -> None:
    """Keeps the fill and writes its symbol's round trips; again when another worker came between."""
    fills = analytics.keep_fill(SETTINGS.account, fill)
    trades = trades_of(map(fill_of, fills), {f.client_order_id: f.reason for f in fills})
    try:
        analytics.save_trades(SETTINGS.account, fill.symbol, trades, fills=len(fills))
    except Conflict:
        if tries == 1:
            raise
        _refold(fill, tries - 1)
