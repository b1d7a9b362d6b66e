"""The plain orders that rest on one side of a symbol: whom could a new order trade against?

The book keeps one of these a symbol and side, so that the wash-trade check looks at the best opposite
price instead of at every order. Legs and entries of complex orders, and trailing stops, are not in it:
Alpaca exempts them.
"""

from __future__ import annotations

from decimal import Decimal
from heapq import heappop, heappush

from alpaquero.simulation import Side


class RestingSide:
    """Orders of one side: those that trade at any price, and the others by their limit, best first."""

    def __init__(self, side: Side) -> None:
        self._sign = -1 if side is Side.BUY else 1
        self._takers: dict[str, None] = {}
        self._limits: dict[str, Decimal] = {}
        self._heap: list[tuple[Decimal, str]] = []

    def put(self, order_id: str, limit_price: Decimal | None) -> None:
        """Take an order in, or its new price; one without a limit trades at any price."""
        if limit_price is None:
            self._takers[order_id] = None
        elif self._limits.get(order_id) != limit_price:
            self._limits[order_id] = limit_price
            heappush(self._heap, (self._sign * limit_price, order_id))

    def drop(self, order_id: str) -> None:
        """Forget an order that is over."""
        self._takers.pop(order_id, None)
        self._limits.pop(order_id, None)

    def taker(self) -> str | None:
        """An order that trades at any price."""
        return next(iter(self._takers), None)

    def best(self) -> tuple[str, Decimal] | None:
        """The order with the limit that trades first: the highest buy, the lowest sale."""
        while self._heap:
            price, order_id = self._heap[0]
            if self._limits.get(order_id) == self._sign * price:
                return order_id, self._sign * price
            heappop(self._heap)
        return None
