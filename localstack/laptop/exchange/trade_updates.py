"""Turns changes of the book into Alpaca's trade updates. Pure; the trade stream asks it.

Events and their meaning: https://docs.alpaca.markets/docs/websocket-streaming. The book carries a
cancellation or a replacement out at once or refuses the request, so nothing here is ever pending and
no accepted request is rejected later: `pending_cancel`, `pending_replace`, `order_cancel_rejected` and
`order_replace_rejected` would only come from an order that the book keeps in such a state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from alpaquero.simulation import Side
from laptop.exchange.book import Accepted, Book, Change, Changed, Order, SharesSplit, Status, Trade, Traded
from laptop.exchange.connection import Message
from laptop.exchange.identity import derived_id
from laptop.exchange.order_wire import order_body
from laptop.exchange.wire import Json, stamp, text

STREAM = "trade_updates"
_PENDING_NEW = "pending_new"
_RESTATED = "restated"


class TradeUpdates:
    """Follows one book, from what it is at the start on."""

    def __init__(self, book: Book, seed: int) -> None:
        self._seed = seed
        self._open = {order.id: order for order in book.orders.values() if order.working}
        self._quantities: dict[str, Decimal] = defaultdict(Decimal)
        self._quantities.update({symbol: held.quantity for symbol, held in book.positions.items()})

    def tell(self, changes: Iterable[tuple[datetime, Change]], book: Book) -> list[Message]:
        """The messages that the changes make, in the book's order. `book` has taken the changes in."""
        return [message for _, change in changes for message in self._messages(change, book)]

    def _messages(self, change: Change, book: Book) -> list[Message]:
        match change:
            case Accepted(orders):
                return [message for order in orders for message in self._taken(order, book)]
            case Changed(order):
                return self._changed(order, book)
            case Traded(trade, order):
                return [self._filled(trade, order, book)]
            case SharesSplit(symbol, ratio):
                self._quantities[symbol] *= ratio
        return []

    def _taken(self, order: Order, book: Book) -> list[Message]:
        """A new order: on its way and then at work, or queued, or a leg that waits."""
        self._note(order)
        if order.status is not Status.NEW:
            return [self._update(str(order.status), order, book)]
        first = self._update(_PENDING_NEW, order, book, status=_PENDING_NEW)
        return [first, self._update(str(order.status), order, book)]

    def _changed(self, order: Order, book: Book) -> list[Message]:
        """An order in another state, or in the same with other terms (a split, a smaller exit)."""
        before = self._open.get(order.id)
        self._note(order)
        if before is None or before.status is not order.status:
            return [self._update(str(order.status), order, book)]
        return [] if _terms(before) == _terms(order) else [self._update(_RESTATED, order, book)]

    def _filled(self, trade: Trade, order: Order, book: Book) -> Message:
        self._note(order)
        self._quantities[trade.symbol] += trade.quantity if trade.side is Side.BUY else -trade.quantity
        fill: Json = {
            "execution_id": trade.id.rpartition("::")[2],
            "price": text(trade.price),
            "qty": text(trade.quantity),
            "position_qty": text(self._quantities[trade.symbol]),
        }
        return self._update("partial_fill" if trade.leaves else "fill", order, book, fill=fill)

    def _update(
        self, event: str, order: Order, book: Book, *, status: str | None = None, fill: Json | None = None
    ) -> Message:
        """A message; what is no fill has an execution id of its own."""
        at = str(stamp(order.updated_at))
        data: Json = {
            "event": event,
            "execution_id": derived_id(self._seed, "execution", order.id, event, at),
            "timestamp": at,
            "order": order_body(order, book, self._seed, nested=False, status=status),
            **(fill or {}),
        }
        return Message(event, order.symbol, {"stream": STREAM, "data": data})

    def _note(self, order: Order) -> None:
        if order.working:
            self._open[order.id] = order
        else:
            self._open.pop(order.id, None)


def _terms(order: Order) -> tuple[object, ...]:
    return order.quantity, order.limit_price, order.stop_price
