"""Folds facts to positions; fed by PositionQueue with events as the bus delivers them.

A fact is a fill, a split or shares that moved. Facts may come twice, late and in any order: the fact is
kept and added to what those before it add up to (`store.projections`), and the position is told, also on
a repeat, which mends a crash in between. `BooksRebuilt`, or the job of the same name, derives all of it anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alpaquero.events.bus import encoded, publish, received
from alpaquero.events.queues import work_through
from alpaquero.events.schemas import BooksRebuilt, OrderFilled, PositionChanged, PositionSplit, SharesMoved
from alpaquero.last_work import worked_through
from alpaquero.observability import correlation, logger, observed, record_failed
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import positions
from alpaquero.store.books import Books

if TYPE_CHECKING:
    from alpaquero.store.projections import Fact


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """What this function needs."""

    bus: Text


SETTINGS = load(Settings)


@observed("position")
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Works through a batch of PositionQueue, or derives every position anew."""
    if event.get("job") == "rebuild":
        return {"differences": rebuild()}
    return worked_through("position", event, work_through(event, project, record_failed), detail="project")


def rebuild() -> dict[str, str]:
    """Derives every position from the books; answers what was different, by symbol."""
    differences = positions.rebuild(SETTINGS.account, Books(SETTINGS.account))
    if differences:
        logger.warning("positions were not what the books add up to", differences=differences)
    return differences


def project(record: dict[str, Any]) -> None:
    """Brings the position of one fact's symbol up to date and tells of it."""
    event = received(record["body"])
    correlation(event.correlation_id)
    if isinstance(event, BooksRebuilt):
        rebuild()
    elif isinstance(event, OrderFilled | PositionSplit | SharesMoved):
        _take(event)
    else:
        raise TypeError(f"PositionQueue takes no {type(event).__name__}; correct the bus rule")


def _take(fact: Fact) -> None:
    position, facts = positions.take(SETTINGS.account, fact)
    told = fact.fill_id if isinstance(fact, OrderFilled) else fact.movement_id
    changed = PositionChanged(
        id=f"position:{fact.symbol}:{told}",
        occurred_at=fact.occurred_at,
        correlation_id=fact.correlation_id,
        causation_id=fact.id,
        account=SETTINGS.account,
        symbol=fact.symbol,
        quantity=position.quantity,
        average_entry_price=position.average_entry_price,
        realised_pnl=position.realised_pnl,
        fills=facts,
    )
    publish([encoded(changed, "position")], SETTINGS.bus)
