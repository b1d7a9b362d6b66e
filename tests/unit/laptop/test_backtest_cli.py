"""``alpaquero backtest``: from options to files and exit codes, on prices made for the test."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from random import Random

import pytest

from laptop.cli import main
from laptop.exchange.nyse import nyse_sessions
from tests.unit.backtests.test_checks import CENTRED, EXPANDING, HEAD, SOUND

SESSIONS = 420


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two symbols that swing with noise, from January 2011 on."""
    made = tmp_path_factory.mktemp("prices")
    every = nyse_sessions(date(2011, 1, 3))
    sessions = [session for session in every if session.date.year >= 2011][:SESSIONS]
    for number, symbol in enumerate(("AAA", "BBB")):
        random, close = Random(number), 100.0
        with (made / f"{symbol}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["timestamp", "open", "high", "low", "close", "volume"])
            for session in sessions:
                opened, close = close, close * (1 + random.gauss(0.0006, 0.02))
                high, low = max(opened, close) * 1.005, min(opened, close) * 0.995
                prices = [round(value, 2) for value in (opened, high, low, close)]
                prices[1], prices[2] = max(prices), min(prices)
                writer.writerow([session.date.isoformat(), *prices, 10_000])
    return made


def test_a_backtest_writes_its_files_and_prints_its_result(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON on stdout is the result file; trades and equity are tables, the report a page."""
    out = tmp_path / "out"
    report = tmp_path / "r.html"
    code = main(["backtest", "--data", str(folder), "--out", str(out), "--report", str(report), "--json"])
    shown = capsys.readouterr()
    assert (0, "") == (code, shown.err)
    found = json.loads(shown.out)
    assert found == json.loads((out / "result.json").read_bytes())
    assert ["AAA", "BBB"] == found["asked"]["symbols"]
    assert SESSIONS - 249 == found["curve"]["sessions"]
    trades = list(csv.DictReader((out / "trades.csv").open()))
    assert len(trades) == found["trades"]["trades"]
    assert found["curve"]["sessions"] == len((out / "equity.csv").read_text().splitlines()) - 1
    assert report.read_text() == (out / "report.html").read_text()


def test_notes_are_told_below_the_tables(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bars that end before the last session are one: whoever reads the return alone would not know."""
    data = tmp_path / "data"
    data.mkdir()
    for name, rows in (("AAA.csv", SESSIONS), ("BBB.csv", SESSIONS - 30)):
        lines = (folder / name).read_text().splitlines()
        (data / name).write_text("\n".join(lines[: rows + 1]))
    assert 0 == main(["backtest", "--data", str(data)])
    assert "\nnote: Bars end before the last session" in capsys.readouterr().out


def test_the_same_backtest_gives_the_same_trades(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twice the same hash; another seed with partial fills another one."""
    hashes = []
    for more in ([], [], ["--partial-fills", "1", "--seed", "2"]):
        assert 0 == main(["backtest", "--data", str(folder), "--json", *more])
        hashes.append(json.loads(capsys.readouterr().out)["trades_sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--symbols", "ZZZ"], "there are no prices of ZZZ"),
        (["--data", "/nowhere/at/all"], "no such folder"),
        (["--strategy", "nothing"], "there is no strategy 'nothing'"),
        (["--strategy", "nothing.py"], "there is no file nothing.py"),
        (["--set", "strategy.rsi_period_bars=ten"], "parameters: rsi_period_bars is 'ten': Expected `int`"),
        (["--set", "strategy.rsi_period_bars=1"], "set it from 2 to 1000"),
        (["--set", "rsi"], "write it as"),
        (["--settings", "/nowhere.json"], "give a file"),
        (["--from", "2030-01-01"], "the prices end 2012-08-30, before --from 2030-01-01"),
        (["--to", "2011-10-10"], "the first session with enough history is"),
        (["--set", "strategy.minimum_history_bars=5000"], "no symbol has the 5000 bars of 1Day"),
        (["--from", "2012-13-01"], "write it as 2012-03-02"),
        (["--cash", "-5"], "0 or more"),
        (["--timeframe", "2Min"], "--timeframe"),
        (["--timeframe", "1Min"], "has a row a day, and bars of 1Min are asked for"),
        (["grid"], "at least one --grid"),
        (["grid", "--grid", "strategy.rsi_period_bars=1"], "1 of 1 combinations do not fit"),
        (["monte-carlo", "--result", __file__], "holds no result of a backtest"),
        (["check-lookahead", "--from", "2012-08-01", "--to", "2012-07-01"], "exchange them"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_told_with_the_fix(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr, and a code that is not 0."""
    words = arguments if "--data" in arguments else [*arguments, "--data", str(folder)]
    assert 0 != main(["backtest", *words])
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line


def test_settings_come_from_a_file(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `GET /api/config` shows them: strategies by name, limits; the rest of the file is left out."""
    settings = {
        "watchlist": ["X"],
        "risk": {"stop_loss_percent": "1.5"},
        "strategies": {"quick": {"rule": "stochrsi_ema", "parameters": {"rsi_period_bars": 5}}},
    }
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"settings": settings}))
    assert 0 == main(["backtest", "--data", str(folder), "--settings", str(path), "--json"])
    asked = json.loads(capsys.readouterr().out)["asked"]
    assert ("1.5", 5) == (asked["risk"]["stop_loss_percent"], asked["strategies"]["quick"]["rsi_period_bars"])


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_grid_ranks_every_combination(
    processes: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one process or two: the best first, those that do not fit last, all of them in the table."""
    table = tmp_path / "grid.csv"
    code = main(
        [
            "backtest", "grid", "--data", str(folder), "--grid", "strategy.ema_fast_period_bars=5,10,40",
            "--by", "total_return_percent", "--processes", processes, "--csv", str(table), "--json",
        ]
    )  # fmt: skip
    shown = capsys.readouterr()
    assert 0 == code
    cells = json.loads(shown.out)["cells"]
    returns = [cell["metrics"]["total_return_percent"] for cell in cells[:2]]
    assert sorted(returns, reverse=True) == returns
    assert "set it below" in cells[2]["error"]
    assert "1 of 3 combinations do not fit" in shown.err
    rows = list(csv.DictReader(table.open()))
    assert {"5", "10", "40"} == {row["strategy.ema_fast_period_bars"] for row in rows}


def test_a_fast_grid_screens_with_arrays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Return, drawdown and trades of each combination; another metric is refused, for it is not told."""
    words = ["backtest", "grid", "--fast", "--data", str(folder), "--grid", "strategy.rsi_period_bars=7,14"]
    assert 0 == main([*words, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert ("total_return_percent", 2) == (found["metric"], len(found["cells"]))
    assert all(cell["metrics"]["trades"] > 0 for cell in found["cells"])
    assert 2 == main([*words, "--by", "sharpe"])
    assert "--fast tells no sharpe" in capsys.readouterr().err


def test_walk_forward_tests_what_it_has_not_seen(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each test begins after its training ended, and the joined curve holds every tested session once."""
    words = ["--grid", "strategy.rsi_period_bars=7,14", "--train-sessions", "60", "--test-sessions", "40"]
    assert 0 == main(
        ["backtest", "walk-forward", "--data", str(folder), "--processes", "1", "--json", *words]
    )
    found = json.loads(capsys.readouterr().out)
    assert 2 == len(found["folds"])
    assert all(fold["train_end"] < fold["test_start"] for fold in found["folds"])
    assert 80 == len(set(found["days"])) == len(found["equity"])


def test_monte_carlo_draws_from_a_result_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the file of an earlier backtest, the same bands for the same seed."""
    assert 0 == main(["backtest", "--data", str(folder), "--out", str(tmp_path)])
    capsys.readouterr()
    words = [
        "backtest",
        "monte-carlo",
        "--result",
        str(tmp_path / "result.json"),
        "--histories",
        "50",
        "--json",
    ]
    answers = []
    for _ in range(2):
        assert 0 == main(words)
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    assert (50, SESSIONS - 249) == (answers[0]["histories"], answers[0]["returns"])


@pytest.mark.parametrize(
    "case",
    [
        ("check-lookahead", SOUND, None),
        ("check-lookahead", SOUND + CENTRED, "looks ahead"),
        ("check-warm-up", SOUND, None),
        ("check-warm-up", EXPANDING, "window of fixed length"),
    ],
)
def test_the_checks_take_a_strategy_file(
    case: tuple[str, str, str | None],
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Code 0 for a sound file, 1 and the fault for one that cheats."""
    command, source, said = case
    monkeypatch.setattr("alpaquero.strategy.registry._loaded", {})
    path = tmp_path / "checked_rule.py"
    path.write_text(HEAD + source)
    bars = ["--set", "strategy.minimum_history_bars=30"]
    code = main(["backtest", command, "--data", str(folder), "--strategy", str(path), "--json", *bars])
    shown = capsys.readouterr()
    (found,) = json.loads(shown.out)
    assert (0 if said is None else 1, said is None) == (code, found["passed"])
    assert "" == shown.err if said is None else said in shown.err


def test_a_strategy_that_fails_is_told_with_the_bar(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Live withholds the symbol and goes on; a backtest without it would say nothing of the strategy."""
    monkeypatch.setattr("alpaquero.strategy.registry._loaded", {})
    path = tmp_path / "failing_rule.py"
    path.write_text(HEAD + SOUND.replace("if known", "/ 0 if columns.close[-1] > 90"))
    bars = ["--set", "strategy.minimum_history_bars=30"]
    assert 1 == main(["backtest", "--data", str(folder), "--strategy", str(path), *bars])
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "failing_rule on AAA, 2011-02-14: failing_rule failed: ZeroDivisionError" in line


def test_options_before_a_subcommand_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """They would be passed over."""
    assert 2 == main(["backtest", "--seed", "2", "grid"])
    assert "put --seed behind grid" in capsys.readouterr().err
