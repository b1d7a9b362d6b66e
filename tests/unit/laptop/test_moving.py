"""A stack's state as one file: what moves comes back as it was, what does not is named, doubt is refused."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from click.testing import CliRunner
from moto import mock_aws

from alpaquero.store import schema
from laptop import checkpoint
from laptop.cli.moving import export as export_command
from laptop.cli.moving import import_ as import_command
from laptop.cli.moving import migrate as migrate_command
from laptop.errors import LaptopError
from laptop.moving import exporting
from laptop.moving import schema as versions
from laptop.moving.exporting import export
from laptop.moving.importing import Imported, Wanted, import_package
from laptop.moving.kinds import KINDS, Item, Part, kind_of
from laptop.moving.package import PackageReader, PackageWriter
from laptop.moving.places import Place
from tests.fakes.tables import create_table

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALL = frozenset(Part)
NAMES = {table: re.sub(r"(?<!^)(?=[A-Z])", "-", table).lower() for table in schema.TABLES}
# One item of each kind: table, pk, sk.
KEYS = [
    ("Settings", "SETTINGS", "CURRENT"),
    ("Settings", "PREFERENCES", "ana"),
    ("Notifications", "paper#USERS", "ana"),
    ("Settings", "LIVE", "CONFIRMATION#00000001"),
    ("Books", "paper", "ORDER#aq1"),
    ("Books", "paper", "BASELINE"),
    ("Books", "paper", "RISKBOOK"),
    ("Books", "paper", "FOLDED"),
    ("Books", "paper", "BROKER"),
    ("Books", "paper", "OUTBOX#e-1"),
    ("Runs", "paper", "RUN#1Day-20120410T200000Z"),
    ("Runs", "RUN#1Day-20120410T200000Z", "SHARD#0"),
    ("Runs", "SYMBOL#AAPL", "SIGNAL#2012-04-10#stochrsi_ema"),
    ("Runs", "VERDICT#aq1", "2012#3"),
    ("Runs", "REQUEST#abc", "CLAIM"),
    ("Positions", "paper", "POSITION#AAPL"),
    ("Positions", "paper#AAPL", "FILL#1"),
    ("Analytics", "paper", "MARK#2012-04-10"),
    ("Analytics", "paper", "TRADE#2012-04-10#AAPL"),
    ("Analytics", "paper#AAPL", "TRADES"),
    ("Analytics", "EXPORTS", "x-1"),
    ("Analytics", "BACKTESTS", "b-1"),
    ("Analytics", "BACKTESTKEYS", "hash"),
    ("Notifications", "paper", "SENT#e-0#ana#email"),
    ("Notifications", "paper#SUMMARY", "LAST"),
    ("Notifications", "paper#HELD", "e-0#ana#email"),
    ("Bars", "AAPL#1Day#split", "2012"),
    ("Bars", "INGEST", "job-1"),
    ("Bars", "STATISTICS", "CURRENT"),
    ("Connections", "TICKET", "ticket-hash"),
    ("Health", "ALERT", "sync"),
    ("BrokerState", "trading:alpaca", "BREAKER"),
    ("RateLimits", "ana", "10#1"),
    ("ProgramKeys", "key-hash", "KEY"),
]


class FakeFunctions:
    """Lambda: takes note of who is called with what, and fails where it is told to."""

    def __init__(self) -> None:
        self.called: list[tuple[str, Any]] = []
        self.fails = False

    def invoke(self, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 - boto3's own names
        self.called.append((FunctionName, json.loads(Payload)))
        answer: dict[str, Any] = {"errorMessage": "no broker"} if self.fails else {"differences": {}}
        told = {"FunctionError": "Unhandled"} if self.fails else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **told}


@pytest.fixture
def functions() -> FakeFunctions:
    """The stack's functions."""
    return FakeFunctions()


@pytest.fixture(scope="module")
def cloud_of_moto() -> Iterator[Callable[[str], Any]]:
    """A stack's tables, bucket and one schedule that is on, in moto; made once, for it takes long."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        made: dict[str, Any] = {}

        def client(service: str) -> Any:
            if service not in made:
                made[service] = boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]
            return made[service]

        client("s3").create_bucket(Bucket="archive")
        client("events").put_rule(Name="sync", ScheduleExpression="rate(1 minute)")
        for name in NAMES.values():
            create_table(client("dynamodb"), name)
        yield client


@pytest.fixture
def place(cloud_of_moto: Callable[[str], Any], functions: FakeFunctions) -> Iterator[Place]:
    """The stack, empty but for the marker of its versions."""
    names = ("TradingSync", "PositionProject", "AnalyticsProject")
    found = Place(
        lambda service: functions if service == "lambda" else cloud_of_moto(service),
        "alpaquero",
        "paper",
        "paper",
        NAMES,
        "archive",
        {name: name for name in names},
        ("sync",),
    )
    versions.migrate(found.dynamodb, found.tables)
    yield found
    emptied(found)


def put(place: Place, table: str, pk: str, sk: str, **more: Any) -> Item:
    """One item as it stands in the table."""
    item: Item = {"pk": {"S": pk}, "sk": {"S": sk}, "body": {"S": f'{{"of": "{sk}"}}'}, "version": {"N": "1"}}
    item |= {"packed": {"B": b"\x00\xff"}} if sk == "BASELINE" else {}
    place.dynamodb.put_item(TableName=place.tables[table], Item=item | more)
    return item | more


def filled(place: Place) -> dict[str, list[Item]]:
    """Puts one item of each kind; answers those that move."""
    moving: dict[str, list[Item]] = {}
    for table, pk, sk in KEYS:
        item = put(place, table, pk, sk)
        kind = kind_of(table, item, "paper")
        if kind.part is not None and not kind.stays:
            moving.setdefault(table, []).append(item)
    return moving


def standing(place: Place) -> dict[str, list[Item]]:
    """Everything in the tables but the marker of their versions."""
    found: dict[str, list[Item]] = {}
    for table, name in place.tables.items():
        items = [one for one in place.dynamodb.scan(TableName=name)["Items"] if one["pk"]["S"] != "SCHEMA"]
        if items:
            found[table] = items
    return found


def sorted_items(found: dict[str, list[Item]]) -> dict[str, list[Item]]:
    """The same in one order."""
    return {t: sorted(one, key=lambda i: (i["pk"]["S"], i["sk"]["S"])) for t, one in sorted(found.items())}


def emptied(place: Place) -> None:
    """Deletes everything but the marker."""
    for table, items in standing(place).items():
        for item in items:
            key = {"pk": item["pk"], "sk": item["sk"]}
            place.dynamodb.delete_item(TableName=place.tables[table], Key=key)


def imported(place: Place, path: Path, *, dry_run: bool = False, **wanted: Any) -> Imported:
    """What an import of the file did."""
    with PackageReader(path) as package:
        parts = wanted.pop("parts", frozenset(e.part for e in package.manifest.entries))
        return import_package(place, package, Wanted(parts, **wanted), now=NOW, dry_run=dry_run)


def rewritten(path: Path, name: str, change: Any) -> None:
    """Changes one entry of the file, and nothing else."""
    with zipfile.ZipFile(path) as before:
        entries = {entry: before.read(entry) for entry in before.namelist()}
    entries[name] = change(entries[name])
    with zipfile.ZipFile(path, "w") as after:
        for entry, content in entries.items():
            after.writestr(entry, content)


def is_on(place: Place) -> bool:
    """Whether the stack's schedule is on."""
    return bool(place.client("events").describe_rule(Name="sync")["State"] == "ENABLED")


def test_the_samples_are_of_every_kind() -> None:
    """The round trip below meets each kind of item that there is."""
    met = {
        kind_of(table, {"pk": {"S": pk}, "sk": {"S": sk}}, "paper")
        for table, pk, sk in [*KEYS, ("Settings", "SCHEMA", "CURRENT")]
    }
    assert met == set(KINDS)


def test_what_moves_comes_back_as_it_was(place: Place, functions: FakeFunctions, tmp_path: Path) -> None:
    """Into an empty stack: each moving item, binary ones too, nothing else; then all is derived again."""
    moving = filled(place)
    place.client("s3").put_object(Bucket="archive", Key="bars/1Day/split/AAPL.parquet", Body=b"PAR1")
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    emptied(place)
    place.client("s3").delete_object(Bucket="archive", Key="bars/1Day/split/AAPL.parquet")

    done = imported(place, file)

    assert sorted_items(standing(place)) == sorted_items(moving)
    body = place.client("s3").get_object(Bucket="archive", Key="bars/1Day/split/AAPL.parquet")["Body"]
    assert body.read() == b"PAR1"
    assert sum(done.written.values()) == sum(map(len, moving.values())) + 1
    rebuilt = [("TradingSync", {"job": "rebuild"}), ("PositionProject", {"job": "rebuild"})]
    assert functions.called == [*rebuilt, ("AnalyticsProject", {"job": "rebuild"})]
    assert is_on(place)


def test_the_file_holds_nothing_of_the_moment_and_no_secret(place: Place, tmp_path: Path) -> None:
    """Tickets, breakers, rate limits and the word for real money stay; only its owner may read it."""
    filled(place)
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    with zipfile.ZipFile(file) as package:
        text = b"".join(package.read(name) for name in package.namelist()).decode()
    for word in ("ticket-hash", "key-hash", "CONFIRMATION", "BREAKER", "OUTBOX", '"10#1"', "BACKTESTKEYS"):
        assert word not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_bars_and_backtests_are_taken_when_asked_for(place: Place, tmp_path: Path) -> None:
    """Without the options there are settings and books alone."""
    filled(place)
    made = export(place, tmp_path / "state.zip", frozenset({Part.SETTINGS, Part.BOOKS}), now=NOW)
    assert set(made.counts()) == {"settings", "books"}


def test_the_manifest_says_where_it_is_from(place: Place, tmp_path: Path) -> None:
    """Release, stack, account, versions, the risk book's version and state, events on their way."""
    filled(place)
    put(place, "Books", "paper", "RISKBOOK", body={"S": '{"trading_state": "HALTED"}'}, version={"N": "7"})
    file = tmp_path / "state.zip"
    made = export(place, file, ALL, now=NOW)
    with PackageReader(file) as package:
        assert package.manifest == made
    assert (made.environment, made.account, made.exported_at) == ("paper", "paper", NOW)
    assert (made.books_version, made.trading_state, made.on_their_way) == (7, "HALTED", 1)
    assert made.schema == schema.versions()


def test_an_unknown_item_is_refused(place: Place, tmp_path: Path) -> None:
    """Nothing is left out in silence: the export names the item, and leaves no file."""
    put(place, "Books", "paper", "IDEA#1")
    with pytest.raises(LaptopError, match=r"Books holds paper / IDEA#1, .* no known kind"):
        export(place, tmp_path / "state.zip", ALL, now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_books_that_move_are_read_again(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written between two readings is in the file, whole."""
    filled(place)
    readings: list[str] = []

    def scan(dynamodb: Any, table: str) -> list[Item]:
        readings.append(table)
        if readings == ["books"] * 2:
            put(place, "Books", "paper", "FILL#2")
        return checkpoint.scan(dynamodb, table)

    monkeypatch.setattr(exporting, "scan", scan)
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    assert readings.count("books") == 3
    with PackageReader(file) as package:
        entry = next(e for e in package.manifest.entries if e.table == "Books")
        assert "FILL#2" in {item["sk"]["S"] for item in package.items(entry)}


def test_books_that_never_rest_are_not_exported(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some readings it says what to do."""
    numbers = iter(range(100))

    def scan(dynamodb: Any, table: str) -> list[Item]:
        put(place, "Books", "paper", f"FILL#{next(numbers)}")
        return checkpoint.scan(dynamodb, table)

    monkeypatch.setattr(exporting, "scan", scan)
    with pytest.raises(LaptopError, match=r"Books kept changing .* halt trading"):
        export(place, tmp_path / "state.zip", ALL, now=NOW)


def test_a_stack_that_is_not_empty_is_left_alone(place: Place, tmp_path: Path) -> None:
    """Only with the account's name is what stands replaced; the wrong name is refused."""
    filled(place)
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    before = sorted_items(standing(place))
    with pytest.raises(LaptopError, match=r"has items of its own in .*Books.* --force paper"):
        imported(place, file)
    with pytest.raises(LaptopError, match="--force names live, the stack's account is paper"):
        imported(place, file, force="live")
    assert sorted_items(standing(place)) == before


def test_force_replaces_what_stands(place: Place, tmp_path: Path) -> None:
    """Later items and what was derived from them go; what is the stack's own stays."""
    moving = filled(place)
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    for sk in ("FILL#9", "OUTBOX#e-9"):
        put(place, "Books", "paper", sk)
    put(place, "Positions", "paper", "POSITION#MSFT")

    done = imported(place, file, force="paper")

    left = standing(place)
    own = {"Connections", "Health", "BrokerState", "RateLimits", "ProgramKeys"}
    assert own < set(left)
    moving["Settings"] += [i for i in left["Settings"] if i["pk"]["S"] == "LIVE"]
    assert len(moving["Settings"]) == 3
    assert sorted_items({t: i for t, i in left.items() if t not in own}) == sorted_items(moving)
    assert done.cleared > 0


def test_a_dry_run_writes_nothing(place: Place, functions: FakeFunctions, tmp_path: Path) -> None:
    """It checks and counts as the import does."""
    filled(place)
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    emptied(place)
    said = imported(place, file, dry_run=True).written
    assert standing(place) == {}
    assert functions.called == []
    assert said == imported(place, file).written


def test_books_never_move_to_another_account(place: Place, tmp_path: Path) -> None:
    """Even when the account is named: they would not be that account's."""
    filled(place)
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    live = replace(place, environment="live", account="live")
    with pytest.raises(LaptopError, match=r"never move to another; .* --only settings --into-account live"):
        imported(live, file, into_account="live")


def test_a_laptops_prices_stay_on_laptops(place: Place, tmp_path: Path) -> None:
    """Its exchange may have made them up; they would be taken for the market's."""
    filled(place)
    file = tmp_path / "state.zip"
    export(replace(place, environment="local"), file, ALL, now=NOW)
    with pytest.raises(LaptopError, match="a paper exchange's prices are no market's"):
        imported(place, file, parts=frozenset({Part.BARS}), into_account="paper")


def test_settings_move_to_another_account_when_it_is_named(place: Place, tmp_path: Path) -> None:
    """Settings, preferences, and whom to tell under the new account; nothing of the books."""
    filled(place)
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    emptied(place)
    live = replace(place, environment="live", account="live")
    only = frozenset({Part.SETTINGS})
    with pytest.raises(LaptopError, match="say so with --into-account live"):
        imported(live, file, parts=only)
    assert standing(live) == {}

    imported(live, file, parts=only, into_account="live")

    keys = {(t, i["pk"]["S"], i["sk"]["S"]) for t, items in standing(live).items() for i in items}
    assert keys == {
        ("Settings", "SETTINGS", "CURRENT"),
        ("Settings", "PREFERENCES", "ana"),
        ("Notifications", "live#USERS", "ana"),
    }


def test_what_has_expired_is_left_out(place: Place, tmp_path: Path) -> None:
    """An item whose time was up is not brought back for a day; the others keep theirs."""
    at = int(NOW.timestamp())
    put(place, "Runs", "paper", "RUN#old", expires_at={"N": str(at)})
    put(place, "Runs", "paper", "RUN#new", expires_at={"N": str(at + 1)})
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    emptied(place)
    assert imported(place, file).expired == 1
    assert [item["expires_at"] for item in standing(place)["Runs"]] == [{"N": str(at + 1)}]


def test_damage_is_refused_before_anything_is_written(place: Place, tmp_path: Path) -> None:
    """An entry that is not what the manifest says, or an item that never moves."""
    filled(place)
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    emptied(place)
    rewritten(file, "books/Books.jsonl", lambda content: content.replace(b"aq1", b"aq2"))
    with pytest.raises(LaptopError, match=r"books/Books.jsonl of .* is damaged"):
        imported(place, file)
    assert standing(place) == {}


def test_an_item_that_never_moves_is_refused(place: Place, tmp_path: Path) -> None:
    """A file that was made by hand cannot bring the word for real money along."""
    put(place, "Settings", "SETTINGS", "CURRENT")
    made = export(place, tmp_path / "state.zip", ALL, now=NOW)
    forged = tmp_path / "forged.zip"
    live: Item = {"pk": {"S": "LIVE"}, "sk": {"S": "CONFIRMATION#1"}}
    with PackageWriter(forged) as package:
        package.add_items(Part.SETTINGS, "Settings", [live])
        package.finish(msgspec.structs.replace(made, entries=package.entries))
    emptied(place)
    with pytest.raises(LaptopError, match=r"holds LIVE / CONFIRMATION#1, which is not moved"):
        imported(place, forged)
    assert standing(place) == {}


def test_newer_files_are_refused(place: Place, tmp_path: Path) -> None:
    """A later format, and later tables, each with what to do."""
    filled(place)
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    changed = json.loads(zipfile.ZipFile(file).read("manifest.json"))
    rewritten(file, "manifest.json", lambda _: json.dumps(changed | {"format": 2}).encode())
    with pytest.raises(LaptopError, match="of format 2 and this release reads 1"):
        imported(place, file)
    newer = changed | {"schema": changed["schema"] | {"Books": 9}}
    rewritten(file, "manifest.json", lambda _: json.dumps(newer).encode())
    with pytest.raises(schema.NewerSchema, match="Books is of version 9"):
        imported(place, file, force="paper")


def test_a_file_of_an_earlier_release_is_brought_up(place: Place, tmp_path: Path) -> None:
    """Bars of a version without sizes come in with them."""
    put(place, "Bars", "AAPL#1Day#split", "2012", chunk={"B": b"1234"})
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    changed = json.loads(zipfile.ZipFile(file).read("manifest.json"))
    older = changed | {"schema": changed["schema"] | {"Bars": 1}}
    rewritten(file, "manifest.json", lambda _: json.dumps(older).encode())
    emptied(place)
    imported(place, file)
    assert standing(place)["Bars"][0]["size"] == {"N": "4"}


def test_the_schedules_are_on_again_when_deriving_fails(
    place: Place, functions: FakeFunctions, tmp_path: Path
) -> None:
    """The message says that the records are there and what is left to do."""
    filled(place)
    file = tmp_path / "state.zip"
    export(place, file, ALL, now=NOW)
    emptied(place)
    functions.fails = True
    with pytest.raises(LaptopError, match=r"written, but deriving .* no broker; run `alpaquero rebuild`"):
        imported(place, file)
    assert is_on(place)
    assert "Books" in standing(place)


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all"])
def test_what_is_no_export_is_refused(content: bytes, tmp_path: Path) -> None:
    """Whatever else the file is, the message says which command writes one."""
    file = tmp_path / "state.zip"
    file.write_bytes(content)
    with pytest.raises(LaptopError, match=r"is no export of alpaquero .* `alpaquero export` wrote"):
        PackageReader(file)


def test_the_commands_say_what_they_did(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Export, import and migrate as a script calls them: JSON alone on the standard output."""
    monkeypatch.setattr("laptop.moving.places.find", lambda *_: place)
    filled(place)
    file, run = str(tmp_path / "state.zip"), CliRunner()
    told = json.loads(run.invoke(export_command, [file, "--json"]).stdout)
    assert told["counts"] == {"books": 11, "settings": 3}
    for state, warned in (("ACTIVE", True), ("HALTED", False)):
        put(place, "Books", "paper", "RISKBOOK", body={"S": f'{{"trading_state": "{state}"}}'})
        assert ("halt it before" in run.invoke(export_command, [file]).stdout) is warned
    done = run.invoke(import_command, [file, "--only", "settings", "--force", "paper", "--json"])
    assert json.loads(done.stdout)["written"] == {"settings": 3}
    assert "holds no bars" in str(run.invoke(import_command, [file, "--only", "bars"]).exception)
    assert json.loads(run.invoke(migrate_command, ["--check", "--json"]).stdout)["changed"] == {}
    assert "every table is of this release's version" in run.invoke(migrate_command, []).stdout
