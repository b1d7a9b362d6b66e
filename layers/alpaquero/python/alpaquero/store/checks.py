"""What can go wrong while every service answers: looks at the books, the queues and the broker's breakers.

Called by `health_monitor/probe` each minute. A look that cannot be made is a finding of its own kind,
neither good nor bad, so that a table which is away turns no other alert.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from alpaquero.broker.breaker import Breaker
from alpaquero.broker.budget import Window
from alpaquero.monitoring.alerts import Finding
from alpaquero.monitoring.settings import MonitoringSettings
from alpaquero.store import health
from alpaquero.store.books import Books
from alpaquero.store.broker_state import OutboundState, SharedBrokerState
from alpaquero.store.usage import Usage

NEAR_THE_LIMIT = 0.9  # of a function's memory; beyond all of it AWS ends the function
FEWEST_ERRORS = 3  # fewer say nothing of a share
THROTTLES = ("Throttles", "ReadThrottleEvents", "WriteThrottleEvents")
OUTBOX_SECONDS = 60.0  # the sweeper publishes what waited 20 s, each minute
UNDELIVERED_FOR = timedelta(
    days=1
)  # as long as a digest is tried: one that still fails is told again by then
WATCHED = {"trading": "the sync with the broker", "risk": "the risk monitor"}  # both run each minute

_log = logging.getLogger(__name__)


def looked(name: str, service: str, look: Callable[[], str]) -> Finding:
    """What `look` says is wrong, empty when all is well; unknown when it raises."""
    try:
        problem = look()
    except Exception as error:
        _log.exception("the look at %s could not be made", name)
        return Finding(
            name=name, service=service, is_bad=None, message=f"could not look ({type(error).__name__})"
        )
    return Finding(name=name, service=service, is_bad=bool(problem), message=problem)


def work_findings(limits: MonitoringSettings, now: datetime) -> list[Finding]:
    """Whether what runs each minute has run lately; who has never run is not late yet."""
    patience = timedelta(seconds=limits.sync_lag_seconds)

    def late(service: str) -> str:
        work = health.last_work_of(service)
        if work is None or now - work.at <= patience:
            return ""
        minutes = (now - work.at) // timedelta(minutes=1)
        return f"{WATCHED[service]} last ran {minutes} minutes ago; look at it with: alpaquero logs {service}"

    return [looked(f"work:{service}", service, lambda name=service: late(name)) for service in WATCHED]  # type: ignore[misc]


def books_findings(books: Books) -> list[Finding]:
    """Whether books and broker agree, the broker lets the account trade, and events leave the outbox."""

    def drift() -> str:
        standing = books.notes().drift
        named = ", ".join(f"{name}: {amount}" for name, amount in sorted(standing.items()))
        return f"the broker has more or less than the books ({named}); see alpaquero rebuild" if named else ""

    def outbox() -> str:
        waiting = len(books.outbox(older_than_seconds=OUTBOX_SECONDS))
        return f"{waiting} events wait to reach the bus; look with: alpaquero logs trading" if waiting else ""

    def blocked() -> str:
        figures = books.broker_figures()
        named = ", ".join(figures.blocks) if figures else ""
        advice = "it refuses exits and stops too; its own page or support tells why"
        return f"the broker keeps the account from trading ({named}); {advice}" if named else ""

    return [
        looked("drift", "trading", drift),
        looked("account", "trading", blocked),
        looked("outbox", "trading", outbox),
    ]


def queue_findings(
    depths: Callable[[], Mapping[str, int]],
    dead: Callable[[], Mapping[str, int]],
    limits: MonitoringSettings,
) -> list[Finding]:
    """Whether queues pile up, and whether any message was given up."""

    def piled() -> str:
        full = [f"{name}: {count}" for name, count in depths().items() if count > limits.queue_depth]
        return f"more than {limits.queue_depth} messages wait ({', '.join(full)})" if full else ""

    def lost() -> str:
        holding = [f"{name}: {count}" for name, count in dead().items() if count]
        return f"messages were given up ({', '.join(holding)}); see alpaquero redrive" if holding else ""

    return [looked("queues", "trading", piled), looked("dead_letters", "trading", lost)]


def usage_findings(found: Usage | None, limits: MonitoringSettings) -> list[Finding]:
    """Whether functions fail, AWS holds anything back or memory runs out, by the last reading of the day.

    Nothing where nobody counts.
    """
    if found is None:
        return []
    memory = [looked("memory", "health_monitor", lambda: _swollen(found))] if found.memory else []
    if not found.lately:
        return memory

    def failing() -> str:
        shares = {
            name: 100 * figures["Errors"] / figures["Invocations"]
            for name, figures in found.lately.items()
            if figures.get("Errors", 0) >= FEWEST_ERRORS and figures["Invocations"]
        }
        over = {name: share for name, share in shares.items() if share > limits.error_percent}
        named = ", ".join(f"{name}: {share:.0f}%" for name, share in sorted(over.items()))
        return f"functions fail ({named} of their invocations); look with: alpaquero logs" if named else ""

    def throttled() -> str:
        held = {
            name: sum(figures.get(metric, 0) for metric in THROTTLES)
            for name, figures in found.lately.items()
        }
        named = ", ".join(f"{name}: {count:.0f} times" for name, count in sorted(held.items()) if count)
        return f"AWS held back {named}; see the account's limits and alpaquero doctor" if named else ""

    return [
        looked("errors", "health_monitor", failing),
        looked("throttles", "health_monitor", throttled),
        *memory,
    ]


def _swollen(found: Usage) -> str:
    """Which functions came near their limit of memory."""
    named = ", ".join(
        f"{name}: {use.memory_mb:.0f} of {use.limit_mb} MB"
        for name, use in sorted(found.memory.items())
        if use.limit_mb and use.memory_mb > NEAR_THE_LIMIT * use.limit_mb
    )
    advice = "raise WorkerMemory, ApiMemory or BacktestMemory"
    return f"functions come near their limit of memory ({named}); {advice}" if named else ""


def broker_scopes(trading_url: str, data_url: str) -> tuple[str, str]:
    """The names under which functions share breaker and budget of the two APIs."""
    return f"trading:{urlsplit(trading_url).netloc}", f"data:{urlsplit(data_url).netloc}"


def broker_state(scopes: Sequence[str]) -> dict[str, tuple[Breaker, dict[str, Window]]]:
    """Breaker and budgets by scope; a budget is told only once little of it is left."""
    return {scope: SharedBrokerState().read(scope) for scope in scopes}


def breaker_findings(scopes: Sequence[str]) -> list[Finding]:
    """Whether an API of the broker keeps failing."""

    def is_open(scope: str) -> str:
        breaker = broker_state([scope])[scope][0]
        return f"{scope} keeps failing and is left alone for a while" if breaker.is_open else ""

    return [
        looked(f"breaker:{scope.partition(':')[0]}", "market_data", lambda name=scope: is_open(name))  # type: ignore[misc]
        for scope in scopes
    ]


def outbound_finding() -> Finding:
    """Whether a way to people, or the outside watchdog, keeps failing."""

    def left_alone() -> str:
        names = sorted(name for name, breaker in OutboundState().all().items() if breaker.is_open)
        return f"left alone for a while, since it keeps failing: {', '.join(names)}" if names else ""

    return looked("breaker:outbound", "notification", left_alone)


def undelivered_finding(now: datetime) -> Finding:
    """Whether messages that had waited for a channel were given up since a day ago."""

    def given_up() -> str:
        lately = [one for one in health.undelivered() if now - one.at < UNDELIVERED_FOR]
        named = ", ".join(f"{one.messages} of {one.user}'s {one.channel}" for one in lately)
        advice = "mend or remove the channel; they are in the log of notifications as given_up"
        return (
            f"messages could not be delivered for a day and were given up ({named}); {advice}"
            if named
            else ""
        )

    return looked("undelivered", "notification", given_up)
