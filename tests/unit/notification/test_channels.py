"""Each channel's own: webhook secrets, bodies for chats, short messages, and what may be reached."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends

from alpaquero.errors import ConfigurationError, LeftAlone
from alpaquero.events.mails import Mail
from alpaquero.notifications import channels, webhooks
from alpaquero.notifications.channels import NotTaken
from alpaquero.notifications.preferences import Channel, WebhookFormat
from alpaquero.outbound import OutboundRefused
from tests.fakes.http_server import Reply, scripted_server
from tests.unit.notification.conftest import Clock
from tests.unit.notification.samples import KEY, keep_webhook

MAIL = Mail("Bought 53 AAPL <now> & here", "Why: it rose.\n@everyone", "fill", "info")


def post(kind: WebhookFormat = "json", *, local: bool = True) -> str:
    """Sends `MAIL` to the webhook `team`."""
    hook = Channel(name="hook", kind="webhook", address="team", format=kind)
    return channels.send(MAIL, hook, "id-1", mail_from="a@example.com", local=local)


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize(
    ("kind", "more", "body"),
    [
        ("slack", {}, {"text": "Bought 53 AAPL &lt;now&gt; &amp; here\n\nWhy: it rose.\n@everyone"}),
        (
            "discord",
            {},
            {"content": f"{MAIL.subject}\n\n{MAIL.text}", "allowed_mentions": {"parse": []}},
        ),
        (
            "telegram",
            {"chat_id": -1001234},
            {
                "chat_id": "-1001234",
                "text": f"{MAIL.subject}\n\n{MAIL.text}",
                "link_preview_options": {"is_disabled": True},
            },
        ),
    ],
)
def test_a_chat_gets_the_body_it_knows(
    kind: WebhookFormat, more: dict[str, Any], body: dict[str, Any]
) -> None:
    """Slack's text escaped, Discord's content that calls nobody, Telegram's message to a chat; unsigned."""
    with scripted_server() as server:
        keep_webhook(server.url + "/x", signing_key="", **more)
        server.script = [Reply(200, {"ok": True})]
        assert post(kind) == "HTTP 200"
        (asked,) = server.asked
    assert asked.body == body
    assert not [name for name in asked.headers if name.lower().startswith("webhook-")]


@pytest.mark.parametrize(("kind", "most"), [("slack", 30_000), ("discord", 2000), ("telegram", 4096)])
def test_a_long_message_is_cut_to_what_a_chat_takes(kind: WebhookFormat, most: int) -> None:
    """Refused for its length it would never arrive."""
    to = webhooks.Endpoint("https://x", b"", "1")
    body, _ = webhooks.request_of(Mail("s", "x" * 99_999, "fill", "info"), kind, to, "id", 1.0)
    texts = [value for value in json.loads(body).values() if isinstance(value, str)]
    assert max(map(len, texts)) == most


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize("status", [301, 307, 400, 404, 410, 429, 500, 503])
def test_only_success_is_success(status: int) -> None:
    """A redirect is not followed: it could lead anywhere."""
    with scripted_server() as server:
        keep_webhook(server.url + "/x")
        server.script = [Reply(status, headers={"Location": server.url + "/elsewhere"}), Reply(200)]
        with pytest.raises(NotTaken, match=f"answered {status}"):
            post()
        assert len(server.asked) == 1


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "https://127.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/",
        "ftp://x/",
    ],
)
def test_aws_sends_nowhere_private(url: str) -> None:
    """Outside of the laptop not even loopback is reached, and the message does not tell the address."""
    keep_webhook(url)
    with pytest.raises(OutboundRefused) as refused:
        post(local=False)
    assert url not in str(refused.value)


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/latest", "https://10.0.0.1/", "http://192.168.1.1/"]
)
def test_the_laptop_reaches_its_own_loopback_alone(url: str) -> None:
    """Its neighbours in the house stay out of reach."""
    keep_webhook(url)
    with pytest.raises(OutboundRefused):
        post(local=True)


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize(
    ("secret", "kind", "says"),
    [
        (None, "json", "cannot be read"),
        ("no json: hush", "json", "must be a JSON object"),
        ('{"signing_key": "aHVzaA=="}', "json", "must be a JSON object"),
        ('{"url": "https://hush.example", "signing_key": "aHVzaA=="}', "json", "must be a JSON object"),
        ('{"url": "https://hush.example", "signing_key": "***"}', "json", "must be a JSON object"),
        ('{"url": "https://hush.example"}', "json", "has no signing_key"),
        ('{"url": "https://hush.example"}', "telegram", "has no chat_id"),
    ],
)
def test_a_secret_that_does_not_fit_says_what_to_do(
    secret: str | None, kind: WebhookFormat, says: str
) -> None:
    """By its name, without a word of its content."""
    if secret is not None:
        boto3.client("secretsmanager").create_secret(Name="alpaquero/webhooks/team", SecretString=secret)
    with pytest.raises(ConfigurationError, match=says) as wrong:
        post(kind)
    assert "alpaquero/webhooks/team" in str(wrong.value)
    assert "hush" not in str(wrong.value)


@pytest.mark.usefixtures("outbox")
def test_a_secret_that_was_changed_counts_after_five_minutes(clock: Clock) -> None:
    """So a key can be rotated without a deploy, and is not read at each message."""
    keep_webhook("https://one.example")
    client = boto3.client("secretsmanager")
    at = clock.at.timestamp()
    assert webhooks.endpoint("team", "json", at).url == "https://one.example"
    client.put_secret_value(
        SecretId="alpaquero/webhooks/team",
        SecretString=json.dumps({"url": "https://two.example", "signing_key": KEY}),
    )
    assert webhooks.endpoint("team", "json", at + 299).url == "https://one.example"
    assert webhooks.endpoint("team", "json", at + 301).url == "https://two.example"


def test_an_endpoint_shows_nothing_of_itself() -> None:
    """In a trace or a log it is its name alone."""
    assert repr(webhooks.Endpoint("https://hush", b"hush", "hush")) == "Endpoint()"


@pytest.mark.usefixtures("outbox")
def test_a_long_sms_is_cut() -> None:
    """Each 160 characters cost another message."""
    phone = Channel(name="phone", kind="sms", address="+15551234567")
    long = Mail("s" * 200, "t" * 200, "fill", "info")
    channels.send(long, phone, "id", mail_from="a@example.com", local=True)
    ((_, text),) = sns_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sms_messages.values()
    assert (len(text), text[-1]) == (300, "…")


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30.0), ("86400", 900.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)],
)
def test_a_host_that_asks_for_patience_gets_it(text: str, seconds: float | None) -> None:
    """Its `Retry-After` is heeded, up to a quarter of an hour."""
    with scripted_server() as server:
        keep_webhook(server.url + "/x")
        server.script = [Reply(429, headers={"Retry-After": text})]
        with pytest.raises(NotTaken) as refused:
            post()
    assert refused.value.retry_after_seconds == seconds


@pytest.mark.usefixtures("outbox")
def test_a_refused_address_is_no_failure_of_mail_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often one user's address is refused, mail goes on; when SES itself fails, it is left alone."""

    def answering(status: int) -> Any:
        response: Any = {"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return Mock(send_email=Mock(side_effect=ClientError(response, "SendEmail")))

    mail = Channel(name="mail", kind="email", address="ana@example.com")
    for status in [400] * 6 + [503] * 5:
        monkeypatch.setattr(channels, "ses", lambda status=status: answering(status))
        with pytest.raises(ClientError):
            channels.send(MAIL, mail, "id", mail_from="a@example.com", local=True)
    with pytest.raises(LeftAlone, match="mail keeps failing and is left alone; try again in"):
        channels.send(MAIL, mail, "id", mail_from="a@example.com", local=True)
