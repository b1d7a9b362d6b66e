"""The one matcher: the paper exchange and the backtest ask it for every simulated fill."""

from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.simulation.fills import (
    is_over,
    match,
    match_exits,
    quote_around,
    rest_after,
    triggers,
)
from alpaquero.simulation.path import MinutePath, PricePath, SessionPath
from alpaquero.simulation.trailing import Trail, follow, trailing_stop_price
from alpaquero.simulation.working import (
    Fill,
    MatchingTerms,
    Moment,
    PriceSpan,
    Quote,
    WorkingOrder,
)

__all__ = [
    "Fill",
    "MatchingTerms",
    "MinutePath",
    "Moment",
    "OrderType",
    "PricePath",
    "PriceSpan",
    "Quote",
    "SessionPath",
    "Side",
    "TimeInForce",
    "Trail",
    "WorkingOrder",
    "follow",
    "is_over",
    "match",
    "match_exits",
    "quote_around",
    "rest_after",
    "trailing_stop_price",
    "triggers",
]
