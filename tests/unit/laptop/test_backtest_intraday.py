"""Backtests of bars shorter than a day from the command line: from rows of minutes to results and checks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from alpaquero.prices.aggregation import aggregated
from alpaquero.prices.bars import Timeframe
from alpaquero.prices.columns import Columns
from laptop.backtests import prices as sources
from laptop.cli import main
from laptop.errors import LaptopError
from tests.fakes.intraday import FIRST, made_up, sessions_from

SESSIONS = sessions_from(FIRST, 8)
MINUTES = made_up(Random(1), SESSIONS, Timeframe.MINUTE, swing=0.0015, gaps=0.05)
QUICK = (
    "rsi_period_bars=5", "stochastic_period_bars=5", "ema_fast_period_bars=4", "ema_slow_period_bars=8",
    "oversold_level=40", "overbought_level=60", "minimum_history_bars=60",
)  # fmt: skip


def written(path: Path, columns: Columns, shift: timedelta = timedelta()) -> Path:
    """The bars as a file of the folder that is answered."""
    rows = [
        f"{bar.start + shift:%Y-%m-%dT%H:%M:%SZ},{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}"
        for bar in columns.bars()
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    return path.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight sessions of one symbol, a row a minute."""
    return written(tmp_path_factory.mktemp("minutes") / "AAA.csv", MINUTES)


def asked(folder: Path, *more: str, timeframe: str = "5Min") -> list[str]:
    """The options of a backtest of the quick rule on the folder."""
    changes = [word for change in QUICK for word in ("--set", f"strategy.{change}")]
    return [*more, "--data", str(folder), "--timeframe", timeframe, *changes, "--json"]


@pytest.mark.parametrize("timeframe", ["1Min", "5Min", "15Min", "1Hour"])
def test_rows_of_minutes_are_tested_as_any_bars(
    timeframe: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Result, report and tables as of daily bars: a row of equity a session, times of trades within them."""
    out = tmp_path / "out"
    history = ["--set", "strategy.minimum_history_bars=20"]
    assert 0 == main(["backtest", *asked(folder, "--out", str(out), timeframe=timeframe), *history])
    found = json.loads(capsys.readouterr().out)
    assert (timeframe, "2012-11-29") == (found["asked"]["timeframe"], found["asked"]["end"])
    assert len(found["equity"]["days"]) == len(found["equity"]["benchmark"]) == found["curve"]["sessions"]
    assert found["trades"]["trades"] > 0
    assert "AAA close" in (out / "report.html").read_text()


def test_rows_of_any_length_that_divides_the_bar_will_do(folder: Path, tmp_path: Path) -> None:
    """A file of bars of 5 minutes gives the bars of 15 that the minutes give."""
    five = aggregated(MINUTES, Timeframe.FIVE_MINUTES)
    other = written(tmp_path / "five" / "AAA.csv", five)
    made = [sources.of_folder(one).read([Timeframe.FIFTEEN_MINUTES]).series["AAA"] for one in (folder, other)]
    assert made[0] == made[1] == aggregated(MINUTES, Timeframe.FIFTEEN_MINUTES)


@pytest.mark.parametrize(
    ("rows", "shift", "timeframe", "said"),
    [
        (Timeframe.FIFTEEN_MINUTES, 0, Timeframe.FIVE_MINUTES, "a row every 15 minutes, 0 after"),
        (Timeframe.FIVE_MINUTES, 1, Timeframe.FIVE_MINUTES, "a row every 5 minutes, 1 after"),
        (Timeframe.HOUR, 30, Timeframe.HOUR, "a row every 60 minutes"),
    ],
)
def test_rows_that_make_up_no_bars_are_refused(
    rows: Timeframe, shift: int, timeframe: Timeframe, said: str, tmp_path: Path
) -> None:
    """Rows longer than the bar, and rows that would lie in two bars, of which one would know the future."""
    bars = aggregated(MINUTES, rows)
    data = written(tmp_path / "data" / "AAA.csv", bars, timedelta(minutes=shift))
    with pytest.raises(LaptopError, match=said):
        sources.of_folder(data).read([timeframe])


def test_grids_walk_forward_and_checks_take_them_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each goes through the bars of the timeframe; the shipped rule looks at no bar to come."""
    grid = ["--grid", "strategy.ema_fast_period_bars=3,5", "--processes", "1"]
    assert 0 == main(["backtest", *asked(folder, "grid"), *grid])
    assert len({cell["trades_sha256"] for cell in json.loads(capsys.readouterr().out)["cells"]}) == 2
    steps = ["--train-sessions", "3", "--test-sessions", "2", "--by", "total_return_percent"]
    assert 0 == main(["backtest", *asked(folder, "walk-forward"), *grid, *steps])
    folds = json.loads(capsys.readouterr().out)["folds"]
    assert [fold["test_start"] for fold in folds] == ["2012-11-23", "2012-11-27"]
    assert 0 == main(["backtest", *asked(folder, "check-lookahead", "--from", "2012-11-29")])
    (found,) = json.loads(capsys.readouterr().out)
    day = datetime(2012, 11, 29, tzinfo=UTC)
    assert found["bars"] == len(aggregated(MINUTES, Timeframe.FIVE_MINUTES).since(day))
    main(["backtest", *asked(folder, "check-warm-up", "--places", "3")])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["places"] == 3


DAILY = (
    "timeframe=1Day", "fast_period_bars=2", "slow_period_bars=3", "atr_period_bars=2",
    "maximum_atr_percent=50", "minimum_history_bars=4", "signal_validity_bars=1",
)  # fmt: skip


def test_a_strategy_of_days_beside_one_of_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both trade one account; a daily signal fills at the open, and the first session has both warmed up."""
    minutes = made_up(Random(4), SESSIONS, Timeframe.MINUTE, swing=0.0015, gaps=0.05)
    folder = written(tmp_path / "data" / "AAA.csv", minutes)
    quick = [f"stochrsi_ema.{change}" for change in ("timeframe=5Min", *QUICK)]
    changes = [*quick, *(f"ema_cross.{change}" for change in DAILY)]
    options = [word for one in changes for word in ("--set", f"strategies.{one}")]
    rules = ["--strategy", "stochrsi_ema", "--strategy", "ema_cross"]
    assert 0 == main(["backtest", "--data", str(folder), *rules, *options, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert ("5Min, 1Day", "2012-11-23") == (found["asked"]["timeframe"], found["asked"]["start"])
    assert {"stochrsi_ema", "ema_cross"} == set(found["by_strategy"])
    crossed = [trade for trade in found["round_trips"] if trade["strategy"] == "ema_cross"]
    assert {"14:30:00"} == {trade["opened_at"][11:19] for trade in crossed}
    assert 0 == main(["backtest", "check-lookahead", "--data", str(folder), *rules, *options, "--json"])
    checked = json.loads(capsys.readouterr().out)
    assert {("stochrsi_ema", True), ("ema_cross", True)} == {
        (one["strategy"], one["passed"]) for one in checked
    }


def test_a_grid_does_not_go_over_timeframes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bars of five minutes that begin an hour are no bars of an hour; the cell says how to ask."""
    grid = ["--grid", "strategy.timeframe=5Min,1Hour", "--processes", "1"]
    main(["backtest", *asked(folder, "grid"), *grid])
    first, last = json.loads(capsys.readouterr().out)["cells"]
    assert (first["changes"], first["error"]) == ({"strategy.timeframe": "5Min"}, "")
    assert "bars of 1Hour are asked for, and those of 5Min were read" in last["error"]
    assert "--timeframe" in last["error"]


def test_screening_refuses_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what to leave out."""
    grid = ["--grid", "strategy.ema_fast_period_bars=3,5", "--fast"]
    assert 0 != main(["backtest", *asked(folder, "grid"), *grid])
    assert "--fast screens daily bars" in capsys.readouterr().err
