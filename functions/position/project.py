"""Folds fills to positions; fed by PositionQueue with `OrderFilled` as the bus delivers it.

Fills may come twice, late and in any order: the fill is kept first, then the symbol's position is
folded from all of them and told, also on a repeat, which mends a crash in between.
"""

from __future__ import annotations

from typing import Any

from alpaquero.events.bus import encoded, publish, received
from alpaquero.events.queues import work_through
from alpaquero.events.schemas import OrderFilled, PositionChanged
from alpaquero.observability import correlation, observed, record_failed
from alpaquero.portfolio.positions import position_of
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import positions
from alpaquero.store.projections import fill_of


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """What this function needs."""

    bus: Text


SETTINGS = load(Settings)


@observed("position")
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Works through a batch of PositionQueue."""
    return work_through(event, project, record_failed)


def project(record: dict[str, Any]) -> None:
    """Brings the position of one fill's symbol up to date and tells of it."""
    event = received(record["body"])
    if not isinstance(event, OrderFilled):
        raise TypeError(f"PositionQueue is for OrderFilled, not {type(event).__name__}; correct the bus rule")
    correlation(event.correlation_id)
    fills = positions.keep_fill(SETTINGS.account, event)
    position = position_of(event.symbol, map(fill_of, fills))
    if not positions.save(SETTINGS.account, position, fills=len(fills)):
        return  # a worker that saw more fills has written, and tells of them
    changed = PositionChanged(
        id=f"position:{event.symbol}:{event.fill_id}",
        occurred_at=event.occurred_at,
        correlation_id=event.correlation_id,
        causation_id=event.id,
        account=SETTINGS.account,
        symbol=event.symbol,
        quantity=position.quantity,
        average_entry_price=position.average_entry_price,
        realised_pnl=position.realised_pnl,
        fills=len(fills),
    )
    publish([encoded(changed, "position")], SETTINGS.bus)
