"""The command line: quick to start, one line for an error, a code that is not zero."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from laptop.cli import COMMANDS, commands, main
from laptop.cli.common import print_table
from laptop.cli.operate import reason_of
from laptop.errors import LaptopError

PROGRAM = "import sys; from laptop.cli import main; sys.exit(main())"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_json_and_help(name: str) -> None:
    """Each command of the table loads, and has --json."""
    shown = CliRunner().invoke(commands, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert "--json" in shown.output


def test_dates_and_amounts_are_not_broken_in_a_narrow_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is folded is text: $2,874.5 over a 1 is read as another amount."""
    monkeypatch.setenv("COLUMNS", "60")
    row = ["stochrsi_overbought_downtrend", "2012-12-06", "$2,874.51", "not enough bars to judge it"]
    print_table("By exit", ["exit", "from", "profit", "why"], [row])
    shown = capsys.readouterr().out
    assert all(word in shown for word in row[:3])
    assert "not enough bars to judge it" not in shown


def every_option() -> Iterator[tuple[str, click.Option]]:
    """The options of all commands and their subcommands, each with its command's path."""

    def options_of(path: str, command: click.Command) -> Iterator[tuple[str, click.Option]]:
        yield from ((path, option) for option in command.params if isinstance(option, click.Option))
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                yield from options_of(f"{path} {name}", found)

    return options_of("alpaquero", commands)


def test_every_option_says_what_it_does() -> None:
    """No option leaves its reader with its name alone."""
    assert [] == [f"{path} {option.opts[0]}" for path, option in every_option() if not option.help]


@pytest.mark.parametrize("name", ["settings", "exchange", "history"])
def test_the_help_of_a_group_tells_whole_sentences(name: str) -> None:
    """What a subcommand does is not cut off at the edge of the terminal."""
    shown = CliRunner().invoke(commands, [name, "--help"]).output
    assert "..." not in shown.partition("Commands:")[2]


def test_the_help_loads_no_command() -> None:
    """Listing the commands needs neither boto3 nor the exchange."""
    program = (
        "import sys; from laptop.cli import main; main(['--help']);"
        "heavy = {'boto3', 'botocore', 'rich', 'httpx', 'pandas', 'laptop.stack'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["logs"],
        ["orders"],
        ["orders", "list"],
        ["orders", "show", "aq1-man-AAPL-a-0"],
        ["orders", "place", "buy", "AAPL", "1"],
        ["orders", "replace", "aq1-man-AAPL-a-0", "--quantity", "2"],
        ["orders", "cancel", "aq1-man-AAPL-a-0"],
        ["orders", "cancel-all", "--protection"],
        ["orders", "close", "AAPL", "--percentage", "50"],
        ["orders", "close-all", "--force"],
        ["settings"],
        ["settings", "show", "risk"],
        ["settings", "set", "bar_settle_minutes=20", "--reason", "later bars"],
        ["settings", "history"],
        ["settings", "diff", "0"],
        ["settings", "roll-back", "0", "--reason", "as it was"],
        ["signals", "--symbol", "IBM"],
        ["trades", "--csv", "trades.csv"],
        ["tax-lots", "--year", "2012"],
        ["report", "--html", "report.html"],
        ["reconcile", "--from", "2012-01-03"],
        ["token"],
        ["tick", "plan"],
        ["rebuild"],
        ["curl", "9001/positions"],
        ["mail"],
        ["restart", "trading"],
        ["faults"],
        ["faults", "counts"],
        ["exchange", "clock"],
        ["exchange", "ledger"],
    ],
)
def test_without_a_stack_a_command_says_how_to_start_one(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr, nothing on stdout, and code 1."""
    assert main([*arguments, "--state", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    assert "alpaquero up" in shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--sessions", "0"], "--sessions"),
        (["demo", "--from", "tomorrow"], "--from"),
        (["demo", "--data", "/no/such/folder"], "--data"),
        (["demo", "--symbols", ","], "AAPL,IBM"),
        (["demo", "--faults", "many"], "--faults"),
        (["demo", "--synthetic", "5", "--data", "."], "--data"),
        (["demo", "--watchlist", "some"], "--watchlist"),
        (["demo", "--watchlist", "2", "--symbols", "IBM"], "--symbols"),
        (["up", "--synthetic", "5", "--data", "."], "--data"),
        (["tick", "sell"], "plan"),
        (["up", "--from", "2012-13-01"], "--from"),
        (["faults", "add", "late", "--port", "9"], "504_after"),
        (["faults", "add", "html", "--route", "everything", "--port", "9"], "trade_updates"),
        (["faults", "mix", "worse"], "heavy"),
        (["exchange", "clock", "--to", "tomorrow", "--port", "9"], "--to"),
        (["exchange", "--synthetic", "5", "--data", "."], "--data"),
        (["exchange", "--clock", "fast"], "stepped"),
        (["explain", "AAPL", "--at", "yesterday"], "write it as 2012-03-02T15:30"),
        (["orders", "place", "buy", "AAPL", "--type", "lmit"], "trailing_stop"),
        (["fly"], "fly"),
        (["statsu"], "Did you mean"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong date, folder, number or command ends with code 2 and its own name."""
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_an_error_of_ours_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the user can mend is told as it stands, without a trace."""

    def refuse(_state: object) -> None:
        raise LaptopError("port 9000 (gateway) is taken: stop what listens there")

    monkeypatch.setattr("laptop.supervisor.status", refuse)
    assert main(["status"]) == 1
    assert capsys.readouterr().err == "error: port 9000 (gateway) is taken: stop what listens there\n"


def test_an_unforeseen_error_says_how_to_see_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any other error is one line too, with the variable that shows its trace."""

    def fail(_state: object) -> None:
        raise KeyError("outputs")

    monkeypatch.setattr("laptop.supervisor.status", fail)
    monkeypatch.delenv("ALPAQUERO_TRACE", raising=False)
    assert main(["status"]) == 1
    assert capsys.readouterr().err == "error: KeyError: 'outputs' (ALPAQUERO_TRACE=1 shows where)\n"


def test_nothing_up_is_nothing_to_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`down` twice is no error."""
    assert main(["down", "--state", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "nothing was up\n"


def test_a_logged_failure_tells_its_reason() -> None:
    """The line of an error ends with the exception's own words, not with its trace."""
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: no such thing'
    assert reason_of({"level": "ERROR", "exception": trace}) == ": ValueError: no such thing"
    assert reason_of({"level": "INFO", "message": "handled"}) == ""


def test_logs_of_no_service_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped service would show nothing, as one that is silent does."""
    monkeypatch.setattr("laptop.stack.Stack.find", lambda _folder: None)
    assert main(["logs", "traiding"]) == 1
    said = capsys.readouterr().err
    assert "there is no service traiding" in said
    assert "trading" in said


def test_a_file_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The path and what is wrong with it, in words."""

    def refuse(_state: object) -> None:
        (tmp_path / "nowhere" / "x.html").write_text("")

    monkeypatch.setattr("laptop.supervisor.status", refuse)
    assert main(["status"]) == 1
    assert f"{tmp_path}/nowhere/x.html: no such file or directory" in capsys.readouterr().err
