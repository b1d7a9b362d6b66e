"""The state machine of the fault campaign: what may happen to the bot, in any order, and what must hold.

Hypothesis draws the histories; `World` runs them over the real functions. Whatever happened, after some
quiet minutes the books and the exchange must agree to the cent and no intent may have two orders.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alpaquero.events.commands import CancelOrder, CancelOrders, PlaceOrder, ReplaceOrder
from alpaquero.orders.identity import client_order_id, manual_key, signal_key
from alpaquero.orders.intent import Intent, OrderClass, OrderType, Origin, Purpose, Side, TimeInForce
from alpaquero.orders.lifecycle import OrderStatus, is_terminal
from alpaquero.orders.order import Order, OrderOrigin, OrderPurpose
from alpaquero.orders.replacement import Change
from alpaquero.orders.terms import TermsError
from alpaquero.portfolio.positions import positions_of
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.risk.book import TradingState
from laptop.exchange.book import OrderClass as Class
from tests.faults.in_process_exchange import Wire
from tests.faults.world import ACCOUNT, AFTER_SUBMISSION, AIMS, SESSIONS, Blow, Plan, World

MINUTES_TO_PROTECT = 8  # a request for a stop that was lost is made again once SQS forgets the first
DAYS_TO_FLATTEN = 8  # a sale that fills in part is followed by another
SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


@dataclass(frozen=True)
class Form:
    """An order by hand: `prices` as parts of the market's, `sized` when `terms` say how much."""

    name: str
    side: Side
    terms: dict[str, Any]
    prices: dict[str, Decimal] = field(default_factory=dict)
    sized: bool = False


def _part(percent: int) -> Decimal:
    return Decimal(percent) / 100


SIMPLE = {"order_class": OrderClass.SIMPLE}
DAY = {"time_in_force": TimeInForce.DAY}
BUY, SELL = Side.BUY, Side.SELL
FORMS = (
    Form("bracket", BUY, DAY, {"take_profit_price": _part(104), "stop_loss_price": _part(97)}),
    Form("bracket, own stop", BUY, {}, {"stop_loss_price": _part(98)}),
    Form("oto", BUY, {"order_class": OrderClass.OTO}, {"stop_loss_price": _part(96)}),
    Form("simple", BUY, SIMPLE),
    Form("notional", BUY, {**SIMPLE, **DAY, "notional": Decimal("1234.56")}, sized=True),
    Form("fraction", BUY, {**SIMPLE, **DAY, "quantity": Decimal("2.345678901")}, sized=True),
    Form("ioc", BUY, {**SIMPLE, "time_in_force": TimeInForce.IOC}),
    Form("opg", BUY, {**SIMPLE, "time_in_force": TimeInForce.OPG}),
    Form("cls", BUY, {**SIMPLE, "time_in_force": TimeInForce.CLS}),
    Form("stop entry", BUY, {"order_type": OrderType.STOP}, {"stop_price": _part(102)}),
    Form(
        "stop limit entry",
        BUY,
        {"order_type": OrderType.STOP_LIMIT},
        {"stop_price": _part(102), "limit_price": _part(103)},
    ),
    Form(
        "trailing entry",
        BUY,
        {**SIMPLE, "order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(2)},
    ),
    Form(
        "oco",
        SELL,
        {"order_class": OrderClass.OCO, "order_type": OrderType.LIMIT},
        {"take_profit_price": _part(103), "stop_loss_price": _part(96)},
    ),
    Form("stop exit", SELL, {"order_type": OrderType.STOP}, {"stop_price": _part(98)}),
    Form("trailing exit", SELL, {"order_type": OrderType.TRAILING_STOP, "trail_percent": Decimal(3)}),
    Form("limit exit", SELL, {"order_type": OrderType.LIMIT}, {"limit_price": _part(103)}),
    Form("exit at the open", SELL, {"time_in_force": TimeInForce.OPG}),
)  # fmt: skip

# Around the submission is where most can be lost.
aims = st.sampled_from((*AIMS, *[AFTER_SUBMISSION] * 4))
plans = st.builds(
    Plan,
    blows=st.dictionaries(st.integers(0, 12), st.sampled_from(Blow), max_size=2),
    aimed=st.dictionaries(aims, st.sampled_from(Blow), max_size=2),
    reads=st.dictionaries(st.integers(0, 5), st.sampled_from(Wire), max_size=1),
    changes=st.dictionaries(st.integers(0, 2), st.sampled_from(Wire), max_size=3),
)
symbols = st.sampled_from(SYMBOLS)
wishes = st.dictionaries(symbols, st.sampled_from(Side), min_size=1)
JOBS = ("execute", "sync", "monitor", "publish", "position", "analytics")


class MoneyPath(RuleBasedStateMachine):
    """One account's life under trouble; `tally` adds up over all histories."""

    @dataclass
    class Tally:
        """What happened in all histories, and how many steps each had."""

        counts: Counter[str] = field(default_factory=Counter)
        lengths: list[int] = field(default_factory=list)

        def add(self, other: MoneyPath.Tally) -> None:
            self.counts += other.counts
            self.lengths += other.lengths

    tally = Tally()

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._numbers = count(1)
        self.wanted: set[str] = set()  # the client order ids of every intent that was sent
        self.replaced: set[str] = set()  # the client order ids of orders that someone asked to replace
        self.elsewhere: set[str] = set()  # the client order ids of orders that someone placed at the broker
        self.steps = 0

    @initialize(seed=st.integers(0, 999), wants=wishes, plan=plans)
    def open(self, seed: int, wants: dict[str, Side], plan: Plan) -> None:
        """An account whose books are open, and its first day of trading."""
        self.world = self._stack.enter_context(self._world(seed).running())
        self.world.sync()
        self.tally.counts["histories"] += 1
        for symbol in wants:
            self._signal(symbol, Side.BUY, copies=1)
        self.day(plan, late=False)

    def _world(self, seed: int) -> World:
        return World(seed, self.tally.counts)

    # who wants something

    @rule(wants=wishes, copies=st.integers(1, 2))
    def signals(self, wants: dict[str, Side], copies: int) -> None:
        """A run concludes; its messages may come twice, past the queue's own deduplication."""
        for symbol, side in wants.items():
            self._signal(symbol, side, copies)

    def _signal(self, symbol: str, side: Side, copies: int) -> None:
        now = self.world.exchange.venue.now
        key = signal_key(ACCOUNT, "stochrsi_ema", "1Day", side, symbol, now)
        intent = replace(
            self._intent(symbol, side, key),
            origin=Origin.SIGNAL,
            strategy="stochrsi_ema",
            timeframe="1Day",
            bar_close=now,
            valid_until=now + timedelta(days=4),
            reference_price=self._price(symbol),
        )
        for copy in range(copies):
            self._send(intent, f"{_id(intent)}:{copy}")

    @rule(symbol=symbols, side=st.sampled_from(Side), shares=st.integers(1, 40), off=st.integers(-3, 3))
    def by_hand(self, symbol: str, side: Side, shares: int, off: int) -> None:
        """A person orders, at market or with a limit a few per cent off."""
        intent = self._intent(symbol, side, manual_key(ACCOUNT, str(next(self._numbers))))
        limit = round_price(self._price(symbol) * (100 + off) / 100, Direction.NEAREST)
        priced: dict[str, Any] = (
            {"order_type": OrderType.LIMIT, "limit_price": limit, "time_in_force": TimeInForce.DAY}
            if off
            else {}
        )
        intent = replace(intent, origin=Origin.MANUAL, quantity=Decimal(shares), requested_by="ana", **priced)
        self._send(intent, _id(intent))

    @rule(symbol=symbols, form=st.sampled_from(FORMS), shares=st.integers(1, 20))
    def by_hand_in_every_form(self, symbol: str, form: Form, shares: int) -> None:
        """A person orders with a type, class or time in force of his own."""
        price = self._price(symbol)
        intent = self._intent(symbol, form.side, manual_key(ACCOUNT, str(next(self._numbers))))
        terms = {name: round_price(price * part, Direction.NEAREST) for name, part in form.prices.items()}
        size = {} if form.sized else {"quantity": Decimal(shares)}
        try:
            intent = replace(intent, requested_by="ana", **{**size, **terms, **form.terms})
        except TermsError:
            return  # a price that lies on another step than the one it is told apart from
        self.tally.counts[f"by hand: {form.name}"] += 1
        self._send(intent, _id(intent))

    @rule(
        pick=st.integers(0, 99), shares=st.integers(1, 60), off=st.integers(-3, 3), copies=st.integers(1, 2)
    )
    def change(self, pick: int, shares: int, off: int, copies: int) -> None:
        """A person changes an open order's quantity or price; the request may come twice."""
        orders = [o for o in self.world.books.open_orders() if not is_terminal(o.status)]
        if not orders:
            return
        order = orders[pick % len(orders)]
        price = round_price(self._price(order.symbol) * (100 + off) / 100, Direction.NEAREST)
        changes: dict[str, Any] = {"quantity": Decimal(shares)}
        if order.order_type in {OrderType.LIMIT, OrderType.STOP}:
            changes = {f"{order.order_type}_price": price}
        command = ReplaceOrder(
            client_order_id=order.client_order_id,
            change=Change(**changes),
            requested_by="ana",
            correlation_id="campaign",
        )
        self.replaced.add(order.client_order_id)
        self.tally.counts["replacements asked"] += 1
        for copy in range(copies):
            self.world.send(command, f"replace:{order.client_order_id}:{next(self._numbers)}:{copy}")

    @rule(symbol=st.none() | symbols, protection=st.booleans())
    def cancel_all(self, symbol: str | None, protection: bool) -> None:
        """A person cancels everything that is open, with or without the stops."""
        command = CancelOrders(
            symbol=symbol, protection=protection, requested_by="ana", correlation_id="campaign"
        )
        self.tally.counts["cancel all"] += 1
        self.world.send(command, f"cancel-all:{next(self._numbers)}")

    @rule(symbol=symbols, percentage=st.sampled_from((10, 50, 100)), forced=st.booleans())
    def close(self, symbol: str, percentage: int, forced: bool) -> None:
        """A person closes a part of a position, or forces it out whatever else is selling it."""
        intent = self._intent(symbol, Side.SELL, manual_key(ACCOUNT, str(next(self._numbers))))
        self.tally.counts["forced out" if forced else "closed"] += 1
        self._send(replace(intent, percentage=Decimal(percentage), forced=forced), _id(intent))

    @rule(forced=st.booleans())
    def close_all(self, forced: bool) -> None:
        """A person closes every position under one key."""
        book = self.world.books.risk_book()
        key = manual_key(ACCOUNT, str(next(self._numbers)))
        for symbol in sorted(book.positions if book else ()):
            intent = replace(self._intent(symbol, Side.SELL, key), forced=forced)
            self._send(intent, _id(intent))

    @rule()
    def flatten(self) -> None:
        """Everything is to be sold and nothing bought, until someone raises the state."""
        book = self.world.books.risk_book()
        if book is not None:
            now = self.world.exchange.venue.now
            flat = replace(book, trading_state=TradingState.REDUCING, flatten_since=now)
            self.world.books.commit(risk_book=flat.next_version())

    @rule(pick=st.integers(0, 99))
    def cancel(self, pick: int) -> None:
        """A person cancels an open order."""
        orders = self.world.books.open_orders()
        if orders:
            order = orders[pick % len(orders)]
            command = CancelOrder(
                client_order_id=order.client_order_id, requested_by="ana", correlation_id="campaign"
            )
            self.world.send(command, f"cancel:{order.client_order_id}:{order.version}")

    @rule(state=st.sampled_from((*[TradingState.ACTIVE] * 4, TradingState.REDUCING, TradingState.HALTED)))
    def state(self, state: TradingState) -> None:
        """An admin changes the trading state."""
        book = self.world.books.risk_book()
        if book is not None:
            changed = replace(book, trading_state=state, flatten_since=None)
            self.world.books.commit(risk_book=changed.next_version())

    # what runs

    @rule(job=st.sampled_from((*JOBS, "execute", "execute")), plan=plans)
    def run(self, job: str, plan: Plan) -> None:
        """One function runs, whoever else has not."""
        match job:
            case "execute":
                self.world.execute(plan)
            case "sync":
                self.world.wait(61)
                self.world.sync(plan)
            case "monitor":
                self.world.monitor(plan)
            case "publish":
                self.world.publish(plan)
            case _:
                self.world.project(job, plan)

    @rule(struck=st.sampled_from(JOBS), plan=plans)
    def minute(self, struck: str, plan: Plan) -> None:
        """A minute passes and everything runs, one of it with trouble."""
        self.world.wait(61)
        for job in ("sync", "execute", "monitor", "publish", "position", "analytics"):
            self.run(job, plan if job == struck else Plan())

    @rule(plan=plans, late=st.booleans())
    def day(self, plan: Plan, late: bool) -> None:
        """The exchange trades a session, and what waits is delivered before it or after it."""
        if not late:
            self.world.execute(plan)
        self.world.session()
        self.world.wait(61)
        self.world.sync(plan if late else None)
        self.world.execute()

    # what happens to messages and processes

    @rule(stream=st.booleans())
    def mishap(self, stream: bool) -> None:
        """The stream loses what it carried, or every process is replaced."""
        if stream:
            self.tally.counts["stream records lost"] += len(self.world.aws.stream)
            self.world.aws.stream.clear()
        else:
            self.tally.counts["restarts"] += 1
            self.world.restart()

    @rule(minutes=st.integers(1, 5))
    def late(self, minutes: int) -> None:
        """The stream and the queues of events stand still for some minutes; only the bot's own go on."""
        waiting = len(self.world.aws.stream)
        for name in ("position-queue", "analytics-queue"):
            waiting += len(self.world.aws.queues[name].waiting)
        self.tally.counts["messages late"] += waiting
        for _ in range(minutes):
            self.world.wait(61)
            self.world.sync()

    @rule(name=st.sampled_from(("order-queue", "position-queue", "analytics-queue")), shift=st.integers(1, 5))
    def shuffle(self, name: str, shift: int) -> None:
        """Events come again and in another order; the order queue keeps its order but repeats."""
        queue = self.world.aws.queues[name]
        if queue.waiting:
            self.tally.counts["messages repeated"] += 1
            self.world.aws.repeat(name, shift % len(queue.waiting))
            if name != "order-queue":
                self.tally.counts["messages reordered"] += 1
                queue.waiting.reverse()

    # what must hold

    @invariant()
    def count(self) -> None:
        """Every step counts."""
        self.steps += 1

    def teardown(self) -> None:
        """Quiet minutes, then the accounts are compared."""
        with self._stack:
            if hasattr(self, "world"):
                self.tally.lengths.append(self.steps)
                self.world.settle()
                self._protect()
                assert not self.world.wrongs, self.world.wrongs[0]
                self._compare()
                self._sell_the_rest()

    def _sell_the_rest(self) -> None:
        """While everything is to be sold, some days leave nothing held, whatever was parked to sell it."""
        for _ in range(DAYS_TO_FLATTEN):
            risk, venue = self.world.books.risk_book(), self.world.exchange.venue
            held = [s for s, p in venue.book.positions.items() if p.quantity > 0]
            if risk is None or risk.flatten_since is None or risk.trading_state is not TradingState.REDUCING:
                return
            if not held or venue.sessions_done == SESSIONS:
                return
            self.tally.counts["positions sold by a flatten"] += len(held)
            self.world.wait(61)
            self.world.monitor()
            self.world.settle()
            self.world.session()
            self.world.settle()
        raise AssertionError(f"{held} held although everything is to be sold")

    def _protect(self) -> None:
        """While trading is ACTIVE a minute's monitor or two leaves no position without stop or exit."""
        for _ in range(MINUTES_TO_PROTECT):
            found = self._bare()
            if not found:
                break
            self.tally.counts["positions found bare"] += len(found)
            self.world.wait(61)
            self.world.monitor()
            self.world.settle()
        bare = self._bare()
        assert not bare, f"{bare} held without a stop"

    def _bare(self) -> list[str]:
        """The symbols held at the exchange of which stops and sales under way do not cover every share."""
        risk, book = self.world.books.risk_book(), self.world.exchange.venue.book
        if risk is None or risk.trading_state is not TradingState.ACTIVE:
            return []
        sells = [o for o in book.orders.values() if o.working and o.side is Side.SELL and book.live(o)]
        # An entry that still waits for shares keeps its legs back: the monitor has to see to those.
        covered: Counter[str] = Counter()
        for sale in sells:
            # What a sale for a part leaves is bare; of an OCO the stop covers, its other half sells the same.
            if sale.stop_price is not None or (sale.parent is None and sale.order_class is not Class.OCO):
                covered[sale.symbol] += int(sale.remaining)
        held = {symbol: p.quantity for symbol, p in book.positions.items() if p.quantity > 0}
        return [symbol for symbol, quantity in held.items() if covered[symbol] < int(quantity)]

    def _compare(self) -> None:
        orders = {order.client_order_id: order for order in self.world.books.orders()}
        self._one_order_an_intent(orders)
        self._same_orders(orders)
        self._same_fills_and_money()

    def _one_order_an_intent(self, orders: dict[str, Order]) -> None:
        book = self.world.exchange.venue.book
        parents = [o for o in book.orders.values() if o.parent is None]
        self.tally.counts["orders"] += len(parents)
        for theirs in parents:
            ours = orders.get(theirs.client_order_id)
            assert ours is not None, f"{theirs.client_order_id} is at the broker and not in the books"
            known = (
                theirs.client_order_id in self.wanted
                or ours.replaces in self.replaced
                or ours.purpose is OrderPurpose.PROTECTION
                or ours.origin is OrderOrigin.RISK
            )
            if theirs.client_order_id in self.elsewhere:
                continue
            assert known, f"{theirs.client_order_id} is no id of an intent"
            assert ours.verdict, f"{theirs.client_order_id} was ordered without a verdict"

    def _same_orders(self, orders: dict[str, Order]) -> None:
        theirs = {o.client_order_id: o for o in self.world.exchange.venue.book.orders.values()}
        for identifier, order in orders.items():
            assert order.status not in {OrderStatus.UNKNOWN, OrderStatus.INTENDED}, (
                f"{identifier} is {order.status}"
            )
            there = theirs.get(identifier)
            if there is None:
                assert is_terminal(order.status), f"{identifier} is nowhere"
                assert not order.filled_quantity, f"{identifier} is nowhere"
                continue
            assert order.filled_quantity == there.filled_quantity, (
                f"{identifier}: filled {order.filled_quantity}"
            )
            assert is_terminal(order.status) != there.working, f"{identifier}: {order.status}, {there.status}"

    def _same_fills_and_money(self) -> None:
        book, venue = self.world.books, self.world.exchange.venue
        fills = book.fills()
        self.tally.counts["fills"] += len(fills)
        self.tally.counts["positions held at the end"] += len(venue.book.positions)
        differing = {fill.id for fill in fills} ^ {trade.id for trade in venue.book.trades}
        assert not differing, f"fills differ: {sorted(differing)}"
        folded = positions_of(book.share_entries())
        held = {s: p.quantity for s, p in folded.items() if p.quantity}
        there = {s: p.quantity for s, p in venue.book.positions.items()}
        assert held == there, f"positions differ: {held} and {there}"
        cash = Decimal(100_000) + sum((p.cash_flow for p in folded.values()), Decimal(0))
        assert cash == venue.book.cash, f"cash differs: {cash} and {venue.book.cash}"
        risk = book.risk_book()
        assert risk is not None, "there is no risk book"
        assert risk.cash == venue.book.cash, f"cash differs in the risk book: {risk.cash}"
        assert {s: p.quantity for s, p in risk.positions.items()} == held, "positions differ in the risk book"
        assert not self.world.books.outbox(), "events never reached the bus"

    # words

    def _price(self, symbol: str) -> Decimal:
        venue = self.world.exchange.venue
        trade = venue.market.last_trade(symbol, venue.now)
        assert trade is not None
        return trade.price

    def _intent(self, symbol: str, side: Side, key: str) -> Intent:
        return Intent(
            account=ACCOUNT,
            origin=Origin.MANUAL,
            purpose=Purpose.ENTRY if side is Side.BUY else Purpose.EXIT,
            symbol=symbol,
            side=side,
            key=key,
            reason="the campaign",
            correlation_id="campaign",
        )

    def _send(self, intent: Intent, deduplication_id: str) -> None:
        self.wanted.add(_id(intent))
        self.world.send(PlaceOrder(intent=intent), deduplication_id)


def _id(intent: Intent) -> str:
    """The one id that this intent may have, whatever the code under test makes of it."""
    return client_order_id(intent.origin, intent.symbol, intent.key, intent.revision)
