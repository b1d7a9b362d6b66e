"""Executes order commands, one at a time an account: verdict, intent and reservation in one
transaction, then the order at the broker.

Started by OrderQueue (FIFO, group = account). The order id comes from the intent, so a repeat of
the command finds the order that the first one wrote, and the broker takes an id once. The books
say what was meant before the broker is asked; a crash in between is taken up again from the books.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from alpaquero.broker.alpaca import connect_submitter
from alpaquero.broker.protocol import OrderRequest, OrderSubmitter
from alpaquero.broker.records import update_of
from alpaquero.errors import BrokerRejected, BrokerUnclear, Conflict
from alpaquero.events import bus, queues
from alpaquero.events.commands import CancelOrder, OrderCommand, PlaceOrder, ResumeOrder, SyncBooks
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
    is_terminal,
    step_exit,
    unclear,
)
from alpaquero.orders.order import ExitStep, LegRole, Order, OrderOrigin, OrderPurpose
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.risk.book import TradingState
from alpaquero.risk.rules import assess, reservation_for
from alpaquero.risk.verdict import RuleResult, Verdict
from alpaquero.settings import FunctionSettings, Text, Url, load
from alpaquero.store import trading_settings
from alpaquero.store.books import Books

SYNC_AFTER_SECONDS = 5
ATTEMPTS = 5  # at a transaction that others also write to
EXIT_STEPS_A_CALL = 6  # cancel, confirm, sell and the way back; the rest is sync's next minute


class ExecuteSettings(FunctionSettings, frozen=True, kw_only=True):
    """What executing needs: the trading API with its keys, and the queue to sync soon after."""

    alpaca_trading_url: Url
    trading_secret: Text
    sync_queue: Text


SETTINGS = load(ExecuteSettings)


@cache
def _broker() -> OrderSubmitter:
    return connect_submitter(SETTINGS)


@observed("trading")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Executes each command of the batch, in order."""
    return queues.work_through(
        event,
        lambda record: execute(msgspec.json.decode(record["body"], type=OrderCommand, strict=False)),
        record_failed,
        in_order=True,
    )


def execute(command: OrderCommand, broker: OrderSubmitter | None = None) -> None:
    """Carries out one command; harmless to repeat."""
    desk = Desk(Books(SETTINGS.account), broker or _broker())
    match command:
        case PlaceOrder():
            desk.place(command.intent)
        case ResumeOrder():
            desk.resume(command.client_order_id)
        case CancelOrder():
            desk.cancel(command)


class Desk:
    """Where an intent becomes an order: the books on one side, the broker on the other."""

    def __init__(self, books: Books, broker: OrderSubmitter) -> None:
        self.books = books
        self.broker = broker

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
        """Asks the broker to cancel; sync records what became of it."""
        order = self.books.order(command.client_order_id)
        if order is None or order.broker_order_id is None or is_terminal(order.status):
            logger.info("nothing to cancel", order=command.client_order_id)
            return
        self.broker.cancel(order.broker_order_id)
        self._sync_soon(f"{command.requested_by} cancelled {order.client_order_id}", order.correlation_id)

    # the decision

    def _decide(self, intent: Intent) -> Order | None:
        """Verdict, intent and reservation in one transaction; judged again when the book moved."""
        for _ in range(ATTEMPTS):
            book = self.books.risk_book()
            if book is None:
                raise LookupError("the books have not been opened: the first sync has not run yet")
            limits = trading_settings.current().settings.risk
            now = self.broker.clock().now
            verdict = assess(intent, book, limits, now, intent.reference_price)
            try:
                if not verdict.approved:
                    self._refuse(intent, verdict, now)
                    return None
                order = intended(intent, verdict, at=now, wall_at=datetime.now(UTC))
                reservation = reservation_for(intent, verdict)
                reserved = book.with_reservation(order.client_order_id, reservation).next_version()
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
        try:
            self.books.commit(events=[bus.encoded(event, "trading")])
        except Conflict:
            logger.info("this refusal is told already", order=intent.client_order_id)

    # the order

    def _go_on(self, order: Order) -> None:
        if order.exit_step is not None:
            self._drive_exit(order)
        elif order.status == OrderStatus.INTENDED:
            self._send(order)

    def _send(self, order: Order) -> Order:
        """Sends an order that was written and not sent, unless trading has been halted since."""
        book = self.books.risk_book()
        now = self.broker.clock().now
        if book is not None and book.trading_state is TradingState.HALTED:
            return self._end(order, OrderStatus.CANCELED, now, "trading was halted before it was sent")
        if order.valid_until is not None and now > order.valid_until:
            return self._end(
                order, OrderStatus.EXPIRED, now, "its signal was no longer valid when it could be sent"
            )
        try:
            answer = self.broker.submit(request_of(order))
        except BrokerRejected as refusal:
            return self._end(order, OrderStatus.REJECTED, now, refusal.message, answer=str(refusal.body))
        except BrokerUnclear as error:
            order = self._commit(order, unclear(order, at=now, why=str(error)))
        else:
            order = self._commit(order, advance(order, update_of(answer, "sent")))
        self._sync_soon(f"after {order.client_order_id}", order.correlation_id)
        return order

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
            if order.exit_step is None:
                return
            others = [
                o for o in self.broker.open_orders(nested=False)
                if o.symbol == order.symbol and o.client_order_id != order.client_order_id
            ]  # fmt: skip
            position = self.broker.position(order.symbol)
            held = position.quantity if position else Decimal(0)
            now = self.broker.clock().now
            decision = next_action(
                order.exit_step, legs_open=len(others), position_quantity=held, sale_status=order.status
            )
            order = self._commit(order, step_exit(order, decision.step, at=now, why=decision.action))
            match decision.action:
                case ExitAction.CANCEL_LEGS:
                    for other in others:
                        self.broker.cancel(other.id)
                case ExitAction.SELL:
                    order = self._sell(order, held, now)
                case ExitAction.RESOLVE:
                    order = self._resolve(order)
                case ExitAction.PROTECT:
                    self._protect(order, held, now)
                case ExitAction.FINISH:
                    if not is_terminal(order.status):
                        self._end(order, OrderStatus.CANCELED, now, "nothing was left to sell")
                    return
                case ExitAction.WAIT:
                    return
        self._sync_soon(f"exit {order.client_order_id} goes on", order.correlation_id)

    def _sell(self, order: Order, held: Decimal, now: datetime) -> Order:
        if order.quantity != held:
            resized = replace(order, quantity=held, exit_step=ExitStep.CONFIRM)
            order = self._commit(
                order, step_exit(resized, ExitStep.SELL, at=now, why=f"{held} shares are held")
            )
        return self._send(order)

    def _resolve(self, order: Order) -> Order:
        found = self.broker.order_by_client_id(order.client_order_id)
        if found is None:
            return order
        return self._commit(order, advance(order, update_of(found, "looked up by client order id")))

    def _protect(self, exit_order: Order, held: Decimal, now: datetime) -> None:
        """Puts a stop back under shares that an exit could not sell."""
        key = exit_key(exit_order.account, exit_order.symbol, exit_order.client_order_id)
        identifier = client_order_id(OrderOrigin.PROTECT, exit_order.symbol, key, 0)
        stop = self.books.order(identifier)
        if stop is None:
            stop = self._stop_order(identifier, exit_order, held, now)
            self.books.commit(new_orders=[stop])
        if stop.status == OrderStatus.INTENDED:
            self._send(stop)

    def _stop_order(self, identifier: str, exit_order: Order, held: Decimal, now: datetime) -> Order:
        price = self._last_stop_price(exit_order.symbol)
        if price is None:
            position = self.broker.position(exit_order.symbol)
            if position is None:
                raise LookupError(f"{exit_order.symbol} is no longer held; there is nothing to protect")
            percent = trading_settings.current().settings.risk.stop_loss_percent
            price = round_price(position.average_entry_price * (1 - percent / 100), Direction.DOWN)
        why = f"{exit_order.client_order_id} could not sell; the stop goes back"
        return Order(
            account=exit_order.account,
            client_order_id=identifier,
            symbol=exit_order.symbol,
            side=Side.SELL,
            origin=OrderOrigin.PROTECT,
            purpose=OrderPurpose.PROTECTION,
            status=OrderStatus.INTENDED,
            created_at=now,
            updated_at=now,
            wall_created_at=datetime.now(UTC),
            order_type=OrderType.STOP,
            time_in_force=TimeInForce.GTC,
            quantity=held,
            stop_price=price,
            reason=why,
            requested_by="risk",
            correlation_id=exit_order.correlation_id,
            verdict=(RuleResult("protection", True, "a stop only shrinks a position"),),
        )

    def _last_stop_price(self, symbol: str) -> Decimal | None:
        stops = [
            o.stop_price for o in self.books.orders()
            if o.symbol == symbol and o.role is LegRole.STOP_LOSS and o.stop_price is not None
        ]  # fmt: skip
        return stops[-1] if stops else None

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
        order_type=order.order_type.value,  # type: ignore[arg-type]
        order_class=order.order_class.value,
        time_in_force=order.time_in_force.value,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        take_profit_price=order.take_profit_price,
        stop_loss_price=order.stop_loss_price,
    )
