"""Webhooks: the signed body for a program, ready-made bodies for chats; `channels` sends them.

The signature is that of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over
`<webhook-id>.<webhook-timestamp>.<body>`, base64, as `webhook-signature: v1,...`. The id is the same
in each try, the timestamp is that of the try: a receiver drops ids it has seen and refuses
timestamps more than five minutes off, so that a recorded request cannot be played again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import field
from datetime import UTC, datetime

import msgspec

from alpaquero import aws
from alpaquero.errors import ConfigurationError
from alpaquero.events.mails import Mail
from alpaquero.notifications.preferences import WEBHOOK_SECRETS, WebhookFormat
from alpaquero.quickly_made import dataclass

KEY_PREFIX = "whsec_"
KEEP_SECONDS = 300  # how long a secret that was read is believed
DISCORD_MOST, TELEGRAM_MOST, SLACK_MOST = 2000, 4096, 30_000  # characters they take


class _Secret(msgspec.Struct):
    url: str
    signing_key: str = ""
    chat_id: str | int = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a webhook goes; its text form shows nothing, for a chat's address is a password."""

    url: str = field(repr=False)
    signing_key: bytes = field(repr=False)
    chat_id: str = field(repr=False)


_known: dict[str, tuple[float, Endpoint]] = {}


def endpoint(name: str, kind: WebhookFormat, at: float) -> Endpoint:
    """The endpoint in the secret `alpaquero/webhooks/<name>`, read anew after five minutes.

    `at` are seconds of wall time. Raises `ConfigurationError` when the secret is absent or lacks what
    its format needs; no message holds any of it.
    """
    read_at, found = _known.get(name, (0.0, None))
    if found is None or at - read_at > KEEP_SECONDS:
        found = _read(WEBHOOK_SECRETS + name)
        _known[name] = (at, found)
    if kind == "json" and not found.signing_key:
        raise ConfigurationError(
            f"the secret {WEBHOOK_SECRETS}{name} has no signing_key; put one in (32 random bytes in base64)"
        )
    if kind == "telegram" and not found.chat_id:
        raise ConfigurationError(f"the secret {WEBHOOK_SECRETS}{name} has no chat_id; put the chat's in")
    return found


def forget() -> None:
    """Reads every secret anew."""
    _known.clear()


def _read(name: str) -> Endpoint:
    from botocore.exceptions import ClientError

    try:
        text = aws.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
        secret = msgspec.json.decode(text, type=_Secret)
        return Endpoint(secret.url, key_of(secret.signing_key), str(secret.chat_id))
    except (ClientError, KeyError) as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "it holds no text")
        raise ConfigurationError(
            f'the webhook\'s secret {name} cannot be read ({code}): create it as {{"url", "signing_key"}}'
        ) from None
    except (msgspec.MsgspecError, ValueError):
        raise ConfigurationError(
            f'the webhook\'s secret {name} must be a JSON object with the texts "url" and "signing_key" '
            "(base64, at least 16 bytes)"
        ) from None  # the cause would carry the secret's text


def key_of(text: str) -> bytes:
    """The signing key in `text`, base64 with or without `whsec_`. Raises `ValueError` for a weak one."""
    if not text:
        return b""
    try:
        key = base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("the signing key is not base64") from None
    if len(key) < 16:
        raise ValueError("the signing key is shorter than 16 bytes")
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`.

    >>> key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def request_of(
    mail: Mail, kind: WebhookFormat, to: Endpoint, message_id: str, at: float
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one try at `at`, seconds of wall time."""
    body = msgspec.json.encode(_body(mail, kind, to, at))
    headers = {"Content-Type": "application/json", "User-Agent": "alpaquero"}
    if kind == "json":
        headers |= {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at)),
            "webhook-signature": signature(to.signing_key, message_id, int(at), body),
        }
    return body, headers


def _body(mail: Mail, kind: WebhookFormat, to: Endpoint, at: float) -> dict[str, object]:
    whole = f"{mail.subject}\n\n{mail.text}".strip()
    if kind == "slack":
        escaped = whole.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return {"text": _cut(escaped, SLACK_MOST)}
    if kind == "discord":
        return {"content": _cut(whole, DISCORD_MOST), "allowed_mentions": {"parse": []}}
    if kind == "telegram":
        return {
            "chat_id": to.chat_id,
            "text": _cut(whole, TELEGRAM_MOST),
            "link_preview_options": {"is_disabled": True},
        }
    return {
        "type": f"alpaquero.{mail.category}",
        "timestamp": datetime.fromtimestamp(at, UTC).isoformat(),
        "data": {"severity": mail.severity, "subject": mail.subject, "text": mail.text},
    }


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
