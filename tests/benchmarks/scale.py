"""A run over 50, 500 and 5,000 made-up symbols through the whole laptop cloud, on a warm store.

A run is timed from the schedule's event until nothing is under way any more: judged, concluded, intents
at the exchange or refused, told. The engine is the one users start; its guard also counts requests, and
its memory is that of its whole process tree, sampled. The exchange's requests are read off its rate
limit. Every raised and withheld signal is compared with the rule judged here on the same prices.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
import msgspec
import psutil

from alpaquero.prices.columns import Columns
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.store.tables import unpacked
from alpaquero.strategy.evaluation import bars_needed, evaluated
from alpaquero.strategy.run import Run as SignalRun
from alpaquero.strategy.run import RunState, ShardReport
from alpaquero.strategy.settings import StrategySettings
from laptop import calls
from laptop.agreement import duplicate_orders
from laptop.calls import Call
from laptop.exchange.history import shipped_history
from laptop.exchange.synthetic import synthetic_history
from laptop.meter import ASKED
from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, LOG_GROUP, SERVICE_PORTS, ExchangeOptions, LaptopCloud
from tests.benchmarks.rows import Goal, Row

SIZES: Final = (50, 500, 5000)
COMPARED, LARGEST = 500, 5000
SEED: Final = 1
STRATEGY: Final = "stochrsi_ema"
WARM_RUNS: Final = {50: 3, 500: 3, 5000: 2}
DEADLINE_SECONDS: Final = 600  # a cold store fills at the exchange's pace, which is not what is measured
QUIET_WITHIN_SECONDS: Final = 900
SAMPLE_SECONDS: Final = 0.25
_GIGABYTE: Final = 1e9
_SIGNAL: Final = ("SignalPlan", "SignalEvaluate", "SignalConclude")


@dataclass(frozen=True)
class Run:
    """What one run took; `signal_seconds` are those of its three own functions among `function_seconds`."""

    symbols: int
    seconds: float
    signal_seconds: float
    function_seconds: float
    requests: Counter[str]
    exchange_requests: int
    peak_bytes: int
    raised: int
    faults: tuple[str, ...]

    @property
    def all_requests(self) -> int:
        """Requests of all functions, to AWS and to the exchange."""
        return self.requests.total() + self.exchange_requests


class Gauges(threading.Thread):
    """Samples the engine's memory and the exchange's used budget until it is stopped."""

    def __init__(self, cloud: LaptopCloud) -> None:
        super().__init__(daemon=True)
        self._cloud = cloud
        self._over = threading.Event()
        self._engine = next(child.pid for child in cloud.children() if child.name == "engine")
        keys = cloud.credentials
        headers = {"APCA-API-KEY-ID": keys.exchange_key, "APCA-API-SECRET-KEY": keys.exchange_secret}
        self._http = httpx.Client(base_url=cloud.exchange_url, headers=headers, timeout=30, trust_env=False)
        self._window: tuple[str, int] | None = None
        self.peak_bytes = 0
        self.exchange_requests = 0

    def run(self) -> None:
        while not self._over.wait(min(SAMPLE_SECONDS, max(60 - time.time() % 60 - 0.01, 0.005))):
            self.peak_bytes = max(self.peak_bytes, tree_bytes(self._engine))
            self._count()

    def _count(self) -> None:
        answer = self._http.get("/v2/clock").headers
        window = answer["X-RateLimit-Reset"]
        used = int(answer["X-RateLimit-Limit"]) - int(answer["X-RateLimit-Remaining"])
        if self._window is not None:
            before = self._window[1] if self._window[0] == window else 0
            self.exchange_requests += used - before - 1  # our own
        self._window = window, used

    @contextmanager
    def sampling(self) -> Iterator[Gauges]:
        """Samples while the block runs; the figures are whole after it."""
        self._count()
        self.start()
        try:
            yield self
        finally:
            self._over.set()
            self.join()
            self._count()
            self._http.close()


def tree_bytes(pid: int) -> int:
    """Resident bytes of a process and all below it; pages they share count in each."""
    total = 0
    try:
        top = psutil.Process(pid)
        tree = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in tree:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@contextmanager
def counted_cloud(symbols: int, sessions: int) -> Iterator[LaptopCloud]:
    """A private cloud whose engine counts requests, gone with the block."""
    options = ExchangeOptions(seed=SEED, clock="stepped", sessions=sessions, synthetic=symbols)
    with tempfile.TemporaryDirectory(prefix="alpaquero-bench-") as folder:
        cloud = LaptopCloud(Path(folder), exchange=options)
        try:
            cloud.up()
            yield cloud
        finally:
            cloud.kill()  # nothing of it is kept, so nothing need be saved


class Scale:
    """Runs on one cloud that is up."""

    def __init__(self, cloud: LaptopCloud) -> None:
        self._cloud = cloud
        self._quiet = Quiescence(cloud, ACCOUNT)
        self._symbols = sorted(cloud.exchange.status().symbols)
        self._history = synthetic_history(shipped_history(), LARGEST, SEED)

    def warm_runs(self, size: int, count: int) -> list[Run]:
        """Fills the store with the history of the first `size` symbols, then measures runs on it."""
        self._watch(self._symbols[:size])
        _say(f"{size} symbols: filling the store")
        first = self._run(size)
        _say(f"{size} symbols: cold store {first.seconds:.1f} s")
        runs = []
        for _ in range(count):
            runs.append(self._run(size))
            _say(f"{size} symbols: warm store {runs[-1].seconds:.1f} s, {runs[-1].raised} raised")
        return runs

    def _watch(self, symbols: list[str]) -> None:
        version = self._configure("GET", b"").json()["version"]
        settings = {"watchlist": symbols, "run_deadline_seconds": DEADLINE_SECONDS}
        change = {"version": version, "reason": "a benchmark", "settings": settings}
        answer = self._configure("POST", json.dumps(change).encode())
        if answer.is_error:
            raise RuntimeError(f"the watchlist could not be set: {answer.text}")

    def _configure(self, method: str, body: bytes) -> httpx.Response:
        headers = {"content-type": "application/json"}
        call = Call(SERVICE_PORTS["configuration"], "/config", method, body, headers)
        return calls.send_to_engine(self._cloud, "configuration", call)

    def _run(self, size: int) -> Run:
        """The next session, and the run of its close."""
        watched = self._symbols[:size]
        cloud = self._cloud
        cloud.exchange.step()
        cloud.tick("sync")
        self._quiet.wait(QUIET_WITHIN_SECONDS)
        asked, since = self._requests(), time.time()
        with Gauges(cloud).sampling() as gauges:
            began = time.perf_counter()
            identifier = cloud.tick("plan")["run_id"]
            self._quiet.wait(QUIET_WITHIN_SECONDS)
            seconds = time.perf_counter() - began
        spent = self._function_seconds(since)
        requests = self._requests()
        requests.subtract(asked)
        run, faults = self._outcome(identifier, watched, since)
        cloud.tick("monitor")
        self._quiet.wait(QUIET_WITHIN_SECONDS)
        return Run(
            symbols=size,
            seconds=seconds,
            signal_seconds=sum(spent[name] for name in _SIGNAL),
            function_seconds=sum(spent.values()),
            requests=+requests,
            exchange_requests=gauges.exchange_requests,
            peak_bytes=gauges.peak_bytes,
            raised=run.raised,
            faults=tuple(faults),
        )

    def _outcome(self, identifier: str, watched: Sequence[str], since: float) -> tuple[SignalRun, list[str]]:
        """The run as it is on record, and all that is wrong with it."""
        record = self._items(ACCOUNT, f"RUN#{identifier}")[0]
        run = msgspec.json.decode(record["body"]["S"], type=SignalRun)
        reports = [
            msgspec.json.decode(unpacked(item["packed"]["B"]), type=ShardReport)
            for item in self._items(f"RUN#{identifier}", "SHARD#")
        ]
        duplicates = duplicate_orders(
            [order.client_order_id for order in self._cloud.exchange.report().orders]
        )
        checks = {
            f"{identifier} is {record['state']['S']}": record["state"]["S"] != RunState.CONCLUDED,
            f"{len(reports)} reports of {run.shards} shards": len(reports) != run.shards,
            f"{duplicates} duplicate orders": duplicates > 0,
            f"{self._quiet.dead_letters()} dead letters": self._quiet.dead_letters() > 0,
        }
        faults = [what for what, holds in checks.items() if holds]
        faults += self._differences(run, reports, watched)
        return run, faults + self._errors(since)

    def _items(self, pk: str, prefix: str) -> list[dict[str, Any]]:
        pages = self._cloud.client("dynamodb").get_paginator("query")
        found = pages.paginate(
            TableName=self._cloud.outputs["Runs"],
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": pk}, ":prefix": {"S": prefix}},
            ConsistentRead=True,
        )
        return [item for page in found for item in page["Items"]]

    def _differences(self, run: SignalRun, reports: list[ShardReport], watched: Sequence[str]) -> list[str]:
        """Symbols judged not once, on other bars or otherwise than the rule judges the exchange's prices."""
        day = run.bar_start.astimezone(NEW_YORK).date()
        strategies = {STRATEGY: StrategySettings()}  # as a new stack has them
        bars = bars_needed(strategies, run.timeframe)
        series = {}
        for symbol in watched:
            history = self._history.symbols[symbol]
            end = history.count_to(day)
            series[symbol] = Columns.of(history.bars[end - bars : end])
        expected = evaluated(run, series, {}, symbols=watched, strategies=strategies, watchlist=watched)
        times = Counter(symbol for report in reports for symbol in report.judged)
        digests = {symbol: one.digest for report in reports for symbol, one in report.judged.items()}
        found = [signal for report in reports for signal in report.raised]
        held = [signal for report in reports for signal in report.withheld]
        checks = {
            "symbols were missed": len(times.keys() ^ set(watched)),
            "symbols were judged more than once": sum(count > 1 for count in times.values()),
            "symbols were judged on other bars": sum(
                digests.get(symbol) != one.digest for symbol, one in expected.judged.items()
            ),
            "signals differ from the rule's": len(
                {(one.symbol, one.side, one.strength) for one in found}
                ^ {(one.symbol, one.side, one.strength) for one in expected.raised}
            ),
            "signals are doubled": len(found) - len({one.symbol for one in found}),
            "symbols were withheld otherwise": len(
                {(one.symbol, one.code) for one in held}
                ^ {(one.symbol, one.code) for one in expected.withheld}
            ),
        }
        return [f"{count} {what}" for what, count in checks.items() if count]

    def _errors(self, since: float) -> list[str]:
        lines = self._logged('"ERROR"', int(since * 1000))
        return [
            f"{line['message']} {line.get('exception', '')[-300:]}"
            for line in lines
            if line["level"] == "ERROR"
        ]

    def _function_seconds(self, since: float) -> dict[str, float]:
        """Seconds that each function worked since a wall time, by logical id, from its own log lines."""
        logical = {name: key for key, name in self._cloud.resources.items()}
        spent: dict[str, float] = defaultdict(float)
        for line in self._logged('"handled"', int(since * 1000)):
            spent[logical[line["function_name"]]] += line["milliseconds"] / 1000
        return spent

    def _logged(self, pattern: str, since: int = 0) -> Iterator[dict[str, Any]]:
        pages = self._cloud.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=LOG_GROUP, filterPattern=pattern, startTime=since):
            for event in page["events"]:
                if event["message"].startswith("{"):
                    yield json.loads(event["message"])

    def _requests(self) -> Counter[str]:
        """Requests of the functions so far, by service and operation; ours are left out."""
        answer = httpx.get(f"{self._cloud.endpoint}{ASKED}", timeout=30, trust_env=False)
        ours = self._cloud.credentials.key_id
        seen: Counter[str] = Counter()
        for name, (count, _, _) in answer.json().items():
            key, _, operation = name.partition("/")
            if key != ours:
                seen[operation] += count
        return seen


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def measure() -> Iterator[Row]:
    """The rows of this part; raises when a run was not right."""
    runs: dict[int, list[Run]] = {}
    with counted_cloud(LARGEST, sessions=sum(WARM_RUNS.values()) + len(SIZES)) as cloud:
        cloud.tick("sync")
        scale = Scale(cloud)
        for size in SIZES:
            runs[size] = scale.warm_runs(size, WARM_RUNS[size])
    faults = [
        f"{run.symbols} symbols: {fault}"
        for of_size in runs.values()
        for run in of_size
        for fault in run.faults
    ]
    if faults:
        raise RuntimeError("; ".join(faults[:20]))
    largest = runs[LARGEST]
    yield Row(
        f"scale, a run over {LARGEST:,} symbols, until nothing is under way",
        median(run.seconds for run in largest),
        "s",
        goal=Goal(at_most=120),
    )
    yield Row(
        f"scale, memory of the engine and its functions at {LARGEST:,}",
        max(run.peak_bytes for run in largest) / _GIGABYTE,
        "GB",
        goal=Goal(at_most=4),
    )
    figures: list[tuple[str, str, Callable[[Run], float]]] = [
        ("function-seconds", "ms/symbol", lambda run: run.function_seconds * 1000),
        ("of these in plan, evaluate, conclude", "ms/symbol", lambda run: run.signal_seconds * 1000),
        ("requests to AWS and Alpaca", "1/symbol", lambda run: run.all_requests),
    ]
    for what, unit, figure in figures:
        each = {size: median(figure(run) / size for run in of_size) for size, of_size in runs.items()}
        for size in SIZES:
            if size == COMPARED:
                continue
            goal = Goal(at_most=1.2, of_ratio=True) if size == LARGEST and not what.startswith("of") else None
            yield Row(f"scale, {what} at {size:,}", each[size], unit, f"at {COMPARED}", each[COMPARED], goal)
