"""Alpaca's asset routes, and the announcements of the splits that the history knows."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.prices.splits import SplitDay
from alpaquero.simulation.identity import derived_id
from laptop.exchange import wire
from laptop.exchange.answers import choice, day, json_answer, venue_of, words
from laptop.exchange.errors import malformed, not_found
from laptop.exchange.venue import Venue

_CLASSES = ("us_equity", "us_option", "crypto", "crypto_perp", "ipo", "us_index")
_STATUSES = ("active", "inactive")
_ACTIONS = ("dividend", "merger", "spinoff", "split", "reorg")
_DATE_TYPES = ("declaration_date", "ex_date", "record_date", "payable_date")
_LONGEST_RANGE = timedelta(days=90)


async def assets(request: Request) -> Response:
    """GET /v2/assets, with `status`, `asset_class`, `exchange` and `attributes` (any of them)."""
    venue = venue_of(request)
    status = request.query_params.get("status") and choice(request, "status", _STATUSES, "")
    asset_class = choice(request, "asset_class", _CLASSES, "us_equity")
    exchange = request.query_params.get("exchange")
    wanted = set(words(request, "attributes"))
    if status == "inactive" or asset_class != "us_equity" or (wanted and not wanted & set(wire.ATTRIBUTES)):
        return json_answer([])
    listed = sorted((wire.exchange(symbol), symbol) for symbol in venue.market.history.symbols)
    return json_answer(
        [asset_of(venue, symbol) for listing, symbol in listed if exchange in {None, "", listing}]
    )


async def asset(request: Request) -> Response:
    """GET /v2/assets/{symbol or id}."""
    venue, key = venue_of(request), request.path_params["key"]
    symbol = symbol_of(venue, key)
    if symbol is None:
        raise not_found(f"asset not found for {key}")
    return json_answer(asset_of(venue, symbol))


def asset_of(venue: Venue, symbol: str) -> wire.Json:
    """A symbol's asset as it is now."""
    tradable = venue.market.is_listed(symbol, venue.now)
    body = wire.asset_body(symbol, venue.seed, tradable=tradable)
    if venue.market.history.symbols[symbol].made_up:
        body["name"] = f"{symbol} (synthetic: made-up prices)"
    return body


def symbol_of(venue: Venue, key: str) -> str | None:
    """The symbol that a symbol or an asset id names."""
    symbols = venue.market.history.symbols
    if key.upper() in symbols:
        return key.upper()
    return next((one for one in symbols if key.lower() == wire.asset_id(one, venue.seed)), None)


async def announcements(request: Request) -> Response:
    """GET /v2/corporate_actions/announcements: the splits with an ex date in at most 90 days."""
    kinds = {kind.lower() for kind in words(request, "ca_types")}
    if not kinds:
        raise malformed("ca_types is required")
    if unknown := kinds - set(_ACTIONS):
        raise malformed(f"invalid ca_types: {', '.join(sorted(unknown))}")
    since, until = day(request, "since"), day(request, "until")
    if since is None or until is None:
        raise malformed("since and until are required")
    if not timedelta() <= until - since <= _LONGEST_RANGE:
        raise malformed("the date range is limited to 90 days")
    # Of a split the history knows the ex date alone.
    dated = choice(request, "date_type", _DATE_TYPES, "ex_date") == "ex_date"
    if "split" not in kinds or not dated or request.query_params.get("cusip"):
        return json_answer([])
    venue = venue_of(request)
    symbol = request.query_params.get("symbol", "").upper()
    return json_answer(
        [
            _announcement(split, venue.seed)
            for split in venue.market.known_splits(venue.now)
            if since <= split.ex_date <= until and symbol in {"", split.symbol}
        ]
    )


async def announcement(request: Request) -> Response:
    """GET /v2/corporate_actions/announcements/{id}."""
    venue, wanted = venue_of(request), request.path_params["id"]
    for split in venue.market.known_splits(venue.now):
        body = _announcement(split, venue.seed)
        if wanted in {body["id"], body["corporate_action_id"]}:
            return json_answer(body)
    raise not_found(f"announcement not found for {wanted}")


def _announcement(split: SplitDay, seed: int) -> wire.Json:
    """A split in Alpaca's words: small letters, as alpaca-py reads them, where the spec has capitals."""
    day_of_split = split.ex_date.isoformat()
    return {
        "id": derived_id(seed, "announcement", split.symbol, day_of_split),
        "corporate_action_id": f"{split.symbol}_{split.ex_date:%Y%m%d}",
        "ca_type": "split",
        "ca_sub_type": "stock_split" if split.new > split.old else "reverse_split",
        "initiating_symbol": split.symbol,
        "initiating_original_cusip": "",
        "target_symbol": split.symbol,
        "target_original_cusip": "",
        "effective_date": day_of_split,
        "ex_date": day_of_split,
        "cash": "0",
        "old_rate": str(split.old),
        "new_rate": str(split.new),
    }


ROUTES = [
    Route("/v2/assets", assets),
    Route("/v2/assets/{key}", asset),
    Route("/v2/corporate_actions/announcements", announcements),
    Route("/v2/corporate_actions/announcements/{id}", announcement),
]
