"""Tells the owner by e-mail what happened; started by NotificationQueue.

At least once: a delivery is recorded after the mail is sent, so a crash between the two mails
twice and never not at all. A repeated event is dropped by its record.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from alpaquero import aws
from alpaquero.events.bus import received
from alpaquero.events.mails import mail_of
from alpaquero.events.queues import work_through
from alpaquero.observability import correlation, logger, observed, record_failed
from alpaquero.settings import FunctionSettings, Text, load
from alpaquero.store.notifications import record_sent, was_sent

EMAIL = "email"


class Settings(FunctionSettings, frozen=True, kw_only=True):
    """From whom and to whom."""

    mail_from: Text
    mail_to: Text


settings = load(Settings)


@lru_cache(maxsize=1)
def ses() -> Any:
    """The mail client, made at the first mail."""
    return aws.client("ses")


@observed("notification")
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Mails a batch of events and answers which of them go back to the queue."""
    return work_through(event, lambda record: _deliver(record["body"]), record_failed)


def _deliver(body: str) -> None:
    event = received(body)
    correlation(event.correlation_id)
    account = event.account or settings.account
    if was_sent(account, event.id, EMAIL):
        logger.info("mailed before", event_id=event.id)
        return
    mail = mail_of(event)
    answer = ses().send_email(
        Source=settings.mail_from,
        Destination={"ToAddresses": [settings.mail_to]},
        Message={
            "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
            "Body": {"Text": {"Data": mail.text, "Charset": "UTF-8"}},
        },
    )
    first = record_sent(
        account,
        event.id,
        EMAIL,
        event=type(event).__name__,
        subject=mail.subject,
        message_id=answer["MessageId"],
    )
    if not first:
        logger.warning("mailed twice: another worker had the same event", event_id=event.id)
