"""Alpaca's order routes: place, list, look up, cancel."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from laptop.exchange import order_wire
from laptop.exchange.admission import OrderRequest
from laptop.exchange.answers import flag, json_answer, moment, newest_first, venue_of, whole
from laptop.exchange.book import Order
from laptop.exchange.errors import RefusedError, malformed, not_found

_ORDER_STATES = {"open": (True,), "closed": (False,), "all": (True, False)}


async def place_order(request: Request) -> Response:
    """POST /v2/orders."""
    venue = venue_of(request)
    try:
        wanted = msgspec.json.decode(await request.body(), type=OrderRequest)
    except msgspec.ValidationError as error:
        raise malformed(f"request body is invalid: {error}") from error
    except msgspec.DecodeError as error:
        raise RefusedError(400, f"request body format is invalid: {error}", 40010000) from error
    order = venue.place_order(wanted)
    status = order_wire.submitted_status(order)
    return json_answer(order_wire.order_body(order, venue.book, venue.seed, nested=True, status=status))


async def orders(request: Request) -> Response:
    """GET /v2/orders: `status`, `symbols`, `side`, `after`, `until`, `limit`, `direction`, `nested`."""
    venue, wanted = venue_of(request), request.query_params
    states = _ORDER_STATES.get(wanted.get("status") or "open")
    if states is None:
        raise malformed("status must be open, closed or all")
    symbols = {symbol for symbol in (wanted.get("symbols") or "").upper().split(",") if symbol}
    after, until = moment(request, "after"), moment(request, "until")
    nested = flag(request, "nested")

    def fits(order: Order) -> bool:
        family = [order, *(venue.book.orders[leg] for leg in venue.book.legs.get(order.id, ()))]
        return (
            any(one.working in states for one in (family if nested else [order]))
            and (not symbols or order.symbol in symbols)
            and wanted.get("side") in {None, "", order.side.value}
            and (after is None or order.submitted_at > after)
            and (until is None or order.submitted_at < until)
        )

    everything = venue.book.orders.values()
    listed = [order for order in everything if not (nested and order.parent) and fits(order)]
    descending = newest_first(request)
    listed.sort(key=lambda order: (order.submitted_at, order.number), reverse=descending)
    limit = whole(request, "limit", 50, 500)
    return json_answer(
        [order_wire.order_body(order, venue.book, venue.seed, nested=nested) for order in listed[:limit]]
    )


async def order_by_id(request: Request) -> Response:
    """GET /v2/orders/{id}, with `nested`."""
    venue = venue_of(request)
    order = venue.order(request.path_params["id"])
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
    venue_of(request).cancel(request.path_params["id"])
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
    Route("/v2/orders/{id}", cancel_order, methods=["DELETE"]),
]
