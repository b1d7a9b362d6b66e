"""Alpaca's watchlist routes: make, list, look up, change and delete, by id or by name."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alpaquero.simulation.identity import derived_id
from laptop.exchange import wire
from laptop.exchange.answers import body, identifier, json_answer, venue_of
from laptop.exchange.assets_api import asset_of, symbol_of
from laptop.exchange.errors import malformed, not_found
from laptop.exchange.identity import account_id
from laptop.exchange.preferences import Watchlist, WatchlistDeleted, WatchlistKept
from laptop.exchange.venue import Venue

_LONGEST_NAME = 64


class WatchlistRequest(msgspec.Struct, frozen=True):
    """The body of POST and PUT; a PUT leaves what is not there as it is."""

    name: str | None = None
    symbols: list[str] | None = None


class AssetRequest(msgspec.Struct, frozen=True):
    """The body of POST to one watchlist."""

    symbol: str | None = None


async def watchlists(request: Request) -> Response:
    """GET /v2/watchlists, without their assets."""
    venue = venue_of(request)
    return json_answer([_summary(venue, one) for one in venue.book.watchlists.values()])


async def make(request: Request) -> Response:
    """POST /v2/watchlists."""
    venue, wanted = venue_of(request), await body(request, WatchlistRequest)
    made = Watchlist(
        id=derived_id(venue.seed, "watchlist", str(venue.book.watchlists_made)),
        name=_free_name(venue, wanted.name),
        symbols=_symbols(venue, wanted.symbols or ()),
        created_at=venue.now,
        updated_at=venue.now,
    )
    return _keep(venue, made)


async def watchlist(request: Request) -> Response:
    """GET /v2/watchlists/{id} and /v2/watchlists:by_name."""
    venue = venue_of(request)
    return json_answer(_with_assets(venue, _asked(request)))


async def change(request: Request) -> Response:
    """PUT /v2/watchlists/{id} and /v2/watchlists:by_name: another name, other symbols, or both."""
    venue, wanted, known = venue_of(request), await body(request, WatchlistRequest), _asked(request)
    if wanted.name is None and wanted.symbols is None:
        raise malformed("name or symbols is required")
    name = known.name
    if wanted.name is not None and wanted.name != known.name:
        name = _free_name(venue, wanted.name)
    symbols = known.symbols if wanted.symbols is None else _symbols(venue, wanted.symbols)
    return _keep(venue, msgspec.structs.replace(known, name=name, symbols=symbols, updated_at=venue.now))


async def add(request: Request) -> Response:
    """POST /v2/watchlists/{id} and /v2/watchlists:by_name: one more asset, at the end."""
    venue, wanted, known = venue_of(request), await body(request, AssetRequest), _asked(request)
    (symbol,) = _symbols(venue, [wanted.symbol or ""])
    if symbol in known.symbols:
        raise malformed(f"duplicate symbol: {symbol} is in the watchlist")
    symbols = (*known.symbols, symbol)
    return _keep(venue, msgspec.structs.replace(known, symbols=symbols, updated_at=venue.now))


async def remove(request: Request) -> Response:
    """DELETE /v2/watchlists/{id}/{symbol}."""
    venue, known = venue_of(request), _asked(request)
    symbol = symbol_of(venue, request.path_params["symbol"])
    if symbol not in known.symbols:
        raise not_found(f"asset not found in watchlist: {request.path_params['symbol']}")
    symbols = tuple(one for one in known.symbols if one != symbol)
    return _keep(venue, msgspec.structs.replace(known, symbols=symbols, updated_at=venue.now))


async def delete(request: Request) -> Response:
    """DELETE /v2/watchlists/{id} and /v2/watchlists:by_name."""
    venue_of(request).keep(WatchlistDeleted(_asked(request).id))
    return Response(status_code=204)


def _keep(venue: Venue, kept: Watchlist) -> Response:
    venue.keep(WatchlistKept(kept))
    return json_answer(_with_assets(venue, kept))


def _asked(request: Request) -> Watchlist:
    """The watchlist of the path's id or of the query's name."""
    known = venue_of(request).book.watchlists
    if "id" in request.path_params:
        found = known.get(identifier(request.path_params["id"], "watchlist_id"))
    else:
        name = request.query_params.get("name")
        if not name:
            raise malformed("name is required")
        found = next((one for one in known.values() if one.name == name), None)
    if found is None:
        raise not_found("watchlist not found")
    return found


def _free_name(venue: Venue, name: str | None) -> str:
    """A name that no other watchlist has."""
    if not name:
        raise malformed("watchlist name is required")
    if len(name) > _LONGEST_NAME:
        raise malformed(f"watchlist name must be no more than {_LONGEST_NAME} characters")
    if any(name == one.name for one in venue.book.watchlists.values()):
        raise malformed("watchlist name must be unique")
    return name


def _symbols(venue: Venue, given: Iterable[str]) -> tuple[str, ...]:
    """Symbols of known assets, each once, in the order given."""
    symbols = [(key, symbol_of(venue, key)) for key in given]
    missing = [key for key, symbol in symbols if symbol is None]
    if missing:
        raise malformed(f"asset not found: {missing[0]}")
    return tuple(dict.fromkeys(symbol for _, symbol in symbols if symbol is not None))


def _summary(venue: Venue, shown: Watchlist) -> wire.Json:
    return {
        "id": shown.id,
        "account_id": account_id(venue.seed),
        "created_at": wire.stamp(shown.created_at),
        "updated_at": wire.stamp(shown.updated_at),
        "name": shown.name,
    }


def _with_assets(venue: Venue, shown: Watchlist) -> wire.Json:
    return {**_summary(venue, shown), "assets": [asset_of(venue, symbol) for symbol in shown.symbols]}


_BY_ID, _BY_NAME = "/v2/watchlists/{id}", "/v2/watchlists:by_name"
ROUTES = [
    Route("/v2/watchlists", watchlists),
    Route("/v2/watchlists", make, methods=["POST"]),
    *(
        Route(path, endpoint, methods=[method])
        for path in (_BY_NAME, _BY_ID)
        for method, endpoint in {"GET": watchlist, "PUT": change, "POST": add, "DELETE": delete}.items()
    ),
    Route("/v2/watchlists/{id}/{symbol}", remove, methods=["DELETE"]),
]
