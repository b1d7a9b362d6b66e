"""The tables of a stack that ended are read in process by the very stores of the functions."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alpaquero.rules_version import RULES_VERSION
from laptop.errors import LaptopError
from laptop.layout import StateFolder, write_private
from laptop.recorded import TABLES, RecordedTables

CLOSE = datetime(2024, 1, 5, 21, tzinfo=UTC)
RUN = "1Day-20240105T210000Z"


def item(pk: str, sk: str, **more: Any) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}, **more}


ROWS = [item("a", f"RUN#{n}", n={"N": str(n)}) for n in (2, 1, 3)] + [item("b", "RUN#9"), item("a", "X#1")]
NAMES = {"#0": "pk", "#1": "sk"}


def asked(operation: str, **request: Any) -> dict[str, Any]:
    return RecordedTables({"Runs": ROWS}).answer(operation, {"TableName": "Runs", **request})


def query(condition: str, *values: str, **more: Any) -> list[str]:
    named = {f":{n}": {"S": value} for n, value in enumerate(values)}
    found = asked(
        "Query",
        KeyConditionExpression=condition,
        ExpressionAttributeNames=NAMES,
        ExpressionAttributeValues=named,
        **more,
    )
    return [row["sk"]["S"] for row in found["Items"]]


def test_queries_give_what_dynamodb_gives() -> None:
    """By partition, by prefix and by range, in order, backwards, and no more than asked for."""
    assert ["RUN#1", "RUN#2", "RUN#3", "X#1"] == query("#0 = :0", "a")
    assert ["RUN#1", "RUN#2", "RUN#3"] == query("(#0 = :0 AND begins_with (#1, :1))", "a", "RUN#")
    assert ["RUN#2", "RUN#3"] == query("(#0 = :0 AND #1 BETWEEN :1 AND :2)", "a", "RUN#2", "RUN#3")
    assert ["X#1", "RUN#3"] == query("#0 = :0", "a", ScanIndexForward=False, Limit=2)
    assert [] == query("#0 = :0", "c")


def test_items_are_got_by_key() -> None:
    """One, several, and none where there is none."""
    key = {"pk": {"S": "a"}, "sk": {"S": "RUN#2"}}
    assert {"Item": ROWS[0]} == asked("GetItem", Key=key)
    assert {} == asked("GetItem", Key=key | {"sk": {"S": "RUN#7"}})
    found = asked("BatchGetItem", RequestItems={"Runs": {"Keys": [key, key | {"pk": {"S": "z"}}]}})
    assert {"Runs": [ROWS[0]]} == found["Responses"]


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem", "TransactWriteItems", "DeleteItem"])
def test_what_is_recorded_cannot_be_written(operation: str) -> None:
    """A replay that wrote would change what it compares."""
    with pytest.raises(LaptopError, match="only be read"):
        asked(operation)


def test_an_unknown_question_is_refused() -> None:
    """Rather than answered with too much."""
    with pytest.raises(LaptopError, match="do not know"):
        query("#0 = :0 AND #1 > :1", "a", "b")


def checkpoint(state: Path, rows: list[dict[str, Any]]) -> None:
    """A checkpoint of a stack as it is kept."""
    folder = StateFolder.at(state).checkpoint / "00000001"
    folder.mkdir(parents=True)
    for table in TABLES:
        (folder / f"{table}.json").write_text(json.dumps(rows if table == "Runs" else []))
    write_private(StateFolder.at(state).checkpoint / "CURRENT", folder.name)


def a_run(state: str) -> dict[str, Any]:
    """The item of a run, without any report."""
    body = {
        "id": RUN, "account": "paper", "timeframe": "1Day", "bar_start": CLOSE, "bar_close": CLOSE,
        "valid_until": {}, "shards": 1, "symbols": 1, "settings_version": 0, "rules_version": RULES_VERSION,
        "correlation_id": "c", "planned_at": 0.0, "planned_market_at": CLOSE,
    }  # fmt: skip
    text = msgspec.json.encode(body).decode()
    return item("paper", f"RUN#{RUN}", body={"S": text}, state={"S": state}, expires_at={"N": "9"})


def alpaquero(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, for it takes over the process's DynamoDB."""
    code = "import sys; from laptop.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_replay_of_a_checkpoint_counts_its_runs(tmp_path: Path) -> None:
    """JSON on stdout, code 0 without a mismatch; a run that is still open is told apart."""
    checkpoint(tmp_path, [a_run("planned")])
    done = alpaquero("replay", "--all", "--json", "--state", str(tmp_path))
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert (0, 1, 0) == (told["runs"], told["open_runs"], told["mismatches"])


def test_a_concluded_run_without_its_decision_is_a_mismatch(tmp_path: Path) -> None:
    """The command fails then, and says where."""
    checkpoint(tmp_path, [a_run("concluded")])
    done = alpaquero("replay", RUN, "--state", str(tmp_path))
    assert 1 == done.returncode
    assert "decision" in done.stdout


def test_nothing_recorded_says_how_to_record(tmp_path: Path) -> None:
    """One line that names the demo."""
    done = alpaquero("replay", "--all", "--state", str(tmp_path))
    assert (1, "") == (done.returncode, done.stdout)
    assert "run `alpaquero demo`" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["1Day-x", "--all"]])
def test_a_replay_is_of_one_run_or_of_all(arguments: list[str]) -> None:
    """Neither and both are a wrong use."""
    done = alpaquero("replay", *arguments)
    assert (2, True) == (done.returncode, "give the id of a run, or --all" in done.stderr)
