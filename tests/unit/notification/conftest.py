"""What the notification service's tests look at: the mails SES took, and a clock they can move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from alpaquero.notifications import channels, webhooks


@dataclass
class Clock:
    """Wall time, moved by the test."""

    at: datetime = field(default_factory=lambda: datetime(2026, 1, 5, 17, 20, tzinfo=UTC))

    def move(self, **step: float) -> None:
        """Lets time pass."""
        self.at += timedelta(**step)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Wall time stands until the test moves it."""
    one = Clock()
    monkeypatch.setattr("alpaquero.wall.now", lambda: one.at)
    return one


@pytest.fixture
def outbox(tables: None) -> Iterator[list[Any]]:
    """The mails SES took during a test."""
    clients = (channels.ses, channels.sns)
    for cached in clients:
        cached.cache_clear()
    webhooks.forget()
    boto3.client("ses").verify_email_identity(EmailAddress="alpaquero@example.com")
    yield ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
    for cached in clients:
        cached.cache_clear()
    webhooks.forget()
