"""Executes order commands, one at a time an account: verdict, intent and reservation in one
transaction, then the order at the broker.

Started by OrderQueue (FIFO, group = account). The order id comes from the intent, so a repeat of
the command finds the order that the first one wrote, and the broker takes an id once. The books
say what was meant before the broker is asked; a crash in between is taken up again from the books.

No command holds up those behind it for long. Once an order is written, a broker that does not answer
is sync's to come back to. Before that the command comes again soon, a few times. One that cannot be
carried out ends as `TradeRejected`, with the error, and is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
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
    OrderSubmitter,
)
from alpaquero.broker.records import told_by, update_of
from alpaquero.broker.requests import change_of, request_of
from alpaquero.errors import (
    AlpaqueroError,
    BrokerRejected,
    BrokerUnavailable,
    BrokerUnclear,
    Conflict,
)
from alpaquero.events import bus, queues
from alpaquero.events.commands import (
    CancelOrder,
    CancelOrders,
    OrderCommand,
    PlaceOrder,
    ProtectPosition,
    ReplaceOrder,
    ResumeOrder,
    SyncBooks,
    cancels,
)
from alpaquero.events.orders import order_changed
from alpaquero.events.schemas import TradeRejected
from alpaquero.observability import correlation, logger, observed, record_failed
from alpaquero.orders.exits import ExitAction, is_another_sale, is_freeing, next_action
from alpaquero.orders.identity import client_order_id, exit_key
from alpaquero.orders.intent import Intent, Side
from alpaquero.orders.lifecycle import (
    OrderStatus,
    Phase,
    advance,
    given_up,
    intended,
    is_live,
    is_lost,
    is_terminal,
    may_be_sent_again,
    noted,
    phase_in,
    resized,
    step_exit,
    unclear,
)
from alpaquero.orders.order import ExitStep, Order, OrderOrigin, OrderPurpose
from alpaquero.orders.protection import (
    WantedStop,
    in_todays_shares,
    protection_of,
    stop_price_under,
    try_again_at,
)
from alpaquero.orders.replacement import changed_terms, free_successor, grows, intent_of, successor
from alpaquero.orders.terms import TermsError, on_ticks
from alpaquero.risk.book import Reservation, RiskBook, TradingState
from alpaquero.risk.market_rules import age_of_request, is_set_back
from alpaquero.risk.proposal import Answer
from alpaquero.risk.rules import assess, reservation_for
from alpaquero.risk.verdict import RuleResult, Verdict
from alpaquero.rules_version import RULES_VERSION
from alpaquero.settings import BrokerSettings, Text, load
from alpaquero.store import refusals, risk_facts, trading_settings
from alpaquero.store.books import Books
from alpaquero.store.verdicts import VerdictItem, VerdictRecord, canonical, item_of

REPLACEMENT = "replacement"  # the code of a replacement that takes no more than its order
SYNC_AFTER_SECONDS = 5
ATTEMPTS = 5  # at a transaction that others also write to
EXIT_STEPS_A_CALL = 6  # cancel, confirm, sell and the way back; the rest is sync's next minute
TRIES = 4  # of a command that could not be carried out for now; its queue gives up after 5
AGAIN_AFTER_SECONDS = 15  # when the broker or AWS did not answer
CONFLICT_SECONDS = 2  # a conflict is over sooner: doubled each time, for all behind the command waits as long
ENTRY_WAITS = timedelta(minutes=15)  # wall time in which an entry without an end of its own must be sent
JUST_NOW = timedelta(seconds=1)  # wall time for which a verdict needs no second look before its order leaves

# What no second try can mend: the command, the books or the code are wrong, or the broker said no.
PERMANENT = (
    msgspec.MsgspecError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    BrokerRejected,
)


class ExecuteSettings(BrokerSettings, frozen=True, kw_only=True):
    """What executing needs: the trading API, prices, its own queue and the one that asks for a sync."""

    order_queue: Text
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
    return queues.work_through(event, carry_out, again_soon, in_order=True)


def carry_out(record: dict[str, Any]) -> None:
    """Executes the command of a record; one that cannot be carried out is told of and dropped."""
    command: OrderCommand | None = None
    try:
        command = msgspec.json.decode(record["body"], type=OrderCommand, strict=False)
        about = command.intent if isinstance(command, PlaceOrder) else command
        correlation(about.correlation_id)
        logger.info(
            "a command", command=type(command).__name__, order=getattr(about, "client_order_id", None)
        )
        execute(command)
    except Exception as error:
        if not isinstance(error, PERMANENT) and queues.times_received(record) < TRIES:
            raise
        give_up(command, error, record["messageId"])


def again_soon(record: dict[str, Any], error: Exception) -> None:
    """Lets a record that failed come again in seconds, for those behind it wait as long."""
    record_failed(record, error)
    if "receiptHandle" in record:
        doubled = CONFLICT_SECONDS * 2 ** (queues.times_received(record) - 1)
        pause = doubled if isinstance(error, Conflict) else AGAIN_AFTER_SECONDS
        queues.deliver_again_after(SETTINGS.order_queue, record, pause)


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
        case CancelOrders():
            desk.cancel_all(command)
        case ReplaceOrder():
            desk.replace(command)
        case ProtectPosition():
            desk.protect(command)


def give_up(command: OrderCommand | None, error: Exception, message_id: str) -> None:
    """Tells that a command came to nothing: a log line and `TradeRejected` with what went wrong."""
    logger.error("a command was given up", exc_info=error, command=type(command).__name__)
    books = Books(SETTINGS.account)
    intent = command.intent if isinstance(command, PlaceOrder) else None
    identifier = intent.client_order_id if intent else getattr(command, "client_order_id", "")
    order = books.order(identifier) if identifier and intent is None else None
    about = intent or order
    book = books.risk_book()
    # Texts of errors that are not ours may hold anything; the log has them under the correlation id.
    ours = isinstance(error, AlpaqueroError | ValueError | LookupError)
    event = TradeRejected(
        id=f"given_up:{message_id}",
        occurred_at=book.as_of if book else wall.now(),
        account=SETTINGS.account,
        correlation_id=about.correlation_id if about else getattr(command, "correlation_id", ""),
        client_order_id=identifier,
        symbol=about.symbol if about else getattr(command, "symbol", None) or "",
        side=about.side if about else "",
        codes=["command_failed"],
        message=f"{type(command).__name__} was not carried out: "
        + (str(error) if ours else f"{type(error).__name__}, see the log"),
    )
    books.commit(events=[bus.encoded(event, "trading")], evidence=[refusals.item_of(event)])


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
        order, book = self.books.order_and_risk_book(intent.client_order_id)
        if order is not None:
            self._carry_on(order)
            return
        decided = self._decide(on_ticks(intent), book)
        if decided is not None:
            self._carry_on(*decided)

    def resume(self, identifier: str) -> None:
        """Goes on with an order that was left half way."""
        order = self.books.order(identifier)
        if order is None:
            raise LookupError(f"order {identifier} is not in the books; sync adopts it if the broker has it")
        self._carry_on(order)

    def cancel(self, command: CancelOrder) -> None:
        """Asks the broker to cancel; sync records what became of it. What was not sent ends here."""
        order = self.books.order(command.client_order_id)
        if order is None or is_terminal(order.status):
            logger.info("nothing to cancel", order=command.client_order_id)
            return
        self._cancel(order, command.requested_by)

    def cancel_all(self, command: CancelOrders) -> None:
        """Cancels what is open, of one symbol or of all; an order that cannot be cancelled stops no other.

        Raises `Conflict` once all others are cancelled when it is not known yet whether one arrived.
        """
        unclear: list[Conflict] = []
        for order in [order for order in self.books.open_orders() if cancels(command, order)]:
            try:
                self._cancel(order, command.requested_by)
            except BrokerRejected as refusal:  # it has ended, or is being replaced: sync tells which
                logger.warning("an order was not cancelled", order=order.client_order_id, why=refusal.message)
            except Conflict as error:
                unclear.append(error)
        if unclear:
            raise unclear[0]

    def _cancel(self, order: Order, requested_by: str) -> None:
        why, now = f"{requested_by} cancelled it", self.broker.clock().now
        if order.status == OrderStatus.INTENDED:
            order = self._withdraw(order, OrderStatus.CANCELED, why, now)
        if is_terminal(order.status):
            return
        self.broker.cancel(self._broker_id_of(order))
        self._commit(order, noted(order, at=now, why=why))
        self._sync_soon(f"{why}: {order.client_order_id}", order.correlation_id)

    def _broker_id_of(self, order: Order) -> str:
        if order.broker_order_id is not None:
            return order.broker_order_id
        found = self.broker.order_by_client_id(order.client_order_id)
        if found is None:
            raise Conflict(f"nobody knows yet whether {order.client_order_id} arrived; try again in a minute")
        return found.id

    # the decision

    def _decide(self, intent: Intent, book: RiskBook | None) -> tuple[Order, datetime | None] | None:
        """Verdict, intent and reservation in one transaction; judged again when the book moved.

        The order, and when it was judged (market time; None for one that was there); None when refused.
        """
        for attempt in range(ATTEMPTS):
            book = self._book() if attempt or book is None else book
            verdict, record = self._verdict(intent, book)
            now = record.judged_at
            try:
                if not verdict.approved:
                    self._refuse(intent, verdict.failed, now, [item_of(record)])
                    return None
                order = replace(
                    intended(intent, verdict, at=now, wall_at=wall.now()),
                    arrival_price=record.facts.market.middle if record.facts.market else None,
                )
                reservation = reservation_for(intent, verdict)
                reserved = book.with_order(order.client_order_id, reservation, now).next_version()
                self.books.commit(new_orders=[order], risk_book=reserved, evidence=[item_of(record)])
            except Conflict:
                existing = self.books.order(intent.client_order_id)
                if existing is not None:
                    return existing, None
                continue
            return order, now
        raise Conflict(f"the risk book kept changing while {intent.client_order_id} was judged")

    def _book(self) -> RiskBook:
        book = self.books.risk_book()
        if book is None:
            raise Conflict("the books have not been opened: the first sync has not run yet")
        return book

    def _verdict(
        self, intent: Intent, book: RiskBook, replaced: Order | None = None
    ) -> tuple[Verdict, VerdictRecord]:
        """The verdict on an intent, and the record of what it rests on; as if `replaced` were gone."""
        settings = trading_settings.current()
        limits = settings.settings.risk
        now = self.broker.clock().now
        facts = risk_facts.gather(
            intent, limits, now, books=self.books, calendar=self.broker, prices=self.prices
        )
        if replaced is not None:
            gone = self._family(replaced)
            others = tuple(o for o in facts.open_orders if o.client_order_id not in gone)
            book = book.without_reservation(replaced.client_order_id)
            facts = replace(facts, open_orders=others)
        verdict = assess(intent, book, limits, facts)
        record = VerdictRecord(
            client_order_id=intent.client_order_id,
            judged_at=now,
            wall_at=wall.now(),
            rules_version=RULES_VERSION,
            settings_version=settings.version,
            intent=intent,
            book=book,
            facts=facts,
            verdict=canonical(verdict),
        )
        return verdict, record

    def _family(self, order: Order) -> set[str]:
        """The ids of an order, of those it took the place of, and of the legs of each."""
        row, earlier = {order.client_order_id}, order.replaces
        while earlier is not None:
            row.add(earlier)
            before = self.books.order(earlier)
            earlier = before.replaces if before else None
        return row | {o.client_order_id for o in self.books.open_orders_of(order.symbol) if o.parent in row}

    def _refuse(
        self,
        intent: Intent,
        failed: Sequence[RuleResult],
        now: datetime,
        evidence: Sequence[VerdictItem],
    ) -> None:
        event = TradeRejected(
            id=f"refused:{intent.client_order_id}",
            occurred_at=now,
            account=intent.account,
            correlation_id=intent.correlation_id,
            client_order_id=intent.client_order_id,
            symbol=intent.symbol,
            side=intent.side,
            codes=[rule.code for rule in failed],
            message="; ".join(rule.message for rule in failed),
        )
        kept = [*evidence, refusals.item_of(event)]
        self.books.commit(events=[bus.encoded(event, "trading")], evidence=kept)

    # replacing

    def replace(self, command: ReplaceOrder) -> None:
        """Puts a changed order in the place of an open one; goes on where an earlier try stopped.

        The new order is written with what it reserves before the broker is asked. Both reserve until
        sync sees the old one ended: either may fill.
        """
        order = self.books.order(command.client_order_id)
        if order is None:
            raise LookupError(f"order {command.client_order_id} is not in the books")
        identifier, new = free_successor(order, command.change, self.books.order)
        if new is None:
            new = self._decide_replacement(self._arrived(order), identifier, command)
        if new is not None:
            self._carry_on(new)

    def _arrived(self, order: Order) -> Order:
        """The order once the broker is known to have it: one that was left half way is gone on with.

        Raises `TermsError` when that is not known even now: waiting would hold up every order behind.
        """
        if phase_in(order) is Phase.UNSENT:
            self._carry_on(order)
            order = self.books.order(order.client_order_id) or order
        if phase_in(order) is Phase.UNCLEAR:
            found = self.broker.order_by_client_id(order.client_order_id)
            if found is not None:
                order = self._commit(order, advance(order, update_of(found, "looked up by client order id")))
        if phase_in(order) in {Phase.UNSENT, Phase.UNCLEAR}:
            why = (
                "it is not known yet whether the broker has the order; change it once it shows, or cancel it"
            )
            raise TermsError("id", why)
        return order

    def _decide_replacement(self, order: Order, identifier: str, command: ReplaceOrder) -> Order | None:
        """The new order, judged anew where it could take more than the old one; None when refused."""
        for _ in range(ATTEMPTS):
            terms, book = changed_terms(order, command.change), self._book()
            asker = {"requested_by": command.requested_by, "correlation_id": command.correlation_id}
            intent = intent_of(order, terms, identifier, asked_at=command.asked_at, **asker)
            reservation: Reservation | None = book.reservations.get(order.client_order_id)
            evidence: list[VerdictItem] = []
            if grows(order, terms):
                verdict, record = self._verdict(intent, book, order)
                now, evidence = record.judged_at, [item_of(record)]
                failed, results = verdict.failed, verdict.results
                reservation = reservation_for(intent, verdict)
            else:
                now = self.broker.clock().now
                limits = trading_settings.current().settings.risk
                judged = smaller(
                    order, book.trading_state, age_of_request(command.asked_at, wall.now(), limits)
                )
                results = (*order.verdict, judged)
                failed = () if judged.passed else (judged,)
            if failed:
                self._refuse(intent, failed, now, evidence)
                return None
            why = command.reason or f"{command.requested_by} changed it"
            new = successor(
                order, terms, identifier, at=now, wall_at=wall.now(), reason=why, verdict=results, **asker
            )
            reserved = book.with_order(identifier, reservation, now) if reservation else book
            try:
                self.books.commit(new_orders=[new], risk_book=reserved.next_version(), evidence=evidence)
            except Conflict:
                existing = self.books.order(identifier)
                if existing is not None:
                    return existing
                order = self.books.order(order.client_order_id) or order
                continue
            return new
        raise Conflict(f"the risk book kept changing while {order.client_order_id} was replaced")

    # the order

    def _carry_on(self, order: Order, judged_at: datetime | None = None) -> None:
        """Goes on with a written order; when the broker does not answer, sync comes back to it.

        `judged_at` is the market time of a verdict that was written this moment.
        """
        try:
            self._go_on(order, judged_at)
        except (BrokerUnavailable, BrokerUnclear) as error:
            logger.warning("the order waits for the broker", order=order.client_order_id, why=str(error))
            self._sync_soon(f"{order.client_order_id} waits for the broker", order.correlation_id)

    def _go_on(self, order: Order, judged_at: datetime | None) -> None:
        if is_lost(order, wall.now()) and may_be_sent_again(order):
            order = self._send_again(order)
        if order.status == OrderStatus.INTENDED and order.replaces is not None:
            self._send(order)
        elif order.exit_step is not None:
            self._drive_exit(order)
        elif order.status == OrderStatus.INTENDED:
            self._send(order, judged_at)

    def _send(self, order: Order, judged_at: datetime | None = None) -> Order:
        """Sends an order that was written and not sent, unless something forbids it by now.

        Nothing does where the transaction of its verdict, which holds the trading state, has just ended.
        """
        if judged_at is not None and wall.now() - order.wall_created_at < JUST_NOW:
            now = judged_at
        else:
            now = self.broker.clock().now
            obstacle = self._obstacle(order, now) or self._second_verdict(order)
            if obstacle is not None:
                return self._withdraw(order, *obstacle, now)
        try:
            answer = self._submit(order)
        except BrokerRejected as refusal:
            return self._end(order, OrderStatus.REJECTED, now, refusal.message, answer=told_by(refusal))
        except BrokerUnclear as error:
            tried = replace(order, wall_sent_at=wall.now())
            order = self._commit(order, unclear(tried, at=now, why=str(error)))
        else:
            update = replace(update_of(answer, "sent"), answer=f"{answer.status} as {answer.id}")
            # What a replacement is for is the broker's to say: the old order may have filled meanwhile.
            sized = replace(order, quantity=answer.quantity or order.quantity) if order.replaces else order
            order = self._commit(order, advance(sized, update))
        self._sync_soon(f"after {order.client_order_id}", order.correlation_id)
        return order

    def _send_again(self, order: Order) -> Order:
        """Sends an order that the broker still does not have, under its own id: the broker takes it once."""
        found = self.broker.order_by_client_id(order.client_order_id)
        if found is not None:
            return self._commit(order, advance(order, update_of(found, "looked up by client order id")))
        if order.exit_step is not None:
            position = self.broker.position(order.symbol)
            if position is None or position.quantity < (order.quantity or Decimal(0)):
                why = "it never arrived, and its shares are not held any more"
                return self._end(order, OrderStatus.REJECTED, self.broker.clock().now, why)
        return self._send(order)

    def _submit(self, order: Order) -> BrokerOrder:
        """Places the order, or puts it in the place of the one it replaces."""
        if order.replaces is None:
            return self.broker.submit(request_of(order))
        old = self.books.order(order.replaces)
        if old is None:
            raise LookupError(f"order {order.replaces}, which {order.client_order_id} replaces, is not there")
        return self.broker.replace(self._broker_id_of(old), change_of(order, old))

    def _obstacle(self, order: Order, now: datetime) -> tuple[str, str] | None:
        """What forbids to send a written order: the status it ends in, and why."""
        book = self.books.risk_book()
        state = book.trading_state if book else TradingState.ACTIVE
        if state is TradingState.HALTED:
            return OrderStatus.CANCELED, "trading was halted before it was sent"
        if order.purpose is OrderPurpose.ENTRY and book and is_set_back(book, now):
            return OrderStatus.CANCELED, "the market's clock was set back before it was sent"
        shrinks = any(rule.code == REPLACEMENT for rule in order.verdict)
        if state is TradingState.REDUCING and order.purpose is OrderPurpose.ENTRY and not shrinks:
            return OrderStatus.CANCELED, "only exits are traded since before it was sent"
        if order.valid_until is not None and now > order.valid_until:
            return OrderStatus.EXPIRED, "its signal was no longer valid when it could be sent"
        waited = wall.now() - order.wall_created_at
        if order.valid_until is None and order.purpose is OrderPurpose.ENTRY and waited > ENTRY_WAITS:
            return OrderStatus.EXPIRED, f"it could not be sent for {waited}; the market has moved on"
        return None

    def _second_verdict(self, order: Order) -> tuple[str, str] | None:
        """What the rules say by now to an entry that waited long for the broker, judged in another market.

        A replacement takes the place of an order at the broker, and is for the broker to refuse.
        """
        waited = wall.now() - order.wall_created_at
        if order.purpose is not OrderPurpose.ENTRY or order.replaces is not None or waited <= ENTRY_WAITS:
            return None
        intent = intent_of(
            order,
            {},
            order.client_order_id,
            requested_by=order.requested_by,
            correlation_id=order.correlation_id,
        )
        judged_at_first = replace(intent, reference_price=order.reference_price)
        verdict, _ = self._verdict(judged_at_first, self._book(), order)
        if verdict.approved:
            return None
        why = "; ".join(rule.message for rule in verdict.failed)
        return OrderStatus.EXPIRED, f"it could not be sent for {waited}, and by now the rules say no: {why}"

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
        ended = given_up(order, status, at=now, why=why, answer=answer)
        if ended is order:
            return order
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
        others = self._others(order.symbol)
        own = next((o for o in others if o.client_order_id == order.client_order_id), None)
        if own is not None:
            others.remove(own)
            if order.status == OrderStatus.INTENDED:  # its legs are no orders in its way
                order = self._commit(order, advance(order, update_of(own, "sent before a crash")))
        position = self.broker.position(order.symbol)
        held = position.quantity if position else Decimal(0)
        decision = next_action(
            order.exit_step or ExitStep.DONE,
            legs_open=len(others),
            position_quantity=held,
            sale_status=order.status,
        )
        stepped = step_exit(order, decision.step, at=now, why=decision.action)
        if stepped is not order and decision.action is ExitAction.SELL and position is not None:
            stepped = replace(stepped, arrival_price=position.current_price)
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
                return self._cancel_legs(order, others, now), True
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

    def _cancel_legs(self, order: Order, others: list[BrokerOrder], now: datetime) -> Order:
        """Cancels what is in the exit's way, once the books know which stop that takes away."""
        remembers = _with_stop_taken(order, others, now)
        written = self._commit(order, remembers)
        if written is remembers:  # else someone wrote first: the next step decides again
            for other in others:
                self.broker.cancel(other.id)
        return written

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
        if any(is_another_sale(o, exit_order) for o in self.books.open_orders_of(exit_order.symbol)):
            return False  # it sells what is left, or puts the stop back itself
        wanted = WantedStop(
            key=exit_key(exit_order.account, exit_order.symbol, exit_order.client_order_id),
            quantity=position.quantity,
            price=self._of_today(exit_order.stop_taken, exit_order) or self._stop_of_entry(exit_order.symbol),
            reason=f"{exit_order.client_order_id} left shares; the stop goes back",
            correlation_id=exit_order.correlation_id,
        )
        stop = self._stop_under(position, wanted, now)
        return stop is not None and is_live(stop.status)

    def _stop_of_entry(self, symbol: str) -> Decimal | None:
        """The stop that the entry of a holding brought; None when it brought none, or is not ours."""
        book = self.books.risk_book()
        holding = book.activity.holdings.get(symbol) if book else None
        entry = self.books.order(holding.episode) if holding else None
        return self._of_today(entry.stop_loss_price, entry) if entry else None

    def _of_today(self, price: Decimal | None, order: Order) -> Decimal | None:
        """A price that `order` kept, in today's shares: a split moves the broker's stops, not what we kept.

        None, so that the settings give the stop, while shares have moved that nobody has explained yet.
        """
        if price is None or order.symbol in self.books.notes().drift:
            return None
        since = order.asked_at or order.created_at
        return in_todays_shares(price, order.symbol, since, self.books.share_movements())

    def _stop_under(
        self, position: BrokerPosition, wanted: WantedStop, now: datetime, listed: Collection[str] = ()
    ) -> Order | None:
        """The stop that protects a holding, written and sent unless one is on its way already.

        Those that the broker listed cover other shares. One that the broker refused or lost is placed
        anew, under the next revision of its key; None while a refused one has to wait.
        """
        tried: list[Order] = []
        while True:
            identifier = client_order_id(OrderOrigin.PROTECT, position.symbol, wanted.key, len(tried))
            found = self.books.order(identifier)
            if found is None:
                break
            tried.append(found)
        stop = next((o for o in tried if not is_terminal(o.status) and o.client_order_id not in listed), None)
        if stop is None:
            if wall.now() < try_again_at(tried):
                logger.warning("the broker refused the stop; it is tried again later", symbol=position.symbol)
                return None
            percent = trading_settings.current().settings.risk.stop_loss_percent
            price = stop_price_under(
                position.average_entry_price, position.current_price, wanted.price, percent
            )
            stop = protection_of(
                wanted,
                identifier,
                account=self.books.account,
                symbol=position.symbol,
                price=price,
                at=now,
                wall_at=wall.now(),
            )
            self.books.commit(new_orders=[stop])
        return self._send(stop) if stop.status == OrderStatus.INTENDED else stop

    # positions without a stop

    def protect(self, command: ProtectPosition) -> None:
        """Puts a stop under the shares of a holding of ours that none covers, as the broker has them now."""
        if self._trading_state() is TradingState.HALTED:
            logger.warning("no stop is placed while trading is halted", symbol=command.symbol)
            return
        if any(is_freeing(order) for order in self.books.open_orders_of(command.symbol)):
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
        asleep = self._legs_asleep(command.symbol)
        covering = (
            o
            for o in others
            if o.side == Side.SELL and o.stop_price is not None and o.client_order_id not in asleep
        )
        covered = sum(((o.quantity or Decimal(0)) - o.filled_quantity for o in covering), Decimal(0))
        bare = min(position.quantity - covered, position.available)
        if bare > 0:
            opened_by = self.books.order(command.episode)
            wanted = WantedStop(
                key=exit_key(self.books.account, command.symbol, command.episode),
                quantity=bare,
                price=self._of_today(opened_by.stop_loss_price, opened_by) if opened_by else None,
                reason="shares were held without a stop",
                correlation_id=command.correlation_id,
            )
            listed = {o.client_order_id for o in others}
            self._stop_under(position, wanted, self.broker.clock().now, listed)

    def _legs_asleep(self, symbol: str) -> set[str]:
        """The legs of entries that are not filled: they cover what those will buy, nothing that is held."""
        known = self.books.open_orders_of(symbol)
        entries = {o.client_order_id for o in known if o.side is Side.BUY}
        return {o.client_order_id for o in known if o.parent in entries}

    def _others(self, symbol: str) -> list[BrokerOrder]:
        return [order for order in self.broker.open_orders(nested=False) if order.symbol == symbol]

    def _sync_soon(self, reason: str, correlation_id: str) -> None:
        command = SyncBooks(reason=reason, correlation_id=correlation_id)
        queues.send(SETTINGS.sync_queue, command, delay_seconds=SYNC_AFTER_SECONDS)


def smaller(order: Order, state: TradingState, age: Answer) -> RuleResult:
    """What a replacement that takes no more than the old order is judged by."""
    if not age.passed:
        return RuleResult("request_age", False, age.message, age.limit, age.used)
    if state is TradingState.HALTED:
        return RuleResult("trading_state", False, "trading is HALTED, so no order is replaced")
    return RuleResult(REPLACEMENT, True, f"it takes no more than {order.client_order_id}")


def _with_stop_taken(order: Order, others: Sequence[BrokerOrder], now: datetime) -> Order:
    """The exit with the price of the stop it is about to cancel, in case it must go back."""
    stops = [o.stop_price for o in others if o.side == Side.SELL and o.stop_price is not None]
    if not stops or order.stop_taken is not None:
        return order
    return noted(replace(order, stop_taken=max(stops)), at=now, why=f"takes away the stop at {max(stops)}")
