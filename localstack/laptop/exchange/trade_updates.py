"""Turns changes of the book into Alpaca's trade updates. Pure; the trade stream asks it.

Events and their meaning: https://docs.alpaca.markets/docs/websocket-streaming. The book carries a
cancellation or a replacement out at once or refuses the request, so nothing here is ever pending and
no accepted request is rejected later: `pending_cancel`, `pending_replace`, `order_cancel_rejected` and
`order_replace_rejected` would only come from an order that the book keeps in such a state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpaquero.simulation import Side
from alpaquero.simulation.identity import derived_id
from alpaquero.simulation.matching import Status
from laptop.exchange.book import Accepted, Book, Change, Changed, Order, SharesSplit, Trade, Traded
from laptop.exchange.order_wire import order_body
from laptop.exchange.wire import Json, stamp, text

STREAM = "trade_updates"
PENDING_NEW = "pending_new"
_RESTATED = "restated"


@dataclass(frozen=True, slots=True)
class Update:
    """One event of an order. `trade` and `position`, the shares held after it, are a fill's."""

    event: str
    order: Order
    trade: Trade | None = None
    position: Decimal | None = None


class TradeUpdates:
    """Follows one book, from what it is at the start on."""

    def __init__(self, book: Book) -> None:
        self._open = {order.id: order for order in book.orders.values() if order.working}
        self._shares: dict[str, Decimal] = defaultdict(Decimal)
        self._shares.update({symbol: held.quantity for symbol, held in book.positions.items()})

    def follow(self, changes: Iterable[tuple[datetime, Change]]) -> list[Update]:
        """The updates that changes make, in the book's order. It must be told of every change."""
        return [update for _, change in changes for update in self._updates(change)]

    def _updates(self, change: Change) -> list[Update]:
        match change:
            case Accepted(orders):
                return [update for order in orders for update in self._taken(order)]
            case Changed(order):
                return self._changed(order)
            case Traded(trade, order):
                return [self._filled(trade, order)]
            case SharesSplit(symbol):
                self._shares[symbol] = change.shares_of(self._shares[symbol])
        return []

    def _taken(self, order: Order) -> list[Update]:
        """A new order: on its way and then at work, or queued, or a leg that waits."""
        self._note(order)
        taken = Update(str(order.status), order)
        return [Update(PENDING_NEW, order), taken] if order.status is Status.NEW else [taken]

    def _changed(self, order: Order) -> list[Update]:
        """An order in another state, or in the same with other terms (a split, a smaller exit)."""
        before = self._open.get(order.id)
        self._note(order)
        if before is None or before.status is not order.status:
            return [Update(str(order.status), order)]
        return [] if _terms(before) == _terms(order) else [Update(_RESTATED, order)]

    def _filled(self, trade: Trade, order: Order) -> Update:
        self._note(order)
        self._shares[trade.symbol] += trade.quantity if trade.side is Side.BUY else -trade.quantity
        event = "partial_fill" if trade.leaves else "fill"
        return Update(event, order, trade, self._shares[trade.symbol])

    def _note(self, order: Order) -> None:
        if order.working:
            self._open[order.id] = order
        else:
            self._open.pop(order.id, None)


def update_body(update: Update, book: Book, seed: int) -> Json:
    """The message of an update; what is no fill has an execution id of its own."""
    event, order = update.event, update.order
    at = str(stamp(order.updated_at))
    status = PENDING_NEW if event == PENDING_NEW else None
    data: Json = {
        "event": event,
        "execution_id": derived_id(seed, "execution", order.id, event, at),
        "timestamp": at,
        "order": order_body(order, book, seed, nested=False, status=status),
    }
    if update.trade is not None and update.position is not None:
        data["execution_id"] = update.trade.id.rpartition("::")[2]
        data["price"], data["qty"] = text(update.trade.price), text(update.trade.quantity)
        data["position_qty"] = text(update.position)
    return {"stream": STREAM, "data": data}


def _terms(order: Order) -> tuple[object, ...]:
    """What an order asks for; how far a trailing stop has followed the market is not told."""
    return order.quantity, order.limit_price, order.stop_price, order.trail_price
