"""Folds facts to round trips and keeps the equity curve; fed by AnalyticsQueue.

Facts (fills, splits, shares that moved) and equity marks may come twice, late and in any order: the
fact is kept and added to what those before it add up to (`store.projections`).
`BooksRebuilt`, or the job of the same name, derives all round trips anew.
"""

from __future__ import annotations

from typing import Any

from alpaquero.events.bus import received
from alpaquero.events.queues import work_through
from alpaquero.events.schemas import BooksRebuilt, EquityMarked, OrderFilled, PositionSplit, SharesMoved
from alpaquero.last_work import worked_through
from alpaquero.observability import correlation, logger, observed, record_failed
from alpaquero.settings import FunctionSettings, load
from alpaquero.store import analytics
from alpaquero.store.books import Books

SETTINGS = load(FunctionSettings)


@observed("analytics")
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Works through a batch of AnalyticsQueue, or derives every round trip anew."""
    if event.get("job") == "rebuild":
        return {"differences": rebuild()}
    return worked_through("analytics", event, work_through(event, project, record_failed), detail="project")


def rebuild() -> dict[str, str]:
    """Derives every round trip from the books; answers what was different, by symbol."""
    differences = analytics.rebuild(SETTINGS.account, Books(SETTINGS.account))
    if differences:
        logger.warning("round trips were not what the books add up to", differences=differences)
    return differences


def project(record: dict[str, Any]) -> None:
    """Takes one fact into the projection."""
    event = received(record["body"])
    correlation(event.correlation_id)
    if isinstance(event, EquityMarked):
        analytics.save_mark(SETTINGS.account, event)
    elif isinstance(event, OrderFilled | PositionSplit | SharesMoved):
        analytics.take(SETTINGS.account, event)
    elif isinstance(event, BooksRebuilt):
        rebuild()
    else:
        raise TypeError(f"AnalyticsQueue takes no {type(event).__name__}; correct the bus rule")
