"""What stands beside the prices: exchange and condition codes, and the corporate actions (splits alone).

The codes are those of the consolidated tapes: CTA and UTP participant and condition codes, as Alpaca
hands them on. Dividends, mergers and the rest are not simulated, so there are none to tell of.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import date

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices import NEW_YORK
from alpaquero.prices.splits import SplitDay
from alpaquero.simulation.identity import derived_id
from laptop.exchange import data_query as query
from laptop.exchange import wire
from laptop.exchange.answers import json_answer, venue_of
from laptop.exchange.venue import Venue

EXCHANGES = {
    "A": "NYSE American",
    "B": "NASDAQ OMX BX",
    "C": "NYSE National",
    "D": "FINRA ADF",
    "H": "MIAX Pearl",
    "I": "International Securities Exchange",
    "J": "Cboe EDGA",
    "K": "Cboe EDGX",
    "L": "Long-Term Stock Exchange",
    "M": "NYSE Texas",
    "N": "New York Stock Exchange",
    "P": "NYSE Arca",
    "Q": "NASDAQ",
    "T": "NASDAQ Int",
    "U": "Members Exchange",
    "V": "IEX",
    "W": "CBOE",
    "X": "NASDAQ OMX PSX",
    "Y": "Cboe BYX",
    "Z": "Cboe BZX",
}
_TRADE_CONDITIONS = {
    "@": "Regular Sale",
    "B": "Average Price Trade",
    "C": "Cash Sale",
    "E": "Automatic Execution",
    "F": "Intermarket Sweep",
    "H": "Price Variation Trade",
    "I": "Odd Lot Trade",
    "M": "Market Center Official Close",
    "N": "Next Day",
    "O": "Market Center Opening Trade",
    "P": "Prior Reference Price",
    "Q": "Market Center Official Open",
    "R": "Seller",
    "T": "Extended Hours Trade",
    "U": "Extended Hours Sold (Out Of Sequence)",
    "V": "Contingent Trade",
    "X": "Cross Trade",
    "Z": "Sold (Out Of Sequence)",
    "4": "Derivatively Priced",
    "5": "Market Center Reopening Trade",
    "6": "Market Center Closing Trade",
    "7": "Qualified Contingent Trade",
    "9": "Corrected Consolidated Close",
}
# What the Nasdaq tape has besides.
_TRADE_CONDITIONS_OF_C = {
    "1": "Stopped Stock (Regular Trade)",
    "A": "Acquisition",
    "D": "Distribution",
    "G": "Bunched Sold Trade",
    "K": "Rule 155 Trade (AMEX)",
    "L": "Sold Last",
    "S": "Split Trade",
    "W": "Average Price Trade",
    "Y": "Yellow Flag Regular Trade",
}
_QUOTE_CONDITIONS = {
    "A": "Slow Quote Offer Side",
    "B": "Slow Quote Bid Side",
    "C": "Closing",
    "H": "Slow Quote Bid And Offer Side",
    "L": "Closed",
    "N": "Non Firm",
    "O": "Opening",
    "R": "Regular, Two Sided Open",
    "W": "Slow Quote Set Slow List",
}
_QUOTE_CONDITIONS_OF_C = {
    "A": "Manual Ask, Automated Bid",
    "B": "Manual Bid, Automated Ask",
    "F": "Fast Trading",
    "H": "Manual Bid And Ask",
    "I": "Order Imbalance",
    "L": "Closed Quote",
    "N": "Non Firm Quote",
    "O": "Opening Quote Automated",
    "R": "Regular, Two Sided Open",
    "U": "Manual Bid And Ask (Non Firm)",
    "Y": "No Offer, No Bid, One Sided Open",
    "Z": "No Open, No Resume",
}
CONDITIONS = {
    "trade": {
        "A": _TRADE_CONDITIONS,
        "B": _TRADE_CONDITIONS,
        "C": {**_TRADE_CONDITIONS, **_TRADE_CONDITIONS_OF_C},
    },
    "quote": {"A": _QUOTE_CONDITIONS, "B": _QUOTE_CONDITIONS, "C": _QUOTE_CONDITIONS_OF_C},
}
_ACTION_TYPES = {
    "reverse_split",
    "forward_split",
    "unit_split",
    "cash_dividend",
    "stock_dividend",
    "spin_off",
    "cash_merger",
    "stock_merger",
    "stock_and_cash_merger",
    "redemption",
    "name_change",
    "worthless_removal",
    "rights_distribution",
    "partial_call",
    "reorganization",
    "capital_gains_distribution",
}
_REGIONS, _QUALITIES = {"us", "non_us", "all"}, {"complete", "all"}
_DEFAULT_LIMIT, _LARGEST_LIMIT = 100, 1000
_LIST = "actions"


async def exchanges(_: Request) -> Response:
    """GET /v2/stocks/meta/exchanges."""
    return json_answer(EXCHANGES)


async def conditions(request: Request) -> Response:
    """GET /v2/stocks/meta/conditions/{trade or quote}, of one tape."""
    kind, tape = request.path_params["ticktype"], request.query_params.get("tape") or ""
    if kind not in CONDITIONS:
        raise query.bad(f"invalid ticktype: {kind}; ask for trade or quote")
    if tape not in CONDITIONS[kind]:
        raise query.bad(f"invalid tape: {tape or 'missing'}; ask for A, B or C")
    return json_answer(CONDITIONS[kind][tape])


async def corporate_actions(request: Request) -> Response:
    """GET /v1/corporate-actions: the splits up to today, by the day they took effect."""
    venue, wanted = venue_of(request), _wanted(request)
    limit = query.limit_of(request, _DEFAULT_LIMIT, _LARGEST_LIMIT)
    found = [split for split in venue.market.known_splits(venue.now) if wanted(split)]
    found.sort(key=lambda split: (split.ex_date, split.symbol), reverse=query.newest_first(request))
    first = _place(request)
    groups: dict[str, list[wire.Json]] = {}
    for split in found[first : first + limit]:
        groups.setdefault(f"{_kind(split)}s", []).append(_split_body(split, venue.seed))
    more = first + limit < len(found)
    token = urlsafe_b64encode(f"{_LIST}|{first + limit}".encode()).decode() if more else None
    return json_answer({"corporate_actions": groups, "next_page_token": token})


def _today(venue: Venue) -> date:
    return venue.now.astimezone(NEW_YORK).date()


def _wanted(request: Request) -> Callable[[SplitDay], bool]:
    """The test that a split has to pass: one of the ids, or all of the other filters."""
    venue = venue_of(request)
    symbols, cusips, types, ids = (_list(request, name) for name in ("symbols", "cusips", "types", "ids"))
    start, end = (query.day_of(request, name, _today(venue)) for name in ("start", "end"))
    region = _one_of(request, "region", _REGIONS, "us")
    _one_of(request, "data_quality", _QUALITIES, "complete")
    if unknown := types - _ACTION_TYPES:
        raise query.bad(f"invalid types: {', '.join(sorted(unknown))}")
    if ids:
        if symbols or cusips or types or {"start", "end", "region"} & request.query_params.keys():
            raise query.bad("ids cannot be combined with other filters")
        return lambda split: _id(split, venue.seed) in ids
    if end < start:
        raise query.bad("end should not be before start")
    # The price files know no CUSIPs, and their symbols are American.
    nothing = bool(cusips) or region == "non_us"
    return lambda split: (
        not nothing
        and start <= split.ex_date <= end
        and (not symbols or split.symbol in symbols)
        and (not types or _kind(split) in types)
    )


def _list(request: Request, name: str) -> set[str]:
    return {word.strip() for word in (request.query_params.get(name) or "").split(",") if word.strip()}


def _one_of(request: Request, name: str, known: set[str], default: str) -> str:
    given = request.query_params.get(name) or default
    if given not in known:
        raise query.bad(f"invalid {name}: {given}")
    return given


def _place(request: Request) -> int:
    """Where in the list the page begins that a token stands for."""
    given = request.query_params.get("page_token")
    if not given:
        return 0
    with suppress(ValueError):
        mark, place = urlsafe_b64decode(given.encode()).decode().split("|")
        if mark == _LIST and place.isdigit():
            return int(place)
    raise query.bad("invalid page_token")


def _kind(split: SplitDay) -> str:
    return "forward_split" if split.new > split.old else "reverse_split"


def _id(split: SplitDay, seed: int) -> str:
    return derived_id(seed, "corporate action", split.symbol, split.ex_date.isoformat())


def _split_body(split: SplitDay, seed: int) -> wire.Json:
    """A split. The price files know no CUSIPs, so these are empty."""
    day = split.ex_date.isoformat()
    cusips = ("cusip",) if split.new > split.old else ("old_cusip", "new_cusip")
    return {
        "id": _id(split, seed),
        "symbol": split.symbol,
        **dict.fromkeys(cusips, ""),
        "new_rate": split.new,
        "old_rate": split.old,
        "process_date": day,
        "ex_date": day,
    }


ROUTES = [
    Route("/v2/stocks/meta/exchanges", exchanges),
    Route("/v2/stocks/meta/conditions/{ticktype}", conditions),
    Route("/v1/corporate-actions", corporate_actions),
]
