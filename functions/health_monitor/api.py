"""The health monitor's routes: the open health check, every service's last probe, and the counts."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Annotated, Any, Literal

import msgspec

from alpaquero import aws, wall
from alpaquero.errors import ConfigurationError
from alpaquero.orders.lifecycle import OrderStatus
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store import health, runs
from alpaquero.store.books import Books
from alpaquero.web import bodies
from alpaquero.web.app import service_app

QueueUrls = dict[str, Annotated[str, msgspec.Meta(min_length=1)]]
OK, DEGRADED = "ok", "degraded"
SILENT_AFTER = timedelta(minutes=10)  # of a probe that runs each minute


class MonitorSettings(FunctionSettings, frozen=True, kw_only=True):
    """What this function needs: two JSON objects, queue name to URL; whether the schedules fire."""

    schedules: Literal["ENABLED", "DISABLED"] = "ENABLED"
    queues: Text
    dead_letter_queues: Text


def queue_urls(variable: str, text: str) -> QueueUrls:
    """The queues in an environment variable. Raises `ConfigurationError` for anything else."""
    try:
        return msgspec.json.decode(text, type=QueueUrls)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{variable} must be a JSON object, queue name to URL: {error}") from None


SETTINGS = load(MonitorSettings)
QUEUES = queue_urls("QUEUES", SETTINGS.queues)
DEAD_LETTER_QUEUES = queue_urls("DEAD_LETTER_QUEUES", SETTINGS.dead_letter_queues)
BOOKS = Books(SETTINGS.account)

app = service_app("health_monitor", {"health": health.probes})


@cache
def sqs() -> Any:
    """The SQS client, made at the first request for metrics."""
    return aws.client("sqs")


@app.endpoint("GET", public="/health", role=None)
def open_health() -> dict[str, str]:
    """Whether all is well, and nothing else: anyone may ask."""
    return {"status": DEGRADED if _is_silent() or any(a.raised for a in health.alerts().values()) else OK}


def _is_silent() -> bool:
    """Whether the probe itself, which should run each minute, has not been heard of lately."""
    if SETTINGS.schedules == "DISABLED":
        return False
    newest = max((probe.checked_at for probe in health.probes()), default=None)
    return newest is not None and wall.now() - newest > SILENT_AFTER


@app.endpoint("GET", public="/api/monitoring/services", service="/health_monitor/services")
def services() -> bodies.Page[bodies.ServiceHealth]:
    """What the last probe of every service found."""
    return bodies.Page(
        items=[
            msgspec.convert(probe, bodies.ServiceHealth, from_attributes=True) for probe in health.probes()
        ]
    )


@app.endpoint("GET", public="/api/monitoring/metrics", service="/health_monitor/metrics")
def metrics() -> bodies.Metrics:
    """Counts since the stack began and depths now."""
    orders = BOOKS.orders()
    newest = next(iter(runs.newest_runs(SETTINGS.account, 1)), None)
    synced = health.last_work().get("trading")
    return bodies.Metrics(
        runs=runs.count(SETTINGS.account),
        orders=len(orders),
        fills=len(BOOKS.fills()),
        unknown_orders=sum(1 for order in orders if order.status == OrderStatus.UNKNOWN),
        outbox_depth=len(BOOKS.outbox()),
        queue_depths=depths(QUEUES),
        dead_letters=sum(depths(DEAD_LETTER_QUEUES).values()),
        last_run_at=datetime.fromtimestamp(newest.planned_at, UTC) if newest else None,
        last_sync_at=synced.at if synced else None,
    )


def depths(queues: Mapping[str, str]) -> dict[str, int]:
    """How many messages each queue holds, waiting or being worked on; delayed ones are not due yet."""
    client = sqs()  # made once, before the threads
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(queues, pool.map(partial(_depth, client), queues.values()), strict=True))


def _depth(client: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)
