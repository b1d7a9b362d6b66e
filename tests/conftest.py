"""Fixtures that several rooms use: the environment of a function, and its tables in moto."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from json import dumps, loads
from typing import Any

import pytest

from alpaquero.events.schemas import Event, decode, encode

TABLES = {
    "BOOKS_TABLE": "books",
    "RUNS_TABLE": "runs",
    "BARS_TABLE": "bars",
    "SETTINGS_TABLE": "settings",
    "POSITIONS_TABLE": "positions",
    "ANALYTICS_TABLE": "analytics",
    "NOTIFICATIONS_TABLE": "notifications",
    "CONNECTIONS_TABLE": "connections",
    "HEALTH_TABLE": "health",
}
FUNCTION = {
    "ACCOUNT": "paper",
    "ENVIRONMENT": "local",
    "BUS": "bus",
    "AWS_REGION": "us-east-1",
    "ALPACA_TRADING_URL": "http://127.0.0.1:9",  # the discard port: nothing answers there
    "ALPACA_DATA_URL": "http://127.0.0.1:9",
    "TRADING_SECRET": "trading",
    "DATA_SECRET": "data",
    "DASHBOARD_ORIGIN": "http://localhost:9100",
    "QUEUES": '{"OrderQueue": "order-queue"}',
    "DEAD_LETTER_QUEUES": '{"OrderQueue": "order-queue-dlq"}',
    "SERVICES_API_URL": "http://127.0.0.1:9/v1",
    "POWERTOOLS_METRICS_NAMESPACE": "Alpaquero",
}

# Models and handlers read these when they are imported, which is before any fixture runs.
for _name, _value in {**TABLES, **FUNCTION}.items():
    os.environ.setdefault(_name, _value)

MODELS = {
    "books": "BookItem",
    "runs": "RunItem",
    "bars": "ChunkItem",
    "trading_settings": "SettingsItem",
    "positions": "PositionItem",
    "analytics": "AnalyticsItem",
    "health": "HealthItem",
    "connections": "ConnectionItem",
    "notifications": "DeliveryItem",
}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every table of the shared package, empty, in moto; nothing reaches a network."""
    from moto import mock_aws

    from alpaquero.events import bus, queues
    from alpaquero.store import tables as shared

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")] + ["AWS_PROFILE"]:
        monkeypatch.delenv(name, raising=False)
    models = [getattr(importlib.import_module(f"alpaquero.store.{m}"), item) for m, item in MODELS.items()]
    clients = (bus._client, queues._client, shared.connection)
    with mock_aws():
        for cached in clients:
            cached.cache_clear()
        for model in models:
            model._connection = None
            model.create_table(billing_mode="PAY_PER_REQUEST", wait=False)
        yield
    for cached in clients:
        cached.cache_clear()
    for model in models:
        model._connection = None


@pytest.fixture
def published(tables: None, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Every event that reaches the bus, in order."""
    events: list[Event] = []

    class Bus:
        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, int]:  # noqa: N803 - boto3's own name
            events.extend(decode(entry["DetailType"], entry["Detail"]) for entry in Entries)
            return {"FailedEntryCount": 0}

    monkeypatch.setattr("alpaquero.events.bus._client", Bus)
    return events


@pytest.fixture
def delivered() -> Callable[..., dict[str, Any]]:
    """Makes an SQS batch of events as EventBridge delivers them."""

    def batch(*events: Event) -> dict[str, Any]:
        records = []
        for number, event in enumerate(events):
            envelope = {
                "detail-type": type(event).__name__,
                "source": "alpaquero.test",
                "detail": loads(encode(event)),
            }
            records.append({"messageId": str(number), "body": dumps(envelope)})
        return {"Records": records}

    return batch
