"""A cloud of its own that is stopped, started, killed and started again: nothing of the books is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from laptop import owner, watchlist
from laptop.demo import ACCOUNT, duplicate_orders, trade_session
from laptop.exchange.admin_bodies import Report
from laptop.quiescence import Quiescence
from laptop.stack import ExchangeOptions, LaptopCloud
from tests.integration.asking import sign_in
from tests.integration.commands import left_soon
from tests.integration.conftest import FIRST_SESSION
from tests.integration.reading import BusTap, items, put, wait_for

TABLES = ("Books", "Runs", "Positions", "Analytics", "Notifications", "Settings")


def _everything(cloud: LaptopCloud) -> dict[str, Any]:
    return {table: sorted(items(cloud, table), key=lambda row: (row["pk"], row["sk"])) for table in TABLES}


def _cloud(state: Path) -> LaptopCloud:
    return LaptopCloud(state, exchange=ExchangeOptions(seed=1, clock="stepped", start=FIRST_SESSION))


@dataclass(frozen=True)
class Lives:
    """What was seen of one state folder: before and after a clean stop, and after a kill."""

    before_stop: dict[str, Any]
    after_stop: dict[str, Any]
    sign_in_after_stop: dict[str, Any]
    outbox_after_stop: bool
    left_by_kill: list[str]
    lost_by_kill: set[str]
    before_kill: Report
    after_kill: dict[str, Any]
    report_after_kill: Report
    after_more: Report
    books_after_more: dict[str, Any]


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """A session with a signal, a clean stop; its fill after the last checkpoint, a kill; and one more."""
    state = tmp_path_factory.mktemp("restart")
    with _cloud(state) as first:
        owner.ensure(first)
        watchlist.ensure(first, None, reason="the tests' symbols")
        first.tick("sync")
        trade_session(first, Quiescence(first, ACCOUNT))
        before_stop = _everything(first)
    with _cloud(state) as second:
        after_stop = _everything(second)
        signed_in = sign_in(second, second.credentials.email, second.credentials.password)
        outbox_works = _outbox_works(second)
        second.checkpoint()
        trade_session(second, Quiescence(second, ACCOUNT))
        before_kill = second.exchange.report()
        known = {row["sk"] for row in items(second, "Books")}
        second.kill()
        left = left_soon(state)
    with _cloud(state) as third:
        restored = {row["sk"] for row in items(third, "Books")}
        third.tick("sync")
        Quiescence(third, ACCOUNT).wait()
        after_kill, report = _everything(third), third.exchange.report()
        for job in ("plan", "sync"):
            third.tick(job)
        Quiescence(third, ACCOUNT).wait()
        trade_session(third, Quiescence(third, ACCOUNT))
        yield Lives(
            before_stop=before_stop,
            after_stop=after_stop,
            sign_in_after_stop=signed_in,
            outbox_after_stop=outbox_works,
            left_by_kill=left,
            lost_by_kill=known - restored,
            before_kill=before_kill,
            after_kill=after_kill,
            report_after_kill=report,
            after_more=third.exchange.report(),
            books_after_more=_everything(third),
        )


def _outbox_works(cloud: LaptopCloud) -> bool:
    """Whether an outbox item still finds its way over the stream to the bus."""
    bus = BusTap(cloud)
    detail = '{"id":"restart:1","occurred_at":"2012-04-10T20:00:00Z","run_id":"r"}'
    quoted = detail.replace('"', '\\"')
    body = f'{{"id":"restart:1","name":"RunPlanned","source":"alpaquero.test","detail":"{quoted}"}}'
    put(cloud, "Books", ACCOUNT, "OUTBOX#restart:1", body, written_at={"N": str(time.time())})
    return wait_for(lambda: bus.find("restart:1"), what="the event on the bus") is not None


def _fills(books: dict[str, Any]) -> dict[str, Decimal]:
    return {
        row["body"]["id"]: Decimal(row["body"]["quantity"])
        for row in books["Books"]
        if row["sk"].startswith("FILL#")
    }


def _orders(books: dict[str, Any]) -> dict[str, str]:
    found = (row["body"] for row in books["Books"] if row["sk"].startswith("ORDER#"))
    return {order["client_order_id"]: order["status"] for order in found}


def test_a_clean_stop_keeps_everything(lives: Lives) -> None:
    """Stopped and started, every item of every table is as it was, an order that waits among them."""
    assert lives.after_stop == lives.before_stop
    assert len(_orders(lives.after_stop)) > 0


def test_the_sign_in_survives_a_stop(lives: Lives) -> None:
    """The owner signs in after the restart with the password of before."""
    assert {"AccessToken", "RefreshToken"} <= set(lives.sign_in_after_stop)


def test_the_outbox_works_after_a_restart(lives: Lives) -> None:
    """The stream of Books is read again after a restart."""
    assert lives.outbox_after_stop


def test_a_kill_leaves_no_process(lives: Lives) -> None:
    """When the engine is killed its functions' workers end with it."""
    assert lives.left_by_kill == []


def test_a_kill_loses_no_fill(lives: Lives) -> None:
    """What the books lost since the checkpoint, one sync brings back from the exchange."""
    assert any(key.startswith("FILL#") for key in lives.lost_by_kill), (
        "the kill lost nothing: the test is void"
    )
    assert lives.report_after_kill.fills == lives.before_kill.fills
    assert _fills(lives.after_kill) == {fill.id: fill.qty for fill in lives.before_kill.fills}


def test_a_kill_loses_no_order(lives: Lives) -> None:
    """Orders that the books forgot are known again, each in the exchange's state."""
    assert _orders(lives.after_kill) == {o.client_order_id: o.status for o in lives.report_after_kill.orders}


def test_no_order_is_placed_twice_after_a_kill(lives: Lives) -> None:
    """Signals that are judged again meet the orders they had placed already."""
    before = {order.client_order_id for order in lives.before_kill.orders}
    after = {order.client_order_id for order in lives.after_more.orders}
    assert before <= after
    assert duplicate_orders(sorted(after)) == 0
    assert _orders(lives.books_after_more) == {o.client_order_id: o.status for o in lives.after_more.orders}


def test_money_agrees_after_a_kill(lives: Lives) -> None:
    """Baseline plus fills are the exchange's cash after everything."""
    rows = lives.books_after_more
    baseline = next(row["body"] for row in rows["Books"] if row["sk"] == "BASELINE")
    flows = sum(
        Decimal(row["body"]["cash_flow"]) for row in rows["Positions"] if row["sk"].startswith("POSITION#")
    )
    assert Decimal(baseline["cash"]) + flows == lives.after_more.cash
