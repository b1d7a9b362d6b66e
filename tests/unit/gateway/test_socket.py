"""The list of open dashboards, and pushing events to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import msgspec
import pytest

from alpaquero import wall
from alpaquero.events import schemas
from alpaquero.events.live import KIND_OF, TOPICS_A_CONNECTION, PricesChanged, WatchedPrice
from alpaquero.events.schemas import EquityMarked
from alpaquero.store import missed_frames, price_feed
from alpaquero.store.connections import (
    CONNECTION_SECONDS,
    CONNECTIONS_A_USER,
    open_connections,
    remember_connection,
    watch,
)
from functions.gateway import connect, push
from tests.fakes.queues import FakeQueues

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
    assert list(open_connections()) == ["c1", "c2"]
    for _ in range(2):
        assert connect.handler(event("$disconnect"), None) == {"statusCode": 200}
    assert list(open_connections()) == ["c2"]


def test_a_connection_without_the_authorizers_word_is_refused(tables: None) -> None:
    """If the authorizer were missing from the template, nobody would connect."""
    request = event("$connect")
    del request["requestContext"]["authorizer"]
    assert connect.handler(request, None) == {"statusCode": 401}
    assert list(open_connections()) == []


def test_a_connection_is_forgotten_after_its_time(tables: None) -> None:
    """API Gateway ends a connection after two hours; one whose close we missed drops out."""
    remember_connection("c1", "ana", "viewer", lambda: 1_800_000_000.0)
    assert list(open_connections(lambda: 1_800_000_000.0 + CONNECTION_SECONDS - 1)) == ["c1"]
    assert list(open_connections(lambda: 1_800_000_000.0 + CONNECTION_SECONDS)) == []


def said(action: str, *topics: str, connection: str = "c1") -> Any:
    """What a dashboard hears after a message."""
    body = json.dumps({"action": action, "topics": topics})
    answer = connect.handler(event("$default", connection, body=body), None)
    assert answer["statusCode"] == 200
    return json.loads(answer["body"])


def test_a_ping_gets_a_pong(tables: None, queues: FakeQueues) -> None:
    """A dashboard may ask whether the line is alive; one that watches nothing begins no feed."""
    remember_connection("c1", "ana", "viewer")
    assert said("ping") == {"type": "Pong"}
    assert queues.messages == {}


def test_topics_are_kept_with_the_connection(tables: None, queues: FakeQueues) -> None:
    """Subscribing adds, unsubscribing takes away, and each answer tells all that is watched."""
    remember_connection("c1", "ana", "viewer")
    remember_connection("c2", "ben", "viewer")
    assert said("subscribe", "prices:IBM", "prices:AAPL")["detail"] == {
        "topics": ["prices:AAPL", "prices:IBM"]
    }
    assert said("subscribe", "prices:AAPL", "prices:BRK.B")["type"] == "Watching"
    assert said("unsubscribe", "prices:IBM", "prices:GOOG")["detail"]["topics"] == [
        *("prices:AAPL", "prices:BRK.B")
    ]
    assert open_connections() == {"c1": {"prices:AAPL", "prices:BRK.B"}, "c2": frozenset()}
    assert said("unsubscribe", "prices:AAPL", "prices:BRK.B")["detail"] == {"topics": []}
    assert open_connections()["c1"] == frozenset()


def test_the_first_who_watches_begins_the_feed_and_the_next_does_not(
    tables: None, queues: FakeQueues
) -> None:
    """However many watch, one beat is on its way."""
    for connection in ("c1", "c2"):
        remember_connection(connection, "ana", "viewer")
        said("subscribe", "prices:AAPL", connection=connection)
        said("ping", connection=connection)
    assert [beat["beat"] for beat in queues.bodies("feed-queue")] == [0]


def test_a_ping_of_who_watches_begins_a_feed_that_was_lost(
    tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beat that went missing is noticed by the next ping once it is overdue."""
    remember_connection("c1", "ana", "viewer")
    said("subscribe", "prices:AAPL")
    later = wall.seconds() + price_feed.BEAT_SECONDS + 1
    monkeypatch.setattr(wall, "seconds", lambda: later)
    said("ping")
    lives = [beat["life"] for beat in queues.bodies("feed-queue")]
    assert len(set(lives)) == 2


@pytest.mark.parametrize(
    "topics", [["prices:"], ["prices:aapl"], ["AAPL"], ["orders:AAPL"], ["prices:A' OR 1=1"]]
)
def test_a_topic_nobody_can_watch_is_refused_with_the_form_of_one(
    tables: None, queues: FakeQueues, topics: list[str]
) -> None:
    """The whole message is refused: nothing of it is kept."""
    remember_connection("c1", "ana", "viewer")
    refused = said("subscribe", "prices:AAPL", *topics)
    assert (refused["type"], refused["detail"]["code"]) == ("Refused", "invalid_request")
    assert "prices:AAPL" in refused["detail"]["message"]
    assert open_connections() == {"c1": frozenset()}
    assert queues.messages == {}


def test_a_connection_watches_so_many_topics_and_no_more(tables: None, queues: FakeQueues) -> None:
    """The limit counts what is watched already, each topic once."""
    remember_connection("c1", "ana", "viewer")
    half = [f"prices:A{number}" for number in range(TOPICS_A_CONNECTION // 2)]
    rest = [f"prices:B{number}" for number in range(TOPICS_A_CONNECTION // 2)]
    assert said("subscribe", *half)["type"] == said("subscribe", *rest, *half[:1])["type"] == "Watching"
    assert said("subscribe", "prices:ONE")["type"] == "Refused"
    assert len(open_connections()["c1"]) == TOPICS_A_CONNECTION


def test_who_is_not_known_to_be_open_watches_nothing(tables: None, queues: FakeQueues) -> None:
    """A message that overtakes a close leaves no connection behind."""
    body = '{"action": "subscribe", "topics": ["prices:AAPL"]}'
    assert connect.handler(event("$default", body=body), None) == {"statusCode": 410}
    assert open_connections() == {}
    assert queues.messages == {}


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", '{"action": 5}', '{"action": "trade"}', '{"action": "subscribe", "topics": "all"}', None],
)
def test_any_other_message_is_refused(body: str | None) -> None:
    """The socket takes pings and topics, and nothing else."""
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


def prices(*symbols: str) -> dict[str, Any]:
    """A batch with one poll's prices, as the feed puts it on the queue."""
    rows = tuple(
        WatchedPrice(
            symbol=symbol,
            bid=Decimal("9.99"),
            ask=None,
            last=Decimal(10),
            at=EVENT.occurred_at,
            age_seconds=1.5,
        )
        for symbol in symbols
    )
    told = PricesChanged(id="prices:1:0:0", occurred_at=EVENT.occurred_at, prices=rows)
    encoder = msgspec.json.Encoder(decimal_format="string")
    body = encoder.encode({"detail-type": "PricesChanged", "detail": told}).decode()
    return {"Records": [{"messageId": "0", "body": body}]}


def test_prices_reach_those_who_watch_them(sockets: Sockets) -> None:
    """Each dashboard gets the symbols of its topics in one frame, and none where it watches none of them."""
    for connection, symbols in {"c1": ("AAPL", "IBM"), "c2": ("IBM",), "c3": ("GOOG",)}.items():
        remember_connection(connection, "ana", "viewer")
        watch(connection, frozenset(f"prices:{symbol}" for symbol in symbols))
    assert push.handler(prices("AAPL", "IBM"), None) == {"batchItemFailures": []}
    told = {
        connection: [price["symbol"] for price in frame["detail"]["prices"]]
        for connection, [frame] in sockets.frames.items()
    }
    assert told == {"c1": ["AAPL", "IBM"], "c2": ["IBM"]}
    frame = sockets.frames["c2"][0]
    assert (frame["type"], frame["at"]) == ("PricesChanged", "2026-01-05T21:30:00Z")
    price = frame["detail"]["prices"][0]
    assert (price["bid"], price["ask"], price["last"], price["age_seconds"]) == ("9.99", None, "10", 1.5)


def test_prices_that_missed_a_dashboard_are_not_sent_again(sockets: Sockets) -> None:
    """Newer ones follow in seconds; a repeat half a minute later would be wrong."""
    remember_connection("c1", "ana", "viewer")
    watch("c1", frozenset({"prices:AAPL"}))
    sockets.broken = {"c1"}
    assert push.handler(prices("AAPL"), None) == {"batchItemFailures": []}


def test_a_closed_dashboard_is_forgotten(sockets: Sockets, delivered: Callable[..., dict[str, Any]]) -> None:
    """A connection that is gone is removed and does not hold up the others."""
    for connection in ("c1", "c2"):
        remember_connection(connection, "ana", "viewer")
    sockets.gone = {"c1"}
    assert push.handler(delivered(EVENT), None) == {"batchItemFailures": []}
    assert list(open_connections()) == ["c2"]
    assert len(sockets.frames["c2"]) == 1


def test_an_event_that_one_dashboard_missed_goes_back(
    sockets: Sockets, delivered: Callable[..., dict[str, Any]]
) -> None:
    """The others have it already and drop the repeat; nobody misses it for good."""
    for connection in ("c1", "c2"):
        remember_connection(connection, "ana", "viewer")
    sockets.broken = {"c1"}
    assert push.handler(delivered(EVENT), None) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert list(open_connections()) == ["c1", "c2"]
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


def test_every_event_has_its_kind() -> None:
    """A new event that has no kind would reach those who asked for other kinds alone."""
    events = {kind.__name__ for kind in _below(schemas.Event)}
    assert set(KIND_OF) == events


def _below(kind: type[Any]) -> set[type[Any]]:
    return {found for child in kind.__subclasses__() for found in {child, *_below(child)}}


def test_who_watches_kinds_gets_those_alone(
    sockets: Sockets, queues: FakeQueues, delivered: Callable[..., dict[str, Any]]
) -> None:
    """Without a kind a dashboard gets every event, with `orders` none of an equity mark."""
    for connection in ("c1", "c2", "c3"):
        remember_connection(connection, "ana", "viewer")
    assert said("subscribe", "orders", "prices:AAPL", connection="c2")["type"] == "Watching"
    assert said("subscribe", "orders", "positions", connection="c3")["type"] == "Watching"
    assert push.handler(delivered(EVENT), None) == {"batchItemFailures": []}
    assert set(sockets.frames) == {"c1", "c3"}


def test_a_user_has_so_many_dashboards_and_no_more(tables: None) -> None:
    """One user's dashboards cannot crowd out another's."""
    for number in range(CONNECTIONS_A_USER):
        assert connect.handler(event("$connect", f"c{number}"), None) == {"statusCode": 200}
    assert connect.handler(event("$connect", "more"), None) == {"statusCode": 429}
    other = event("$connect", "other")
    other["requestContext"]["authorizer"]["username"] = "ben"
    assert connect.handler(other, None) == {"statusCode": 200}


def told(number: int) -> EquityMarked:
    """The event `mark:<number>`."""
    return msgspec.structs.replace(EVENT, id=f"mark:{number}")


def resumed(after: str) -> tuple[bool, list[str]]:
    """What a dashboard that comes back hears: whether it is all, and the ids of the events."""
    answer = connect.handler(event("$default", body=json.dumps({"action": "resume", "after": after})), None)
    detail = json.loads(answer["body"])["detail"]
    return detail["complete"], [frame["detail"]["id"] for frame in detail["events"]]


def pushed_at(second: float, monkeypatch: pytest.MonkeyPatch, batch: dict[str, Any]) -> None:
    """Pushes a batch that was queued at a second of the day."""
    monkeypatch.setattr(wall, "seconds", lambda: 1_800_000_000 + second)
    assert push.handler(batch, None) == {"batchItemFailures": []}


def test_a_dashboard_resumes_after_the_last_event_it_saw(
    sockets: Sockets, delivered: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came while it was away comes in one frame, in order; what it saw long before does not."""
    for number in range(4):
        pushed_at(number * 20, monkeypatch, delivered(told(number)))
    remember_connection("c1", "ana", "viewer")
    assert resumed("mark:1") == (True, ["mark:2", "mark:3"])
    assert resumed("mark:3") == (True, [])


def test_events_that_crossed_are_not_lost(
    sockets: Sockets, delivered: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event queued seconds before the last one seen may have been pushed after it: it comes too."""
    pushed_at(5, monkeypatch, delivered(told(1)))
    pushed_at(6, monkeypatch, delivered(told(2)))
    remember_connection("c1", "ana", "viewer")
    assert resumed("mark:2") == (True, ["mark:1"])


def test_a_repeated_delivery_is_kept_once(
    sockets: Sockets, delivered: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame's place is when it was queued, so a delivery minutes later hides nothing."""
    late = delivered(told(1))
    late["Records"][0]["attributes"] = {"SentTimestamp": "1800000000000"}
    pushed_at(0, monkeypatch, late)
    pushed_at(60, monkeypatch, delivered(told(2)))
    pushed_at(180, monkeypatch, late)
    remember_connection("c1", "ana", "viewer")
    assert resumed("mark:1") == (True, ["mark:2"])


def test_what_is_too_long_ago_is_told_as_a_gap(
    sockets: Sockets, delivered: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ten minutes, for an unknown event, or after more than fits, the page must read anew."""
    pushed_at(0, monkeypatch, delivered(told(0)))
    pushed_at(
        1, monkeypatch, delivered(*[told(number) for number in range(1, missed_frames.MOST_FRAMES + 2)])
    )
    remember_connection("c1", "ana", "viewer")
    assert resumed("mark:0") == (False, [])
    assert resumed("never") == (False, [])
    pushed_at(missed_frames.KEPT_SECONDS + 2, monkeypatch, delivered(told(999)))
    assert resumed("mark:201") == (False, [])


def test_a_resumed_dashboard_gets_its_kinds_alone(
    sockets: Sockets,
    queues: FakeQueues,
    delivered: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The replay keeps to what the connection watches."""
    pushed_at(0, monkeypatch, delivered(told(1)))
    pushed_at(30, monkeypatch, delivered(told(2)))
    remember_connection("c1", "ana", "viewer")
    watch("c1", frozenset({"orders"}))
    assert resumed("mark:1") == (True, [])
