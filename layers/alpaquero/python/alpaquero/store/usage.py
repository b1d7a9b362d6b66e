"""What CloudWatch knows of the day: how often functions ran, for how long, what tables and queues took.

Read by `health_monitor/probe` every `usage_minutes`, since CloudWatch charges for each metric that is
read, and kept in the Health table for the usage route. The laptop's engine has some metrics only; what
is missing is None with the reason, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from alpaquero.monitoring.costs import Memory

BATCH = 500  # metrics that one call may ask for
FIFO = ".fifo"  # how the name of every FIFO queue ends
_RANDOM_END = re.compile(r"-[A-Za-z0-9]{8,}$")

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """The most memory that a process of a function used, and what it may use, in MB."""

    memory_mb: float
    limit_mb: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The day from `since` (midnight UTC) to `until`; sums by metric, by logical name.

    `lately` holds what functions and tables have counted since the reading before. `quantities` are what
    has a price, None where nobody counted; `missing` says why, by namespace. `memory` is what functions said
    of themselves.
    """

    since: datetime
    until: datetime
    functions: dict[str, Figures] = field(default_factory=dict)
    tables: dict[str, Figures] = field(default_factory=dict)
    lately: dict[str, Figures] = field(default_factory=dict)
    quantities: dict[str, float | None] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    memory: dict[str, MemoryUse] = field(default_factory=dict)


def after(before: Usage | None, found: Usage) -> Usage:
    """`found` with what it counted beyond `before`, or beyond midnight when that was another day's.

    What could not be read stays as it was known: else the next reading would count the whole day as lately.
    """
    start = before if before and before.since == found.since else Usage(since=found.since, until=found.since)
    known = {**start.functions, **start.tables}
    lately = {name: figures for name, figures in start.lately.items() if _is_unread(name, start, found)}
    lately |= {
        name: {metric: amount - known.get(name, {}).get(metric, 0.0) for metric, amount in figures.items()}
        for name, figures in {**found.functions, **found.tables}.items()
    }
    return replace(
        found,
        functions=found.functions or start.functions,
        tables=found.tables or start.tables,
        lately=lately,
    )


def _is_unread(name: str, start: Usage, found: Usage) -> bool:
    """Whether it is of a kind that `found` has nothing of."""
    return not (found.functions if name in start.functions else found.tables)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource that CloudWatch has metrics of: its dimension, and metrics with their statistic."""

    namespace: str
    dimension: str
    metrics: Mapping[str, str]


FUNCTIONS = Kind(
    "AWS/Lambda",
    "FunctionName",
    {"Invocations": "Sum", "Errors": "Sum", "Throttles": "Sum", "Duration": "Sum"},
)
TABLES = Kind(
    "AWS/DynamoDB",
    "TableName",
    {
        "ConsumedReadCapacityUnits": "Sum",
        "ConsumedWriteCapacityUnits": "Sum",
        "ReadThrottleEvents": "Sum",
        "WriteThrottleEvents": "Sum",
    },
)
QUEUES = Kind(
    "AWS/SQS",
    "QueueName",
    {
        "NumberOfMessagesSent": "Sum",
        "NumberOfMessagesReceived": "Sum",
        "NumberOfMessagesDeleted": "Sum",
        "NumberOfEmptyReceives": "Sum",
    },
)
LOGS = Kind("AWS/Logs", "LogGroupName", {"IncomingBytes": "Sum"})


def read(cloudwatch: Any, stack: str, log_group: str, now: datetime, memory: Memory) -> Usage:
    """What CloudWatch has counted since midnight UTC for the resources of `stack`.

    `memory` is what its functions are given.
    """
    since = now.replace(hour=0, minute=0, second=0, microsecond=0)
    missing: dict[str, str] = {}
    asked = 0

    def of(kind: Kind, belongs: Callable[[str], bool]) -> dict[str, Figures]:
        nonlocal asked
        try:
            names = sorted(set(filter(belongs, _names(cloudwatch, kind))))
            asked += len(names) * len(kind.metrics)
            found = _sums(cloudwatch, kind, names, since, now)
        except Exception as error:
            missing[kind.namespace] = f"CloudWatch could not be read ({type(error).__name__})"
            return {}
        if not found:
            missing[kind.namespace] = "CloudWatch has no such metrics; the laptop's engine keeps but a few"
        return found

    prefix = f"{stack}-"
    functions = of(FUNCTIONS, lambda name: name.startswith(prefix))
    tables = of(TABLES, lambda name: name.startswith(prefix))
    queues = of(QUEUES, lambda name: name.startswith(prefix))
    fifo = {name: figures for name, figures in queues.items() if name.endswith(FIFO)}
    standard = {name: figures for name, figures in queues.items() if name not in fifo}
    logs = of(LOGS, lambda name: name == log_group)
    return Usage(
        since=since,
        until=now,
        functions={logical(name, prefix): figures for name, figures in functions.items()},
        tables={logical(name, prefix): figures for name, figures in tables.items()},
        quantities={
            "lambda_requests": _total(functions, ["Invocations"]),
            "lambda_compute": _compute(functions, prefix, memory),
            "dynamodb_reads": _total(tables, ["ConsumedReadCapacityUnits"]),
            "dynamodb_writes": _total(tables, ["ConsumedWriteCapacityUnits"]),
            "sqs_requests": _total(standard, QUEUES.metrics),
            "sqs_fifo_requests": _total(fifo, QUEUES.metrics),
            "log_bytes": _total(logs, ["IncomingBytes"]),
            "metrics_read": float(asked),
        },
        missing=missing,
    )


def _names(cloudwatch: Any, kind: Kind) -> Iterable[str]:
    """The resources that have the kind's first metric."""
    metric = next(iter(kind.metrics))
    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace=kind.namespace, MetricName=metric)
    for page in pages:
        for found in page["Metrics"]:
            dimensions = {one["Name"]: one["Value"] for one in found["Dimensions"]}
            if set(dimensions) == {kind.dimension}:
                yield dimensions[kind.dimension]


def _sums(
    cloudwatch: Any, kind: Kind, names: list[str], since: datetime, now: datetime
) -> dict[str, Figures]:
    wanted = [(name, metric) for name in names for metric in kind.metrics]
    found: dict[str, Figures] = {}
    for start in range(0, len(wanted), BATCH):
        chunk = wanted[start : start + BATCH]
        queries = [
            {
                "Id": f"m{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": kind.namespace,
                        "MetricName": metric,
                        "Dimensions": [{"Name": kind.dimension, "Value": name}],
                    },
                    "Period": 86_400,
                    "Stat": kind.metrics[metric],
                },
            }
            for number, (name, metric) in enumerate(chunk)
        ]
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=since, EndTime=now
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                name, metric = chunk[int(result["Id"][1:])]
                figures = found.setdefault(name, dict.fromkeys(kind.metrics, 0.0))
                figures[metric] += sum(result["Values"])
    return found


def _total(found: Mapping[str, Mapping[str, float]], metrics: Iterable[str]) -> float | None:
    wanted = list(metrics)
    if not found:
        return None
    return sum(figures[metric] for figures in found.values() for metric in wanted)


def _compute(functions: Mapping[str, Mapping[str, float]], prefix: str, memory: Memory) -> float | None:
    """GB-seconds: the memory that is billed, for as long as each ran."""
    if not functions:
        return None
    return round(
        sum(
            figures["Duration"] / 1000 * memory.of(logical(name, prefix)) / 1024
            for name, figures in functions.items()
        ),
        3,
    )


def logical(name: str, prefix: str) -> str:
    """The template's name of a resource, without the stack before it and the letters behind it."""
    return _RANDOM_END.sub("", name.removeprefix(prefix))
