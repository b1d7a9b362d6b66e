"""A deploy on the laptop's engine: workers in use end what they are at, others end at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from laptop import finishing


@dataclass(eq=False)
class Worker:
    """A worker of the engine, as far as a deploy knows it."""

    in_use: bool
    config: dict[str, Any] = field(default_factory=lambda: {"Timeout": 30})
    killed: threading.Event = field(default_factory=threading.Event)


def _runtime(workers: list[Worker]) -> Any:
    """The engine's module: to invalidate a function takes its workers out of the pool and kills them."""
    runtime = SimpleNamespace()

    def kill_workers(doomed: list[Worker]) -> None:
        for worker in doomed:
            worker.killed.set()

    def invalidate_worker(name: str, *, qualifier: str | None = None) -> None:
        doomed = list(workers)
        workers.clear()
        runtime.kill_workers(doomed)

    runtime.kill_workers, runtime.invalidate_worker = kill_workers, invalidate_worker
    return runtime


def test_a_deploy_ends_an_idle_worker_at_once_and_one_in_use_when_it_is_free() -> None:
    """Both leave the pool; the one at work is killed no sooner than it was given back."""
    idle, busy = Worker(in_use=False), Worker(in_use=True)
    pool = [idle, busy]

    finishing.spare_those_in_use(_runtime(pool))("trading-sync", qualifier="$LATEST")

    assert pool == []
    assert (idle.killed.is_set(), busy.killed.is_set()) == (True, False)
    busy.in_use = False
    assert busy.killed.wait(10)


def test_a_worker_that_never_ends_is_killed_after_its_functions_limit() -> None:
    """A worker that broke is never given back, and does not live for ever."""
    broken = Worker(in_use=True, config={"Timeout": -finishing.GRACE_SECONDS})

    finishing.spare_those_in_use(_runtime([broken]))("trading-sync")

    assert broken.killed.wait(10)


def test_a_time_out_kills_at_once() -> None:
    """Who kills a worker and names no deploy, as the engine does at a time-out, kills one in use too."""
    runtime, busy = _runtime([]), Worker(in_use=True)
    finishing.spare_those_in_use(runtime)

    runtime.kill_workers([busy])

    assert busy.killed.is_set()
