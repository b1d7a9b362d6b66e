"""Logs, the correlation id and counts, for every handler: `@observed("trading")` is all it needs.

Logs are one JSON object a line. Nothing secret is logged: handlers name what they log, and
events, headers and bodies are never logged whole. (The tracer of Powertools is left out: it costs
more to import than the rest of a function.)
"""

from __future__ import annotations

import functools
import os
import re
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from alpaquero import cold_start, deadline, wall

NAMESPACE = "Alpaquero"
DEPLOYED_LEVEL = os.environ.get("LOG_LEVEL", "INFO")
LOOK_AGAIN_SECONDS = 60.0  # how old the log level of the settings may be
GROWN = 1.1  # of the memory that was told last; less is no news
_SOUND_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")

logger = Logger(
    service=os.environ.get("POWERTOOLS_SERVICE_NAME", "alpaquero"),
    level=DEPLOYED_LEVEL,
    utc=True,
)

Handler = TypeVar("Handler", bound=Callable[[Any, Any], Any])


def correlation(given: str | None = None) -> str:
    """Makes `given` the correlation id of all further log lines, or a new one, and returns it.

    An id that is not a short plain word is replaced: it goes into logs, headers and events.
    """
    value = given if given and _SOUND_ID.fullmatch(given) else uuid.uuid4().hex
    logger.set_correlation_id(value)
    return value


def correlation_id() -> str:
    """The correlation id in force; a new one when none is."""
    return logger.get_correlation_id() or correlation()


def name_service(service: str) -> None:
    """Puts the service's name into every log line of this function."""
    logger.append_keys(service=service)


_looked_at = -LOOK_AGAIN_SECONDS


def follow_settings(context: object) -> None:
    """Logs from now on at the level the settings name, or as deployed when they name none.

    Asked before each invocation; it looks once a minute, and outside of Lambda (`context` names no
    function) never. A level that cannot be read is told and stays as it was.
    """
    global _looked_at  # noqa: PLW0603 - of the process, as the logger is
    now = wall.lapsed()
    if getattr(context, "function_name", None) is None or now - _looked_at < LOOK_AGAIN_SECONDS:
        return
    _looked_at = now
    from alpaquero.store import settings_items

    try:
        logger.setLevel(settings_items.log_level() or DEPLOYED_LEVEL)
    except Exception:
        logger.exception("the log level of the settings could not be read; it stays as it was")


def memory_mb() -> float | None:
    """The most memory this process has used so far, in MB; None where the system does not say (no /proc).

    `resource` would count what the process was forked from as well.
    """
    try:
        with Path("/proc/self/status").open() as lines:
            peak = next(line for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None
    return round(int(peak.split()[1]) / 1024, 1)


_told_memory: tuple[date, float] = (date.min, 0.0)


def tell_memory(context: object) -> None:
    """Keeps the most memory of this process for the health monitor: the day's first time, and as it grows.

    A custom metric for each function would cost more than the function. What cannot be kept is told in the
    log; outside of Lambda (`context` names no function) nothing is.
    """
    global _told_memory  # noqa: PLW0603 - of the process, as its memory is
    name, used, today = getattr(context, "function_name", None), memory_mb(), datetime.now(UTC).date()
    day, told = _told_memory
    if name is None or used is None or (day == today and used < told * GROWN):
        return
    _told_memory = today, used
    from alpaquero.store import health

    limit = int(getattr(context, "memory_limit_in_mb", 0) or 0) or None
    try:
        health.record_peak(health.Peak(function=name, day=today, memory_mb=used, limit_mb=limit))
    except Exception:
        logger.exception("the memory used could not be kept; the log has it")


def count(metric: str, value: float = 1, **dimensions: str) -> None:
    """Counts something as a CloudWatch metric (embedded metric format, one log line)."""
    with single_metric(name=metric, unit=MetricUnit.Count, value=value, namespace=NAMESPACE) as one:
        for name, text in dimensions.items():
            one.add_dimension(name=name, value=text)


def observed(service: str, *, follows_settings: bool = True) -> Callable[[Handler], Handler]:
    """Wraps a handler: a fresh correlation id, one line for each invocation, each failure told.

    One that reads no table logs as deployed (`follows_settings` False), and its memory is in the log alone:
    the look would be its only call. The handler sets the correlation id of its work with `correlation`. An
    exception is logged with its trace (the laptop's engine forgets it), counted, and raised again.
    """

    def wrap(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def run(event: Any, context: Any) -> Any:
            logger.clear_state()
            cold_start.over()
            deadline.begin(context)
            name_service(service)
            correlation(getattr(context, "aws_request_id", None))
            if follows_settings:
                follow_settings(context)
            started = time.perf_counter()
            try:
                answer = handler(event, context)
            except Exception as error:
                logger.exception("the invocation failed")
                count("Failures", service=service, error=type(error).__name__)
                raise
            failures = len(answer.get("batchItemFailures", ())) if isinstance(answer, Mapping) else 0
            took = round((time.perf_counter() - started) * 1000, 1)
            name = getattr(context, "function_name", None)
            told = {"function_name": name, "milliseconds": took, "failed": failures, "memory_mb": memory_mb()}
            logger.info("handled", extra=told)
            if follows_settings:
                tell_memory(context)
            return answer

        return run  # type: ignore[return-value]

    return wrap


def record_failed(record: Mapping[str, Any], error: Exception) -> None:
    """Tells of a queue record that failed; the `on_failure` of `alpaquero.events.queues.work_through`."""
    logger.error(
        "a record failed and goes back to its queue",
        exc_info=error,
        extra={"message_id": record.get("messageId"), "source": record.get("eventSourceARN")},
    )
    count("FailedRecords", error=type(error).__name__)
