"""Records of the account are shown, or written to the file that was named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from laptop import calls
from laptop.cli import account, commands
from laptop.errors import LaptopError

DISPOSAL = {
    "symbol": "AAPL", "quantity": "10", "acquired_on": "2012-01-03", "closed_on": "2012-02-03",
    "term": "short", "proceeds": "90", "cost": "100", "disallowed": "4", "taxable_gain": "-6",
}  # fmt: skip
TOTALS = {"short": {"proceeds": "90", "cost": "100", "disallowed": "4", "taxable_gain": "-6"}}


class Cloud:
    """Answers as the routes do; an export is done when it is looked at a second time."""

    agrees = True
    ends_as = "done"

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.looks = 0

    def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((function, event))
        return {}

    def call(self, _stack: object, method: str, path: str, **given: Any) -> Any:
        self.asked.append((f"{method} {path}", given.get("body") or given.get("query")))
        if method == "POST":
            return {"id": "e1", "status": "queued"}
        if path.endswith("/reconciliation"):
            balance = {"name": "cash", "ours": "1", "broker": "1" if self.agrees else "2"}
            return {
                "from": "2012-01-03", "to": "2012-01-04", "agrees": self.agrees, "days": [],
                "differences": [], "balances": [balance],
            }  # fmt: skip
        self.looks += 1
        status = self.ends_as if self.looks > 1 else "queued"
        return {"status": status, "rows": 3, "url": "http://link", "message": "no bucket"}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    made = Cloud()
    found = {"disposals": [DISPOSAL], "totals": TOTALS}
    monkeypatch.setattr(account, "_stack", lambda _: made)
    monkeypatch.setattr(account, "_fetched", lambda url: f"file of {url}".encode())
    monkeypatch.setattr(account, "_LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(calls, "public_call", made.call)
    monkeypatch.setattr(calls, "public_get", lambda *_: found)
    monkeypatch.setattr(calls, "public_text", lambda *_: "a,b\r\n1,2\r\n")
    return made


def run(*arguments: str) -> Any:
    return CliRunner().invoke(commands, arguments, catch_exceptions=False, standalone_mode=False)


def test_trades_are_exported_for_the_days_and_fetched(cloud: Cloud, tmp_path: Path) -> None:
    """The job is waited for, its file is what the link gives."""
    file = tmp_path / "trades.parquet"
    shown = run("trades", "--parquet", str(file), "--from", "2012-01-03", "--json")
    assert ("POST /api/analytics/exports", {"kind": "trades", "format": "parquet", "from": "2012-01-03"}) == (
        cloud.asked[0]
    )
    assert b"file of http://link" == file.read_bytes()
    assert [{"file": str(file), "trades": 3}] == json.loads(shown.output)


def test_an_export_that_failed_says_why(cloud: Cloud, tmp_path: Path) -> None:
    """With the message of the job, and no file."""
    cloud.ends_as = "failed"
    with pytest.raises(LaptopError, match="no bucket"):
        run("trades", "--csv", str(tmp_path / "x.csv"))
    assert [] == list(tmp_path.iterdir())


@pytest.mark.usefixtures("cloud")
def test_tax_lots_are_shown_with_their_sums_or_written(tmp_path: Path) -> None:
    """The file is what the route answers, to the byte."""
    assert "-6" in run("tax-lots", "--year", "2012").output
    file = tmp_path / "form.csv"
    assert "1 disposals" in run("tax-lots", "--csv", str(file)).output
    assert b"a,b\r\n1,2\r\n" == file.read_bytes()


@pytest.mark.usefixtures("cloud")
def test_the_report_is_written(tmp_path: Path) -> None:
    """To the file that was named."""
    file = tmp_path / "report.html"
    assert 0 == run("report", "--html", str(file)).return_value
    assert file.exists()


@pytest.mark.parametrize("agrees", [True, False])
def test_a_difference_is_a_code_that_is_not_zero(cloud: Cloud, agrees: bool) -> None:
    """Sync reads the statement of the days, the route tells what came of it."""
    cloud.agrees = agrees
    assert run("reconcile", "--to", "2012-01-04").return_value == (0 if agrees else 1)
    assert ("TradingSync", {"job": "reconcile", "last": "2012-01-04"}) == cloud.asked[0]
