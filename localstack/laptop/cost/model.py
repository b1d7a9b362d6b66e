"""Dollars a month, from what was measured and the template; pure. `alpaquero cost` and infra/cost.md show it.

A month is a twelfth of a year: 730 hours in which the schedules tick, 21 sessions of 6.5 hours in which bars
close. Work is a straight line in the number of symbols, drawn through two sizes that were measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil
from typing import Final

from alpaquero.monitoring.costs import cost_line
from alpaquero.monitoring.prices import price_of
from laptop.cost.plant import Plant
from laptop.cost.work import SHARD_SYMBOLS, Done, Measurements, RunStretch, Stretch, Work, scaled, together

HOURS: Final = 730
SESSIONS: Final = 21  # 252 a year
SESSION_MINUTES: Final = 390
DAY: Final = SESSION_MINUTES  # bars of a day, one a session

# Lambda keeps five pollers on an idle queue, each asks with a wait of 20 s. The number of pollers is in AWS's
# guide for a busy queue ("reads up to five batches"); that idle ones cost 15 requests a minute is what users
# report, and nothing of AWS's that we saw.
IDLE_RECEIVES_A_MINUTE: Final = 15
# Metrics that a healthy bot always writes: AlertsRaised, BadFindings, EquityDollars, RunsMissed, Delivered.
CUSTOM_METRICS: Final = 5
LOG_COMPRESSION: Final = 0.15  # of what was taken in, as CloudWatch's page reckons
KEPT_MONTHS: Final = 400 / 30.4  # Runs keeps its items 400 days, so in the end so many months are in it
ACCESS_LOG_BYTES: Final = 400  # of a request's line, with what CloudWatch adds to each
CHUNK_BYTES: Final = 3_900  # of a symbol-day of minute bars; a symbol-year of daily bars is about as large
PAGE_READS_A_MINUTE: Final = 2  # the dashboard reads each path anew every 30 s while its socket lives
SOCKET_MESSAGES_A_MINUTE: Final = 25  # prices each 3 s, events, pings
PUSHING: Final = frozenset({"GatewayPush", "GatewaySocket", "MarketDataFeed"})
SIGNAL: Final = ("SignalPlan", "SignalEvaluate", "SignalConclude")

Quantities = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the bot is asked to do; `bar_minutes` are 1, 5, 15 and so on, `DAY` for daily bars."""

    symbols: int
    bar_minutes: int = DAY
    orders_a_day: int = 20
    dashboard_hours_a_day: float = 2

    @property
    def runs(self) -> float:
        """Runs a month: one for each bar of each session."""
        return SESSIONS * ceil(SESSION_MINUTES / self.bar_minutes)

    @property
    def shards(self) -> int:
        """Shards of one run."""
        return ceil(self.symbols / SHARD_SYMBOLS)


@dataclass(frozen=True)
class Part:
    """A part of the bill: what it uses in a month, and what it grows with."""

    name: str
    grows_with: str
    uses: Quantities = field(default_factory=dict)

    @property
    def usd(self) -> Decimal:
        """At list prices, nothing free."""
        return sum((_usd(what, quantity) for what, quantity in self.uses.items()), Decimal(0))


@dataclass(frozen=True)
class Bill:
    """A month's parts; free tiers hold for their sum."""

    parts: tuple[Part, ...]

    @property
    def uses(self) -> Quantities:
        """All parts together."""
        return added(part.uses for part in self.parts)

    @property
    def usd(self) -> Decimal:
        """At list prices."""
        return sum((part.usd for part in self.parts), Decimal(0))

    def usd_of(self, what: str) -> Decimal:
        """One thing of all parts, at its list price."""
        return _usd(what, self.uses.get(what, 0))

    @property
    def usd_after_free(self) -> Decimal:
        """With what an account has free each month for good, none of it used by anything else."""
        return sum(
            (_usd(what, max(quantity - price_of(what).free, 0)) for what, quantity in self.uses.items()),
            Decimal(0),
        )


def added(several: Iterable[Mapping[str, float]]) -> Quantities:
    """Quantities by name, summed."""
    total: Quantities = {}
    for one in several:
        for what, quantity in one.items():
            total[what] = total.get(what, 0) + quantity
    return total


def _usd(what: str, quantity: float) -> Decimal:
    usd = cost_line(what, quantity).usd
    return usd if usd is not None else Decimal(0)


def month(load: Load, measured: Measurements, plant: Plant) -> Bill:
    """A month of `load`."""
    each = each_of(measured)
    consumers = {one.function: one for one in plant.consumers}

    def priced(stretch: Stretch, factor: float) -> Quantities:
        return {what: quantity * factor for what, quantity in uses_of(stretch, plant).items()}

    minutes = HOURS * 60
    ticks = []
    for job, (_, every) in plant.schedules.items():
        pace = min(every, load.bar_minutes) if job == "plan" else every
        ticks.append(priced(measured.ticks[job].each(), minutes / pace))
    idle = {
        "sqs_requests": float(sum(not one.fifo for one in consumers.values())),
        "sqs_fifo_requests": float(sum(one.fifo for one in consumers.values())),
    }
    page_reads = load.dashboard_hours_a_day * SESSIONS * 60 * PAGE_READS_A_MINUTE
    connected = load.dashboard_hours_a_day * SESSIONS * 60
    parts = [
        Part("schedules", "nothing: they tick day and night", added(ticks)),
        Part(
            "idle queues",
            "the number of queues that start a function",
            {what: count * IDLE_RECEIVES_A_MINUTE * minutes for what, count in idle.items()},
        ),
        Part(
            "standing",
            "nothing: secrets, alarms, metrics, the health monitor's readings",
            {
                "secrets": plant.secrets,
                "alarms": plant.alarms,
                "dashboards": plant.dashboards,
                "custom_metrics": CUSTOM_METRICS,
                "metrics_read": 200 * 2 * HOURS,  # some 200 each half hour
            },
        ),
        Part("runs", "runs", priced(each.run, load.runs)),
        Part("shards", "runs x shards", priced(each.shard, load.runs * load.shards)),
        Part("symbols", "runs x symbols", priced(each.symbol, load.runs * load.symbols)),
        Part("orders", "orders", priced(each.order, load.orders_a_day * SESSIONS)),
        Part(
            "dashboard",
            "hours that a dashboard is open",
            added(
                [
                    priced(measured.page, page_reads),
                    {
                        "api_requests": page_reads * _requests(measured.page),
                        "socket_messages": connected * SOCKET_MESSAGES_A_MINUTE,
                        "socket_minutes": connected,
                    },
                ]
            ),
        ),
    ]
    asked = sum(part.uses.get("api_requests", 0) for part in parts)
    parts.append(Part("access logs", "requests to the APIs", {"log_bytes": asked * ACCESS_LOG_BYTES}))
    parts.append(_storage(load, measured, parts, plant))
    return Bill(tuple(parts))


def uses_of(stretch: Stretch, plant: Plant) -> Quantities:
    """What AWS would charge for a stretch of work."""
    consumers = {one.function: one for one in plant.consumers}
    uses: Quantities = {"log_bytes": stretch.log_bytes}

    def use(what: str, quantity: float) -> None:
        uses[what] = uses.get(what, 0) + quantity

    for name, work in stretch.done.items():
        use("lambda_requests", work.invocations)
        use("lambda_compute", work.milliseconds / 1000 * plant.memory.of(name) / 1024)
        use("traces", work.invocations)
        use("dynamodb_reads", work.reads)
        use("dynamodb_writes", work.writes)
        use("events", work.events)
        use("sqs_requests", work.calls.get("sqs", 0))
        use("secret_requests", work.calls.get("secretsmanager", 0))
        use("notices", work.calls.get("sns", 0))
        use("mails", work.calls.get("ses", 0))
        # Signed for the same service: those who push post to sockets, the probe calls the services' API.
        use("socket_messages" if name in PUSHING else "api_requests", work.calls.get("execute-api", 0))
        if name in consumers:
            queue = "sqs_fifo_requests" if consumers[name].fifo else "sqs_requests"
            # A batch is taken in one request and deleted in another; bus and topic send it, at our cost.
            use(queue, work.invocations * (3 if consumers[name].by_bus else 2))
    return {what: quantity for what, quantity in uses.items() if quantity}


def _requests(page: Stretch) -> float:
    return sum(work.invocations for work in page.done.values())


@dataclass(frozen=True)
class Each:
    """What one run takes whatever its size, and what one shard, symbol and order add to it."""

    run: Stretch
    shard: Stretch
    symbol: Stretch
    order: Stretch


def each_of(measured: Measurements) -> Each:
    """The straight line through the two sizes that were measured.

    The tick of plan and of sync that belong to the schedules are taken off. Raises `ValueError` when no
    order was placed while it was measured.
    """
    runs = sorted(measured.runs, key=lambda run: run.symbols)
    small, large = (_without_ticks(run, measured) for run in runs)
    sizes = [run.symbols for run in runs]
    orders = sum(run.orders for run in runs)
    if not orders:
        raise ValueError("no order was placed while it was measured: measure longer with --meter")
    step = sizes[1] - sizes[0]
    rise = _positive(together([_only(large.done, SIGNAL), scaled(_only(small.done, SIGNAL), -1)]))
    symbol = scaled(rise, 1 / step)
    base = _positive(together([_only(small.done, SIGNAL), scaled(symbol, -sizes[0])]))
    rest = [
        scaled(_without(one.done, SIGNAL), run.stretch.times)
        for one, run in zip((small, large), runs, strict=True)
    ]
    log_symbol = max((large.log_bytes - small.log_bytes) / step, 0)
    log_base = max(small.log_bytes - log_symbol * sizes[0], 0)
    # Lines follow invocations: of those that do not grow with symbols, by who ran.
    share = _runs_of(base) / max(_runs_of(small.done), 1)
    return Each(
        run=Stretch(times=1, log_bytes=log_base * share / 2, done=_without(base, ("SignalEvaluate",))),
        shard=Stretch(times=1, log_bytes=log_base * share / 2, done=_only(base, ("SignalEvaluate",))),
        symbol=Stretch(times=1, log_bytes=log_symbol, done=symbol),
        order=Stretch(
            times=1,
            log_bytes=log_base * (1 - share) * sum(run.stretch.times for run in runs) / orders,
            done=scaled(_positive(together(rest)), 1 / orders),
        ),
    )


def _without_ticks(run: RunStretch, measured: Measurements) -> Stretch:
    """One run of a size, without the two ticks that the schedules would have sent anyway."""
    one = run.stretch.each()
    ticks = [measured.ticks[job].each() for job in ("plan", "sync")]
    return Stretch(
        times=1,
        log_bytes=max(one.log_bytes - sum(tick.log_bytes for tick in ticks), 0),
        done=_positive(together([one.done, *(scaled(tick.done, -1) for tick in ticks)])),
    )


def _only(done: Done, names: Iterable[str]) -> dict[str, Work]:
    wanted = set(names)
    return {name: work for name, work in done.items() if name in wanted}


def _without(done: Done, names: Iterable[str]) -> dict[str, Work]:
    unwanted = set(names)
    return {name: work for name, work in done.items() if name not in unwanted}


def _runs_of(done: Done) -> float:
    return sum(work.invocations for work in done.values())


def _positive(done: Done) -> dict[str, Work]:
    """Differences of measurements, with what came out below nought by chance left out."""
    return {name: work.at_least_nothing() for name, work in done.items()}


def _storage(load: Load, measured: Measurements, parts: Iterable[Part], plant: Plant) -> Part:
    """What lies there once retention is reached: runs' records of 400 days, two years of bars, logs."""
    small, large = sorted(measured.runs, key=lambda run: run.symbols)
    slope = max((large.kept_bytes - small.kept_bytes) / (large.symbols - small.symbols), 0)
    run_bytes = max(small.kept_bytes - slope * small.symbols, 0) + slope * load.symbols
    chunks = load.symbols * (2 if load.bar_minutes == DAY else 2 * SESSIONS * 12)
    kept = run_bytes * load.runs * KEPT_MONTHS + chunks * CHUNK_BYTES
    logged = sum(part.uses.get("log_bytes", 0) for part in parts)
    return Part(
        "storage",
        "runs x symbols x days kept",
        {
            "dynamodb_storage": kept / 1e9,
            "log_storage": logged * LOG_COMPRESSION / 1e9 * plant.log_days / 30.4,
        },
    )


def containers() -> dict[str, Decimal]:
    """The owner's former twelve always-on containers with their PostgreSQL and Redis, the smallest of each.

    Fargate tasks of 0.25 vCPU and 0.5 GB, a db.t4g.micro with 20 GB, a cache.t4g.micro; no load balancer,
    no NAT gateway, no public addresses, no logs, which a real deployment pays too.
    """
    tasks = 12
    return {
        "12 Fargate tasks, 0.25 vCPU and 0.5 GB": _usd("fargate_vcpu_hours", tasks * 0.25 * HOURS)
        + _usd("fargate_gb_hours", tasks * 0.5 * HOURS),
        "RDS for PostgreSQL, db.t4g.micro, 20 GB": _usd("postgres_hours", HOURS)
        + _usd("postgres_storage", 20),
        "ElastiCache, cache.t4g.micro": _usd("redis_hours", HOURS),
    }
