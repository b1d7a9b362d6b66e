"""The one matcher: the paper exchange asks it for every simulated fill."""

from alpaquero.simulation.fills import (
    Fill,
    MatchingTerms,
    Moment,
    OrderType,
    PriceSpan,
    Quote,
    Side,
    WorkingOrder,
    match,
    match_exits,
    quote_around,
    rest_after,
    triggers,
)
from alpaquero.simulation.path import SessionPath

__all__ = [
    "Fill",
    "MatchingTerms",
    "Moment",
    "OrderType",
    "PriceSpan",
    "Quote",
    "SessionPath",
    "Side",
    "WorkingOrder",
    "match",
    "match_exits",
    "quote_around",
    "rest_after",
    "triggers",
]
