"""Keeps the whole laptop cloud up: what ``alpaquero up`` and ``make run`` do.

``Supervisor.run`` starts everything, tells what happens, checkpoints each minute, and on Ctrl-C or
SIGTERM stops everything with its state saved. It owns every process it starts.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal

import psutil

from laptop import first_page, owner, ports, processes, watchlist
from laptop.engine import Engine
from laptop.errors import LaptopError, NotRunningError
from laptop.layout import StateFolder
from laptop.stack import Child, ExchangeOptions, InvocationError, LaptopCloud, StackRecord
from laptop.watch import Watch

Say = Callable[[str], None]
Event = dict[str, Any]

_CHECKPOINT_SECONDS: Final = 60.0


@dataclass(frozen=True)
class UpOptions:
    """What ``alpaquero up`` is asked for."""

    state: Path | None = None
    free_ports: bool = False
    exchange: ExchangeOptions = field(default_factory=ExchangeOptions)
    dashboard: bool = True
    watchlist: int | Literal["all"] | None = None
    engine: str = Engine.name


class Supervisor:
    """One run of the laptop cloud, from start to stop."""

    def __init__(self, options: UpOptions, say: Say) -> None:
        self._options = options
        self._say = say
        self._state = StateFolder.at(options.state)
        self._ports_process: Any = None
        self._began = time.monotonic()
        self._is_ready = False

    def run(
        self, on_ready: Callable[[LaptopCloud, StackRecord], None], on_event: Callable[[Event], None]
    ) -> None:
        """Start, call ``on_ready``, then ``on_event`` for each event until told to stop.

        Raises
        ------
        LaptopError
            When a part does not come up or ends by itself; everything else is stopped by then.
        """
        end_leftovers(self._state)
        cloud = LaptopCloud(
            self._options.state,
            ports="free" if self._options.free_ports else "default",
            exchange=self._options.exchange,
            schedules=True,
            engine=self._options.engine,
            say=self._say,
        )
        processes.require_free(cloud.ports)
        with _stop_signals():
            try:
                watch = self._start(cloud, on_ready)
                self._keep(cloud, watch, on_event)
            except KeyboardInterrupt:
                self._say("stopping")
            except BaseException:
                self._stop(cloud)
                raise
            self._stop(cloud)
        self._say("stopped; the next start goes on from here")

    def _start(self, cloud: LaptopCloud, on_ready: Callable[[LaptopCloud, StackRecord], None]) -> Watch:
        with ThreadPoolExecutor(max_workers=1) as pool:
            page = pool.submit(self._build_page) if self._options.dashboard else None
            cloud.up()
            owner.ensure(cloud)
            watchlist.ensure(
                cloud, self._options.watchlist, reason="up: what --watchlist says of the exchange's symbols"
            )
            self._ports_process = ports.start(self._state)
            self._first_sync(cloud)
            self._publish(cloud, page)
        watch = Watch(cloud)
        record = cloud.record(
            extra=[Child.of("ports", self._ports_process.pid)],
            seconds_to_ready=round(time.monotonic() - self._began, 1),
        )
        self._is_ready = True
        on_ready(cloud, record)
        if self._options.dashboard:
            threading.Thread(target=first_page.start, args=(cloud, self._say), daemon=True).start()
        return watch

    def _first_sync(self, cloud: LaptopCloud) -> None:
        """Open the books now: the dashboard would be empty until the schedule's first minute."""
        try:
            cloud.tick("sync")
        except InvocationError as error:
            self._say(f"the first sync failed, the schedule tries again within a minute: {error}")

    def _build_page(self) -> Path:
        from laptop import dashboard

        return dashboard.build(log=self._state.logs / "dashboard.log", say=self._say)

    def _publish(self, cloud: LaptopCloud, page: Future[Path] | None) -> None:
        if page is None:
            return
        from laptop import dashboard

        built = page.result()
        sent = dashboard.publish(cloud.sessions, cloud.outputs["DashboardBucket"], built)
        if sent:
            self._say(f"published the dashboard ({sent} files)")

    def _keep(self, cloud: LaptopCloud, watch: Watch, on_event: Callable[[Event], None]) -> None:
        """Until a signal: pass events on, checkpoint each minute, notice a part that ended."""
        saved_at = -_CHECKPOINT_SECONDS
        while True:
            for event in watch.events():
                on_event(event)
            ended = cloud.ended() or ("the port mappings" if self._ports_process.poll() is not None else None)
            if ended:
                raise LaptopError(f"{ended} ended by itself: see {self._state.logs}, then start again")
            if time.monotonic() - saved_at >= _CHECKPOINT_SECONDS:
                cloud.checkpoint()
                saved_at = time.monotonic()

    def _stop(self, cloud: LaptopCloud) -> None:
        if self._ports_process is not None:
            processes.stop(self._ports_process, seconds=5)
        if self._is_ready:
            cloud.down()
        else:
            # A half-made deploy is not worth saving: the next start has the last checkpoint.
            cloud.kill()


@contextmanager
def _stop_signals() -> Iterator[None]:
    """SIGTERM as Ctrl-C; a second one while stopping is ignored, so that the state gets saved."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_leftovers(state: StateFolder) -> None:
    """End what a killed supervisor left running here.

    Raises
    ------
    LaptopError
        When the supervisor itself still runs.
    """
    record = StackRecord.load(state.stack_file)
    if record is None:
        return
    if record.supervisor.runs:
        raise LaptopError(f"a stack is already up in {state.root}: stop it with `alpaquero down`")
    left = [psutil.Process(child.pid) for child in record.children if child.runs]
    for process in left:
        process.terminate()
    for process in psutil.wait_procs(left, timeout=20)[1]:
        process.kill()


def down(state: StateFolder, *, seconds: float = 60) -> bool:
    """Stop the stack of a state folder; False when none was up.

    Raises
    ------
    LaptopError
        When it does not end in time.
    """
    record = StackRecord.load(state.stack_file)
    if record is None or not record.supervisor.runs:
        if record is not None:
            end_leftovers(state)
        return False
    supervisor = psutil.Process(record.supervisor.pid)
    supervisor.terminate()
    try:
        supervisor.wait(seconds)
    except psutil.TimeoutExpired:
        raise LaptopError(
            f"process {record.supervisor.pid} did not stop within {seconds:.0f} s: see {state.logs}"
        ) from None
    return True


def status(state: StateFolder) -> dict[str, Any]:
    """What is up, where, and the memory it takes (proportional set size, MB).

    Raises
    ------
    NotRunningError
        When nothing is.
    """
    record = StackRecord.load(state.stack_file)
    if record is None or not record.supervisor.runs:
        raise NotRunningError(f"nothing is up in {state.root}: start it with `alpaquero up` or `make run`")
    parts = _memory(record)
    return {
        "urls": record.urls,
        "ports": record.ports,
        "state": str(state.root),
        "seconds_to_ready": record.seconds_to_ready,
        "uptime_seconds": round(time.time() - record.started_at),
        "memory_mb": round(sum(part["memory_mb"] for part in parts), 1),
        "processes": parts,
    }


def _memory(record: StackRecord) -> list[dict[str, Any]]:
    """Each recorded process, and the functions' workers (the engine's children) as one."""
    parts: list[dict[str, Any]] = [
        {"name": child.name, "pid": child.pid, "processes": 1, "memory_mb": _pss(child.pid)}
        for child in [record.supervisor, *record.children]
        if child.runs
    ]
    engine = next((child for child in record.children if child.name == "engine" and child.runs), None)
    workers = psutil.Process(engine.pid).children(recursive=True) if engine else []
    if workers:
        total = round(sum(_pss(worker.pid) for worker in workers), 1)
        parts.append({"name": "functions", "pid": None, "processes": len(workers), "memory_mb": total})
    return parts


def _pss(pid: int) -> float:
    try:
        memory = psutil.Process(pid).memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    # Only Linux tells the proportional size; elsewhere the unique one comes nearest.
    return round(float(getattr(memory, "pss", memory.uss)) / 1e6, 1)
