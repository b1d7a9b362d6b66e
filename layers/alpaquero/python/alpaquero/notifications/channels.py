"""Sends one message over one channel: SES, SNS or a webhook; `notification/deliver` and `digest` call it.

All functions share a circuit breaker for mail, one for SMS, and one for each webhook (`shared_breaker`), so
that what keeps failing is not waited for at each message.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from functools import cache
from typing import Any

from alpaquero import aws, outbound, wall
from alpaquero.errors import AlpaqueroError
from alpaquero.events.mails import Mail
from alpaquero.notifications import webhooks
from alpaquero.notifications.preferences import Channel
from alpaquero.shared_breaker import guarded

TIMEOUT_SECONDS = 5.0
MOST_WAIT_SECONDS = 900.0  # of a Retry-After
SMS_MOST = 300  # characters; an SMS holds 160, or 70 with letters beyond its alphabet


class NotTaken(AlpaqueroError):
    """The other side did not take a message; try again after `retry_after_seconds`, when it is known."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NoAnswer(NotTaken):
    """The other side was not reached, or did not answer in time."""


@cache
def ses() -> Any:
    """The mail client, made at the first mail."""
    return _patient("ses")


@cache
def sns() -> Any:
    """The SMS client, made at the first SMS."""
    return _patient("sns")


def _patient(service: str) -> Any:
    """A client that gives up so soon that a function can write down what became of two messages."""
    from botocore.config import Config

    return aws.client(
        service, config=Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 2})
    )


def send(mail: Mail, channel: Channel, message_id: str, *, mail_from: str, local: bool) -> str:
    """Sends `mail`; answers the other side's id for it, or its status. Any exception means: not known sent.

    `message_id` is the same in each try of one message; `local` lets webhooks reach loopback. Raises
    `LeftAlone` when nothing was tried, since this way keeps failing.
    """
    if channel.kind == "email":
        with guarded("mail", _is_of_aws):
            return _email(mail, channel.address, mail_from)
    if channel.kind == "sms":
        with guarded("sms", _is_of_aws):
            return _sms(mail, channel.address)
    return _webhook(mail, channel, message_id, local=local)


def _email(mail: Mail, address: str, mail_from: str) -> str:
    answer = ses().send_email(
        Source=mail_from,
        Destination={"ToAddresses": [address]},
        Message={
            "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
            "Body": {"Text": {"Data": mail.text, "Charset": "UTF-8"}},
        },
    )
    return str(answer["MessageId"])


def _sms(mail: Mail, number: str) -> str:
    text = mail.subject + (f". {mail.text.splitlines()[0]}" if mail.text else "")
    short = text if len(text) <= SMS_MOST else text[: SMS_MOST - 1] + "…"
    return str(sns().publish(PhoneNumber=number, Message=short)["MessageId"])


def _webhook(mail: Mail, channel: Channel, message_id: str, *, local: bool) -> str:
    at = wall.seconds()
    to = webhooks.endpoint(channel.address, channel.format, at)
    body, headers = webhooks.request_of(mail, channel.format, to, message_id, at)
    with guarded(f"webhook:{channel.address}"):
        try:
            answer = outbound.send(
                to.url, body=body, headers=headers, timeout_seconds=TIMEOUT_SECONDS, loopback=local
            )
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"the webhook's host did not answer ({type(error).__name__})") from None
        if not 200 <= answer.status < 300:
            raise NotTaken(f"the webhook's host answered {answer.status}", retry_after(answer.headers))
    return f"HTTP {answer.status}"


def _is_of_aws(error: Exception) -> bool:
    """Whether mail or SMS itself failed; a refused address is one message's matter, not everybody's."""
    answer = getattr(error, "response", None)  # botocore's ClientError
    return answer is None or answer["ResponseMetadata"].get("HTTPStatusCode", 500) >= 500


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds in a `Retry-After`, a quarter of an hour at most; None for none, or for a date."""
    text = headers.get("retry-after", "")
    return min(float(text), MOST_WAIT_SECONDS) if text.isascii() and text.isdigit() else None
