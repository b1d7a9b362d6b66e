"""Orders: list them, place one by hand, cancel one. Placing and cancelling are commands to `execute`."""

from __future__ import annotations

from alpaquero.errors import InvalidRequest, NotFound
from alpaquero.events import queues
from alpaquero.events.commands import CancelOrder
from alpaquero.events.commands import PlaceOrder as PlaceOrderCommand
from alpaquero.observability import correlation_id
from alpaquero.orders.identity import manual_key
from alpaquero.orders.intent import Intent, OrderType, Origin, Purpose, Side, TimeInForce
from alpaquero.orders.lifecycle import is_terminal
from alpaquero.orders.order import Order as OrderRecord
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store.books import Books, listed_at
from alpaquero.web.app import json_response, service_app, to_cursor
from alpaquero.web.bodies import Order, OrderAccepted, OrderStep, Page, PlaceOrder, RuleOutcome


class OrdersSettings(FunctionSettings, frozen=True, kw_only=True):
    """What the orders API needs: the queue that `execute` reads."""

    order_queue: Text


SETTINGS = load(OrdersSettings)
BOOKS = Books(SETTINGS.account)
OPEN, CLOSED, ALL = "open", "closed", "all"

app = service_app("trading", {"books": BOOKS.risk_book})


@app.endpoint("GET", public="/api/orders", service="/trading/orders")
def orders() -> Page[Order]:
    """Orders newest first; `status` open, closed or all (the default), `symbol` narrows it."""
    status, symbol = app.query("status") or ALL, app.query("symbol")
    if status not in {OPEN, CLOSED, ALL}:
        raise InvalidRequest(f"status must be {OPEN}, {CLOSED} or {ALL}", "status")
    limit, before = app.limit(), app.after()
    page: list[OrderRecord] = []
    while len(page) < limit:
        found, before = BOOKS.newest_orders(limit, before)
        page += [order for order in found if _wanted(order, status, symbol)]
        if before is None:
            break
    cut = len(page) > limit
    following = listed_at(page[limit - 1]) if cut else before
    return Page(
        items=[_body(order) for order in page[:limit]], next=to_cursor(following) if following else None
    )


@app.endpoint("POST", public="/api/orders", service="/trading/orders", role="trader")
def place() -> object:
    """Queues a person's order for the risk check; the same Idempotency-Key is the same order."""
    key = app.header("Idempotency-Key")
    if not key:
        raise InvalidRequest(
            "Send an Idempotency-Key header, so that a repeat is not a second order.", "Idempotency-Key"
        )
    intent = _intent(app.body(PlaceOrder), key, app.require("trader").username)
    queues.send_in_order(
        SETTINGS.order_queue,
        PlaceOrderCommand(intent=intent),
        group=SETTINGS.account,
        deduplication_id=intent.client_order_id,
    )
    return json_response(OrderAccepted(client_order_id=intent.client_order_id), 202)


@app.endpoint("DELETE", public="/api/orders/{id}", service="/trading/orders/{id}", role="trader")
def cancel(id: str) -> object:  # noqa: A002 - the route's parameter, as the owner's document names it
    """Queues the cancel of an open order, named by its client order id."""
    order = BOOKS.order(id)
    if order is None:
        raise NotFound(f"There is no order {id}; GET /api/orders lists them by client_order_id.")
    if is_terminal(order.status):
        raise InvalidRequest(f"The order is {order.status} already; there is nothing to cancel.", "id")
    command = CancelOrder(
        client_order_id=id, requested_by=app.require("trader").username, correlation_id=correlation_id()
    )
    queues.send_in_order(
        SETTINGS.order_queue,
        command,
        group=SETTINGS.account,
        deduplication_id=f"cancel:{id}:{order.version}",
    )
    return json_response(OrderAccepted(client_order_id=id, status="cancel queued"), 202)


def _intent(body: PlaceOrder, key: str, username: str) -> Intent:
    try:
        side = Side(body.side)
        return Intent(
            account=SETTINGS.account,
            origin=Origin.MANUAL,
            purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT,
            symbol=body.symbol.upper(),
            side=side,
            key=manual_key(SETTINGS.account, key),
            order_type=OrderType(body.order_type),
            time_in_force=TimeInForce(body.time_in_force),
            quantity=body.quantity,
            limit_price=body.limit_price,
            reason="placed by hand",
            requested_by=username,
            correlation_id=correlation_id(),
        )
    except ValueError as error:
        raise InvalidRequest(str(error)) from None


def _wanted(order: OrderRecord, status: str, symbol: str | None) -> bool:
    if symbol and order.symbol != symbol.upper():
        return False
    return status == ALL or is_terminal(order.status) == (status == CLOSED)


def _body(order: OrderRecord) -> Order:
    return Order(
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id,
        parent=order.parent,
        role=order.role,
        origin=order.origin,
        purpose=order.purpose,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        order_class=order.order_class,
        time_in_force=order.time_in_force,
        quantity=order.quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        stop_loss_price=order.stop_loss_price,
        take_profit_price=order.take_profit_price,
        status=order.status,
        filled_quantity=order.filled_quantity,
        filled_average_price=order.filled_average_price,
        reason=order.reason,
        created_at=order.created_at,
        updated_at=order.updated_at,
        verdict=[
            RuleOutcome(
                code=r.code,
                passed=r.passed,
                message=r.message,
                outcome=r.outcome,
                limit=r.limit,
                used=r.used,
            )
            for r in order.verdict
        ],
        history=[OrderStep(at=h.at, status=h.status, why=h.why) for h in order.history],
    )
