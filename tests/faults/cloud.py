"""Short histories of trouble on the whole laptop cloud, one after another on one stack.

A history is a handful of commands on the real queues, faults of the exchange's own switchboard, workers
of the engine killed in the middle of their work, a session of the market, and the comparison of books
and exchange. A seed fixes what is wanted and what goes wrong; when it strikes is up to the processes.
"""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psutil

from alpaquero.events import queues
from alpaquero.events.commands import CancelOrder, PlaceOrder
from alpaquero.orders.identity import manual_key, signal_key
from alpaquero.orders.intent import Intent, OrderType, Origin, Purpose, Side, TimeInForce
from laptop.agreement import differing_positions, missing_fills, unknown_orders, without_verdict
from laptop.exchange.admin_bodies import ReportedOrder
from laptop.exchange.faults import FaultKind, FaultRule
from laptop.quiescence import AFTER_OUTBOX, BEFORE_OUTBOX, Quiescence
from laptop.stack import ACCOUNT, InvocationError, LaptopCloud
from tests.integration.reading import Item, items
from tests.waiting import soon

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
OPENING_CASH = Decimal(100_000)
VISIBILITY_SECONDS = 5  # a message that failed comes again so soon, where the template says minutes
WELL_WITHIN_SECONDS = 60  # a job that failed is tried again so long
BETWEEN_TRIES_SECONDS = 0.5
LOST_SECONDS = 75  # a minute after it was sent, an order that the exchange lacks is given up
PROTECTION = "aq1-prot-"
ENDED = {"filled", "canceled", "expired", "rejected", "replaced"}
STRUCK = ("TradingExecute", "TradingSync", "TradingPublish", "PositionProject", "AnalyticsProject")
KINDS = (
    FaultKind.RATE_LIMITED,
    FaultKind.SERVER_ERROR,
    FaultKind.UNAVAILABLE,
    FaultKind.TIMEOUT_BEFORE,
    FaultKind.TIMEOUT_AFTER,
    FaultKind.CUT_BEFORE,
    FaultKind.CUT_AFTER,
    FaultKind.HTML,
    FaultKind.TRUNCATED,
)
ROUTES = ("submit", "submit", "submit", "cancel", "orders", "activities", "positions", "account", "all")


class CloudHistories:
    """Runs histories on a cloud that is up; `counts` adds up what happened."""

    def __init__(self, cloud: LaptopCloud) -> None:
        self.cloud = cloud
        self.quiet = Quiescence(cloud, ACCOUNT)
        self.counts: Counter[str] = Counter()
        sqs = cloud.client("sqs")
        for queue in (*BEFORE_OUTBOX, *AFTER_OUTBOX):
            sqs.set_queue_attributes(
                QueueUrl=cloud.outputs[queue], Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)}
            )

    def run(self, number: int) -> None:
        """One history, and what must hold after it. Raises AssertionError naming what does not."""
        draw = random.Random(f"cloud history {number}")
        self.cloud.exchange.add_faults(*_rules(draw, number))
        for _ in range(draw.randint(2, 4)):
            self._want(draw, f"{number}-{draw.randrange(10**9)}")
        if draw.random() < 0.3:
            self._cancel_one(draw)
        if draw.random() < 0.15:
            self._kill_a_worker(draw)
        if draw.random() < 0.5:
            self.cloud.exchange.step()
        self._tick_twice_at_once("sync") if draw.random() < 0.2 else self._tick("sync")
        if draw.random() < 0.5:
            self._tick("monitor")
        self.cloud.exchange.step()
        self._tick("sync")
        self.cloud.exchange.clear_faults()
        self.settle()
        self.compare(strictly=False)
        self.counts["histories"] += 1

    def settle(self) -> None:
        """Without faults: what waits is delivered, and a sync runs well after it."""
        self.quiet.wait(120)
        went_well = soon(
            lambda: self._tick("sync"), seconds=WELL_WITHIN_SECONDS, pause_seconds=BETWEEN_TRIES_SECONDS
        )
        assert went_well, f"no sync ended well within {WELL_WITHIN_SECONDS} s"
        self.quiet.wait(120)

    def finish(self) -> None:
        """The last sync, once what never arrived can be told from what is late."""
        # The wall time of the functions cannot be moved.
        soon(self._all_is_known, seconds=LOST_SECONDS, pause_seconds=BETWEEN_TRIES_SECONDS)
        self.compare(strictly=True)

    def _all_is_known(self) -> bool:
        """Whether a last sync leaves no order whose fate is unknown."""
        self.settle()
        return not unknown_orders(self._orders())

    # what is wanted

    def _want(self, draw: random.Random, key: str) -> None:
        """A signal or a person's order; its message may come twice, past the queue's own deduplication."""
        intent = _intent(draw, key, self.cloud.exchange.status().now)
        self.counts["intents"] += 1
        for copy in range(draw.choice((1, 1, 2))):
            self.counts["commands repeated"] += copy
            self._send(PlaceOrder(intent=intent), f"{intent.client_order_id}:{copy}")

    def _cancel_one(self, draw: random.Random) -> None:
        open_ones = [o for o in self._orders() if o["status"] in {"new", "accepted", "partially_filled"}]
        if not open_ones:
            return
        chosen = draw.choice(open_ones)["client_order_id"]
        self.counts["cancels"] += 1
        command = CancelOrder(client_order_id=chosen, requested_by="ana", correlation_id="campaign")
        self._send(command, f"cancel:{chosen}:{draw.randrange(10**9)}")

    def _send(self, command: object, deduplication_id: str) -> None:
        queues.send_in_order(
            self.cloud.outputs["OrderQueue"],
            command,
            group=ACCOUNT,
            deduplication_id=deduplication_id,
            client=self.cloud.client("sqs"),
        )

    # what goes wrong

    def _kill_a_worker(self, draw: random.Random) -> None:
        """Ends the process of a function wherever it is; the engine starts another for what comes next."""
        name = draw.choice(STRUCK)
        (engine,) = (child for child in self.cloud.children() if child.name == "engine")
        for process in psutil.Process(engine.pid).children(recursive=True):
            try:
                is_it = any(f"alpaquero-{name}-" in part for part in process.cmdline())
            except psutil.Error:
                continue  # it ended by itself
            if is_it:
                process.kill()
                self.counts["workers killed"] += 1

    def _tick(self, job: str) -> bool:
        """Runs a job as its schedule does; whether it ended well."""
        try:
            self.cloud.tick(job)
        except InvocationError:
            self.counts[f"{job} failed"] += 1
            return False
        return True

    def _tick_twice_at_once(self, job: str) -> None:
        self.counts[f"{job} twice at once"] += 1
        with ThreadPoolExecutor(2) as both:
            list(both.map(self._tick, (job, job)))

    # what must hold

    def compare(self, *, strictly: bool) -> None:
        """Books and exchange agree; unless `strictly`, an order may still be UNKNOWN for its first minute."""
        report = self.cloud.exchange.report()
        book = items(self.cloud, "Books")
        orders = [item["body"] for item in book if item["sk"].startswith("ORDER#")]
        fills = [item["body"] for item in book if item["sk"].startswith("FILL#")]
        risk = next(item["body"] for item in book if item["sk"] == "RISKBOOK")
        cash, held = _folded(fills)
        known = {order["client_order_id"] for order in orders}
        wrong = {
            "intents with two orders": _doubled(report.orders),
            "orders without a verdict": without_verdict(orders),
            "orders that the books lack": sorted({o.client_order_id for o in report.orders} - known),
            "fills missing": missing_fills(fills, report.fills),
            "positions differing": differing_positions(held, report.positions),
            "cash differing": cash - report.cash,
            "cash of the risk book differing": Decimal(risk["cash"]) - report.cash,
            "messages given up": self.quiet.dead_letters(),
            "orders unknown": unknown_orders(orders) if strictly else 0,
        }
        assert not any(wrong.values()), {what: value for what, value in wrong.items() if value}
        self.counts["orders"], self.counts["fills"] = report.orders_accepted, len(report.fills)

    def _orders(self) -> list[Item]:
        return [item["body"] for item in items(self.cloud, "Books", "ORDER#")]


def _doubled(orders: list[ReportedOrder]) -> list[str]:
    """Orders beyond one for an intent; of a position's stop, which may be placed anew, beyond one open."""
    counted = [o for o in orders if not o.client_order_id.startswith(PROTECTION) or o.status not in ENDED]
    ours = [o for o in counted if o.client_order_id.startswith("aq1-")]
    number = Counter(_intent_of(o.client_order_id) for o in ours)
    return sorted(
        f"{o.client_order_id} ({o.status})" for o in ours if number[_intent_of(o.client_order_id)] > 1
    )


def _intent_of(client_order_id: str) -> str:
    return client_order_id.rsplit("-", 1)[0]


def _rules(draw: random.Random, number: int) -> list[FaultRule]:
    """One to three faults, each for a few requests of a kind."""
    rules = [
        FaultRule(
            id=f"history-{number}-{place}",
            kind=draw.choice(KINDS),
            route=draw.choice(ROUTES),
            probability=draw.choice((0.5, 1.0)),
            times=draw.randint(1, 3),
            seed=number,
        )
        for place in range(draw.randint(1, 3))
    ]
    if draw.random() < 0.2:
        rules.append(FaultRule(id=f"history-{number}-late", kind=FaultKind.LATENCY, milliseconds=30, times=5))
    return rules


def _intent(draw: random.Random, key: str, now: datetime) -> Intent:
    symbol, side = draw.choice(SYMBOLS), draw.choice((Side.BUY, Side.BUY, Side.SELL))
    purpose = Purpose.ENTRY if side is Side.BUY else Purpose.EXIT
    common: dict[str, Any] = {
        "account": ACCOUNT,
        "purpose": purpose,
        "symbol": symbol,
        "side": side,
        "reason": "the campaign",
        "correlation_id": f"campaign-{key}",
    }
    if draw.random() < 0.5:
        return Intent(
            **common,
            origin=Origin.SIGNAL,
            key=signal_key(ACCOUNT, "stochrsi_ema", "1Day", side, symbol, now),
            strategy="stochrsi_ema",
            timeframe="1Day",
            bar_close=now,
            valid_until=now + timedelta(days=4),
        )
    return Intent(
        **common,
        origin=Origin.MANUAL,
        key=manual_key(ACCOUNT, key),
        quantity=Decimal(draw.randint(1, 12)),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        requested_by="ana",
    )


def _folded(fills: list[Item]) -> tuple[Decimal, dict[str, Decimal]]:
    """Cash and shares as the fills of the books make them."""
    cash, held = OPENING_CASH, dict[str, Decimal]()
    for fill in fills:
        quantity = Decimal(fill["quantity"]) * (1 if fill["side"] == "buy" else -1)
        held[fill["symbol"]] = held.get(fill["symbol"], Decimal(0)) + quantity
        cash -= quantity * Decimal(fill["price"])
    return cash, {symbol: quantity for symbol, quantity in held.items() if quantity}
