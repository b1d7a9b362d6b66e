"""`alpaquero replay`, `explain`, `runs` and `signals` as a user calls them on a cloud that is up."""

from __future__ import annotations

import json

import pytest

from laptop.stack import LaptopCloud
from tests.integration.commands import ended, start
from tests.integration.reading import Traded


def test_the_cloud_that_runs_is_replayed(cloud: LaptopCloud, traded: Traded) -> None:
    """Its tables are read as they are now; every run that was concluded is recomputed, and none differs."""
    done = ended(start("replay", "--all", "--json", "--state", cloud.state.root))
    told = json.loads(done.stdout)
    assert told["differences"] == [], json.dumps(told["differences"], indent=1)
    assert (done.code, told["mismatches"]) == (0, 0)
    assert told["runs"] + told["open_runs"] >= len(traded.runs)
    assert told["verdicts"] >= told["intents"] > 0


def test_one_run_is_replayed(cloud: LaptopCloud, traded: Traded) -> None:
    """By its id, with a table for people."""
    done = ended(start("replay", traded.run, "--state", cloud.state.root))
    assert (done.code, "mismatches" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("runs",), "1Day-"),
        (("runs", "--timeframe", "1Hour"), "Runs"),
        (("signals", "--symbol", "goog"), "GOOG"),
        (("explain", "goog"), "by stochrsi_ema (trade), 1Day"),
        (("explain", "zzz"), "no strategy judges ZZZ"),
    ],
)
def test_what_was_judged_is_shown(
    cloud: LaptopCloud, traded: Traded, arguments: tuple[str, ...], says: str
) -> None:
    """From the public routes, in words."""
    assert traded.runs
    done = ended(start(*arguments, "--state", cloud.state.root))
    assert (done.code, says in done.stdout) == (0, True), done.stderr + done.stdout


def test_a_trade_is_explained_to_its_fill(cloud: LaptopCloud, traded: Traded) -> None:
    """On the day of a fill's signal the chain goes from the schedule to the fill."""
    order = next(one["body"] for one in traded.orders if one["body"].get("run_id"))
    done = ended(
        start("explain", order["symbol"], "--at", order["bar_close"], "--json", "--state", cloud.state.root)
    )
    assert done.code == 0, done.stderr
    [chain] = json.loads(done.stdout)["chains"]
    names = [step["name"] for step in chain["steps"]]
    assert names[:7] == ["schedule", "bar", "values", "signal", "ranking", "verdict", "order"]
