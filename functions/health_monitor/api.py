"""The health monitor's routes: the open health check, probes, alerts, figures, what the day costs, and on
a laptop the faults that the paper exchange makes on purpose.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from alpaquero import wall
from alpaquero.errors import InvalidRequest, SharedStateLost
from alpaquero.lately import A_WHILE, kept_for
from alpaquero.observability import logger
from alpaquero.settings import FunctionSettings, Text, Url, load, queue_urls
from alpaquero.store import health
from alpaquero.web.app import service_app
from alpaquero.web.bodies import Page
from alpaquero.web.bodies import health_monitor as bodies

if TYPE_CHECKING:
    from alpaquero.faults import Switchboard
    from alpaquero.store.usage import Usage

OK: Final = "ok"
DEGRADED: Final = "degraded"
SILENT_AFTER = timedelta(minutes=10)  # of a probe that runs each minute
QUEUES_KEPT_SECONDS: Final = 10.0
NEVER_COUNTED = {
    "functions.memory_mb": "a worker tells it when it works, an API when it is probed; the authorizer never",
    "cost.api_gateway": "its requests are not counted here; see the bill",
    "cost.eventbridge": "its events are not counted here; see the bill",
    "cost.storage": "what is stored is not counted here; see the bill",
}


class MonitorSettings(FunctionSettings, frozen=True, kw_only=True):
    """What this function needs: two JSON objects, queue name to URL; whether the schedules fire.

    `faults_secret` names a secret `{"token"}` that opens the faults of a laptop's paper exchange, which is
    the broker there. Anywhere else it is empty, and counts for nothing.
    """

    schedules: Literal["ENABLED", "DISABLED"] = "ENABLED"
    queues: Text
    dead_letter_queues: Text
    alpaca_trading_url: Url
    alpaca_data_url: Url
    faults_secret: str = ""


SETTINGS = load(MonitorSettings)
QUEUES = queue_urls("QUEUES", SETTINGS.queues)
DEAD_LETTER_QUEUES = queue_urls("DEAD_LETTER_QUEUES", SETTINGS.dead_letter_queues)

app = service_app("health_monitor", {"health": health.probes}, works=True)


@app.endpoint("GET", public="/health", role=None)
def open_health() -> bodies.OpenHealth:
    """Whether all is well, and nothing else: anyone may ask."""
    is_degraded = _is_silent() or any(a.raised for a in health.alerts().values())
    return bodies.OpenHealth(status=DEGRADED if is_degraded else OK)


def _is_silent() -> bool:
    """Whether the probe itself, which should run each minute, has not been heard of lately."""
    if SETTINGS.schedules == "DISABLED":
        return False
    newest = max((probe.checked_at for probe in health.probes()), default=None)
    return newest is not None and wall.now() - newest > SILENT_AFTER


@app.endpoint("GET", public="/api/monitoring/services", service="/health_monitor/services")
def services() -> Page[bodies.ServiceHealth]:
    """What the last probe of every service found."""
    return Page(
        items=[
            msgspec.convert(probe, bodies.ServiceHealth, from_attributes=True) for probe in health.probes()
        ]
    )


@app.endpoint("GET", public="/api/monitoring/alerts", service="/health_monitor/alerts")
def alerts() -> Page[bodies.HealthAlert]:
    """What is watched, those in trouble first, the newest of them on top."""
    found = sorted(health.alerts().values(), key=lambda one: one.name)
    found.sort(key=lambda one: (one.raised, one.since.timestamp() if one.since else 0.0), reverse=True)
    return Page(items=[msgspec.convert(one, bodies.HealthAlert, from_attributes=True) for one in found])


@app.endpoint("GET", public="/api/monitoring/metrics", service="/health_monitor/metrics")
def metrics() -> bodies.Metrics:
    """Counts since the stack began, depths and ages at `as_of`; what nobody knows is null and says why."""
    return _metrics()


@kept_for(A_WHILE)
def _metrics() -> bodies.Metrics:
    """Gathered from all tables, so not for each page that shows them."""
    from alpaquero.orders.lifecycle import OrderStatus
    from alpaquero.store import counts, runs
    from alpaquero.store.books import Books

    books = Books(SETTINGS.account)
    notes, now = books.notes(), wall.now()
    newest_runs = runs.newest_of_each(SETTINGS.account)
    counted = counts.counted_on(SETTINGS.account, health.counts(), now.date(), newest_runs)
    newest = runs.newest_in(newest_runs)
    work = health.last_work()
    synced, monitored = work.get("trading"), work.get("risk")
    missing = {} if synced else {"sync_lag_seconds": "no sync has run yet"}
    breakers, budgets = _broker(missing)
    queues = _queue_figures()
    return bodies.Metrics(
        as_of=now,
        runs=counted.all_runs,
        orders=counted.orders.number,
        fills=counted.fills.number,
        unknown_orders=sum(1 for order in books.open_orders() if order.status == OrderStatus.UNKNOWN),
        outbox_depth=len(books.outbox()),
        queue_depths={one.queue: one.waiting + one.in_flight for one in queues},
        dead_letters=sum(one.dead_letters for one in queues),
        queues=queues,
        last_run_at=datetime.fromtimestamp(newest.planned_at, UTC) if newest else None,
        last_sync_at=synced.at if synced else None,
        last_monitor_at=monitored.at if monitored else None,
        sync_lag_seconds=round((now - synced.at).total_seconds(), 1) if synced else None,
        drift=notes.drift,
        drift_since=notes.drift_since,
        runs_missing=len(health.missing_runs()),
        alerts_raised=sum(1 for alert in health.alerts().values() if alert.raised),
        breakers=breakers,
        request_budgets=budgets,
        missing=missing,
    )


@kept_for(QUEUES_KEPT_SECONDS)
def _queue_figures() -> list[bodies.QueueFigures]:
    """What each queue and its dead letters hold, asked once in some seconds.

    A request a queue is two thirds of what the metrics cost, and SQS's own counts lag by up to a minute.
    """
    from alpaquero.events import queues

    held, given_up = queues.held(QUEUES), queues.depths(DEAD_LETTER_QUEUES)
    return [
        bodies.QueueFigures(
            queue=name, waiting=found.waiting, in_flight=found.in_flight, dead_letters=given_up[name]
        )
        for name, found in held.items()
    ]


def _broker(missing: dict[str, str]) -> tuple[list[bodies.BreakerState] | None, list[bodies.RequestBudget]]:
    """Breakers, also of what is not the broker, and the budgets that run low, as all functions share them."""
    from alpaquero.store import checks
    from alpaquero.store.broker_state import OutboundState

    try:
        states = checks.broker_state(
            checks.broker_scopes(SETTINGS.alpaca_trading_url, SETTINGS.alpaca_data_url)
        )
        outbound = OutboundState().all()
    except SharedStateLost:
        missing["breakers"] = "the table that functions share them in does not answer"
        return None, []
    now = wall.seconds()
    budgets = [
        bodies.RequestBudget(
            scope=scope,
            limit=window.limit,
            remaining=window.remaining,
            resets_at=datetime.fromtimestamp(window.resets_at, UTC),
        )
        for scope, (_, windows) in states.items()
        for window in windows.values()
        if window.resets_at > now
    ]
    if not budgets:
        missing["request_budgets"] = "more than 30% of every budget is left: only a low one is told"
    breakers = [
        bodies.BreakerState(
            scope=scope,
            state="open" if breaker.is_open else "closed",
            failures=breaker.failures,
            tries_again_at=datetime.fromtimestamp(breaker.open_until, UTC) if breaker.is_open else None,
        )
        for scope, breaker in ({name: found for name, (found, _) in states.items()} | outbound).items()
    ]
    return breakers, budgets


@app.endpoint("GET", public="/api/monitoring/usage", service="/health_monitor/usage")
def usage() -> bodies.Usage:
    """What CloudWatch had counted of the day when it was last read, and what that costs."""
    from alpaquero.monitoring.costs import cost_of

    found = health.usage()
    if found is None:
        return bodies.Usage(missing={"usage": "CloudWatch has not been read yet; the next probe does"})
    costs = cost_of(found.quantities)
    uncounted = {f"cost.{line.price.what}": "nobody counted it" for line in costs if line.usd is None}
    return bodies.Usage(
        since=found.since,
        until=found.until,
        functions=_functions(found),
        tables=[_table(name, figures) for name, figures in sorted(found.tables.items())],
        cost=[
            bodies.CostLine(
                what=line.price.what,
                quantity=line.quantity,
                unit=line.price.unit,
                usd_per=line.price.usd,
                per=line.price.per,
                usd=line.usd,
                source=line.price.source,
                priced_on=line.price.priced_on,
            )
            for line in costs
        ],
        cost_usd=sum((line.usd for line in costs if line.usd is not None), Decimal(0)),
        missing={**found.missing, **uncounted, **NEVER_COUNTED},
    )


def _functions(found: Usage) -> list[bodies.FunctionUsage]:
    return [
        bodies.FunctionUsage(
            function=name,
            invocations=round(figures["Invocations"]),
            errors=round(figures["Errors"]),
            throttles=round(figures["Throttles"]),
            average_ms=_average(figures["Duration"], figures["Invocations"]),
            memory_mb=found.memory[name].memory_mb if name in found.memory else None,
            memory_limit_mb=found.memory[name].limit_mb if name in found.memory else None,
        )
        for name, figures in sorted(found.functions.items())
    ]


def _table(name: str, figures: dict[str, float]) -> bodies.TableUsage:
    return bodies.TableUsage(
        table=name,
        read_units=figures["ConsumedReadCapacityUnits"],
        write_units=figures["ConsumedWriteCapacityUnits"],
        throttles=round(figures["ReadThrottleEvents"] + figures["WriteThrottleEvents"]),
    )


def _average(total: float, times: float) -> float | None:
    return round(total / times, 1) if times else None


# faults on purpose


UNREACHED = (404, 503)


@app.endpoint("GET", public="/api/monitoring/faults", refuses=UNREACHED)
def faults() -> bodies.Faults:
    """The faults in force on the laptop's paper exchange, what they hit, and which there are."""
    return _switchboard().read(bodies.Faults)


@app.endpoint(
    "POST",
    public="/api/monitoring/faults",
    role="admin",
    body=bodies.AddFaults,
    status=201,
    refuses=UNREACHED,
)
def add_faults(body: bodies.AddFaults) -> bodies.FaultRules:
    """Puts a mix or a rule in force, all of it or nothing; answers what was added."""
    if (body.mix is None) == (body.rule is None):
        raise InvalidRequest("give either mix or rule", "mix")
    wanted = {"rules": [body.rule]} if body.rule else {"mix": body.mix, "seed": body.seed}
    added = _switchboard().add(wanted, bodies.FaultRules)
    ids = [one.rule.id for one in added.rules]
    logger.warning("faults were put in force", changed_by=app.principal().username, mix=body.mix, rules=ids)
    return added


@app.endpoint("DELETE", public="/api/monitoring/faults", role="admin", refuses=UNREACHED)
def clear_faults() -> bodies.FaultRules:
    """Takes every fault out of force; what was spoilt stays counted."""
    left = _switchboard().clear(bodies.FaultRules)
    logger.warning("all faults were taken out of force", changed_by=app.principal().username)
    return left


@app.endpoint("DELETE", public="/api/monitoring/faults/{id}", role="admin", refuses=UNREACHED)
def remove_fault(id: str) -> bodies.FaultRules:  # noqa: A002 - the path's own name
    """Takes one fault out of force; answers those that are left."""
    left = _switchboard().remove(id, bodies.FaultRules)
    logger.warning("a fault was taken out of force", changed_by=app.principal().username, rules=[id])
    return left


def _switchboard() -> Switchboard:
    from alpaquero.faults import Switchboard

    secret = SETTINGS.faults_secret if SETTINGS.environment == "local" else ""
    return Switchboard(SETTINGS.alpaca_trading_url, secret)
