"""Alpaca's order routes: place, list, look up, replace, cancel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from laptop.exchange import order_wire
from laptop.exchange.answers import (
    body,
    choice,
    flag,
    json_answer,
    moment,
    newest_first,
    venue_of,
    whole,
    words,
)
from laptop.exchange.book import Book, Order
from laptop.exchange.errors import invalid, malformed, not_found
from laptop.exchange.terms import OrderRequest, ReplaceRequest

_ORDER_STATES: Mapping[str, tuple[bool, ...]] = {"open": (True,), "closed": (False,), "all": (True, False)}
_ASSET_CLASSES = frozenset({"us_equity", "all"})


async def place_order(request: Request) -> Response:
    """POST /v2/orders."""
    venue = venue_of(request)
    order = venue.place_order(await body(request, OrderRequest))
    status = order_wire.submitted_status(order)
    return json_answer(order_wire.order_body(order, venue.book, venue.seed, nested=True, status=status))


async def replace_order(request: Request) -> Response:
    """PATCH /v2/orders/{id}: the new order."""
    venue = venue_of(request)
    order = venue.replace_order(_order_id(request), await body(request, ReplaceRequest))
    status = order_wire.submitted_status(order)
    return json_answer(order_wire.order_body(order, venue.book, venue.seed, nested=True, status=status))


async def orders(request: Request) -> Response:
    """GET /v2/orders, with every filter that Alpaca has."""
    venue, nested = venue_of(request), flag(request, "nested")
    book = venue.book
    states = _ORDER_STATES[choice(request, "status", _ORDER_STATES, "open")]
    symbols = {symbol.upper() for symbol in words(request, "symbols")}
    side = choice(request, "side", ("buy", "sell", ""), "")
    after, until = moment(request, "after"), moment(request, "until")
    classes = set(words(request, "asset_class"))
    limit = whole(request, "limit", 50, 500)

    def fits(order: Order) -> bool:
        family = [order, *book.legs_of(order)] if nested else [order]
        return (
            any(one.working in states for one in family)
            and not (nested and order.parent)
            and (not symbols or order.symbol in symbols)
            and side in {"", order.side.value}
            and (after is None or order.submitted_at > after)
            and (until is None or order.submitted_at < until)
        )

    found = filter(fits, _sequence(request, book)) if not classes or classes & _ASSET_CLASSES else iter(())
    return json_answer(
        [order_wire.order_body(order, book, venue.seed, nested=nested) for order in islice(found, limit)]
    )


def _sequence(request: Request, book: Book) -> Iterator[Order]:
    """The orders in the direction asked for, before or after the order that a cursor names.

    The book has them in the order of their submission.
    """
    cursors = [request.query_params.get(name) or "" for name in ("before_order_id", "after_order_id")]
    before, after = cursors
    if before and after:
        raise invalid("only one of before_order_id and after_order_id can be given")
    if any(cursors) and (request.query_params.get("after") or request.query_params.get("until")):
        raise invalid("before_order_id and after_order_id cannot be combined with after or until")
    missing = next((cursor for cursor in cursors if cursor and cursor.lower() not in book.orders), None)
    if missing is not None:
        raise not_found(f"order not found for {missing}")
    first = book.orders[after.lower()].number + 1 if after else 0
    last = book.orders[before.lower()].number if before else len(book.orders)
    everything = book.orders.values()
    ordered = reversed(everything) if newest_first(request) else iter(everything)
    return (order for order in ordered if first <= order.number < last)


def _order_id(request: Request) -> str:
    """The order id of the path, as the book writes it."""
    given: str = request.path_params["id"]
    try:
        return str(UUID(given))
    except ValueError:
        raise malformed("order_id is missing") from None


async def order_by_id(request: Request) -> Response:
    """GET /v2/orders/{id}, with `nested`."""
    venue = venue_of(request)
    order = venue.order(_order_id(request))
    return json_answer(order_wire.order_body(order, venue.book, venue.seed, nested=flag(request, "nested")))


async def order_by_client_id(request: Request) -> Response:
    """GET /v2/orders:by_client_order_id, with the legs."""
    venue, key = venue_of(request), request.query_params.get("client_order_id", "")
    if key not in venue.book.by_client_id:
        raise not_found(f"order not found for {key}")
    order = venue.book.orders[venue.book.by_client_id[key]]
    return json_answer(order_wire.order_body(order, venue.book, venue.seed, nested=True))


async def cancel_order(request: Request) -> Response:
    """DELETE /v2/orders/{id}."""
    venue_of(request).cancel(_order_id(request))
    return Response(status_code=204)


async def cancel_orders(request: Request) -> Response:
    """DELETE /v2/orders."""
    ids = venue_of(request).cancel_all()
    return json_answer([{"id": order_id, "status": 200} for order_id in ids], status=207)


ROUTES = [
    Route("/v2/orders", place_order, methods=["POST"]),
    Route("/v2/orders", orders),
    Route("/v2/orders", cancel_orders, methods=["DELETE"]),
    Route("/v2/orders:by_client_order_id", order_by_client_id),
    Route("/v2/orders/{id}", order_by_id),
    Route("/v2/orders/{id}", replace_order, methods=["PATCH"]),
    Route("/v2/orders/{id}", cancel_order, methods=["DELETE"]),
]
