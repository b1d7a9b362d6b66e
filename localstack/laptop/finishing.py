"""Lets a worker end what it is at when its function is deployed; the guard puts it into the engine.

Hole 27: the engine kills a changed function's workers in use. Their messages stay hidden for as long as the
queue says, six minutes for a sync, and a request is answered by an error. AWS lets them end on the old code,
and so does this: workers in use leave the pool at once, as the others do, but end when they are free.
Standard library only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

# What an invocation may take beside its own limit: a start under load.
GRACE_SECONDS = 30.0
_PAUSE = 0.05


def install() -> None:
    """Change the engine that this process is about to run.

    Raises
    ------
    ImportError, AttributeError
        When an upgrade of the engine ends its workers elsewhere.
    """
    from ministack.core import lambda_runtime  # type: ignore[import-not-found]
    from ministack.services import lambda_svc  # type: ignore[import-not-found]

    if lambda_svc.invalidate_worker is not lambda_runtime.invalidate_worker:
        raise AttributeError("the engine's Lambda no longer ends its workers by lambda_runtime")
    lambda_svc.invalidate_worker = spare_those_in_use(lambda_runtime)


def spare_those_in_use(runtime: Any) -> Callable[..., None]:
    """The `invalidate_worker` of the engine's `lambda_runtime`, which ends a worker in use when it is free.

    The module's `kill_workers` is changed with it; called by anyone else it kills at once, as at a time-out.
    """
    invalidate, kill, told = runtime.invalidate_worker, runtime.kill_workers, threading.local()

    def kill_workers(workers: Sequence[Any]) -> None:
        spared = [one for one in workers if one.in_use] if getattr(told, "by_a_deploy", False) else []
        kill([one for one in workers if one not in spared])
        for worker in spared:
            threading.Thread(target=_kill_when_free, args=(worker, kill), daemon=True).start()

    def invalidate_worker(*arguments: Any, **named: Any) -> None:
        told.by_a_deploy = True
        try:
            invalidate(*arguments, **named)
        finally:
            told.by_a_deploy = False

    runtime.kill_workers, runtime.invalidate_worker = kill_workers, invalidate_worker
    return invalidate_worker


def _kill_when_free(worker: Any, kill: Callable[[Sequence[Any]], None]) -> None:
    # One that broke is never given back: its function's own limit ends the wait.
    deadline = time.monotonic() + float(worker.config.get("Timeout", 0)) + GRACE_SECONDS
    while worker.in_use and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    kill([worker])
