"""The bot's whole money path in one process, with trouble at every step: what the fault campaign drives.

The real functions run on an AWS in memory and on the real paper exchange without a socket. Every call
that a function makes is a point where it may crash, lose a conflict, or be overtaken by another
function. The campaign decides; nothing here is random, and wall time moves only when it is told to.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from alpaquero import wall
from alpaquero.broker.transport import BrokerTransport
from alpaquero.events import queues
from alpaquero.observability import logger
from alpaquero.orders.lifecycle import OrderStatus
from alpaquero.orders.order import Order
from alpaquero.simulation import MatchingTerms
from alpaquero.store.books import Books
from alpaquero.store.tables import from_body
from laptop.exchange.history import History, shipped_history
from tests.conftest import CREDENTIALS
from tests.faults.in_process_exchange import InProcessExchange, Wire
from tests.faults.memory_aws import MemoryAws
from tests.faults.memory_dynamodb import Refused

ACCOUNT = "paper"
SESSIONS = 40
DELIVERIES = 200  # of every queue in a quiet minute
# Orders that risk decided on; a protective stop and an adopted order reserve nothing.
_DECIDED = tuple(f"ORDER#aq1-{origin}-" for origin in ("sig", "man", "risk"))
FUNCTIONS = (
    "trading.execute",
    "trading.sync",
    "trading.publish",
    "risk.monitor",
    "position.project",
    "analytics.project",
)
# The calls where a crash or a rival hurts most.
SUBMISSION = "POST /v2/orders"
AFTER_SUBMISSION = "the call after a submission"
AIMS = (
    SUBMISSION,
    AFTER_SUBMISSION,
    "DELETE /v2/orders",
    "dynamodb.TransactWriteItems",
    "sqs.SendMessage",
    "events.PutEvents",
)
_Answer = TypeVar("_Answer")


class Crash(BaseException):
    """The process of a function is gone; no handler sees this coming."""


class Blow(StrEnum):
    """What may happen at one call of a function."""

    CRASH_BEFORE = "crash before a step"
    CRASH_AFTER = "crash after a step"
    CONFLICT = "transaction conflict"
    OVERTAKEN = "overtaken by sync"
    MARKET = "the market trades and sync tells"
    AGAIN = "delivered again while it runs"


@dataclass
class Plan:
    """Trouble for one invocation: what happens at which of its calls, counted from 0.

    `aimed` meets the first call whose name begins so, as `POST /v2/orders`. `reads` counts the
    requests that change nothing, `changes` those that place, replace or cancel.
    """

    blows: dict[int, Blow] = field(default_factory=dict)
    aimed: dict[str, Blow] = field(default_factory=dict)
    reads: dict[int, Wire] = field(default_factory=dict)
    changes: dict[int, Wire] = field(default_factory=dict)


@lru_cache(maxsize=1)
def history() -> History:
    """The shipped prices, read once."""
    return shipped_history()


class World:
    """One account, its functions and its exchange, from the first sync to the last."""

    def __init__(
        self, seed: int, counts: Counter[str], partial_fills: float = 0.3, first: date | None = None
    ) -> None:
        self.counts = counts
        self.aws = MemoryAws()
        self.books = Books(ACCOUNT)
        self.wall = datetime(2026, 11, 2, 12, tzinfo=UTC)
        self.failures: list[Exception] = []
        self.wrongs: list[str] = []  # what was seen to break a promise while it happened
        self._folder = tempfile.TemporaryDirectory(prefix="alpaquero-faults-", dir=_memory_folder())
        terms = MatchingTerms(seed=seed, partial_fill_probability=partial_fills)
        self.exchange = InProcessExchange(history(), Path(self._folder.name), terms, SESSIONS, first)
        self.exchange.around = self._step
        self.exchange.trouble = self._wire
        self.aws.around = self._step
        self.aws.database.on_transaction = self._watch_transaction
        self.aws.on_event = self._watch_event
        self._plan = Plan()
        self._calls = 0
        self._requests = {True: 0, False: 0}
        self._last_call = ""
        self._inside: str | None = None
        self._overtaking = False
        self._again: Callable[[], object] = lambda: None

    @contextmanager
    def running(self) -> Iterator[World]:
        """Everything a function reaches for is this world's, and given back at the end."""
        with ExitStack() as stack:
            stack.callback(self._folder.cleanup)
            stack.callback(self.exchange.close)
            stack.enter_context(self.aws.installed())
            stack.enter_context(self.exchange.installed())
            stack.enter_context(_replaced(wall, "now", lambda: self.wall))
            patience = {"sleep": self.wait, "lapsed": wall.seconds}
            stack.enter_context(patch.dict(BrokerTransport.__init__.__kwdefaults__, patience))
            stack.enter_context(patch.dict(os.environ, CREDENTIALS))
            stack.callback(logger.setLevel, logger.log_level)
            logger.setLevel("CRITICAL")
            stack.callback(self.restart)
            self.restart()
            yield self

    # what happens to the functions

    def invoke(self, name: str, event: dict[str, Any], plan: Plan | None = None) -> dict[str, Any] | None:
        """Runs one handler with trouble; None when it crashed or failed."""
        module = importlib.import_module(f"functions.{name}")
        outer = self._plan, self._calls, self._requests, self._inside
        self._plan, self._calls, self._inside = plan or Plan(), 0, name
        self._requests = {True: 0, False: 0}
        try:
            answer: dict[str, Any] = module.handler(event, None)
        except Crash:
            self.restart()
            return None
        except Exception as error:
            self.counts[f"failed: {name}"] += 1
            self.failures.append(error)
            return None
        else:
            return answer
        finally:
            self._plan, self._calls, self._requests, self._inside = outer

    def restart(self) -> None:
        """Every function's process is gone: nothing that was kept in memory is left."""
        for name in FUNCTIONS:
            for kept in vars(importlib.import_module(f"functions.{name}")).values():
                if hasattr(kept, "cache_clear"):
                    kept.cache_clear()

    def execute(self, plan: Plan | None = None) -> None:
        """Delivers a batch of the order queue."""
        self._deliver("trading.execute", "order-queue", plan)

    def sync(self, plan: Plan | None = None) -> dict[str, Any] | None:
        """The minute's sync."""
        return self.invoke("trading.sync", {"job": "sync"}, plan)

    def monitor(self, plan: Plan | None = None) -> None:
        """The minute's look at risk."""
        self.invoke("risk.monitor", {"job": "monitor"}, plan)

    def publish(self, plan: Plan | None = None) -> None:
        """Delivers a batch of the stream of the books; what failed comes again."""
        batch, self.aws.stream[:10] = self.aws.stream[:10], []
        if not batch:
            return
        records = [
            {"dynamodb": {"NewImage": item, "SequenceNumber": str(number)}}
            for number, item in enumerate(batch)
        ]
        answer = self.invoke("trading.publish", {"Records": records}, plan)
        failed = range(len(batch)) if answer is None else map(int, _failed(answer))
        self.aws.stream[:0] = [batch[number] for number in failed]

    def project(self, service: str, plan: Plan | None = None) -> None:
        """Delivers a batch of events to a projection."""
        self._deliver(f"{service}.project", f"{service}-queue", plan)

    def _deliver(self, name: str, queue_name: str, plan: Plan | None) -> None:
        queue = self.aws.queues[queue_name]
        batch = queue.take()
        if not batch:
            return
        self._again = lambda: self.invoke(name, {"Records": batch})
        answer = self.invoke(name, {"Records": batch}, plan)
        everything = {record["messageId"] for record in batch}
        queue.settle(batch, everything if answer is None else set(_failed(answer)))

    # what happens to the world

    def wait(self, seconds: float) -> None:
        """Wall time passes."""
        self.wall += timedelta(seconds=seconds)

    def session(self) -> None:
        """The exchange trades its next session, if the data has one left."""
        if self.exchange.venue.sessions_done < SESSIONS:
            self.exchange.venue.step()

    def send(self, command: object, deduplication_id: str) -> None:
        """Puts a command on the order queue, as the signal service and the API do."""
        queues.send_in_order("order-queue", command, group=ACCOUNT, deduplication_id=deduplication_id)

    def settle(self, rounds: int = 40) -> None:
        """Minutes without trouble until nothing is left to do. Raises AssertionError if that never comes."""
        quiet = 0
        for _ in range(rounds):
            self.wait(61)
            before = self._everything()
            answer = self.sync()
            for _ in range(DELIVERIES):
                if not self._busy():
                    break
                self.execute()
                self.publish()
                for service in ("position", "analytics"):
                    self.project(service)
            quiet = quiet + 1 if answer is not None and self._everything() == before else 0
            if quiet == 2:
                return
        raise AssertionError(f"no rest after {rounds} quiet minutes: {self.failures[-3:]}")

    def _busy(self) -> bool:
        waiting = ("order-queue", "position-queue", "analytics-queue")
        return bool(self.aws.stream) or any(self.aws.queues[name].waiting for name in waiting)

    def _everything(self) -> dict[tuple[str, str], str]:
        books = self.aws.database.tables["books"].items[ACCOUNT]
        return {(sk, "body"): item["body"]["S"] for sk, item in books.items()}

    # what must hold at every moment

    def _watch_transaction(self, items: list[dict[str, Any]]) -> None:
        """An intent's order is written with the risk book that reserves for it; no order moves back."""
        for item in items:
            if item["sk"]["S"].startswith("ORDER#"):
                self._watch_order(item)
        keys = [item["sk"]["S"] for item in items]
        first = [item for item in items if item.get("version", {}).get("N") == "1"]
        decided = [i["sk"]["S"] for i in first if i["sk"]["S"].startswith(_DECIDED)]
        if decided and "RISKBOOK" not in keys:
            self.wrongs.append(f"{decided} written without the risk book")

    def _watch_order(self, item: dict[str, Any]) -> None:
        stored = self.aws.database.tables["books"].get(ACCOUNT, item["sk"]["S"])
        if stored is None:
            return
        before, after = (from_body(one["body"]["S"], Order) for one in (stored, item))
        lost = after.filled_quantity < before.filled_quantity
        if lost or (is_filled(before) and not is_filled(after)):
            self.wrongs.append(f"{before.client_order_id} moved back from {before.status} to {after.status}")

    def _watch_event(self, name: str, detail: dict[str, Any]) -> None:
        """A fact is told only once it is written."""
        if name == "OrderFilled":
            known = self.aws.database.tables["books"].get(ACCOUNT, f"FILL#{detail['fill_id']}")
            if known is None:
                self.wrongs.append(f"fill {detail['fill_id']} told before it was written")

    # the points between two steps

    def _step(self, what: str, make: Callable[[], _Answer]) -> _Answer:
        """One call of a function: the blow that the plan has for it, before or after."""
        if self._inside is None:
            return make()
        number, self._calls = self._calls, self._calls + 1
        blow = self._plan.blows.get(number) or self._aimed_at(what)
        self._last_call = what
        match blow:
            case Blow.CRASH_BEFORE:
                self.counts[blow] += 1
                raise Crash
            case Blow.CONFLICT if what != "dynamodb.TransactWriteItems":
                self._plan.blows.setdefault(number + 1, blow)  # it waits for the next transaction
            case Blow.CONFLICT:
                self.counts[blow] += 1
                raise Refused("TransactionCanceledException", what, [{"Code": "TransactionConflict"}])
            case Blow.OVERTAKEN if self._inside != "trading.sync":
                self.counts[blow] += 1
                self.sync()
            case Blow.MARKET if not self._overtaking:
                self.counts[blow] += 1
                self._overtake()
            case Blow.AGAIN if self._inside != "trading.sync":
                self.counts[blow] += 1
                again, self._again = self._again, lambda: None
                again()
        answer = make()
        if blow is Blow.CRASH_AFTER:
            self.counts[blow] += 1
            raise Crash
        return answer

    def _overtake(self) -> None:
        """Between two steps the exchange trades a session and another sync reads it first."""
        self._overtaking = True
        try:
            self.session()
            self.sync()
        finally:
            self._overtaking = False

    def _aimed_at(self, what: str) -> Blow | None:
        if self._last_call == SUBMISSION and AFTER_SUBMISSION in self._plan.aimed:
            what = AFTER_SUBMISSION
        aim = next((aim for aim in self._plan.aimed if what.startswith(aim)), None)
        return self._plan.aimed.pop(aim) if aim is not None else None

    def _wire(self, what: str) -> Wire | None:
        if self._inside is None:
            return None
        reads = what.startswith("GET ")
        number = self._requests[reads]
        self._requests[reads] += 1
        trouble = (self._plan.reads if reads else self._plan.changes).get(number)
        if trouble is not None:
            self.counts[trouble] += 1
        if trouble is not None and what == SUBMISSION:
            self.counts[f"{trouble}, of a submission"] += 1
        return trouble


def _memory_folder() -> str | None:
    """Where a file costs no disk; None for the usual place."""
    shared = Path("/dev/shm")  # noqa: S108 - the folder in it has a name of its own
    return str(shared) if os.access(shared, os.W_OK) else None


def is_filled(order: Order) -> bool:
    """Whether nothing more can happen to it."""
    return order.status == OrderStatus.FILLED


def _failed(answer: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)
