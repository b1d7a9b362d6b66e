"""Asks every service how it is, over the services' API, and tells when one turns bad.

Started each minute by the rule `ProbeSchedule` with `{"job": "probe"}`.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from alpaquero import aws
from alpaquero.errors import ConfigurationError
from alpaquero.events.bus import encoded, publish
from alpaquero.events.schemas import ServiceDegraded
from alpaquero.observability import logger, observed
from alpaquero.settings import FunctionSettings, Text, Url, load
from alpaquero.store import health
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
TIMEOUT_SECONDS = 3.0
TRIES = 2  # the first may only have woken a cold function
AT_ONCE = 3  # eleven cold starts at once would make each other late
OK, DEGRADED = "ok", "degraded"


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """What this function needs."""

    services_api_url: Url
    bus: Text
    aws_region: Text = "us-east-1"


SETTINGS = load(Settings)

Answer = tuple[int, bytes]


@observed("health_monitor")
def handler(_event: dict[str, Any], _context: object) -> dict[str, list[str]]:
    """Probes all services, a few at once, so that mute ones fit in the function's time."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        probes = list(pool.map(lambda service: probe(service, ask), SERVICES))
    turned = [found.service for found in probes if keep(found)]
    return {"degraded": [found.service for found in probes if found.status != OK], "turned": turned}


def probe(service: str, ask: Callable[[str], Answer]) -> health.Probe:
    """What `service` answers to a request for its health."""
    checked_at = datetime.now(UTC)
    problem = ""
    for _ in range(TRIES):
        started = time.perf_counter()
        try:
            problem = _problem(*ask(f"/{service}/health"))
            break
        except (OSError, http.client.HTTPException) as error:
            problem = f"no answer ({type(error).__name__}); look at its logs with: alpaquero logs {service}"
    return health.Probe(
        service=service,
        status=DEGRADED if problem else OK,
        message=problem,
        checked_at=checked_at,
        latency_ms=round((time.perf_counter() - started) * 1000, 1),
    )


def _problem(status: int, body: bytes) -> str:
    """Why the answer is not a good one; empty when it is."""
    if status != 200:
        return f"it answered {status} instead of its health"
    try:
        answer = msgspec.json.decode(body, type=Health)
    except msgspec.MsgspecError:
        return "it answered something that is not a health body"
    if answer.status == OK:
        return ""
    bad = [f"{name}: {state}" for name, state in (answer.dependencies or {}).items() if state != OK]
    return ", ".join(bad) or f"it says {answer.status}"


def keep(found: health.Probe) -> bool:
    """Stores the probe; True when the service has just turned bad, which is then on the bus.

    The event goes out first: a crash in between tells it once more, with the same id.
    """
    before = health.last_probe(found.service)
    turned_bad = found.status != OK and (before is None or before.status == OK)
    if turned_bad:
        since = before.checked_at.isoformat() if before else "the beginning"
        event = ServiceDegraded(
            id=f"degraded:{found.service}:{since}",
            occurred_at=found.checked_at,
            account=SETTINGS.account,
            service=found.service,
            message=found.message,
        )
        publish([encoded(event, "health_monitor")], SETTINGS.bus)
        logger.warning("service degraded", service=found.service, reason=found.message)
    health.record_probe(found)
    return turned_bad


def ask(path: str) -> Answer:
    """Status and body of a signed GET on the services' API, as this function's role."""
    url = SETTINGS.services_api_url.rstrip("/") + path
    request = AWSRequest(method="GET", url=url)
    credentials = aws.session().get_credentials()
    if credentials is None:
        raise ConfigurationError("no credentials to sign with; give the function a role in template.yaml")
    SigV4Auth(credentials, "execute-api", SETTINGS.aws_region).add_auth(request)
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path, headers=dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
