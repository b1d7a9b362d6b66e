"""Telling people on the whole cloud: a webhook of a real server, SMS, the log, the day, dead letters."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest

from laptop.engine import sent_mail, sent_sms
from laptop.redrive import DeadLetters
from laptop.stack import LaptopCloud
from tests.fakes.http_server import Reply, ScriptedServer, scripted_server
from tests.integration.asking import Caller
from tests.integration.reading import depth, items
from tests.waiting import wait_for

KEY = base64.b64encode(b"a key of the tests, 32 bytes long").decode()
USER = "told@example.com"
SETTINGS = f"/api/notifications/settings?user={USER}"
CHANNELS = [
    {"name": "hook", "kind": "webhook", "address": "integration", "categories": ["notice"]},
    {"name": "phone", "kind": "sms", "address": "+15551234567", "categories": ["notice"]},
    {"name": "mail", "kind": "email", "address": USER, "categories": ["notice"]},
]


@pytest.fixture(scope="module")
def server(cloud: LaptopCloud, admin: Caller) -> Iterator[ScriptedServer]:
    """A server that a user's webhook leads to; he has a phone and a mailbox too, until the end."""
    with scripted_server() as running:
        secret = json.dumps({"url": f"{running.url}/told", "signing_key": f"whsec_{KEY}"})
        secrets = cloud.client("secretsmanager")
        secrets.create_secret(Name="alpaquero/webhooks/integration", SecretString=secret)
        _put(admin, CHANNELS)
        yield running
        _put(admin, [])


def _put(admin: Caller, channels: list[dict[str, Any]]) -> None:
    version = admin.ask("GET", SETTINGS).json()["version"]
    answer = admin.ask("PUT", SETTINGS, body={"version": version, "channels": channels})
    assert answer.status_code == 200, answer.text


def _send(admin: Caller, **notice: Any) -> str:
    answer = admin.ask("POST", "/api/notifications/send", body={"user": USER, **notice})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _outcomes(admin: Caller, notice: str) -> dict[str, tuple[str, int]]:
    """State and attempts of a notice by channel, as the log tells them."""
    lines = admin.ask("GET", "/api/notifications/log?limit=100").json()["items"]
    return {one["channel"]: (one["state"], one["attempts"]) for one in lines if one["event_id"] == notice}


def test_a_word_goes_over_every_channel(cloud: LaptopCloud, admin: Caller, server: ScriptedServer) -> None:
    """Topic, queue, then a signed request, an SMS and a mail, each once, and in the log."""
    server.script = [Reply(204)]
    before = len(server.asked)
    notice = _send(admin, subject="Over every channel", text="Hello.")
    done = {"hook": ("sent", 1), "phone": ("sent", 1), "mail": ("sent", 1)}
    wait_for(lambda: _outcomes(admin, notice) == done, what="all three in the log")
    (asked,) = server.asked[before:]
    headers = {name.lower(): text for name, text in asked.headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
    raw = json.dumps(asked.body, separators=(",", ":"), ensure_ascii=False).encode()
    digest = hmac.new(base64.b64decode(KEY), signed + raw, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert asked.body["data"]["subject"] == "[paper] Over every channel"
    texts = [one["body"] for one in sent_sms(cloud.endpoint) if one["to"] == "+15551234567"]
    assert texts == ["[paper] Over every channel. Hello."]
    mails = [mail for mail in sent_mail(cloud.endpoint) if mail["to"] == [USER]]
    assert [mail["subject"] for mail in mails] == ["[paper] Over every channel"]


def test_what_was_given_up_is_redriven(cloud: LaptopCloud, admin: Caller, server: ScriptedServer) -> None:
    """A dead letter is seen, sent back, and told to those alone who have not had it."""
    dead = DeadLetters(cloud)
    already = depth(cloud, "NotificationQueueDeadLetters")
    server.script = [Reply(500)]
    notice = _send(admin, subject="At first in vain")
    wait_for(lambda: _outcomes(admin, notice).get("hook") == ("failed", 1), what="the first failure")
    server.script = [Reply(204)]
    sqs, detail = (
        cloud.client("sqs"),
        {"id": notice, "occurred_at": "2026-01-05T14:30:00Z", "account": "paper"},
    )
    detail |= {"author": "test", "subject": "At first in vain", "text": "", "severity": "info", "user": USER}
    letter = json.dumps({"detail-type": "NoticeGiven", "detail": detail})
    sqs.send_message(QueueUrl=cloud.outputs["NotificationQueueDeadLetters"], MessageBody=letter)
    taken = wait_for(
        lambda: [one for one in dead.take("NotificationQueue") if notice in one.what], what="the dead letter"
    )
    assert dead.send_back("NotificationQueue", taken) >= 1
    wait_for(lambda: _outcomes(admin, notice).get("hook") == ("sent", 2), what="the second try")
    assert _outcomes(admin, notice)["mail"] == ("sent", 1)
    assert depth(cloud, "NotificationQueueDeadLetters") == already


def test_the_day_is_told_of(cloud: LaptopCloud) -> None:
    """A tick after the close raises the summary once, and the owner is mailed."""
    cloud.tick("monitor")
    first = cloud.tick("digest")
    assert first["summary"] is not None
    assert cloud.tick("digest")["summary"] is None
    wanted = f"[paper] {first['summary']}: "
    wait_for(
        lambda: [mail for mail in sent_mail(cloud.endpoint) if mail["subject"].startswith(wanted)],
        what="the mail of the day",
    )
    assert [row["sk"] for row in items(cloud, "Notifications", f"SENT#summary:paper:{first['summary']}")]
