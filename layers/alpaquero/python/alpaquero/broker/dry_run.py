"""A broker that looks at the real account and sends nothing: what it would have ordered is kept.

`alpaquero.broker.alpaca` hands it out when ENVIRONMENT is `dry_run`, to execute and to sync alike.
An order is answered as accepted, stays open for the session it would have traded in, then is
`expired`: never filled, so cash and positions stay the account's own and what it reserved is free
again. It holds no transport that could place an order.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Protocol

from alpaquero.broker.protocol import (
    BrokerAccount,
    BrokerActivity,
    BrokerAsset,
    BrokerClock,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderChange,
    OrderFilter,
    OrderReader,
    OrderRequest,
)
from alpaquero.errors import BrokerRejected, OrderNotFound
from alpaquero.prices.sessions import Session

ACCEPTED, CANCELED, EXPIRED, REPLACED = "accepted", "canceled", "expired", "replaced"
_PREFIX = "dry-run:"


class DryOrders(Protocol):
    """Where intended orders are kept; `alpaquero.store.broker_state.DryRunOrders`."""

    def keep(self, order: BrokerOrder) -> None:
        """Writes the order under its client order id."""

    def kept(self) -> list[BrokerOrder]:
        """All of them, oldest first."""


class DryRunReader:
    """`OrderReader` over a real account, with the intended orders among the account's own."""

    def __init__(self, reader: OrderReader, orders: DryOrders) -> None:
        self._reader = reader
        self._orders = orders

    def account(self) -> BrokerAccount:
        """The real account."""
        return self._reader.account()

    def clock(self) -> BrokerClock:
        """The real clock."""
        return self._reader.clock()

    def sessions(self, start: date, end: date) -> list[Session]:
        """The real calendar."""
        return self._reader.sessions(start, end)

    def asset(self, symbol: str) -> BrokerAsset | None:
        """What the broker really lets be traded."""
        return self._reader.asset(symbol)

    def positions(self) -> list[BrokerPosition]:
        """What the account really holds."""
        return self._reader.positions()

    def position(self, symbol: str) -> BrokerPosition | None:
        """What the account really holds of `symbol`."""
        return self._reader.position(symbol)

    def fills(self, after_id: str | None = None) -> list[BrokerFill]:
        """The account's real fills; an intended order has none."""
        return self._reader.fills(after_id)

    def activities(self, since: date) -> list[BrokerActivity]:
        """What really happened to the account without a trade."""
        return self._reader.activities(since)

    def open_orders(self, nested: bool = True) -> list[BrokerOrder]:
        """The account's open orders and ours."""
        ours = [order for order in self._intended() if not order.is_terminal]
        return _by_time(self._reader.open_orders(nested), ours)

    def orders(
        self,
        status: OrderFilter = "all",
        after: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[BrokerOrder]:
        """The account's orders and ours, as in `OrderReader`."""
        ours = [
            order
            for order in self._intended()
            if (status == "all" or order.is_terminal == (status == "closed"))
            and (after is None or order.submitted_at > after)
            and (until is None or order.submitted_at < until)
        ]
        return _by_time(self._reader.orders(status, after, until, limit), ours)[:limit]

    def order(self, broker_order_id: str) -> BrokerOrder:
        """The order by the broker's id, or by the one we gave an intended order."""
        if not broker_order_id.startswith(_PREFIX):
            return self._reader.order(broker_order_id)
        found = self.order_by_client_id(broker_order_id.removeprefix(_PREFIX))
        if found is None:
            raise OrderNotFound(404, None, f"the dry run has no order {broker_order_id}")
        return found

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """The intended order with that id, else the account's."""
        found = next((o for o in self._intended() if o.client_order_id == client_order_id), None)
        return found or self._reader.order_by_client_id(client_order_id)

    def _intended(self) -> list[BrokerOrder]:
        """Ours as they stand now: what was open ends with its session."""
        kept = self._orders.kept()
        if not kept:
            return []
        now = self._reader.clock().now
        return [_as_of(order, now) for order in kept]


class DryRunBroker(DryRunReader):
    """`OrderSubmitter` that writes down what it is asked for, and sends nothing."""

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """The order as it would have been accepted; the same client order id is the same order."""
        earlier = self.order_by_client_id(request.client_order_id)
        if earlier is not None:
            return earlier
        clock = self._reader.clock()
        order = _accepted(request, clock.now, until=clock.next_close)
        self._orders.keep(order)
        return order

    def cancel(self, broker_order_id: str) -> None:
        """Cancels an intended order; one of the account's own is refused, since that would be real."""
        self._end(broker_order_id, CANCELED)

    def replace(self, broker_order_id: str, change: OrderChange) -> BrokerOrder:
        """Puts a changed intended order in the place of an open one."""
        before = self._ours(broker_order_id)
        if before.is_terminal:
            raise BrokerRejected(422, None, f"the order is {before.status} already")
        clock = self._reader.clock()
        after = replace(
            before,
            id=f"{_PREFIX}{change.client_order_id}",
            client_order_id=change.client_order_id,
            quantity=change.quantity or before.quantity,
            limit_price=change.limit_price or before.limit_price,
            stop_price=change.stop_price or before.stop_price,
            time_in_force=change.time_in_force or before.time_in_force,
            submitted_at=clock.now,
            updated_at=clock.now,
            replaces=before.id,
        )
        self._orders.keep(after)
        self._end(broker_order_id, REPLACED, replaced_by=after.id)
        return after

    def _ours(self, broker_order_id: str) -> BrokerOrder:
        if not broker_order_id.startswith(_PREFIX):
            raise BrokerRejected(403, None, "a dry run changes no real order; change it at the broker")
        return self.order(broker_order_id)

    def _end(self, broker_order_id: str, status: str, replaced_by: str | None = None) -> None:
        order = self._ours(broker_order_id)
        if not order.is_terminal:
            now = self._reader.clock().now
            self._orders.keep(replace(order, status=status, updated_at=now, replaced_by=replaced_by))


def _accepted(request: OrderRequest, now: datetime, until: datetime) -> BrokerOrder:
    return BrokerOrder(
        id=f"{_PREFIX}{request.client_order_id}",
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        side=request.side,
        order_type=request.order_type,
        order_class="" if request.order_class == "simple" else request.order_class,
        time_in_force=request.time_in_force,
        quantity=request.quantity,
        notional=request.notional,
        limit_price=request.limit_price or request.take_profit_price,
        stop_price=request.stop_price or request.stop_loss_price,
        status=ACCEPTED,
        filled_quantity=Decimal(0),
        filled_average_price=None,
        submitted_at=now,
        updated_at=now,
        expires_at=until,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        extended_hours=request.extended_hours,
    )


def _as_of(order: BrokerOrder, now: datetime) -> BrokerOrder:
    if order.is_terminal or order.expires_at is None or now < order.expires_at:
        return order
    return replace(order, status=EXPIRED, updated_at=order.expires_at)


def _by_time(theirs: list[BrokerOrder], ours: list[BrokerOrder]) -> list[BrokerOrder]:
    return sorted(chain(theirs, ours), key=lambda order: order.submitted_at)
