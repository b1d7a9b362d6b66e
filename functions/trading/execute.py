"""Executes order commands, one at a time an account: verdict, intent and reservation in one
transaction, then the order at the broker.

Started by OrderQueue (FIFO, group = account). The order id comes from the intent, so a repeat of
the command finds the order that the first one wrote, and the broker takes an id once. The books
say what was meant before the broker is asked; a crash in between is taken up again from the books.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from alpaquero import wall
from alpaquero.broker.alpaca import connect_submitter
from alpaquero.broker.budget import Priority
from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import (
    BrokerOrder,
    BrokerPosition,
    MarketDataReader,
    OrderRequest,
    OrderSubmitter,
)
from alpaquero.broker.records import update_of
from alpaquero.errors import BrokerRejected, BrokerUnclear, Conflict
from alpaquero.events import bus, queues
from alpaquero.events.commands import (
    CancelOrder,
    OrderCommand,
    PlaceOrder,
    ProtectPosition,
    ResumeOrder,
    SyncBooks,
)
from alpaquero.events.orders import order_changed
from alpaquero.events.schemas import TradeRejected
from alpaquero.observability import logger, observed, record_failed
from alpaquero.orders.exits import ExitAction, next_action
from alpaquero.orders.identity import client_order_id, exit_key
from alpaquero.orders.intent import Intent, OrderType, Side, TimeInForce
from alpaquero.orders.lifecycle import (
    BrokerUpdate,
    OrderStatus,
    advance,
    intended,
    is_live,
    is_terminal,
    resized,
    step_exit,
    unclear,
)
from alpaquero.orders.order import ExitStep, Order, OrderOrigin, OrderPurpose
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.risk.book import TradingState
from alpaquero.risk.rules import assess, reservation_for
from alpaquero.risk.verdict import RuleResult, Verdict
from alpaquero.settings import BrokerSettings, Text, load
from alpaquero.store import risk_facts, trading_settings
from alpaquero.store.books import Books

SYNC_AFTER_SECONDS = 5
ATTEMPTS = 5  # at a transaction that others also write to
EXIT_STEPS_A_CALL = 6  # cancel, confirm, sell and the way back; the rest is sync's next minute


class ExecuteSettings(BrokerSettings, frozen=True, kw_only=True):
    """What executing needs: the trading API, the last trade's price, and the queue to sync soon after."""

    sync_queue: Text


SETTINGS = load(ExecuteSettings)


@cache
def _broker() -> OrderSubmitter:
    return connect_submitter(SETTINGS)


@cache
def _prices() -> MarketDataReader:
    return connect_market_data(SETTINGS, Priority.ORDER)


@observed("trading")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Executes each command of the batch, in order."""
    return queues.work_through(
        event,
        lambda record: execute(msgspec.json.decode(record["body"], type=OrderCommand, strict=False)),
        record_failed,
        in_order=True,
    )


def execute(command: OrderCommand) -> None:
    """Carries out one command; harmless to repeat."""
    desk = Desk(Books(SETTINGS.account), _broker(), _prices)
    match command:
        case PlaceOrder():
            desk.place(command.intent)
        case ResumeOrder():
            desk.resume(command.client_order_id)
        case CancelOrder():
            desk.cancel(command)
        case ProtectPosition():
            desk.protect(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedStop:
    """A stop to place: what its id is made of, shares, dollars a share (None: by the settings), and why."""

    key: str
    quantity: Decimal
    price: Decimal | None
    reason: str
    correlation_id: str


class Desk:
    """Where an intent becomes an order: the books on one side, the broker on the other.

    `prices` connects to market data, which no exit at market needs.
    """

    def __init__(self, books: Books, broker: OrderSubmitter, prices: Callable[[], MarketDataReader]) -> None:
        self.books = books
        self.broker = broker
        self.prices = prices

    def place(self, intent: Intent) -> None:
        """Judges and writes the intent, then sends its order; goes on where an earlier try stopped."""
        order = self.books.order(intent.client_order_id) or self._decide(intent)
        if order is not None:
            self._go_on(order)

    def resume(self, identifier: str) -> None:
        """Goes on with an order that was left half way."""
        order = self.books.order(identifier)
        if order is None:
            raise LookupError(f"order {identifier} is not in the books; sync adopts it if the broker has it")
        self._go_on(order)

    def cancel(self, command: CancelOrder) -> None:
        """Asks the broker to cancel; sync records what became of it. What was not sent ends here."""
        order = self.books.order(command.client_order_id)
        if order is None or is_terminal(order.status):
            logger.info("nothing to cancel", order=command.client_order_id)
            return
        why = f"{command.requested_by} cancelled it"
        if order.status == OrderStatus.INTENDED:
            order = self._withdraw(order, OrderStatus.CANCELED, why, self.broker.clock().now)
        if is_terminal(order.status):
            return
        self.broker.cancel(self._broker_id_of(order))
        self._sync_soon(f"{why}: {order.client_order_id}", order.correlation_id)

    def _broker_id_of(self, order: Order) -> str:
        if order.broker_order_id is not None:
            return order.broker_order_id
        found = self.broker.order_by_client_id(order.client_order_id)
        if found is None:
            raise LookupError(f"nobody knows yet whether {order.client_order_id} arrived; cancel it later")
        return found.id

    # the decision

    def _decide(self, intent: Intent) -> Order | None:
        """Verdict, intent and reservation in one transaction; judged again when the book moved."""
        for _ in range(ATTEMPTS):
            book = self.books.risk_book()
            if book is None:
                raise LookupError("the books have not been opened: the first sync has not run yet")
            limits = trading_settings.current().settings.risk
            now = self.broker.clock().now
            facts = risk_facts.gather(
                intent, limits, now, books=self.books, calendar=self.broker, prices=self.prices
            )
            verdict = assess(intent, book, limits, facts)
            try:
                if not verdict.approved:
                    self._refuse(intent, verdict, now)
                    return None
                order = intended(intent, verdict, at=now, wall_at=wall.now())
                reservation = reservation_for(intent, verdict)
                reserved = book.with_order(order.client_order_id, reservation, now).next_version()
                self.books.commit(new_orders=[order], risk_book=reserved)
            except Conflict:
                existing = self.books.order(intent.client_order_id)
                if existing is not None:
                    return existing
                continue
            return order
        raise Conflict(f"the risk book kept changing while {intent.client_order_id} was judged")

    def _refuse(self, intent: Intent, verdict: Verdict, now: datetime) -> None:
        event = TradeRejected(
            id=f"refused:{intent.client_order_id}",
            occurred_at=now,
            account=intent.account,
            correlation_id=intent.correlation_id,
            client_order_id=intent.client_order_id,
            symbol=intent.symbol,
            side=intent.side,
            codes=[rule.code for rule in verdict.failed],
            message="; ".join(rule.message for rule in verdict.failed),
        )
        self.books.commit(events=[bus.encoded(event, "trading")])

    # the order

    def _go_on(self, order: Order) -> None:
        if order.exit_step is not None:
            self._drive_exit(order)
        elif order.status == OrderStatus.INTENDED:
            self._send(order)

    def _send(self, order: Order) -> Order:
        """Sends an order that was written and not sent, unless something forbids it by now."""
        now = self.broker.clock().now
        obstacle = self._obstacle(order, now)
        if obstacle is not None:
            return self._withdraw(order, *obstacle, now)
        try:
            answer = self.broker.submit(request_of(order))
        except BrokerRejected as refusal:
            return self._end(order, OrderStatus.REJECTED, now, refusal.message, answer=str(refusal.body))
        except BrokerUnclear as error:
            tried = replace(order, wall_sent_at=wall.now())
            order = self._commit(order, unclear(tried, at=now, why=str(error)))
        else:
            order = self._commit(order, advance(order, update_of(answer, "sent")))
        self._sync_soon(f"after {order.client_order_id}", order.correlation_id)
        return order

    def _obstacle(self, order: Order, now: datetime) -> tuple[str, str] | None:
        """What forbids to send a written order: the status it ends in, and why."""
        state = self._trading_state()
        if state is TradingState.HALTED:
            return OrderStatus.CANCELED, "trading was halted before it was sent"
        if state is TradingState.REDUCING and order.purpose is OrderPurpose.ENTRY:
            return OrderStatus.CANCELED, "only exits are traded since before it was sent"
        if order.valid_until is not None and now > order.valid_until:
            return OrderStatus.EXPIRED, "its signal was no longer valid when it could be sent"
        return None

    def _trading_state(self) -> TradingState:
        book = self.books.risk_book()
        return book.trading_state if book else TradingState.ACTIVE

    def _withdraw(self, order: Order, status: str, why: str, now: datetime) -> Order:
        """Ends an order that was not sent; one that a crash sent without our knowing is kept instead."""
        found = self.broker.order_by_client_id(order.client_order_id)
        if found is None:
            return self._end(order, status, now, why)
        return self._commit(order, advance(order, update_of(found, "sent before a crash")))

    def _end(self, order: Order, status: str, now: datetime, why: str, answer: str = "") -> Order:
        """Ends an order that no broker holds, and gives its reservation back in the same write."""
        ended = advance(order, BrokerUpdate(status=status, at=now, why=why, answer=answer))
        for _ in range(ATTEMPTS):
            book = self.books.risk_book()
            released = book.without_reservation(order.client_order_id) if book else None
            try:
                self.books.commit(
                    changed_orders=[ended],
                    risk_book=released.next_version() if released and released is not book else None,
                    events=[order_changed(order, ended)],
                )
            except Conflict:
                kept = self.books.order(order.client_order_id)
                if kept is not None and kept.version != order.version:
                    return kept
                continue
            return ended
        raise Conflict(f"the risk book kept changing while {order.client_order_id} was ended")

    def _commit(self, before: Order, after: Order) -> Order:
        """Writes a change of an order with its event; the books' own version wins a conflict."""
        if after is before:
            return before
        try:
            self.books.commit(changed_orders=[after], events=[order_changed(before, after)])
        except Conflict:
            kept = self.books.order(before.client_order_id)
            if kept is None:
                raise
            return kept
        return after

    # exits

    def _drive_exit(self, order: Order) -> None:
        """Takes an exit as many steps on as the broker's state allows; sync calls for the rest."""
        for _ in range(EXIT_STEPS_A_CALL):
            order, goes_on = self._step(order)
            if not goes_on:
                break
        if order.exit_step is not ExitStep.DONE and not is_live(order.status):
            self._sync_soon(f"exit {order.client_order_id} goes on", order.correlation_id)

    def _step(self, order: Order) -> tuple[Order, bool]:
        """One step of an exit: the order after it, and whether the next may follow at once."""
        now = self.broker.clock().now
        if order.status == OrderStatus.INTENDED and order.exit_step is not ExitStep.DONE:
            obstacle = self._obstacle(order, now)
            if obstacle is not None:  # before the legs are cancelled, so that they stay
                order = self._withdraw(order, *obstacle, now)
        # Orders before the position: a leg that fills in between is still seen as open.
        others = [
            o for o in self.broker.open_orders(nested=False)
            if o.symbol == order.symbol and o.client_order_id != order.client_order_id
        ]  # fmt: skip
        position = self.broker.position(order.symbol)
        held = position.quantity if position else Decimal(0)
        decision = next_action(
            order.exit_step or ExitStep.DONE,
            legs_open=len(others),
            position_quantity=held,
            sale_status=order.status,
        )
        stepped = step_exit(order, decision.step, at=now, why=decision.action)
        order = self._commit(order, stepped)
        if order is not stepped:
            return order, True  # someone wrote first: decide again
        return self._act(order, decision.action, others, position, now)

    def _act(
        self,
        order: Order,
        action: ExitAction,
        others: list[BrokerOrder],
        position: BrokerPosition | None,
        now: datetime,
    ) -> tuple[Order, bool]:
        match action:
            case ExitAction.CANCEL_LEGS:
                for other in others:
                    self.broker.cancel(other.id)
                return order, True
            case ExitAction.SELL if position is not None:
                return self._sell(order, position.quantity, now), True
            case ExitAction.RESOLVE:
                found = self.broker.order_by_client_id(order.client_order_id)
                update = update_of(found, "looked up by client order id") if found else None
                return (self._commit(order, advance(order, update)), True) if update else (order, False)
            case ExitAction.PROTECT if position is not None:
                return order, self._protect(order, position, now)
            case ExitAction.FINISH if not is_terminal(order.status):
                # Nothing held may also be the work of this sale, sent before a crash.
                return self._withdraw(order, OrderStatus.CANCELED, "nothing was left to sell", now), False
        return order, False

    def _sell(self, order: Order, held: Decimal, now: datetime) -> Order:
        """Sends the sale, for no more than is held."""
        quantity = min(order.quantity, held) if order.quantity is not None else held
        sale = resized(order, quantity, at=now, why=f"{held} shares are held")
        written = self._commit(order, sale)
        return self._send(sale) if written is sale else written

    def _protect(self, exit_order: Order, position: BrokerPosition, now: datetime) -> bool:
        """Puts a stop under the shares an exit left; answers whether the broker has it."""
        if self._trading_state() is TradingState.HALTED:
            logger.warning("no stop is placed while trading is halted", symbol=exit_order.symbol)
            return False
        stops = [o.stop_price for o in self.books.orders() if _is_stop(o, exit_order.symbol)]
        wanted = WantedStop(
            key=exit_key(exit_order.account, exit_order.symbol, exit_order.client_order_id),
            quantity=position.quantity,
            price=stops[-1] if stops else None,
            reason=f"{exit_order.client_order_id} left shares; the stop goes back",
            correlation_id=exit_order.correlation_id,
        )
        return is_live(self._stop_under(position, wanted, now).status)

    def _stop_under(self, position: BrokerPosition, wanted: WantedStop, now: datetime) -> Order:
        """The stop that protects a holding, written and sent unless there is one already.

        One that the broker refused or lost is placed anew, under the next revision of its key.
        """
        orders = [o for o in self.books.orders() if o.symbol == position.symbol]
        tried = [o for o in orders if o.origin is OrderOrigin.PROTECT and wanted.key in o.client_order_id]
        stop = next((o for o in tried if not is_terminal(o.status)), None)
        if stop is None:
            percent = trading_settings.current().settings.risk.stop_loss_percent
            identifier = client_order_id(OrderOrigin.PROTECT, position.symbol, wanted.key, len(tried))
            price = protective_price(position, wanted.price, percent)
            stop = protection_of(self.books.account, position.symbol, identifier, wanted, price, now)
            self.books.commit(new_orders=[stop])
        return self._send(stop) if stop.status == OrderStatus.INTENDED else stop

    # positions without a stop

    def protect(self, command: ProtectPosition) -> None:
        """Puts a stop under the shares of a holding of ours that none covers, as the broker has them now."""
        if self._trading_state() is TradingState.HALTED:
            logger.warning("no stop is placed while trading is halted", symbol=command.symbol)
            return
        if any(o.symbol == command.symbol and o.exit_step is not None for o in self.books.open_orders()):
            return  # the exit under way puts it back itself
        # Orders before the position: a leg that fills in between is still seen as open.
        others = self._others(command.symbol)
        entries = [o for o in others if o.side == Side.BUY and o.filled_quantity]
        for entry in entries:
            self.broker.cancel(entry.id)
        if entries:
            self._sync_soon(f"{command.symbol} is bare", command.correlation_id)
            others = self._others(command.symbol)
        position = self.broker.position(command.symbol)
        if position is None or any(o.side == Side.BUY and o.filled_quantity for o in others):
            return  # the cancel is not confirmed: the monitor asks again the next minute
        covering = (o for o in others if o.side == Side.SELL and o.stop_price is not None)
        covered = sum(((o.quantity or Decimal(0)) - o.filled_quantity for o in covering), Decimal(0))
        bare = min(position.quantity - covered, position.available)
        if bare > 0:
            opened_by = self.books.order(command.episode)
            wanted = WantedStop(
                key=exit_key(self.books.account, command.symbol, command.episode),
                quantity=bare,
                price=opened_by.stop_loss_price if opened_by else None,
                reason="shares were held without a stop",
                correlation_id=command.correlation_id,
            )
            self._stop_under(position, wanted, self.broker.clock().now)

    def _others(self, symbol: str) -> list[BrokerOrder]:
        return [order for order in self.broker.open_orders(nested=False) if order.symbol == symbol]

    def _sync_soon(self, reason: str, correlation_id: str) -> None:
        command = SyncBooks(reason=reason, correlation_id=correlation_id)
        queues.send(SETTINGS.sync_queue, command, delay_seconds=SYNC_AFTER_SECONDS)


def request_of(order: Order) -> OrderRequest:
    """The broker's request for an order of our books."""
    if order.quantity is None:
        raise ValueError(f"{order.client_order_id} has no quantity; only sized orders are sent")
    return OrderRequest(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side.value,
        quantity=order.quantity,
        order_type=order.order_type.value,
        order_class=order.order_class.value,
        time_in_force=order.time_in_force.value,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        take_profit_price=order.take_profit_price,
        stop_loss_price=order.stop_loss_price,
    )


def protective_price(position: BrokerPosition, last_stop: Decimal | None, percent: Decimal) -> Decimal:
    """The stop for shares held: the last one there was, else `percent` below cost.

    When the market is there already, a broker refuses such a stop: then `percent` below the market.
    """
    below_cost, below_market = (
        round_price(price * (1 - percent / 100), Direction.DOWN)
        for price in (position.average_entry_price, position.current_price)
    )
    wanted = below_cost if last_stop is None else last_stop
    return wanted if wanted < position.current_price else below_market


def protection_of(  # noqa: PLR0917 - what a stop is made of
    account: str, symbol: str, identifier: str, wanted: WantedStop, price: Decimal, now: datetime
) -> Order:
    """The record of a stop that goes under shares which have none."""
    return Order(
        account=account,
        client_order_id=identifier,
        symbol=symbol,
        side=Side.SELL,
        origin=OrderOrigin.PROTECT,
        purpose=OrderPurpose.PROTECTION,
        status=OrderStatus.INTENDED,
        created_at=now,
        updated_at=now,
        wall_created_at=wall.now(),
        order_type=OrderType.STOP,
        time_in_force=TimeInForce.GTC,
        quantity=wanted.quantity,
        stop_price=price,
        reason=wanted.reason,
        requested_by="risk",
        correlation_id=wanted.correlation_id,
        verdict=(RuleResult("protection", True, "a stop only shrinks a position"),),
    )


def _is_stop(order: Order, symbol: str) -> bool:
    return order.symbol == symbol and order.side is Side.SELL and order.stop_price is not None
