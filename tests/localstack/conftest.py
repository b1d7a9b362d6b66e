"""LocalStack itself with the whole stack on it, four sessions of the shipped prices traded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from laptop import issuer, owner, ports, processes, watchlist
from laptop.demo import trade_session
from laptop.layout import LOCALSTACK_PYTHON
from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, ExchangeOptions, LaptopCloud
from tests.integration.asking import Caller

HERE = Path(__file__).parent
# The shipped prices raise a BUY of GOOG on 2012-04-11, which the next session fills.
FIRST_SESSION, SESSIONS = "2012-04-09", 4
QUIET_SECONDS = 120.0
VIEWER, VIEWER_PASSWORD = "viewer@alpaquero.local", "Only-looking-1234"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests are a stage of their own: they start an engine that nobody else needs."""
    for test in items:
        if HERE in test.path.parents:
            test.add_marker(pytest.mark.localstack)


@contextmanager
def mapped(cloud: LaptopCloud) -> Iterator[None]:
    """The port mappings, started before any function takes one of the cloud's free ports for itself."""
    process = ports.start(cloud.state)
    try:
        yield
    finally:
        processes.stop(process)


@pytest.fixture(scope="session")
def localstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LaptopCloud]:
    """The cloud that has traded, with its port mappings."""
    if not LOCALSTACK_PYTHON.exists():
        pytest.fail("LocalStack is not installed: run `make test-localstack`, which does it")
    state = tmp_path_factory.mktemp("localstack")
    exchange = ExchangeOptions(seed=1, clock="stepped", start=FIRST_SESSION)
    with LaptopCloud(state, exchange=exchange, engine="localstack") as cloud, mapped(cloud):
        owner.ensure(cloud)
        issuer.add_user(cloud.state.root, VIEWER, VIEWER_PASSWORD, "viewer")
        watchlist.ensure(cloud, None, reason="the tests' symbols")
        cloud.tick("sync")
        for _ in range(SESSIONS):
            trade_session(cloud, Quiescence(cloud, ACCOUNT))
        yield cloud


@pytest.fixture(scope="session")
def visitor(localstack: LaptopCloud) -> Caller:
    """Somebody who has not signed in."""
    return Caller(localstack.ports["gateway"])


@pytest.fixture(scope="session")
def admin(localstack: LaptopCloud, visitor: Caller) -> Caller:
    """The owner, signed in by the gateway's own route."""
    keys = localstack.credentials
    answer = visitor.ask(
        "POST", "/api/auth/sign-in", body={"username": keys.email, "password": keys.password}
    )
    assert answer.status_code == 200, answer.text
    return visitor.having(answer.json()["access_token"])
