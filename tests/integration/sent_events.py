"""What the engine really sends each function, and the file in `events/` that stands for it.

`ALPAQUERO_RECORD_EVENTS=1 pytest tests/integration/test_what_is_sent.py` writes the files from the tests'
cloud; without the variable the tests hold their shape against what the engine sends now. What differs from
run to run (ids, times, addresses, tokens) is settled, so that a file changes only when an event does.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from laptop import owner
from laptop.sam.functions import event_file
from laptop.stack import Stack
from laptop.template import functions, routes, template
from tests.integration.asking import Caller
from tests.integration.dashboards import dashboard, ticket
from tests.integration.recording_guard import EVENTS
from tests.waiting import wait_for

WRITES: Final = "ALPAQUERO_RECORD_EVENTS"  # set: the files are written
TOKEN, TICKET = "ACCESS_TOKEN", "SOCKET_TICKET"
"""Placeholders in the files for what holds in one running cloud alone."""

Event = dict[str, Any]

_TIME, _SECONDS = "2026-01-02T15:04:05", 1767366245
# In this order: each pattern and what it becomes, in the JSON text of an event.
_SETTLED: Final = (
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", TOKEN),
    (r'("ticket": (?:\[\s*)?")[^"]+', rf"\g<1>{TICKET}"),
    (r"\b20\d{6}t\d{6}-[0-9a-f]{8}\b", "20260102t150405-0123abcd"),
    (r"\b20(?:2[4-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d", _TIME),
    (rf"({_TIME})\.\d+", r"\1.000001"),
    (r"\d\d/[A-Z][a-z]{2}/20\d\d:\d\d:\d\d:\d\d \+0000", "02/Jan/2026:15:04:05 +0000"),
    (r"\b1[789]\d{11}\b", f"{_SECONDS}000"),
    (r"\b1[789]\d{8}\.\d+\b", f"{_SECONDS}.5"),
    (r"\b1[789]\d{8}\b", str(_SECONDS)),
    (r"\b[0-9a-f]{8}(?=\.execute-api)|(?<=:)[0-9a-f]{8}(?=/v1)", "0123abcd"),
    (r'("(?:apiId|resourceId|connectionId|sec-websocket-key)": ")[^"]+', r"\g<1>0123abcd"),
    (r'("sec-websocket-key": \[\s*")[^"]+', r"\g<1>0123abcd"),
    (r"(alpaquero-[A-Za-z]+-)[0-9A-F]{13}", r"\g<1>0123456789ABC"),
    (r"localhost:\d+", "localhost:4566"),
    (r'("SequenceNumber": ")\d+', r"\g<1>00000000000000000001"),
    (r"(?i)(python-httpx|websockets|python)/[\d.]+", r"\1"),
)
_UUID: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


def settled(event: Event) -> Event:
    """The event with everything replaced that another run would have otherwise."""
    text = json.dumps(event)
    for pattern, becomes in _SETTLED:
        text = re.sub(pattern, becomes, text)
    numbers: dict[str, int] = {}
    text = _UUID.sub(
        lambda found: f"00000000-0000-4000-8000-{numbers.setdefault(found[0], len(numbers) + 1):012}", text
    )
    found: Event = json.loads(text)
    for record in found.get("Records", ()):
        if "md5OfBody" in record:
            record["md5OfBody"] = hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()
    return found


def sent(stack: Stack) -> Iterator[tuple[str, Event]]:
    """Each function with an event of each kind that it was sent, oldest first.

    A schedule's event is read from its rule: it is what the rule sends, whether or not it has fired.
    """
    names = {physical: logical for logical, physical in stack.resources.items()}
    for line in (stack.state.engine / EVENTS).read_text().splitlines():
        noted = json.loads(line)
        yield names[noted["function"]], noted["event"]
    for physical, event in stack.schedules.values():
        yield names[physical], event


def route_of(function: str) -> str | None:
    """The route that is asked for an API function's event: its shortest public GET without a parameter."""
    paths = [
        path
        for name, method, path in routes("PublicApi")
        if name == function and method == "GET" and "{" not in path
    ]
    return min(paths, key=lambda path: (len(path), path), default=None)


def stands_for(function: str, event: Event) -> bool:
    """Whether an event of a function is of the kind that its file holds."""
    route, job = route_of(function), _jobs().get(function)
    if route is not None:
        return event.get("resource") == route and event.get("httpMethod") == "GET"
    if job is not None:
        return bool(event.get("job") == job)
    if function == "GatewayAuthorizer":
        return event.get("type") == "TOKEN"
    if function == "GatewaySocket":
        return bool(event["requestContext"]["routeKey"] == "$connect")
    return "Records" in event


def _jobs() -> dict[str, str]:
    """The job that a schedule of the template gives a function."""
    found = {}
    for resource in template()["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Events::Rule" and "ScheduleExpression" in properties:
            for target in properties["Targets"]:
                found[target["Arn"]["Fn::GetAtt"].removesuffix(".Arn")] = json.loads(target["Input"])["job"]
    return found


def provoke(stack: Stack, admin: Caller, symbol: str) -> None:
    """Has every function that the cloud has not yet sent its kind of event to sent one; waits for it."""
    admin = admin.having(owner.access_token(stack))  # these tests come late, and a token lasts 15 minutes
    for function in functions():
        route = route_of(function)
        if route is not None:
            answer = admin.ask("GET", route)
            assert answer.status_code == 200, (route, answer.text)
    missing = _missing(stack)
    if "AnalyticsBacktest" in missing:
        queue_backtest(stack, admin, symbol, key="an event for AnalyticsBacktest")
    if "HistoricalDataIngest" in missing:
        day = str(stack.exchange.status().session.date)  # type: ignore[union-attr]
        answer = admin.ask(
            "POST", "/api/historical/ingest", body={"symbols": [symbol], "start": day, "end": day}
        )
        assert answer.status_code == 202, answer.text
    if missing & {"MarketDataFeed", "GatewaySocket"}:
        with dashboard(admin.port, ticket(admin)) as watching:
            watching.say("subscribe", f"prices:{symbol}")
            wait_for(
                lambda: "MarketDataFeed" not in _missing(stack), what="the price feed to be sent an event"
            )
    wait_for(lambda: not _missing(stack), what=f"events for {', '.join(sorted(_missing(stack))) or 'all'}")


def _missing(stack: Stack) -> set[str]:
    return set(functions()) - {name for name, event in sent(stack) if stands_for(name, event)}


def queue_backtest(stack: Stack, admin: Caller, symbol: str, *, key: str) -> str:
    """Asks for a backtest of this month's sessions; gives its id."""
    session = stack.exchange.status().session
    assert session is not None
    asked = {"symbols": [symbol], "start": str(session.date.replace(day=1)), "end": str(session.date)}
    answer = admin.ask("POST", "/api/backtests", body=asked, headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def write(stack: Stack) -> None:
    """Writes every function's file from the first event of its kind."""
    for function in functions():
        event = next(event for name, event in sent(stack) if name == function and stands_for(name, event))
        file = event_file(function)
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(settled(event), indent=2) + "\n")
