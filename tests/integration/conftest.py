"""One private cloud for all tests that need the whole: engine, exchange, deploy, ports, no schedules."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from laptop import owner, processes, watchlist
from laptop.quiescence import Quiescence
from laptop.stack import Child, ExchangeOptions, LaptopCloud, StackRecord

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs the cloud."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cloud)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LaptopCloud]:
    """The cloud with its owner, its watchlist and its books open; the exchange is stepped by the tests."""
    state = tmp_path_factory.mktemp("cloud")
    exchange = ExchangeOptions(seed=1, clock="stepped", sessions=60)
    with LaptopCloud(state, exchange=exchange) as cloud:
        owner.ensure(cloud)
        watchlist.ensure(cloud, None, reason="the tests' symbols")
        cloud.tick("sync")
        yield cloud


@pytest.fixture(scope="session")
def ports(cloud: LaptopCloud) -> Iterator[dict[str, int]]:
    """The port mappings of the cloud, by name."""
    ready = cloud.state.root / "ports-ready"
    log = cloud.state.logs / "ports.log"
    process: subprocess.Popen[bytes] = processes.start(
        [sys.executable, "-m", "laptop.ports", "--state", cloud.state.root, "--ready", ready],
        environment=processes.base_environment(),
        log=log,
    )
    try:
        processes.wait_until(ready.exists, what="the port mappings", log=log, process=process)
        record = StackRecord.load(cloud.state.stack_file)
        assert record is not None
        replace(record, children=[*record.children, Child.of("ports", process.pid)]).keep(
            cloud.state.stack_file
        )
        yield cloud.ports
    finally:
        processes.stop(process)


@pytest.fixture
def quiet(cloud: LaptopCloud) -> Quiescence:
    """Waits until the cloud has nothing left to do."""
    return Quiescence(cloud, "paper")
