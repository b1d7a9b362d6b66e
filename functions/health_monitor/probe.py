"""Looks after the whole bot: asks every service how it is, and tells when something turns bad or well.

Started each minute by the rule `ProbeSchedule` with `{"job": "probe"}`. Services are asked over the
services' API, a few at once; one that is mute costs its own time and never that of the whole probe.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import urlsplit

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from alpaquero import aws, deadline, wall
from alpaquero.errors import ConfigurationError
from alpaquero.events.bus import encoded, publish
from alpaquero.events.schemas import Event, ServiceDegraded, ServiceRecovered
from alpaquero.monitoring.alerts import Alert, Finding, judged
from alpaquero.monitoring.settings import MonitoringSettings
from alpaquero.observability import logger, observed
from alpaquero.settings import FunctionSettings, Text, Url, load
from alpaquero.store import health, trading_settings
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
TIMEOUT_SECONDS = 4.0
TRIES = 2  # the first may only have woken a cold function
AT_ONCE = 3  # eleven cold starts at once would make each other late
ASKING_SECONDS = 36.0  # for all services; above what they take when every one is mute
KEEPING_SECONDS = 8.0  # of the function's time, to keep and tell what was found
OK, DEGRADED = "ok", "degraded"


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """What this function needs."""

    services_api_url: Url
    bus: Text
    aws_region: Text = "us-east-1"


SETTINGS = load(Settings)

Answer = tuple[int, bytes]
Ask = Callable[[str, float], Answer]


@observed("health_monitor")
def handler(_event: dict[str, Any], _context: object) -> dict[str, list[str]]:
    """One look at everything; answers what was bad, who was not asked, what is raised, what turned."""
    limits = trading_settings.current().settings.monitoring
    before = {found.service: found.checked_at.timestamp() for found in health.probes()}
    found, unasked = look(sorted(SERVICES, key=lambda name: before.get(name, 0.0)), ask)
    health.record_probes(found)
    findings = [*map(finding_of, found)]
    alerts, turned = keep(findings, limits)
    return {
        "bad": [finding.name for finding in findings if finding.is_bad],
        "unasked": unasked,
        "raised": [alert.name for alert in alerts if alert.raised],
        "turned": turned,
    }


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
