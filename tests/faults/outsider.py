"""The campaign's account shared with someone who trades at the broker itself, over the days of a split.

The outsider buys, sells, moves prices and cancels at the exchange, past the bot; its orders are adopted,
what he replaces is followed. The history lies around a split: MSFT, two for one, on 2003-02-18.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import requests
from hypothesis import strategies as st
from hypothesis.stateful import rule

from alpaquero.orders.intent import OrderClass
from alpaquero.orders.order import Order, OrderOrigin
from tests.faults.in_process_exchange import KEY, SECRET
from tests.faults.machine import MoneyPath
from tests.faults.world import World

SPLIT_SYMBOL, FIRST = "MSFT", date(2003, 2, 12)
KNOWN = ("AAPL", "IBM", SPLIT_SYMBOL)
HEADERS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
known = st.sampled_from(KNOWN)
OK = 200


class SharedAccount(MoneyPath):
    """`MoneyPath` with a second trader on the account, and a split a few days after it begins."""

    def __init__(self) -> None:
        super().__init__()
        self.touched: set[str] = set()

    def _world(self, seed: int) -> World:
        return World(seed, self.tally.counts, first=FIRST)

    @rule(
        symbol=known, side=st.sampled_from(("buy", "sell")), shares=st.integers(1, 30), off=st.integers(-4, 4)
    )
    def elsewhere_order(self, symbol: str, side: str, shares: int, off: int) -> None:
        """The outsider orders at market, or with a limit a few per cent off."""
        priced: dict[str, Any] = {"type": "market", "time_in_force": "day"}
        if off:
            limit = round(float(self._price(symbol)) * (100 + off) / 100, 2)
            priced = {"type": "limit", "limit_price": str(limit), "time_in_force": "gtc"}
        answer = self._ask("POST", "", {"symbol": symbol, "side": side, "qty": str(shares), **priced})
        if answer.status_code == OK:
            self.tally.counts["orders placed elsewhere"] += 1
            self.elsewhere.add(answer.json()["client_order_id"])
            self.touched.add(symbol)

    @rule(pick=st.integers(0, 99), off=st.integers(1, 3))
    def elsewhere_replace(self, pick: int, off: int) -> None:
        """The outsider moves the price of any open order, ours and legs too, a little down."""
        working = [o for o in self.world.exchange.venue.book.orders.values() if o.working]
        priced = [o for o in working if o.limit_price or o.stop_price]
        if not priced:
            return
        order = priced[pick % len(priced)]
        name = "limit_price" if order.limit_price else "stop_price"
        moved = round(float(getattr(order, name)) * (100 - off) / 100, 2)
        answer = self._ask("PATCH", f"/{order.id}", {name: str(moved)})
        if answer.status_code == OK:
            self.tally.counts["orders replaced elsewhere"] += 1
            self.replaced.add(order.client_order_id)
            self.touched.add(order.symbol)
            if order.client_order_id in self.elsewhere:
                self.elsewhere.add(answer.json()["client_order_id"])

    @rule(pick=st.integers(0, 99))
    def elsewhere_cancel(self, pick: int) -> None:
        """The outsider cancels any open order."""
        working = [o for o in self.world.exchange.venue.book.orders.values() if o.working]
        if working:
            order = working[pick % len(working)]
            self._ask("DELETE", f"/{order.id}", None)
            self.touched.add(order.symbol)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        """One request at the exchange, past the bot and its troubles."""
        url = f"http://127.0.0.1:9/v2/orders{path}"
        return requests.request(method, url, json=body, headers=HEADERS, timeout=5)

    def _bare(self) -> list[str]:
        """What the outsider has a hand in is his to protect."""
        return [symbol for symbol in super()._bare() if symbol not in self.touched]

    def _price(self, symbol: str) -> Decimal:
        """A company that nobody trades yet has no price: the bot finds that out for itself."""
        return super()._price(symbol) if symbol in KNOWN else Decimal(10)

    def _compare(self) -> None:
        super()._compare()
        book, notes = self.world.books.risk_book(), self.world.books.notes()
        assert not notes.drift, f"unexplained: {notes.drift}"
        self.tally.counts["splits of what was held"] += len(self.world.books.share_movements())
        orders = {order.client_order_id: order for order in self.world.books.orders()}
        for theirs in self.world.exchange.venue.book.orders.values():
            # A leg that was replaced before the first look at it never was an order of the books.
            if theirs.working or theirs.filled_quantity:
                self._has_its_terms(orders[theirs.client_order_id], theirs)
        assert book is not None
        for identifier in book.reservations:
            assert identifier in orders, f"{identifier} reserves and is nowhere"
        wrong = [i for i in self.elsewhere if orders[i].origin is not OrderOrigin.EXTERNAL]
        assert not wrong, f"{wrong} were placed elsewhere and are not kept so"

    def _has_its_terms(self, ours: Order, theirs: Any) -> None:
        if theirs.working and theirs.notional is None:
            # An OCO's own limit is its target, until someone replaces it.
            target = ours.take_profit_price if ours.order_class is OrderClass.OCO else None
            mine = (ours.quantity, ours.limit_price or target, ours.stop_price)
            there = (theirs.quantity, theirs.limit_price, theirs.stop_price)
            if theirs.trail_price is None and theirs.trail_percent is None:
                assert mine == there, f"{ours.client_order_id} is for {mine}, at the broker for {there}"
