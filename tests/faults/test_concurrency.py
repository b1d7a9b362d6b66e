"""Twenty threads execute orders at once: no limit breaks, and the commits in turn give the same verdicts."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from queue import Empty, Queue
from threading import RLock, local
from typing import Any

import msgspec
import pytest

from alpaquero.broker.protocol import OrderRequest
from alpaquero.errors import Conflict
from alpaquero.events.commands import OrderCommand, PlaceOrder
from alpaquero.observability import logger
from alpaquero.orders.identity import manual_key, signal_key
from alpaquero.orders.intent import Intent, OrderClass, OrderType, Origin, Purpose, Side, TimeInForce
from alpaquero.risk import rules, sizing
from alpaquero.risk.book import HeldPosition, RiskBook
from alpaquero.risk.facts import Facts
from alpaquero.risk.limits import RiskLimits
from alpaquero.risk.verdict import Verdict
from alpaquero.store import trading_settings
from alpaquero.store.books import Books
from alpaquero.store.tables import from_body
from functions.trading import execute
from tests.conftest import CREDENTIALS
from tests.fakes.broker import FakeBroker, FakeMarketData
from tests.faults.memory_aws import Answer, MemoryAws
from tests.faults.memory_dynamodb import Item, Refused

ACCOUNT, THREADS, INTENTS = "paper", 20, 200
SYMBOLS = [f"S{letter}" for letter in "ABCDEFGHIJKLMNOPQRST"]
HELD = SYMBOLS[:5]
LIMITS = RiskLimits(
    one_position_per_symbol=False,
    one_open_entry_per_symbol=False,
    refuse_wash_trades=False,
    sectors={symbol: f"sector {number % 4}" for number, symbol in enumerate(SYMBOLS)},
    orders_per_minute_limit=80,
    position_limit_percent=Decimal(5),
    equity_at_risk_percent=Decimal("0.1"),
)
EVERY_NTH_WRITE_LOSES = 4


@dataclass
class Assessment:
    """One verdict with all that it rested on."""

    intent: Intent
    book: RiskBook
    facts: Facts
    verdict: Verdict


class OneAtATime:
    """A broker whose every call is atomic, as a server's is."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker, self._lock = broker, RLock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._broker, name)

        def call(*given: Any, **named: Any) -> Any:
            with self._lock:
                return method(*given, **named)

        return call


@dataclass
class Desk:
    """What the threads share, and the record of what they did."""

    aws: MemoryAws = field(default_factory=MemoryAws)
    broker: FakeBroker = field(
        default_factory=lambda: FakeBroker(prices=dict.fromkeys(SYMBOLS, Decimal(100)))
    )
    assessed: list[Assessment] = field(default_factory=list)
    commits: list[tuple[str, RiskBook, Assessment]] = field(default_factory=list)
    opening: RiskBook = field(init=False)
    lost: int = 0
    _here: local = field(default_factory=local)
    _writes: Iterator[int] = field(default_factory=lambda: count(1))

    def assess(self, intent: Intent, book: RiskBook, limits: RiskLimits, facts: Facts) -> Verdict:
        """The real verdict, remembered by the thread that asked."""
        verdict = rules.assess(intent, book, limits, facts)
        self._here.last = Assessment(intent, book, facts, verdict)
        self.assessed.append(self._here.last)
        return verdict

    def around(self, what: str, make: Callable[[], Answer], /) -> Answer:
        """Every fourth transaction loses to one that nobody sees."""
        if what == "dynamodb.TransactWriteItems" and next(self._writes) % EVERY_NTH_WRITE_LOSES == 0:
            self.lost += 1
            raise Refused("TransactionCanceledException", what, [{"Code": "TransactionConflict"}])
        return make()

    def committed(self, items: list[Item]) -> None:
        """Called inside the transaction, in the order of commits, by the thread that commits."""
        written = {item["sk"]["S"]: item for item in items}
        new = [sk for sk, i in written.items() if sk.startswith("ORDER#") and i["version"]["N"] == "1"]
        for sk in new:
            book = from_body(written["RISKBOOK"]["body"]["S"], RiskBook)
            self.commits.append((sk.removeprefix("ORDER#"), book, self._here.last))


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """An account that holds five symbols, its books open, twenty symbols to trade."""
    made = Desk()
    for number, symbol in enumerate(HELD):
        made.broker.submit(OrderRequest(f"before-{number}", symbol, "buy", Decimal(20)))
    made.broker.step()
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    settings = msgspec.structs.replace(
        trading_settings.DEFAULTS, settings=trading_settings.TradingSettings(risk=LIMITS)
    )
    broker = OneAtATime(made.broker)
    feed = FakeMarketData(prices=made.broker.prices, now=made.broker.now)
    monkeypatch.setattr(execute, "_broker", lambda: broker)
    monkeypatch.setattr(execute, "_prices", lambda: feed)
    monkeypatch.setattr(trading_settings, "current", lambda: settings)
    monkeypatch.setattr(execute, "assess", made.assess)
    level = logger.log_level
    logger.setLevel("CRITICAL")
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads change places often, so that steps really interleave
    with made.aws.installed():
        made.aws.database.on_transaction = made.committed
        made.opening = opened(made.broker)
        Books(ACCOUNT).commit(risk_book=made.opening)
        made.aws.around = made.around
        yield made
    sys.setswitchinterval(switch)
    logger.setLevel(level)


def opened(broker: FakeBroker) -> RiskBook:
    account = broker.account()
    return RiskBook(
        account=ACCOUNT,
        cash=account.cash,
        equity=account.equity,
        peak_equity=account.equity,
        as_of=broker.now,
        positions={p.symbol: HeldPosition(p.quantity, p.market_value) for p in broker.positions()},
        buying_power=account.buying_power,
    )


def intents(broker: FakeBroker) -> list[Intent]:
    """Signals and people's orders, entries and exits, of every size, in a drawn order."""
    draws = random.Random(20261122)
    return [_intent(number, draws, broker) for number in range(INTENTS)]


def _intent(number: int, draws: random.Random, broker: FakeBroker) -> Intent:
    by_hand, sells = draws.random() < 0.5, draws.random() < 0.2
    symbol = draws.choice(HELD if sells else SYMBOLS)
    side = Side.SELL if sells else Side.BUY
    name = f"rule-{number}"
    key = (
        manual_key(ACCOUNT, name) if by_hand else signal_key(ACCOUNT, name, "1Day", side, symbol, broker.now)
    )
    terms: dict[str, Any] = {}
    if by_hand and not sells and draws.random() < 0.3:
        terms = {"order_class": OrderClass.SIMPLE, "time_in_force": TimeInForce.DAY, "notional": Decimal(900)}
    elif by_hand and not sells and draws.random() < 0.4:
        terms = {"order_type": OrderType.LIMIT, "limit_price": Decimal(101), "quantity": Decimal(15)}
    elif by_hand:
        terms = {"quantity": Decimal(draws.randint(1, 25))}
    return Intent(
        account=ACCOUNT,
        origin=Origin.MANUAL if by_hand else Origin.SIGNAL,
        purpose=Purpose.EXIT if sells else Purpose.ENTRY,
        symbol=symbol,
        side=side,
        key=key,
        reference_price=None if by_hand or sells else Decimal(100),
        **terms,
    )


def work(waiting: Queue[OrderCommand]) -> int:
    """One thread: takes commands until none is left; one that lost too often comes again, as SQS has it."""
    again = 0
    while True:
        try:
            command = waiting.get_nowait()
        except Empty:
            return again
        try:
            execute.execute(command)
        except Conflict:
            again += 1
            waiting.put(command)


def test_no_limit_is_passed_and_the_commits_replay(desk: Desk) -> None:
    """200 intents, some twice, from 20 threads with lost writes: every book keeps every limit, and judging
    the commits one after the other gives the same verdicts and the same book."""
    wanted = intents(desk.broker)
    # One first: msgspec builds the decoder of a type without a lock, and a function has but one thread.
    execute.execute(PlaceOrder(intent=wanted[0]))
    waiting: Queue[OrderCommand] = Queue()
    for intent in [*wanted, *wanted[::5]]:
        waiting.put(PlaceOrder(intent=intent))
    with ThreadPoolExecutor(THREADS) as threads:
        futures = [threads.submit(work, waiting) for _ in range(THREADS)]
        again = sum(future.result(timeout=120) for future in futures)
    book = Books(ACCOUNT).risk_book()
    assert book is not None
    assert desk.lost > 20
    assert len(desk.assessed) > INTENTS + again  # threads did come between each other
    _each_intent_has_one_order(desk, wanted)
    last = _replayed(desk)
    assert last.reservations.keys() >= book.reservations.keys()


def _each_intent_has_one_order(desk: Desk, wanted: list[Intent]) -> None:
    placed = [o.client_order_id for o in desk.broker.orders() if o.client_order_id.startswith("aq1-")]
    committed = [identifier for identifier, _, _ in desk.commits]
    assert len(placed) == len(set(placed))
    assert len(committed) == len(set(committed))
    assert set(placed) <= set(committed) <= {intent.client_order_id for intent in wanted}
    assert len(committed) >= 30
    assert len(committed) < len(wanted)


def _replayed(desk: Desk) -> RiskBook:
    """Judges the commits in their order, each on the book that the one before left."""
    book = desk.opening
    seen = {book.version: book}
    for identifier, after, told in desk.commits:
        # Between two commits others may have ended orders; the book that was judged says so.
        assert told.book.version + 1 == after.version
        assert told.book.version >= book.version
        book = told.book
        verdict = rules.assess(told.intent, book, LIMITS, told.facts)
        assert verdict == told.verdict
        assert verdict.approved
        reservation = rules.reservation_for(told.intent, verdict)
        book = book.with_order(identifier, reservation, told.facts.now).next_version()
        assert book == after
        _within_limits(book)
        seen[book.version] = book
    for told in desk.assessed:
        assert rules.assess(told.intent, told.book, LIMITS, told.facts) == told.verdict
        assert seen.get(told.book.version, told.book) == told.book
    return book


def _within_limits(book: RiskBook) -> None:
    for symbol in SYMBOLS:
        for code, cap in sizing.caps(symbol, book, LIMITS).items():
            assert cap.used <= cap.limit, f"{code} of {symbol}: {cap.used} of {cap.limit}"
        leaving = sum(
            r.quantity for r in book.reservations.values() if (r.symbol, r.side) == (symbol, Side.SELL)
        )
        assert leaving <= book.held_quantity(symbol)
