"""A cloud of its own, stopped, upgraded, killed, started again and imported into: no record is lost."""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alpaquero.store import schema
from laptop import owner, watchlist
from laptop.agreement import duplicate_orders
from laptop.demo import trade_session
from laptop.exchange.admin_bodies import Report
from laptop.layout import TEMPLATE
from laptop.moving.exporting import export
from laptop.moving.importing import Imported, Wanted, import_package
from laptop.moving.kinds import Part
from laptop.moving.package import PackageReader
from laptop.moving.places import place_of
from laptop.moving.schema import mark
from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, STACK, ExchangeOptions, LaptopCloud
from tests.integration.asking import sign_in
from tests.integration.commands import left_soon
from tests.integration.conftest import FIRST_SESSION
from tests.integration.reading import BusTap, delete, items, put
from tests.waiting import wait_for

TABLES = ("Books", "Runs", "Positions", "Analytics", "Notifications", "Settings")


def _everything(cloud: LaptopCloud) -> dict[str, Any]:
    return {table: sorted(items(cloud, table), key=lambda row: (row["pk"], row["sk"])) for table in TABLES}


def _cloud(state: Path, **changed: Any) -> LaptopCloud:
    exchange = ExchangeOptions(seed=1, clock="stepped", start=FIRST_SESSION)
    return LaptopCloud(state, exchange=exchange, **changed)


def _with_an_index(folder: Path) -> Path:
    """The template of a later release: a table with one more index."""
    text = TEMPLATE.read_text()
    changed = re.sub(
        r"(?m)^  Runs:\n    Type: AWS::DynamoDB::Table\n(    \w+Policy: \w+\n)*    Properties:\n",
        "\\g<0>      GlobalSecondaryIndexes:\n"
        "        - IndexName: by_sort_key\n"
        "          KeySchema: [{AttributeName: sk, KeyType: HASH}, {AttributeName: pk, KeyType: RANGE}]\n"
        "          Projection: {ProjectionType: ALL}\n",
        text,
    )
    assert changed != text
    path = folder / "template.yaml"
    path.write_text(changed)
    return path


@dataclass(frozen=True)
class Upgrade:
    """What was seen of the stack when its template and its functions changed."""

    schedules_before: dict[str, Any]
    schedules_after: dict[str, Any]
    indexed: list[str]
    level: str


@dataclass(frozen=True)
class Moved:
    """The stack before its state was exported and after it was imported again, and the file's text."""

    before: dict[str, Any]
    after: dict[str, Any]
    done: Imported
    text: str
    secrets: dict[str, str]


def _upgraded(cloud: LaptopCloud, schedules_before: dict[str, Any]) -> Upgrade:
    found = cloud.client("dynamodb").scan(TableName=cloud.outputs["Runs"], IndexName="by_sort_key")
    function = cloud.client("lambda").get_function_configuration(FunctionName=cloud.physical("TradingSync"))
    return Upgrade(
        schedules_before=schedules_before,
        schedules_after=cloud.schedules,
        indexed=sorted(item["sk"]["S"] for item in found["Items"]),
        level=function["Environment"]["Variables"]["LOG_LEVEL"],
    )


def _rest(cloud: LaptopCloud) -> None:
    """Waits for the syncs that come some seconds after an order, which move the books, and what follows."""
    name = "ApproximateNumberOfMessagesDelayed"
    asked = {"QueueUrl": cloud.outputs["SyncQueue"], "AttributeNames": [name]}
    sqs = cloud.client("sqs")
    wait_for(lambda: sqs.get_queue_attributes(**asked)["Attributes"][name] == "0", what="the last sync")
    Quiescence(cloud, ACCOUNT).wait()


def _moved(cloud: LaptopCloud, folder: Path) -> Moved:
    """Exports the state, loses a table's worth of it, and imports it over what is left."""
    _rest(cloud)
    place, file, now = place_of(cloud.client, STACK), folder / "state.zip", datetime.now(UTC)
    before = _everything(cloud)
    export(place, file, frozenset({Part.SETTINGS, Part.BOOKS}), now=now)
    for row in before["Positions"]:
        delete(cloud, "Positions", row["pk"], row["sk"])
    with PackageReader(file) as package:
        wanted = Wanted(frozenset({Part.SETTINGS, Part.BOOKS}), force=ACCOUNT)
        done = import_package(place, package, wanted, now=now)
    with zipfile.ZipFile(file) as package_file:
        text = b"".join(package_file.read(name) for name in package_file.namelist()).decode()
    _rest(cloud)
    return Moved(before, _everything(cloud), done, text, asdict(cloud.credentials))


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
    upgrade: Upgrade
    moved: Moved
    refused: str
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
        before_stop, schedules = _everything(first), first.schedules
    later = _with_an_index(tmp_path_factory.mktemp("later"))
    with _cloud(state, template=later, parameters={"LogLevel": "WARNING"}) as second:
        after_stop, upgrade = _everything(second), _upgraded(second, schedules)
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
        after_more, books_after_more = third.exchange.report(), _everything(third)
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
            upgrade=upgrade,
            moved=_moved(third, tmp_path_factory.mktemp("moved")),
            refused=_refused(third),
            after_more=after_more,
            books_after_more=books_after_more,
        )


def _refused(cloud: LaptopCloud) -> str:
    """What a deploy says when the tables are of a later release than the code."""
    mark(cloud.client("dynamodb"), cloud.outputs["Settings"], schema.versions() | {"Books": 99})
    with pytest.raises(schema.NewerSchema) as refused:
        cloud.deploy({})
    return str(refused.value)


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


def test_an_upgrade_keeps_everything(lives: Lives) -> None:
    """That start brought a later release: a table's new index holds what was there, functions are new."""
    runs = [row["sk"] for row in lives.before_stop["Runs"]]
    assert runs
    assert lives.upgrade.indexed == sorted(runs)
    assert lives.upgrade.level == "WARNING"


def test_the_schedules_go_on_after_an_upgrade(lives: Lives) -> None:
    """Each job's rule still calls its function; sessions were traded by these rules' events after it."""
    assert lives.upgrade.schedules_after == lives.upgrade.schedules_before
    assert {"plan", "sync", "monitor"} <= set(lives.upgrade.schedules_after)
    assert len(lives.before_kill.fills) > len(_fills(lives.after_stop))


def test_the_tables_versions_are_written_at_the_first_deploy(lives: Lives) -> None:
    """The marker in Settings names every table's version."""
    marker = next(row for row in lives.before_stop["Settings"] if row["pk"] == "SCHEMA")
    assert marker["body"]["tables"] == schema.versions()


def test_an_older_release_is_not_deployed_over_newer_tables(lives: Lives) -> None:
    """The deploy is refused before it changes a thing, and says which release to use."""
    assert lives.refused.startswith("Books is of version 99 and this code knows 1: newer code wrote it")


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


def _as_moved(tables: dict[str, Any]) -> dict[str, Any]:
    """What an import brings back, without what counts writes or is read from the broker again."""
    left_out = {"RISKBOOK", "FOLDED", "BROKER", "TRADES", "SUM"}
    passing = ("#HELD", "#RATE", "#NEWS")
    return {
        table: [
            (row["pk"], row["sk"], row.get("body"))
            for row in rows
            if row["sk"] not in left_out
            and not row["sk"].startswith("OUTBOX#")
            and not row["pk"].endswith(passing)
        ]
        for table, rows in tables.items()
    }


def test_an_import_brings_the_export_back(lives: Lives) -> None:
    """Books, runs, settings, the log of deliveries are the same, and what was derived again is too."""
    assert _as_moved(lives.moved.after) == _as_moved(lives.moved.before)
    assert len(_orders(lives.moved.after)) > 0


def test_the_risk_book_is_right_after_an_import(lives: Lives) -> None:
    """The rebuild finds nothing to correct, what a day began with among it."""
    assert lives.moved.done.rebuilt["books"] == {}
    books = [
        next(row["body"] for row in tables["Books"] if row["sk"] == "RISKBOOK")
        for tables in (lives.moved.before, lives.moved.after)
    ]
    for name in ("cash", "positions", "reservations", "trading_state", "peak_equity"):
        assert books[0][name] == books[1][name], name


def test_an_export_holds_no_secret(lives: Lives) -> None:
    """No key, token or password of the stack is in the file."""
    secrets = {name: value for name, value in lives.moved.secrets.items() if name != "email" and value}
    assert len(secrets) > 5
    assert [name for name, value in secrets.items() if value in lives.moved.text] == []
