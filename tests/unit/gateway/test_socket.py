"""The list of open dashboards, and pushing events to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest

from alpaquero.events.schemas import EquityMarked
from alpaquero.store.connections import CONNECTION_SECONDS, open_connections, remember_connection
from functions.gateway import connect, push

EVENT = EquityMarked(
    id="mark:1",
    occurred_at=datetime(2026, 1, 5, 21, 30, tzinfo=UTC),
    correlation_id="run-1",
    account="paper",
    equity=Decimal("100000.10"),
    cash=Decimal(5),
    peak_equity=Decimal(100001),
    drawdown_percent=Decimal("0.01"),
)


def event(route: str, connection: str = "c1", **more: Any) -> dict[str, Any]:
    caller = {"username": "ana", "role": "viewer"}
    return {"requestContext": {"routeKey": route, "connectionId": connection, "authorizer": caller}, **more}


class Sockets:
    """Stands for API Gateway's management API: keeps what each dashboard was sent."""

    exceptions = boto3.client(
        "apigatewaymanagementapi",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    ).exceptions

    def __init__(self) -> None:
        self.frames: dict[str, list[Any]] = {}
        self.gone: set[str] = set()
        self.broken: set[str] = set()

    def post_to_connection(self, ConnectionId: str, Data: bytes) -> None:  # noqa: N803 - boto3's own names
        if ConnectionId in self.gone:
            raise self.exceptions.GoneException({"Error": {"Code": "GoneException"}}, "PostToConnection")
        if ConnectionId in self.broken:
            raise ConnectionError("no route")
        self.frames.setdefault(ConnectionId, []).append(json.loads(Data))


@pytest.fixture
def sockets(tables: None, monkeypatch: pytest.MonkeyPatch) -> Sockets:
    sockets = Sockets()
    monkeypatch.setattr(push, "socket", lambda: sockets)
    return sockets


def test_a_dashboard_is_known_while_it_is_open(tables: None) -> None:
    """Connecting adds it to the list and closing removes it; closing twice is fine."""
    assert connect.handler(event("$connect"), None) == {"statusCode": 200}
    assert connect.handler(event("$connect", "c2"), None) == {"statusCode": 200}
    assert open_connections() == ["c1", "c2"]
    for _ in range(2):
        assert connect.handler(event("$disconnect"), None) == {"statusCode": 200}
    assert open_connections() == ["c2"]


def test_a_connection_without_the_authorizers_word_is_refused(tables: None) -> None:
    """If the authorizer were missing from the template, nobody would connect."""
    request = event("$connect")
    del request["requestContext"]["authorizer"]
    assert connect.handler(request, None) == {"statusCode": 401}
    assert open_connections() == []


def test_a_connection_is_forgotten_after_its_time(tables: None) -> None:
    """API Gateway ends a connection after two hours; one whose close we missed drops out."""
    remember_connection("c1", "ana", "viewer", lambda: 1_800_000_000.0)
    assert open_connections(lambda: 1_800_000_000.0 + CONNECTION_SECONDS - 1) == ["c1"]
    assert open_connections(lambda: 1_800_000_000.0 + CONNECTION_SECONDS) == []


def test_a_ping_gets_a_pong() -> None:
    """A dashboard may ask whether the line is alive."""
    answer = connect.handler(event("$default", body='{"action": "ping"}'), None)
    assert json.loads(answer["body"]) == {"type": "Pong"}


@pytest.mark.parametrize("body", ["", "{", "[]", '{"action": 5}', '{"action": "trade"}', None])
def test_any_other_message_is_refused(body: str | None) -> None:
    """The socket takes nothing but pings."""
    assert connect.handler(event("$default", body=body), None) == {"statusCode": 400}


def test_an_event_reaches_every_open_dashboard(
    sockets: Sockets, delivered: Callable[..., dict[str, Any]]
) -> None:
    """One frame an event, with its type, its time and its whole detail."""
    for connection in ("c1", "c2"):
        remember_connection(connection, "ana", "viewer")
    assert push.handler(delivered(EVENT, EVENT), None) == {"batchItemFailures": []}
    assert [len(sockets.frames[connection]) for connection in ("c1", "c2")] == [2, 2]
    frame = sockets.frames["c1"][0]
    assert (set(frame), frame["type"], frame["at"]) == (
        {"type", "at", "detail"},
        "EquityMarked",
        "2026-01-05T21:30:00Z",
    )
    assert (frame["detail"]["id"], frame["detail"]["equity"]) == ("mark:1", "100000.10")


def test_a_closed_dashboard_is_forgotten(sockets: Sockets, delivered: Callable[..., dict[str, Any]]) -> None:
    """A connection that is gone is removed and does not hold up the others."""
    for connection in ("c1", "c2"):
        remember_connection(connection, "ana", "viewer")
    sockets.gone = {"c1"}
    assert push.handler(delivered(EVENT), None) == {"batchItemFailures": []}
    assert open_connections() == ["c2"]
    assert len(sockets.frames["c2"]) == 1


def test_an_event_that_one_dashboard_missed_goes_back(
    sockets: Sockets, delivered: Callable[..., dict[str, Any]]
) -> None:
    """The others have it already and drop the repeat; nobody misses it for good."""
    for connection in ("c1", "c2"):
        remember_connection(connection, "ana", "viewer")
    sockets.broken = {"c1"}
    assert push.handler(delivered(EVENT), None) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert open_connections() == ["c1", "c2"]
    assert len(sockets.frames["c2"]) == 1


def test_a_record_that_is_no_event_goes_back_alone(
    sockets: Sockets, delivered: Callable[..., dict[str, Any]]
) -> None:
    """One bad record does not stop the batch."""
    remember_connection("c1", "ana", "viewer")
    batch = delivered(EVENT)
    batch["Records"].insert(0, {"messageId": "bad", "body": "{}"})
    assert push.handler(batch, None) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert len(sockets.frames["c1"]) == 1


def test_without_dashboards_nothing_is_sent(
    sockets: Sockets, delivered: Callable[..., dict[str, Any]]
) -> None:
    """When nobody watches, events pass."""
    assert push.handler(delivered(EVENT), None) == {"batchItemFailures": []}
    assert sockets.frames == {}
