"""Looks after the whole bot: asks every service how it is, and tells when something turns bad or well.

Started each minute by the rule `ProbeSchedule` with `{"job": "probe"}`. Services are asked over the
services' API, a few at once; one that is mute costs its own time and never that of the whole probe.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from alpaquero import aws, deadline, secrets, wall
from alpaquero.errors import AlpaqueroError, ConfigurationError
from alpaquero.events import queues
from alpaquero.events.bus import encoded, publish
from alpaquero.events.schemas import Event, RunMissed, ServiceDegraded, ServiceRecovered
from alpaquero.monitoring import missed_runs
from alpaquero.monitoring.alerts import Alert, Finding, judged
from alpaquero.monitoring.costs import Memory
from alpaquero.monitoring.missed_runs import MissingRun
from alpaquero.monitoring.settings import MonitoringSettings
from alpaquero.observability import count, logger, observed
from alpaquero.outbound import send
from alpaquero.prices.sessions import NEW_YORK, Session
from alpaquero.settings import ClockSettings, Text, Url, load, queue_urls
from alpaquero.shared_breaker import guarded
from alpaquero.store import checks, counts, health, runs, trading_settings, usage
from alpaquero.store.books import Books
from alpaquero.store.checks import looked
from alpaquero.store.trading_settings import TradingSettings
from alpaquero.store.usage import MemoryUse
from alpaquero.strategy import planning
from alpaquero.strategy.run import Run, RunState, run_id
from alpaquero.web.bodies import Health

SERVICES = (
    "gateway",
    "position",
    "trading",
    "signal",
    "risk",
    "market_data",
    "historical_data",
    "analytics",
    "notification",
    "configuration",
    "health_monitor",
)
TIMEOUT_SECONDS = 9.0  # a cold start on a loaded machine takes some; asking again would start another
TRIES = 2  # of a connection that broke
AT_ONCE = 3  # eleven cold starts at once would make each other late
ASKING_SECONDS = 36.0  # for all services; above what they take when every one is mute
KEEPING_SECONDS = 8.0  # of the function's time, to keep and tell what was found
PING_SECONDS = 3.0
LOOK_BACK = timedelta(days=10)  # longer than any stretch of closed days, as planning looks
OK, DEGRADED = "ok", "degraded"


class Settings(ClockSettings, frozen=True, kw_only=True):
    """What this function needs: the services, the bus, queues by name, the clock, and whom to ping.

    `watchdog_secret` names a secret `{"url"}`, the address of an outside watchdog; empty for none.
    """

    services_api_url: Url
    bus: Text
    queues: Text
    dead_letter_queues: Text
    stack: Text
    log_group: Text
    watchdog_secret: str = ""
    worker_memory: int
    api_memory: int
    backtest_memory: int
    schedules: Literal["ENABLED", "DISABLED"] = "ENABLED"
    aws_region: Text = "us-east-1"


SETTINGS = load(Settings)
QUEUES = queue_urls("QUEUES", SETTINGS.queues)
DEAD_LETTER_QUEUES = queue_urls("DEAD_LETTER_QUEUES", SETTINGS.dead_letter_queues)
SCOPES = checks.broker_scopes(SETTINGS.alpaca_trading_url, SETTINGS.alpaca_data_url)
BOOKS = Books(SETTINGS.account)
MEMORY = Memory(worker=SETTINGS.worker_memory, api=SETTINGS.api_memory, backtest=SETTINGS.backtest_memory)

_calendars: dict[date, list[Session]] = {}

Answer = tuple[int, bytes]
Ask = Callable[[str, float], Answer]


@observed("health_monitor")
def handler(_event: dict[str, Any], _context: object) -> dict[str, list[str]]:
    """One look at everything; answers what was bad, who was not asked, what is raised, what turned."""
    settings = trading_settings.current().settings
    limits = settings.monitoring
    watchdog = (
        [looked("watchdog", "health_monitor", lambda: ping("/start"))] if SETTINGS.watchdog_secret else []
    )
    before = {found.service: found.checked_at.timestamp() for found in health.probes()}
    found, unasked = look(sorted(SERVICES, key=lambda name: before.get(name, 0.0)), ask)
    health.record_probes(found)
    health.record_work("health_monitor", detail="probe")
    findings = [*map(finding_of, found), *watchdog, *check(settings)]
    alerts, turned = keep(findings, limits)
    tell_figures(findings, alerts)
    keep_counts()
    read_usage(limits)
    raised = [alert.name for alert in alerts if alert.raised]
    if SETTINGS.watchdog_secret:
        looked("watchdog", "health_monitor", lambda: ping("/fail" if raised else "", ", ".join(raised)))
    return {
        "bad": [finding.name for finding in findings if finding.is_bad],
        "unasked": unasked,
        "raised": raised,
        "turned": turned,
    }


def check(settings: TradingSettings) -> list[Finding]:
    """Everything that can be wrong while all services answer."""
    limits, now = settings.monitoring, wall.now()
    findings = [
        *checks.books_findings(BOOKS),
        *checks.queue_findings(
            lambda: queues.depths(QUEUES), lambda: queues.depths(DEAD_LETTER_QUEUES), limits
        ),
        *checks.breaker_findings(SCOPES),
        checks.outbound_finding(),
        checks.undelivered_finding(now),
        *checks.usage_findings(health.usage(), limits),
    ]
    if SETTINGS.schedules == "ENABLED":  # else nobody runs by the clock, and nothing is late
        findings += checks.work_findings(limits, now)
        findings.append(looked("runs", "signal", lambda: overdue_runs(settings, now)))
    return findings


def overdue_runs(settings: TradingSettings, now: datetime) -> str:
    """The dead man's look: what should have been judged long ago and was not; tells each once."""
    missing = missed_runs.still_missing(health.missing_runs(), missing_now(settings, now))
    late = missed_runs.overdue(missing, now, timedelta(minutes=settings.monitoring.missed_run_minutes))
    untold = [run for run in late if not run.told]
    if untold:
        publish([encoded(_missed(run), "health_monitor") for run in untold], SETTINGS.bus)
        count("RunsMissed", len(untold))
    told = missed_runs.told(missing, [run.run_id for run in untold])
    if told != health.missing_runs():
        health.record_missing_runs(told)
    return ", ".join(run.run_id for run in late) and (
        f"no run has judged {', '.join(run.run_id for run in late)}; look with: alpaquero logs signal"
    )


def missing_now(settings: TradingSettings, now: datetime) -> list[MissingRun]:
    """The runs that planning would plan now, and those planned that nobody ended in their time."""
    from alpaquero.broker.alpaca import connect_clock

    reader = connect_clock(SETTINGS)
    market_now = reader.clock().now
    today = market_now.astimezone(NEW_YORK).date()
    if today not in _calendars:
        _calendars.clear()
        _calendars[today] = reader.sessions(today - LOOK_BACK, today)
    missing: list[MissingRun] = []
    for timeframe in planning.timeframes(settings.strategies):
        if not planning.symbols_judged(settings.strategies, settings.watchlist, timeframe):
            continue
        settle = planning.settling(
            timeframe,
            daily_minutes=settings.bar_settle_minutes,
            intraday_seconds=settings.intraday_settle_seconds,
        )
        closed = planning.closed_bars(_calendars[today], timeframe, market_now, settle)
        known = runs.newest_runs(SETTINGS.account, planning.MOST_LATE_BARS + 1, timeframes=[timeframe])
        due = planning.due(closed, known[0].bar_close if known else None)
        wanted = {run_id(timeframe, bar.close): bar.close for bar in due.bars}
        wanted |= {run.id: run.bar_close for run in known if _is_stuck(run, settings, now)}
        missing += [
            MissingRun(run_id=name, timeframe=timeframe, bar_close=close, seen_at=now)
            for name, close in wanted.items()
        ]
    return missing


def _is_stuck(run: Run, settings: TradingSettings, now: datetime) -> bool:
    return run.state is RunState.PLANNED and (
        now.timestamp() - run.planned_at > 2 * settings.run_deadline(run.symbols)
    )


def _missed(run: MissingRun) -> RunMissed:
    minutes = (wall.now() - run.seen_at) // timedelta(minutes=1)
    return RunMissed(
        id=f"overdue:{run.run_id}",
        occurred_at=run.bar_close,
        account=SETTINGS.account,
        bar_close=run.bar_close,
        message=(
            f"no run has judged the {run.timeframe} bar, {minutes} minutes after it was due; planning "
            "catches up by itself once it runs: look with alpaquero logs signal"
        ),
    )


def tell_figures(findings: Iterable[Finding], alerts: Iterable[Alert]) -> None:
    """The state of things as metrics, for alarms to hear."""
    count("BadFindings", sum(1 for finding in findings if finding.is_bad))
    count("AlertsRaised", sum(1 for alert in alerts if alert.raised))


def keep_counts() -> None:
    """Counts runs, orders and fills on from the last count, so that the metrics need not."""
    before = health.counts()
    found = counts.counted_on(SETTINGS.account, before, wall.now().date())
    if found != before:
        health.record_counts(found)


def read_usage(limits: MonitoringSettings) -> None:
    """Reads what CloudWatch has counted of the day, when the last reading is old enough."""
    now, last = wall.now(), health.usage()
    if last is None or now - last.until >= timedelta(minutes=limits.usage_minutes):
        found = usage.read(aws.client("cloudwatch"), SETTINGS.stack, SETTINGS.log_group, now, MEMORY)
        health.record_usage(replace(usage.after(last, found), memory=memory_used(now)))


def memory_used(now: datetime) -> dict[str, MemoryUse]:
    """By logical name what workers told of this day, and what the APIs said when they were asked last."""
    of_apis = {
        "".join(word.capitalize() for word in found.service.split("_")) + "Api": MemoryUse(
            found.memory_mb, MEMORY.api
        )
        for found in health.probes()
        if found.memory_mb is not None
    }
    prefix = f"{SETTINGS.stack}-"
    of_workers = {
        usage.logical(peak.function, prefix): MemoryUse(peak.memory_mb, peak.limit_mb)
        for peak in health.peaks(now.date())
    }
    return of_apis | of_workers


def ping(suffix: str, text: str = "") -> str:
    """Tells the outside watchdog (healthchecks.io's protocol: /start, nothing, /fail); what went wrong.

    One that keeps failing is left alone for a minute at most.
    """
    try:
        with guarded("watchdog"):
            _told(watchdog_url().rstrip("/") + suffix, text)
    except AlpaqueroError as error:
        return str(error)
    except (OSError, http.client.HTTPException) as error:
        return f"the outside watchdog did not answer ({type(error).__name__}); check its URL"
    return ""


def _told(url: str, text: str) -> None:
    local = SETTINGS.environment == "local"
    answer = send(url, body=text.encode(), timeout_seconds=PING_SECONDS, loopback=local)
    if answer.status >= 300:
        raise _Unwilling(f"the outside watchdog answered {answer.status}; check its URL")


@cache
def watchdog_url() -> str:
    """The watchdog's address, read once in the life of the function's environment."""
    return secrets.read(SETTINGS.watchdog_secret, _Watchdog, '{"url": "https://..."}').url


class _Unwilling(AlpaqueroError):
    """The watchdog answered, and not that it has heard."""


class _Watchdog(msgspec.Struct):
    url: str


def look(
    services: Sequence[str], ask: Ask, seconds: float = ASKING_SECONDS
) -> tuple[list[health.Probe], list[str]]:
    """A probe of each service, and those for whom `seconds` did not last: they come first next time.

    A service that was asked and said nothing in time is degraded; one that was not asked is neither.
    """
    seconds = max(0.0, min(seconds, deadline.seconds_left() - KEEPING_SECONDS))
    ends_at = time.monotonic() + seconds
    pool = ThreadPoolExecutor(max_workers=AT_ONCE)
    try:
        asked = {name: pool.submit(probe, name, ask, ends_at) for name in services}
        wait(asked.values(), timeout=seconds)
        unasked = [name for name, answer in asked.items() if answer.cancel()]
        return [_found(name, asked[name]) for name in services if name not in unasked], unasked
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # who hangs ends by the time-out of its socket


def _found(service: str, answer: Future[health.Probe]) -> health.Probe:
    if answer.done():
        return answer.result()
    return _probe(service, f"no answer while the others were asked; {_advice(service)}", TIMEOUT_SECONDS)


def probe(service: str, ask: Ask, ends_at: float) -> health.Probe:
    """What `service` answers to a request for its health before `ends_at` (monotonic seconds)."""
    problem, answer, started = "no time was left to ask it", None, time.perf_counter()
    for _ in range(TRIES):
        left = ends_at - time.monotonic()
        if left <= 0:
            break
        started = time.perf_counter()
        try:
            problem, answer = _problem(*ask(f"/{service}/health", min(TIMEOUT_SECONDS, left)))
            break
        except TimeoutError:
            problem = f"no answer (it took too long); {_advice(service)}"
            break
        except (OSError, http.client.HTTPException) as error:
            problem = f"no answer ({type(error).__name__}); {_advice(service)}"
    return _probe(service, problem, time.perf_counter() - started, answer)


def _probe(service: str, problem: str, seconds: float, answer: Health | None = None) -> health.Probe:
    return health.Probe(
        service=service,
        status=DEGRADED if problem else OK,
        message=problem,
        checked_at=wall.now(),
        latency_ms=round(seconds * 1000, 1),
        version=answer.version if answer else None,
        memory_mb=answer.memory_mb if answer else None,
        last_work_at=answer.last_work_at if answer else None,
        last_work=answer.last_work if answer else None,
    )


def _advice(service: str) -> str:
    return f"look at its logs with: alpaquero logs {service}"


def _problem(status: int, body: bytes) -> tuple[str, Health | None]:
    """Why the answer is not a good one, empty when it is, and what it says."""
    if status != 200:
        return f"it answered {status} instead of its health", None
    try:
        answer = msgspec.json.decode(body, type=Health)
    except msgspec.MsgspecError:
        return "it answered something that is not a health body", None
    if answer.status == OK:
        return "", answer
    bad = [f"{name}: {state}" for name, state in (answer.dependencies or {}).items() if state != OK]
    return ", ".join(bad) or f"it says {answer.status}", answer


def finding_of(found: health.Probe) -> Finding:
    """A probe as a finding about its service."""
    return Finding(
        name=f"probe:{found.service}",
        service=found.service,
        is_bad=found.status != OK,
        message=found.message,
    )


def keep(findings: Iterable[Finding], limits: MonitoringSettings) -> tuple[list[Alert], list[str]]:
    """Judges and stores the alerts; answers all that were looked at, and the names of those that turned.

    The event of a turn goes out before it is stored: a crash in between tells it once more, with the
    same id.
    """
    before, now = health.alerts(), wall.now()
    after = {
        one.name: judged(
            before.get(one.name),
            one,
            now,
            raise_after=limits.raise_after_probes,
            clear_after=limits.clear_after_probes,
        )
        for one in findings
    }
    turned = [name for name, alert in after.items() if alert.raised != _was_raised(before.get(name))]
    events = [_turn(after[name], before.get(name)) for name in turned]
    if events:
        publish([encoded(event, "health_monitor") for event in events], SETTINGS.bus)
    for event in events:
        logger.warning(type(event).__name__, extra={"alert": event.id})
    health.record_alerts(alert for name, alert in after.items() if alert != before.get(name))
    return list(after.values()), turned


def _was_raised(before: Alert | None) -> bool:
    return before is not None and before.raised


def _turn(alert: Alert, before: Alert | None) -> Event:
    if alert.raised:
        return ServiceDegraded(
            id=f"degraded:{alert.name}:{alert.turned_by}",
            occurred_at=wall.now(),
            account=SETTINGS.account,
            service=alert.service,
            check=alert.name,
            message=alert.message,
        )
    return ServiceRecovered(
        id=f"recovered:{alert.name}:{alert.turned_by}",
        occurred_at=wall.now(),
        account=SETTINGS.account,
        service=alert.service,
        check=alert.name,
        degraded_since=before.since if before else None,
    )


def ask(path: str, seconds: float) -> Answer:
    """Status and body of a signed GET on the services' API, as this function's role."""
    url = SETTINGS.services_api_url.rstrip("/") + path
    request = AWSRequest(method="GET", url=url)
    credentials = aws.session().get_credentials()
    if credentials is None:
        raise ConfigurationError("no credentials to sign with; give the function a role in template.yaml")
    SigV4Auth(credentials, "execute-api", SETTINGS.aws_region).add_auth(request)
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=seconds)
    try:
        connection.request("GET", parts.path, headers=dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
