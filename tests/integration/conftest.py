"""One private cloud for all tests that need the whole: engine, exchange, deploy, ports.

It has traded six sessions of the shipped prices by the time a test gets it: an entry by signal, its
stop, and two more entries. The schedules are off but for one, which fires while the tests run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from laptop import owner, processes, watchlist
from laptop import ports as port_mappings
from laptop.demo import trade_session
from laptop.engine import sent_mail
from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, Child, ExchangeOptions, LaptopCloud, StackRecord
from tests.integration import actions, recording_guard
from tests.integration.asking import Caller, sign_in
from tests.integration.reading import BusTap, Item, Traded, item, items
from tests.waiting import wait_for

HERE = Path(__file__).parent
UPSETTING = "test_description"
SOME_SHARE = 0.6  # of a file's tests that use the shared cloud, when others of it start their own
# The shipped prices raise a BUY of GOOG on 2012-04-11 whose stop is hit on 2012-04-16.
FIRST_SESSION, SESSIONS = "2012-04-09", 6
VIEWER, VIEWER_PASSWORD = "viewer@alpaquero.local", "Only-looking-1234"
FIRES_WITHIN_SECONDS = 75
PROBING_SECONDS = 240  # some probes in a row: cold functions on a loaded machine answer late at first
# Far below the market, so that it stays open until it is cancelled.
ENTRY = {"symbol": "GOOG", "side": "buy", "quantity": "1", "order_type": "limit", "limit_price": "400.00"}

OrderByHand = Callable[[str], httpx.Response]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs a cloud; files that start their own come before the shared one is up.

    Tests that wait for a schedule come late, and last what leaves the books upset.
    """
    ours = [test for test in items if HERE in test.path.parents]
    sharing: dict[Path, list[bool]] = {}
    for test in ours:
        test.add_marker(pytest.mark.cloud)
        sharing.setdefault(test.path, []).append("market" in getattr(test, "fixturenames", ()))
    share = {path: sum(shares) / len(shares) for path, shares in sharing.items()}
    ours.sort(
        key=lambda test: (
            test.path.stem == UPSETTING,
            "fired" in getattr(test, "fixturenames", ()),
            share[test.path] if share[test.path] <= SOME_SHARE else 1,
        )
    )
    places = [number for number, test in enumerate(items) if HERE in test.path.parents]
    for place, test in zip(places, ours, strict=True):
        items[place] = test


def _as_traded(cloud: LaptopCloud) -> Traded:
    books = items(cloud, "Books")
    return Traded(
        orders=[item for item in books if item["sk"].startswith("ORDER#")],
        fills=[item for item in books if item["sk"].startswith("FILL#")],
        baseline=next(item for item in books if item["sk"] == "BASELINE"),
        risk_book=next(item for item in books if item["sk"] == "RISKBOOK"),
        runs=items(cloud, "Runs", "RUN#"),
        positions=items(cloud, "Positions", "POSITION#"),
        trades=items(cloud, "Analytics", "TRADE#"),
        open_trades=items(cloud, "Analytics", "OPEN#"),
        closes=items(cloud, "Analytics", "DAY#"),
        deliveries=items(cloud, "Notifications", "SENT#"),
        mails=sent_mail(cloud.endpoint),
        report=cloud.exchange.report(),
    )


@dataclass(frozen=True)
class Market:
    """The cloud, what it had traded when it was handed over, and the run that a schedule must plan."""

    cloud: LaptopCloud
    traded: Traded
    run_due: str
    due_since: float


@pytest.fixture(scope="package")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """The cloud with its owner, its watchlist and six sessions traded; `SignalSchedule` begins to fire.

    One more session has passed that nobody has planned a run for, so that the schedule's run shows.
    """
    state = tmp_path_factory.mktemp("cloud")
    exchange = ExchangeOptions(seed=1, clock="stepped", start=FIRST_SESSION)
    guard = Path(recording_guard.__file__)
    with LaptopCloud(state, exchange=exchange, guard=guard) as cloud:
        owner.ensure(cloud)
        watchlist.ensure(cloud, None, reason="the tests' symbols")
        cloud.tick("sync")
        for _ in range(SESSIONS):
            trade_session(cloud, Quiescence(cloud, ACCOUNT))
        traded = _as_traded(cloud)
        session = cloud.exchange.step().session
        assert session is not None
        cloud.tick("sync")
        Quiescence(cloud, ACCOUNT).wait()
        cloud.client("events").enable_rule(Name=cloud.physical("SignalSchedule"))
        yield Market(cloud, traded, f"RUN#1Day-{session.close:%Y%m%dT%H%M%SZ}", time.monotonic())
        if how := os.environ.get(actions.WRITES):
            actions.record(actions.used(cloud), how)


@pytest.fixture(scope="package")
def cloud(market: Market) -> LaptopCloud:
    """A cloud that has traded."""
    return market.cloud


@pytest.fixture(scope="package")
def traded(market: Market) -> Traded:
    """What stood in the books and at the exchange before any test changed a thing."""
    return market.traded


@pytest.fixture(scope="package")
def fired(market: Market) -> Item:
    """The run that the schedule planned by itself, while other tests ran; its rule is off again."""
    left = FIRES_WITHIN_SECONDS - (time.monotonic() - market.due_since)
    try:
        return wait_for(
            lambda: item(market.cloud, "Runs", ACCOUNT, market.run_due),
            what=f"SignalSchedule to fire and plan {market.run_due}",
            seconds=max(left, 1),
        )
    finally:
        market.cloud.client("events").disable_rule(Name=market.cloud.physical("SignalSchedule"))


@pytest.fixture(scope="package")
def ports(cloud: LaptopCloud) -> Iterator[dict[str, int]]:
    """The port mappings of the cloud, by name."""
    process = port_mappings.start(cloud.state)
    try:
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
    return Quiescence(cloud, ACCOUNT)


@pytest.fixture(scope="package")
def admin(cloud: LaptopCloud, ports: dict[str, int]) -> Caller:
    """The owner, signed in."""
    return Caller(ports["gateway"], owner.access_token(cloud))


@pytest.fixture(scope="package")
def viewer(cloud: LaptopCloud, ports: dict[str, int]) -> Caller:
    """Someone who may only look."""
    cognito, pool = cloud.client("cognito-idp"), cloud.outputs["UserPool"]
    cognito.admin_create_user(UserPoolId=pool, Username=VIEWER, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(
        UserPoolId=pool, Username=VIEWER, Password=VIEWER_PASSWORD, Permanent=True
    )
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=VIEWER, GroupName="viewer")
    return Caller(ports["gateway"], sign_in(cloud, VIEWER, VIEWER_PASSWORD)["AccessToken"])


@pytest.fixture
def order_by_hand(cloud: LaptopCloud, admin: Caller, quiet: Quiescence) -> Iterator[OrderByHand]:
    """Places the order `ENTRY` under an idempotency key; in the end nothing is left of it."""
    placed: set[str] = set()

    def place(key: str) -> httpx.Response:
        answer = admin.ask("POST", "/api/orders", body=ENTRY, headers={"Idempotency-Key": key})
        if answer.status_code == 202:
            placed.add(answer.json()["client_order_id"])
        return answer

    yield place
    quiet.wait()
    for identifier in placed:
        admin.ask("DELETE", f"/api/orders/{identifier}")
    quiet.wait()
    cloud.tick("sync")


@pytest.fixture(scope="package")
def bus(cloud: LaptopCloud) -> BusTap:
    """Everything that comes over the bus from now on."""
    return BusTap(cloud)


@pytest.fixture(scope="package")
def probed(cloud: LaptopCloud) -> None:
    """Every service has been asked how it is, until none was found asleep by a cold start."""

    def all_well() -> bool:
        found = cloud.tick("probe")
        wrong = [*found["bad"], *found["raised"]]  # dead letters of other tests are none of ours
        return not (found["unasked"] or [name for name in wrong if name.startswith("probe:")])

    wait_for(all_well, what="every service to be well", seconds=PROBING_SECONDS)
