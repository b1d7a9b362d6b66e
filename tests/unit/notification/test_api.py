"""The notification routes: settings of one's own and of others, the log, and a person's word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alpaquero.events.bus import received
from alpaquero.events.schemas import NoticeGiven
from alpaquero.store import notifications as store
from alpaquero.store.notifications import Delivery, State
from functions.notification import api
from tests.fakes.proxy import body_of, proxy_event
from tests.unit.notification.conftest import Clock

SETTINGS, LOG, SEND = "/api/notifications/settings", "/api/notifications/log", "/api/notifications/send"
MAIL = {"name": "mail", "kind": "email", "address": "ana@example.com"}
pytestmark = pytest.mark.usefixtures("tables")


def ask(method: str, route: str, *, status: int = 200, **more: Any) -> Any:
    """The body of a route's answer, which has `status`."""
    headers = {"content-type": "application/json"}
    answer = api.app(proxy_event(method, route, headers=headers, **more), None)
    assert answer["statusCode"] == status, answer["body"]
    return body_of(answer)


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is published on the topic."""
    published: list[dict[str, Any]] = []

    class Sns:
        def publish(self, **message: Any) -> None:
            published.append(message)

    monkeypatch.setattr(api, "sns", Sns)
    return published


def test_settings_begin_with_the_owner_alone() -> None:
    """Nobody has set any: version 0, no channels, and the owner is mailed everything."""
    found = ask("GET", SETTINGS)
    assert (found["user"], found["version"], found["channels"], found["owner_is_mailed"]) == (
        "ana",
        0,
        [],
        True,
    )
    assert {"OrderFilled", "DaySummarised"} <= set(found["events"])
    owner = ask("GET", SETTINGS, role="admin", query={"user": "owner"})
    assert [c["address"] for c in owner["channels"]] == ["owner@example.com"]


def test_settings_are_kept_with_a_version() -> None:
    """What was put is what is read, and whoever decides on old settings has to look again."""
    wanted = {
        "version": 0,
        "channels": [MAIL],
        "quiet_from": "22:00",
        "quiet_until": "07:00",
        "time_zone": "Asia/Tokyo",
    }
    put = ask("PUT", SETTINGS, role="trader", body=wanted)
    assert (put["version"], put["quiet_from"], put["time_zone"]) == (1, "22:00", "Asia/Tokyo")
    assert put["channels"][0] == MAIL | {
        "format": "json", "severity": "info", "categories": [], "digest": "none", "most_per_hour": 60
    }  # fmt: skip
    assert ask("GET", SETTINGS) == put
    assert ask("PUT", SETTINGS, role="trader", body=wanted, status=409)["error"]["code"] == "conflict"
    assert ask("PUT", SETTINGS, role="trader", body=wanted | {"version": 1})["version"] == 2


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"time_zone": "Mars"}, "time_zone"),
        ({"quiet_from": "25:00", "quiet_until": "07:00"}, "quiet_from"),
        ({"channels": [MAIL | {"address": "nobody"}]}, "channels[0].address"),
        ({"channels": [MAIL | {"severity": "loud"}]}, "channels"),
        ({"channels": [MAIL | {"secret": "x"}]}, "secret"),
        ({"most": 1}, "most"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any], field: str) -> None:
    """With the field that has to be changed."""
    body = {"version": 0, "channels": [MAIL]} | wrong
    error = ask("PUT", SETTINGS, role="trader", body=body, status=400)["error"]
    assert error["details"]["field"].startswith(field)


def test_who_may_only_look_changes_nothing() -> None:
    """Settings and sending need a trader."""
    ask("PUT", SETTINGS, body={"version": 0, "channels": []}, status=403)
    ask("POST", SEND, body={}, status=403)


def test_another_users_settings_are_an_admins() -> None:
    """Seen and changed by an admin alone."""
    query = {"user": "bo"}
    ask("GET", SETTINGS, role="trader", query=query, status=403)
    ask("PUT", SETTINGS, role="trader", query=query, body={"version": 0, "channels": [MAIL]}, status=403)
    put = ask("PUT", SETTINGS, role="admin", query=query, body={"version": 0, "channels": [MAIL]})
    assert put["user"] == "bo"
    assert ask("GET", SETTINGS, role="admin", query=query) == put
    ask("GET", SETTINGS, role="admin", query={"user": "a#b"}, status=400)


def test_the_log_is_read_in_pages(clock: Clock) -> None:
    """Newest first, each line once, and by state."""
    for number in range(5):
        clock.move(minutes=1)
        one = Delivery(
            event_id=f"e{number}", event="OrderFilled", user="ana", channel="mail", kind="email",
            category="fill", severity="info", subject=f"subject {number}",
        )  # fmt: skip
        store.claim("paper", one, clock.at)
        done = State.SENT if number % 2 else State.FAILED
        store.record("paper", one, done, "its id" if number % 2 else "no route", clock.at)
    first = ask("GET", LOG, query={"limit": "3"})
    rest = ask("GET", LOG, query={"limit": "3", "cursor": first["next"]})
    assert [line["event_id"] for line in first["items"] + rest["items"]] == ["e4", "e3", "e2", "e1", "e0"]
    assert rest["next"] is None
    assert first["items"][1] == {
        "event_id": "e3", "event": "OrderFilled", "user": "ana", "channel": "mail", "kind": "email",
        "category": "fill", "severity": "info", "subject": "subject 3", "state": "sent", "attempts": 1,
        "outcome": "its id", "first_at": "2026-01-05T17:24:00Z", "changed_at": "2026-01-05T17:24:00Z",
    }  # fmt: skip
    failed = ask("GET", LOG, query={"state": "failed"})
    assert {line["outcome"] for line in failed["items"]} == {"no route"}
    ask("GET", LOG, query={"state": "lost"}, status=400)
    ask("GET", LOG, query={"cursor": "%%%"}, status=400)


def test_a_persons_word_goes_to_the_topic(topic: list[dict[str, Any]]) -> None:
    """It is an event like any other, with its author; the answer names it for the log."""
    answer = ask("POST", SEND, role="trader", body={"subject": " Hello ", "text": "x"}, status=202)
    (message,) = topic
    notice = received(message["Message"])
    assert isinstance(notice, NoticeGiven)
    assert (notice.id, notice.author, notice.subject, notice.user) == (answer["id"], "ana", "Hello", None)
    assert message["TopicArn"].endswith(":news")
    assert json.loads(message["Message"])["detail-type"] == "NoticeGiven"


def test_a_test_goes_over_one_channel(topic: list[dict[str, Any]]) -> None:
    """Whoever has set a channel may try it; what nobody has is not found."""
    ask("PUT", SETTINGS, role="trader", body={"version": 0, "channels": [MAIL]})
    ask("POST", SEND, role="trader", body={"user": "ana", "channel": "mail"}, status=202)
    ask("POST", SEND, role="trader", body={"user": "owner"}, status=202)
    for wrong, status in (
        ({"user": "bo"}, 404),
        ({"user": "ana", "channel": "phone"}, 404),
        ({"channel": "mail"}, 400),
    ):
        ask("POST", SEND, role="trader", body=wrong, status=status)
    assert len(topic) == 2


@pytest.mark.parametrize(
    "wrong", [{"subject": ""}, {"subject": "  "}, {"subject": "x" * 151}, {"text": "x" * 4001}]
)
def test_a_word_has_its_limits(topic: list[dict[str, Any]], wrong: dict[str, str]) -> None:
    """A subject of one line, a text that fits a mail."""
    ask("POST", SEND, role="trader", body=wrong, status=400)
    assert topic == []


def test_the_service_is_well_when_its_table_is() -> None:
    """Its health reads the table."""
    assert ask("GET", "/notification/health")["dependencies"]["preferences"] == "ok"
