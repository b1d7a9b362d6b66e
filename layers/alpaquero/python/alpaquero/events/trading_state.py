"""The event of a trading state that someone set; for the trading state's route and for `trading/sync`."""

from __future__ import annotations

from alpaquero.events.schemas import TradingStateChanged
from alpaquero.risk.book import RiskBook, StateChange


def state_set(
    before: RiskBook, after: RiskBook, change: StateChange, correlation_id: str
) -> TradingStateChanged:
    """What is told of `change`, which made `after` of `before` (wall time)."""
    return TradingStateChanged(
        id=f"trading_state:{after.account}:{after.version}",
        occurred_at=change.at,
        account=after.account,
        correlation_id=correlation_id,
        state=after.trading_state,
        previous_state=before.trading_state,
        author=change.author,
        reason=change.reason,
    )
