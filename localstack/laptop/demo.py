"""`alpaquero demo`: sessions of real prices through the whole cloud, and one object that tells
what came of it.

A private stack on free ports; the schedules are off and each step sends the very event its rule
sends: the exchange trades a session, sync, plan, sync and monitor follow, each waited for. After
each session the tables and the exchange's book are checkpointed together, so that a killed demo
goes on where it was.

With faults the exchange spoils requests while sessions are traded (`laptop.exchange.faults.MIXES`). A
job that fails is sent again, as its schedule would a minute later. After the last session the faults
end, a last sync and monitor follow, and the same comparison is made.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import psutil

from laptop import watchlist
from laptop.agreement import (
    differing_positions,
    duplicate_orders,
    missing_fills,
    trades_sha256,
    unknown_orders,
    without_verdict,
)
from laptop.checkpoint import Checkpoints
from laptop.demo_options import DemoOptions
from laptop.errors import LaptopError
from laptop.exchange.admin_bodies import Status
from laptop.layout import StateFolder
from laptop.quiescence import AFTER_OUTBOX, BEFORE_OUTBOX, Quiescence
from laptop.stack import ACCOUNT, LOG_GROUP, ExchangeOptions, InvocationError, LaptopCloud, Stack

NO_FAULTS: Final = "none"
# With faults: how often a job is sent until it ends well, and seconds between; a breaker opens for a minute.
_TRIES: Final = 40
_BETWEEN_TRIES: Final = 2.0
_QUIET_WITHIN: Final = 60.0
_QUIET_WITHIN_FAULTS: Final = 1200.0
_RETRY_SOON: Final = {"VisibilityTimeout": "30"}
_SETTLED_WITHIN: Final = 150.0
_LAST_JOBS: Final = ("sync", "monitor", "sync")


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What makes two demos the same; a demo is resumed with what it was started with."""

    sessions: int
    start: str | None
    symbols: tuple[str, ...]
    data: str | None
    seed: int
    partial_fills: str
    faults: str = NO_FAULTS
    synthetic: int | None = None
    watchlist: int | Literal["all"] | None = None

    @classmethod
    def of(cls, options: DemoOptions) -> Replay:
        """The part of the options that decides what is traded."""
        return cls(
            sessions=options.sessions,
            start=options.start.isoformat() if options.start else None,
            symbols=options.symbols or (),
            data=str(options.data.absolute()) if options.data else None,
            seed=options.seed,
            partial_fills=str(float(options.partial_fills)),
            faults=options.faults,
            synthetic=options.synthetic,
            watchlist=options.watchlist,
        )


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a demo has come; kept with each checkpoint."""

    replay: Replay
    sessions_done: int
    seconds: float
    errors: int
    dead_letters: int
    faults_injected: dict[str, int] = {}


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Money is decimal text; `seconds` is wall time, of all parts of a resumed demo.

    `faults_injected` counts by kind what the exchange did wrong on purpose. `fills_missing` are fills of the
    exchange that the books lack or have otherwise, `positions_differing` symbols held in another quantity.
    """

    trades_sha256: str
    sessions: int
    runs: int
    signals: int
    withheld: int
    intents: int
    orders_accepted_by_exchange: int
    orders_known: int
    fills: int
    entries: int
    exits: int
    duplicate_orders: int
    unknown_orders: int
    positions: dict[str, Decimal]
    cash: Decimal
    equity: Decimal
    exchange_cash: Decimal
    exchange_equity: Decimal
    notifications: int
    dead_letters: int
    errors: int
    faults_injected: dict[str, int]
    fills_missing: list[str]
    positions_differing: list[str]
    orders_without_verdict: list[str]
    seconds: float

    def disagreements(self) -> list[str]:
        """What must not be: where the books and the exchange differ, or something was lost.

        Logged errors count only where no fault was injected: a function that meets one says so.
        """
        checks = {
            "fills are missing from the books": bool(self.fills_missing),
            "positions differ from the exchange's": bool(self.positions_differing),
            "orders were placed without a verdict": bool(self.orders_without_verdict),
            "cash differs from the exchange's": self.cash != self.exchange_cash,
            "equity differs from the exchange's": self.equity != self.exchange_equity,
            "orders are missing from the books": self.orders_known != self.orders_accepted_by_exchange,
            "an intent has two orders": self.duplicate_orders > 0,
            "orders are left unknown": self.unknown_orders > 0,
            "messages were given up": self.dead_letters > 0,
            "functions logged errors": self.errors > 0 and not self.faults_injected,
            "fills were not notified": self.notifications < self.fills,
        }
        return [what for what, holds in checks.items() if holds]


@dataclass(frozen=True)
class Step:
    """One session just traded, for whoever shows progress."""

    done: int
    total: int
    date: str


def run(
    options: DemoOptions,
    *,
    say: Callable[[str], None] = lambda _: None,
    show: Callable[[Step], None] = lambda _: None,
) -> DemoResult:
    """Runs (or goes on with) a demo and answers what came of it.

    Raises `LaptopError` when the options do not fit, or something did not end in its time.
    """
    before = _progress(options) if options.resume else None
    replay = before.replay if before else Replay.of(options)
    cloud = LaptopCloud(
        options.state,
        exchange=ExchangeOptions(
            seed=replay.seed,
            clock="stepped",
            data=Path(replay.data) if replay.data else None,
            synthetic=replay.synthetic,
            start=replay.start,
            sessions=None if replay.start else replay.sessions,
            partial_fills=replay.partial_fills,
        ),
        fresh=not options.resume,
        resume_book=options.resume,
        say=say,
    )
    with cloud:
        result = Demo(cloud, replay, before).play(options.kill_at, show)
        _keep_what_it_used(cloud)
    return result


def _keep_what_it_used(cloud: LaptopCloud) -> None:
    """For `alpaquero cost --metered`."""
    from laptop.cost import metering

    metering.keep(cloud)


def _progress(options: DemoOptions) -> Progress:
    """How far the demo to resume had come; it goes on with what it was started with."""
    label = Checkpoints(StateFolder.at(options.state).checkpoint).label
    if not label:
        raise LaptopError(f"there is no demo to resume in {options.state}: run it without --resume")
    found = msgspec.json.decode(label, type=Progress)
    asked = Replay.of(options)
    if asked not in {found.replay, Replay.of(DemoOptions())}:
        raise LaptopError(
            f"that demo was started otherwise: resume it with {found.replay}, or with no options"
        )
    return found


def trade_session(stack: Stack, quiet: Quiescence, *, spoilt: bool = False) -> Status:
    """The market's next session, then the very events that the schedules send, each waited for.

    `spoilt` says that the exchange injects faults: then a job may fail and is sent again, and the plan
    is sent twice, because a stale clock shows the first one the day before.
    """
    status = stack.exchange.step()
    for jobs in (("sync", "plan"), ("sync", "plan", "monitor") if spoilt else ("sync", "monitor")):
        for job in jobs:
            _send(stack, job, _TRIES if spoilt else 1)
        quiet.wait(_QUIET_WITHIN_FAULTS if spoilt else _QUIET_WITHIN)
    return status


def _send(stack: Stack, job: str, tries: int) -> None:
    """Send a job its event until it ends well. Raises `LaptopError` when it never does."""
    for left in reversed(range(tries)):
        try:
            stack.tick(job)
            return
        except InvocationError:
            if not left:
                raise
            time.sleep(_BETWEEN_TRIES)


class Demo:
    """One demo on a cloud that is up."""

    def __init__(self, cloud: LaptopCloud, replay: Replay, before: Progress | None) -> None:
        self.cloud = cloud
        self.replay = replay
        self.before = before
        self.quiet = Quiescence(cloud, ACCOUNT)
        self.started = time.monotonic()

    def play(self, kill_at: int | None, show: Callable[[Step], None]) -> DemoResult:
        """Every session that is left, then the result."""
        status = self.cloud.exchange.status()
        total = min(status.sessions_total, self.replay.sessions)
        if self.before is None:
            watchlist.ensure(
                self.cloud, self.replay.watchlist or self.replay.symbols, reason="the demo's symbols"
            )
            self.cloud.tick("sync")
        if self.spoilt:
            # A resumed demo meets other faults than the sessions before, not the same again.
            self.cloud.exchange.add_fault_mix(self.replay.faults, self.replay.seed + status.sessions_done)
            self._retry_soon()
        for _ in range(status.sessions_done, total):
            self._session(show, total)
            if kill_at is not None and self.cloud.exchange.status().sessions_done >= kill_at:
                self._kill_everything()
        if self.spoilt:
            self._end_faults()
        self.quiet.wait()
        return self._result()

    @property
    def spoilt(self) -> bool:
        """Whether the exchange injects faults."""
        return self.replay.faults != NO_FAULTS

    def _retry_soon(self) -> None:
        """Have a message that failed come again after half a minute, where the template says minutes."""
        sqs = self.cloud.client("sqs")
        for queue in (*BEFORE_OUTBOX, *AFTER_OUTBOX):
            sqs.set_queue_attributes(QueueUrl=self.cloud.outputs[queue], Attributes=_RETRY_SOON)

    def _end_faults(self) -> None:
        """Let all that failed be tried again, then have the books brought level.

        An order that never arrived is given up a minute after it was sent, so this may take that long.
        """
        self.cloud.exchange.clear_faults()
        self.quiet.wait(_QUIET_WITHIN_FAULTS)
        deadline = time.monotonic() + _SETTLED_WITHIN
        while True:
            for job in _LAST_JOBS:
                _send(self.cloud, job, _TRIES)
                self.quiet.wait(_QUIET_WITHIN_FAULTS)
            orders = [item["body"] for item in self._items("Books") if item["sk"].startswith("ORDER#")]
            if not unknown_orders(orders) or time.monotonic() > deadline:
                return
            time.sleep(_BETWEEN_TRIES)

    def _faults_injected(self) -> dict[str, int]:
        """By kind, those before a demo was killed included."""
        before = self.before.faults_injected if self.before else {}
        return dict(sorted((Counter(before) + Counter(self.cloud.exchange.injected_faults().counts)).items()))

    def _session(self, show: Callable[[Step], None], total: int) -> None:
        status = trade_session(self.cloud, self.quiet, spoilt=self.spoilt)
        self._checkpoint(status.sessions_done)
        date = status.session.date.isoformat() if status.session else ""
        show(Step(status.sessions_done, total, date))

    def _checkpoint(self, sessions_done: int) -> None:
        progress = Progress(
            replay=self.replay,
            sessions_done=sessions_done,
            seconds=self._seconds(),
            errors=self.before.errors if self.before else 0,
            dead_letters=self.before.dead_letters if self.before else 0,
            faults_injected=self._faults_injected(),
        )
        self.cloud.checkpoint(label=msgspec.json.encode(progress).decode(), with_exchange=True)

    def _seconds(self) -> float:
        return round(time.monotonic() - self.started + (self.before.seconds if self.before else 0), 1)

    def _kill_everything(self) -> None:
        """Ends every process of the demo as a power cut would, this one last."""
        for child in psutil.Process().children(recursive=True):
            child.kill()
        os.kill(os.getpid(), signal.SIGKILL)

    # the result

    def _result(self) -> DemoResult:
        books = self._items("Books")
        orders = [item["body"] for item in books if item["sk"].startswith("ORDER#")]
        fills = [item["body"] for item in books if item["sk"].startswith("FILL#")]
        runs = [item["body"] for item in self._items("Runs") if item["sk"].startswith("RUN#")]
        report = self.cloud.exchange.report()
        positions = [i["body"] for i in self._items("Positions") if i["sk"].startswith("POSITION#")]
        baseline = next(item["body"] for item in books if item["sk"] == "BASELINE")
        cash = Decimal(baseline["cash"]) + sum((Decimal(p["cash_flow"]) for p in positions), Decimal(0))
        value = {p.symbol: p.market_value / p.qty for p in report.positions}
        held = {p["symbol"]: Decimal(p["quantity"]) for p in positions if Decimal(p["quantity"])}
        equity = cash + sum((quantity * value[symbol] for symbol, quantity in held.items()), Decimal(0))
        known = {order["client_order_id"] for order in orders if order.get("broker_order_id")}
        accepted = {order.client_order_id for order in report.orders}
        notified = [i for i in self._items("Notifications") if i["sk"].startswith("SENT#")]
        return DemoResult(
            trades_sha256=trades_sha256(fills),
            sessions=self.cloud.exchange.status().sessions_done,
            runs=len(runs),
            signals=sum(run["raised"] for run in runs),
            withheld=sum(run["withheld"] for run in runs),
            intents=sum(run["intents"] for run in runs),
            orders_accepted_by_exchange=len(accepted),
            orders_known=len(known),
            fills=len(fills),
            entries=sum(fill["side"] == "buy" for fill in fills),
            exits=sum(fill["side"] == "sell" for fill in fills),
            duplicate_orders=duplicate_orders([order.client_order_id for order in report.orders]),
            unknown_orders=unknown_orders(orders),
            positions=held,
            cash=cash,
            equity=equity,
            exchange_cash=report.cash,
            exchange_equity=report.equity,
            notifications=len(notified),
            dead_letters=self.quiet.dead_letters() + (self.before.dead_letters if self.before else 0),
            errors=self._errors() + (self.before.errors if self.before else 0),
            faults_injected=self._faults_injected(),
            fills_missing=missing_fills(fills, report.fills),
            positions_differing=differing_positions(held, report.positions),
            orders_without_verdict=without_verdict(orders),
            seconds=self._seconds(),
        )

    def _items(self, table: str) -> list[dict[str, Any]]:
        dynamodb = self.cloud.client("dynamodb")
        pages = dynamodb.get_paginator("scan").paginate(
            TableName=self.cloud.outputs[table], ConsistentRead=True
        )
        found = []
        for item in (item for page in pages for item in page["Items"]):
            body = msgspec.json.decode(item["body"]["S"]) if "body" in item else {}
            found.append({"pk": item["pk"]["S"], "sk": item["sk"]["S"], "body": body})
        return found

    def _errors(self) -> int:
        """Lines at level ERROR or above in the functions' logs."""
        logs = self.cloud.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=LOG_GROUP, filterPattern='"ERROR"'
        )
        return sum('"level":"ERROR"' in event["message"] for page in pages for event in page["events"])
