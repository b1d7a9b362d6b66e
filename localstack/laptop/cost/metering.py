"""Meters a laptop cloud: times from the functions' log lines, requests from the guard's counts.

`alpaquero cost --meter` brings a small cloud up and takes the measurements that the model rests on;
`--metered` reads what one that is up has done so far.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
import msgspec

from laptop import calls, watchlist
from laptop.cost.work import SHARD_SYMBOLS, Measurements, RunStretch, Stretch, Work, scaled, together
from laptop.engine import key_of_function
from laptop.errors import LaptopError, NotRunningError
from laptop.layout import StateFolder
from laptop.meter import ASKED, item_bytes
from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, LOG_GROUP, SERVICE_PORTS, ExchangeOptions, LaptopCloud, Stack

KEPT: Final = "metered.json"
JOBS: Final = ("plan", "sync", "monitor", "probe", "digest")
SIZES: Final = (10, 50)
TICKS: Final = 5
RUNS: Final = 2
SEED: Final = 1
EVENT_BYTES: Final = 26  # CloudWatch adds them to each line it takes in
# What a page of the dashboard reads; the desk's own list is longer or shorter by the page.
PAGE: Final = (
    ("position", "/account"),
    ("position", "/positions"),
    ("trading", "/orders"),
    ("signal", "/signals"),
    ("risk", "/trading_state"),
    ("health_monitor", "/services"),
)
_QUIET_SECONDS: Final = 120.0
_LOGGED_SECONDS: Final = 0.5  # an invocation's lines are in the log a moment after its message is gone
_DONE: Final = ('"handled"', '"answered"')

Say = Callable[[str], None]


@dataclass(frozen=True)
class Reading:
    """What the guard had counted at a moment, by function; `at` is wall time."""

    at: float
    asked: dict[str, Work]


class Meter:
    """Reads one stack; what the laptop itself asks of the engine is left out."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._logical = {name: logical for logical, name in stack.resources.items()}
        self._keys = dict(self._keys_of_functions())

    def _keys_of_functions(self) -> Iterator[tuple[str, str]]:
        pages = self._stack.client("lambda").get_paginator("list_functions").paginate()
        for page in pages:
            for one in page["Functions"]:
                if one["FunctionName"] in self._logical:
                    key = key_of_function(one["FunctionArn"], one["Role"])
                    yield key, self._logical[one["FunctionName"]]

    def reading(self) -> Reading:
        """The guard's counts now."""
        answer = httpx.get(f"{self._stack.endpoint}{ASKED}", timeout=30, trust_env=False).json()
        asked: dict[str, Work] = {}
        for name, (requests, reads, writes) in answer.items():
            key, service, _ = name.split("/")
            if key in self._keys:
                function = self._keys[key]
                work = asked_of(service, requests, reads, writes)
                asked[function] = asked[function].plus(work) if function in asked else work
        return Reading(time.time(), asked)

    def since(self, before: Reading, *, times: float = 1) -> Stretch:
        """What was done since a reading."""
        now = self.reading()
        asked = together([now.asked, scaled(before.asked, -1)])
        asked = {name: work for name, work in asked.items() if work.is_something}
        lines = list(self._lines(int(before.at * 1000)))
        return Stretch(
            times=times,
            log_bytes=sum(len(line.encode()) + EVENT_BYTES for line in lines),
            done=together([asked, handled(lines, self._logical)]),
        )

    def _lines(self, since: int) -> Iterator[str]:
        pages = self._stack.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=LOG_GROUP, startTime=since):
            for event in page["events"]:
                yield event["message"]


def asked_of(service: str, requests: float, reads: float, writes: float) -> Work:
    """The guard's counts of one service as work."""
    if service == "dynamodb":
        return Work(reads=reads, writes=writes)
    return Work(calls={service: requests}, events=writes if service == "events" else 0)


def handled(lines: Iterable[str], logical: dict[str, str]) -> dict[str, Work]:
    """Invocations, their time and memory, from the line that handlers and APIs log when they are done.

    `logical` gives the template's name of a function's.
    """
    found: dict[str, Work] = {}
    for line in lines:
        if not line.startswith("{") or not any(word in line for word in _DONE):
            continue
        entry: dict[str, Any] = json.loads(line)
        name = _name_in(entry, logical)
        if name is None:
            continue
        work = Work(invocations=1, milliseconds=entry["milliseconds"], memory_mb=entry.get("memory_mb"))
        found[name] = found[name].plus(work) if name in found else work
    return found


def _name_in(entry: Mapping[str, Any], logical: Mapping[str, str]) -> str | None:
    """The function that logged; an API's line names its service alone."""
    if entry.get("message") == "answered":
        return "".join(part.title() for part in entry["service"].split("_")) + "Api"
    return logical.get(entry.get("function_name", "")) if entry.get("message") == "handled" else None


def so_far(stack: Stack) -> Stretch:
    """All that a stack's functions did since its engine started."""
    return Meter(stack).since(Reading(0, {}))


def keep(stack: Stack) -> None:
    """Writes what a stack did into its folder before it goes down; the demo does so at its end."""
    (stack.state.root / KEPT).write_bytes(msgspec.json.encode(so_far(stack)))


def metered(folder: StateFolder) -> Stretch:
    """What the stack of this folder did so far, or did before it went down.

    Raises `NotRunningError` when neither is known.
    """
    try:
        return so_far(Stack.find(folder))
    except NotRunningError:
        if not (folder.root / KEPT).exists():
            raise
        return msgspec.json.decode((folder.root / KEPT).read_bytes(), type=Stretch)


def measure(say: Say) -> Measurements:
    """Brings a private cloud up and takes every measurement of it; some minutes."""
    options = ExchangeOptions(
        seed=SEED, clock="stepped", synthetic=max(SIZES), sessions=1 + len(SIZES) * (RUNS + 1)
    )
    with TemporaryDirectory(prefix="alpaquero-cost-") as folder:
        cloud = LaptopCloud(Path(folder), exchange=options, say=say)
        try:
            cloud.up()
            return _Measuring(cloud, say).all()
        finally:
            cloud.kill()  # nothing of it is kept, so nothing need be saved


class _Measuring:
    """The measurements on one cloud that is up."""

    def __init__(self, cloud: LaptopCloud, say: Say) -> None:
        self._cloud = cloud
        self._say = say
        self._meter = Meter(cloud)
        self._quiet = Quiescence(cloud, ACCOUNT)

    def all(self) -> Measurements:
        self._cloud.tick("sync")
        self._cloud.tick("probe")  # its first look starts every API
        runs = [self._runs(size) for size in SIZES]
        ticks = {job: self._ticks(job) for job in JOBS}
        page = self._page()
        return Measurements(taken_on=_today(), where=_machine(), ticks=ticks, runs=runs, page=page)

    def _runs(self, size: int) -> RunStretch:
        """Runs of the first `size` symbols on a warm store: the first fills it and is not counted."""
        symbols = sorted(self._cloud.exchange.status().symbols)[:size]
        watchlist.ensure(self._cloud, size, reason="measuring what a run costs")
        self._session()
        stretches, before = [], self._counted()
        for number in range(RUNS):
            self._say(f"{size} symbols: run {number + 1} of {RUNS}")
            stretches.append(self._session())
        after = self._counted()
        return RunStretch(
            symbols=len(symbols),
            shards=-(-len(symbols) // SHARD_SYMBOLS),
            orders=after[0] - before[0],
            kept_bytes=(after[1] - before[1]) / RUNS,
            stretch=Stretch(
                times=RUNS,
                log_bytes=sum(one.log_bytes for one in stretches),
                done=together(one.done for one in stretches),
            ),
        )

    def _session(self) -> Stretch:
        """The next session: what the last orders came to, and the run of its close with all it leads to.

        One tick of sync and one of plan are in it.
        """
        before = self._meter.reading()
        self._cloud.exchange.step()
        self._cloud.tick("sync")
        self._quiet.wait(_QUIET_SECONDS)
        self._cloud.tick("plan")
        self._settle()
        return self._meter.since(before)

    def _settle(self) -> None:
        self._quiet.wait(_QUIET_SECONDS)
        time.sleep(_LOGGED_SECONDS)

    def _counted(self) -> tuple[int, float]:
        """How many orders the exchange has taken, and the bytes in Runs."""
        table = self._cloud.outputs["Runs"]
        pages = self._cloud.client("dynamodb").get_paginator("scan").paginate(TableName=table)
        kept = sum(item_bytes(item) for page in pages for item in page["Items"])
        return len(self._cloud.exchange.report().orders), kept

    def _ticks(self, job: str) -> Stretch:
        """The schedule's event with nothing to do; the first warms the function and is not counted."""
        self._say(f"{job}: {TICKS} ticks")
        self._cloud.tick(job)
        self._settle()
        before = self._meter.reading()
        for _ in range(TICKS):
            self._cloud.tick(job)
        self._settle()
        return self._meter.since(before, times=TICKS)

    def _page(self) -> Stretch:
        """A page of the dashboard read anew, over the services' API; the first pass warms the functions."""
        self._say(f"a page of the dashboard: {len(PAGE)} reads")
        self._read(PAGE)
        self._settle()
        before = self._meter.reading()
        self._read(PAGE)
        self._settle()
        return self._meter.since(before)

    def _read(self, page: Sequence[tuple[str, str]]) -> None:
        for service, path in page:
            answer = calls.send_to_engine(self._cloud, service, calls.Call(SERVICE_PORTS[service], path))
            if answer.is_error:
                raise LaptopError(f"{service}{path} answered {answer.status_code}: see `alpaquero logs`")


def _today() -> date:
    return datetime.now(UTC).date()


def _machine() -> str:
    load = os.getloadavg()[0]
    return (
        f"the laptop's engine on {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, load average {load:.1f}"
    )
