"""Broker, books and queues around the trading functions, driven as Lambda drives them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

from alpaquero.broker.protocol import OrderRequest
from alpaquero.events import queues as sending
from alpaquero.events.bus import EncodedEvent
from alpaquero.events.commands import CancelOrder, OrderCommand, PlaceOrder, ResumeOrder
from alpaquero.events.schemas import Event, decode
from alpaquero.orders.intent import Intent
from alpaquero.orders.order import LegRole, Order
from alpaquero.risk.book import RiskBook, TradingState
from alpaquero.store.books import BookItem, Books
from functions.trading import execute, sync
from tests.fakes.broker import FakeBroker, FakeMarketData
from tests.fakes.queues import FakeQueues
from tests.unit.orders.builders import an_exit, an_intent


def request(identifier: str, **changes: Any) -> OrderRequest:
    """An order placed at the broker itself: 7 shares of AAPL."""
    given: dict[str, Any] = {"symbol": "AAPL", "side": "buy", "quantity": Decimal(7), **changes}
    return OrderRequest(client_order_id=identifier, **given)


@dataclass
class World:
    """An account of 100,000 dollars whose books are open, and AAPL at 100 dollars."""

    queues: FakeQueues
    broker: FakeBroker = field(default_factory=lambda: FakeBroker(prices={"AAPL": Decimal(100)}))
    market_data: FakeMarketData = field(default_factory=FakeMarketData)
    books: Books = field(default_factory=lambda: Books("paper"))

    def feed(self) -> FakeMarketData:
        """Market data at the broker's time and prices, but for what a test sets otherwise."""
        prices = {**self.broker.prices, **self.market_data.prices}
        return replace(self.market_data, prices=prices, now=self.broker.now)

    # what happens to the functions

    def place(self, intent: Intent) -> dict[str, Any]:
        return self.command(PlaceOrder(intent=intent))

    def resume(self, order: Order) -> dict[str, Any]:
        return self.command(ResumeOrder(client_order_id=order.client_order_id, correlation_id=""))

    def cancel(self, order: Order) -> dict[str, Any]:
        return self.command(
            CancelOrder(client_order_id=order.client_order_id, requested_by="ana", correlation_id="")
        )

    def command(self, command: OrderCommand) -> dict[str, Any]:
        sending.send_in_order("order-queue", command, group="paper", deduplication_id=uuid4().hex)
        return self.run_commands()

    def run_commands(self) -> dict[str, Any]:
        """Delivers what waits on the order queue; answers the failures of the batch."""
        return execute.handler({"Records": self.queues.receive("order-queue")}, None)

    def sync(self) -> dict[str, Any]:
        self.queues.receive("sync-queue")
        return sync.handler({"job": "sync"}, None)

    def settle(self, rounds: int = 6) -> None:
        """Sync and execute in turns until sync asks for nothing more."""
        for _ in range(rounds):
            self.queues.seen.clear()  # a minute passes
            self.sync()
            if not self.queues.bodies("order-queue"):
                return
            self.run_commands()
        raise AssertionError(f"still asked for: {self.queues.bodies('order-queue')}")

    # what is there

    @property
    def book(self) -> RiskBook:
        book = self.books.risk_book()
        assert book is not None
        return book

    def order(self, identifier: str) -> Order:
        order = self.books.order(identifier)
        assert order is not None
        return order

    def leg(self, role: LegRole) -> Order:
        [leg] = [order for order in self.books.orders() if order.role is role]
        return leg

    def trading_is(self, state: TradingState) -> None:
        self.books.commit(risk_book=replace(self.book, trading_state=state).next_version())

    def told(self, *kinds: type[Event]) -> list[Any]:
        """The events in the outbox, of these kinds."""
        every = [decode(event.name, event.detail) for event in self.books.outbox()]
        return [event for event in every if isinstance(event, kinds)]

    def everything(self) -> dict[str, str]:
        """Every item of the books but the outbox, as it is stored."""
        return {item.sk: item.body for item in BookItem.scan() if not item.sk.startswith("OUTBOX#")}

    def empty_the_outbox(self) -> list[EncodedEvent]:
        waiting = self.books.outbox()
        self.books.published(event.id for event in waiting)
        return waiting

    # stories

    def hold(self, **changes: Any) -> Order:
        """Buys AAPL through the bot; the entry is filled and synced, its stop and target wait."""
        intent = an_intent(**changes)
        self.place(intent)
        self.broker.step()
        self.sync()
        self.empty_the_outbox()
        return self.order(intent.client_order_id)

    def begin_exit(self, **changes: Any) -> Order:
        intent = an_exit(key="e" * 20, **changes)
        self.place(intent)
        return self.order(intent.client_order_id)
