"""Fixtures that several rooms use: the environment of a function, and its tables in moto."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Generator, Iterator
from copy import deepcopy
from functools import lru_cache
from json import dumps, loads
from pathlib import Path
from typing import Any

import pytest

from alpaquero.events.schemas import Event, decode, encode
from tests.fakes.queues import FakeQueues

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
    "BROKER_STATE_TABLE": "broker-state",
    "RATE_LIMITS_TABLE": "rate-limits",
    "PROGRAM_KEYS_TABLE": "program-keys",
}
FUNCTION = {
    "ACCOUNT": "paper",
    "ENVIRONMENT": "local",
    "BUS": "bus",
    "AWS_REGION": "us-east-1",
    "ALPACA_TRADING_URL": "http://127.0.0.1:9",  # the discard port: nothing answers there
    "ALPACA_DATA_URL": "http://127.0.0.1:9",
    "ALPACA_DATA_FEED": "iex",
    "TRADING_SECRET": "trading",
    "DATA_SECRET": "data",
    "DASHBOARD_ORIGIN": "http://localhost:9100",
    "TOKEN_ISSUER": "https://issuer.example/pool",
    "TOKEN_KEYS_URL": "http://127.0.0.1:9/users/.well-known/jwks.json",
    "USER_POOL_CLIENT": "client-1",
    "WEBSOCKET_ENDPOINT": "http://127.0.0.1:9/socket/v1",
    "MAIL_FROM": "alpaquero@example.com",
    "MAIL_TO": "owner@example.com",
    "ORDER_QUEUE": "order-queue",
    "SYNC_QUEUE": "sync-queue",
    "BACKTEST_QUEUE": "backtest-queue",
    "FEED_QUEUE": "feed-queue",
    "PUSH_QUEUE": "push-queue",
    "ARCHIVE_BUCKET": "archive",
    "INGEST_QUEUE": "ingest-queue",
    "NOTIFICATION_QUEUE": "notification-queue",
    "TOPIC": "arn:aws:sns:us-east-1:000000000000:news",
    "SHARD_QUEUE": "shard-queue",
    "CONCLUDE_QUEUE": "conclude-queue",
    "QUEUES": '{"OrderQueue": "order-queue"}',
    "DEAD_LETTER_QUEUES": '{"OrderQueue": "order-queue-dlq"}',
    "SERVICES_API_URL": "http://127.0.0.1:9/v1",
    "STACK": "stack",
    "LOG_GROUP": "logs",
    "WORKER_MEMORY": "512",
    "API_MEMORY": "512",
    "BACKTEST_MEMORY": "1769",
    "SCHEDULES": "DISABLED",
    "POWERTOOLS_METRICS_NAMESPACE": "Alpaquero",
}

# Models and handlers read these when they are imported, which is before any fixture runs.
for _name, _value in {**TABLES, **FUNCTION}.items():
    os.environ.setdefault(_name, _value)

MODELS = {
    "books": "BookItem",
    "runs": "RunItem",
    "verdicts": "VerdictItem",
    "requests": "RequestItem",
    "bars": "ChunkItem",
    "trading_settings": "SettingsItem",
    "positions": "PositionItem",
    "analytics": "AnalyticsItem",
    "health": "HealthItem",
    "broker_state": "BrokerStateItem",
    "rate_limits": "RateLimitItem",
    "program_keys": "ProgramKeyItem",
    "connections": "ConnectionItem",
    "price_feed": "LeaseItem",
    "notifications": "NotificationItem",
}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}


# Folders whose tests share a cloud or an engine, or start their own: one worker has each, so that few are up
# at once. Who is named in front of the others begins at once, who is named behind comes last: minutes each.
TOGETHER = ("tests/integration", "tests/browser", "tests/contract/engine")
FIRST, LAST = "tests/integration", "tests/browser"
TEMPORARY = pytest.StashKey[Path]()
BEFORE_SECONDS = 10  # what led to a failure may lie before its test


def group_of(nodeid: str) -> str:
    """What one of several workers has to itself: a file's tests, or those of a folder with clouds."""
    path = nodeid.partition("::")[0]
    folder = path.rpartition("/")[0]
    return folder if folder in TOGETHER else path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups come in the order in which workers shall take them."""
    items.sort(key=lambda item: (group_of(item.nodeid) == LAST, group_of(item.nodeid) != FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Workers take whole groups (`--dist loadgroup`), for xdist 3.8 sets no group with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    if config.getvalue("dist") != "loadgroup":
        return None

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return Groups(config, log)


@pytest.fixture(scope="session", autouse=True)
def temporary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the state of this run's clouds is, for the reports of failures."""
    request.config.stash[TEMPORARY] = tmp_path_factory.getbasetemp()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test's report ends with what the clouds logged from a little before it on."""
    report = yield
    base = item.config.stash.get(TEMPORARY, None)
    if report.failed and base is not None:
        from tests.evidence import sections

        report.sections.extend(sections(base, since=call.start - BEFORE_SECONDS))
    return report


# For the next test that asks for tables: making them, and each model's client, takes a tenth of a second.
CONNECTIONS: dict[Any, Any] = {}
EMPTY_TABLES: dict[str, Any] = {}


@lru_cache(maxsize=1)
def botocore_session() -> Any:
    """One session for all models: each new one would parse DynamoDB's service description again."""
    from botocore.session import get_session

    return get_session()


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every table of the shared package, empty, in moto; nothing reaches a network."""
    from moto import mock_aws
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    from alpaquero.events import bus, queues
    from alpaquero.store import tables as shared

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")] + ["AWS_PROFILE"]:
        monkeypatch.delenv(name, raising=False)
    models = [getattr(importlib.import_module(f"alpaquero.store.{m}"), item) for m, item in MODELS.items()]
    clients = (bus._client, queues._client, shared.connection)
    monkeypatch.setattr("alpaquero.aws.session", botocore_session)
    monkeypatch.setattr("pynamodb.connection.base.get_session", botocore_session)
    with mock_aws():
        for cached in clients:
            cached.cache_clear()
        held = dynamodb_backends[DEFAULT_ACCOUNT_ID][CREDENTIALS["AWS_DEFAULT_REGION"]].tables
        if not EMPTY_TABLES:
            schemas = {model.Meta.table_name: model._get_schema() for model in reversed(models)}  # some share
            for name, schema in schemas.items():
                shared.connection().create_table(name, billing_mode="PAY_PER_REQUEST", **schema)
            EMPTY_TABLES.update(deepcopy(held))
        held.update(deepcopy(EMPTY_TABLES))
        for model in models:
            model._connection = CONNECTIONS.get(model)
        yield
    for cached in clients:
        cached.cache_clear()
    for model in models:
        CONNECTIONS[model], model._connection = model._connection, None


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
def queues(monkeypatch: pytest.MonkeyPatch) -> FakeQueues:
    """Every command that is sent, by queue."""
    fake = FakeQueues()
    monkeypatch.setattr("alpaquero.events.queues._client", lambda: fake)
    return fake


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
            records.append(
                {"messageId": str(number), "receiptHandle": f"receipt-{number}", "body": dumps(envelope)}
            )
        return {"Records": records}

    return batch


@pytest.fixture
def call() -> Callable[..., tuple[int, Any]]:
    """Calls a route as API Gateway does; answers the status and the decoded body.

    `route` is the template's path, as `/api/chart/{symbol}`, filled from `path`. A public route
    is called as `role` (None: not signed in), a route of the services' API by a signed caller.
    """

    def request(
        app: Callable[[Any, Any], dict[str, Any]],
        route: str,
        *,
        method: str = "GET",
        path: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        body: object = None,
        role: str | None = "viewer",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        public = route.startswith("/api/")
        answer = app(
            {
                "resource": route,
                "path": route.format(**(path or {})),
                "httpMethod": method,
                "headers": {"content-type": "application/json", **(headers or {})},
                "multiValueHeaders": {},
                "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} if query else None,
                "pathParameters": path,
                "stageVariables": None,
                "requestContext": {
                    "resourcePath": route,
                    "httpMethod": method,
                    "requestId": "request-1",
                    "authorizer": {"username": "ana", "role": role} if public and role else None,
                    "identity": {} if public else {"userArn": "arn:aws:iam::000000000000:user/ana"},
                },
                "body": None if body is None else dumps(body),
                "isBase64Encoded": False,
            },
            None,
        )
        return answer["statusCode"], loads(answer["body"])

    return request


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The JSON objects that our logger writes during a test."""
    from alpaquero.observability import logger

    written: list[dict[str, Any]] = []

    class Stream:
        def write(self, text: str) -> None:
            written.extend(json.loads(line) for line in text.splitlines() if line)

        def flush(self) -> None:
            """Nothing is kept back."""

    monkeypatch.setattr(logger.registered_handler, "stream", Stream())
    return written
