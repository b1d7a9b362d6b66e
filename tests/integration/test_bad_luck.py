"""Bad input and bad luck: one line that says the fix, an exit code that is not zero, nothing left running."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from laptop.processes import LOOPBACK, free_ports
from laptop.stack import DEFAULT_PORTS
from tests.integration.commands import Ended, ended, left_soon, start

HEAD = "timestamp,open,high,low,close,volume\n"


@dataclass(frozen=True)
class Case:
    """A command that must fail, and what its one line says."""

    arguments: tuple[str, ...]
    says: str
    prices: Mapping[str, str] = field(default_factory=dict)
    takes_a_port: bool = False


CASES = {
    "a taken port": Case(
        ("up", "--no-dashboard"),
        r"port \d+ \(trading\) is taken: .*ALPAQUERO_PORT_TRADING",
        takes_a_port=True,
    ),
    "a broken CSV": Case(
        ("demo", "--sessions", "2"),
        r"IBM\.csv.*not a price",
        prices={"IBM": f"{HEAD}2012-03-05,not a price,1,1,1,1\n"},
    ),
    "a CSV without its columns": Case(
        ("demo", "--sessions", "2"), r"IBM\.csv.*timestamp", prices={"IBM": "date,price\n2012-03-05,1\n"}
    ),
    "a folder without prices": Case(("demo", "--data", "no/such/folder"), r"no/such/folder.*does not exist"),
    "an unknown symbol": Case(
        ("demo", "--sessions", "2", "--symbols", "NOPE"), r"no prices of NOPE: name some of .*AAPL"
    ),
    "a date after the prices": Case(("demo", "--from", "2199-01-01"), r"2199-01-01"),
    "a word for a date": Case(("demo", "--from", "yesterday"), r"yesterday.*write it as 2012-"),
    "no sessions": Case(("demo", "--sessions", "0"), r"--sessions.*x>=1"),
    "nothing to resume": Case(("demo", "--resume"), r"no demo to resume in .*: run it without --resume"),
    "orders of nothing": Case(("orders",), r"nothing is up in .*: start it with `alpaquero up`"),
    "a tick of nothing": Case(("tick", "sync"), r"nothing is up in .*: start it with `alpaquero up`"),
    "an unknown command": Case(("trade",), r"trade"),
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[Ended, Path]]]:
    """Every command at once, each on a state folder of its own; asks for what became of one."""
    folders = {name: tmp_path_factory.mktemp("bad-luck") for name in CASES}
    with ExitStack() as undo:
        started = {}
        for name, case in CASES.items():
            taken = undo.enter_context(socket.create_server((LOOPBACK, 0))) if case.takes_a_port else None
            port = taken.getsockname()[1] if taken else None
            state = folders[name] / "state"
            arguments = [*case.arguments, *_prices(folders[name] / "prices", case.prices)]
            if name != "an unknown command":
                arguments += ["--state", str(state)]
            started[name] = start(*arguments, environment=_ports(port))
        results = {name: ended(process) for name, process in started.items()}
        yield lambda name: (results[name], folders[name])


def _ports(taken: int | None) -> dict[str, str]:
    ports = dict(zip(DEFAULT_PORTS, free_ports(len(DEFAULT_PORTS)), strict=True))
    numbers = ports | ({"trading": taken} if taken is not None else {})
    return {f"ALPAQUERO_PORT_{name.upper()}": str(port) for name, port in numbers.items()}


def _prices(folder: Path, files: Mapping[str, str]) -> list[str]:
    if not files:
        return []
    folder.mkdir()
    for symbol, content in files.items():
        (folder / f"{symbol}.csv").write_text(content)
    return ["--data", str(folder)]


@pytest.mark.parametrize("name", CASES)
def test_it_fails_with_one_line_that_says_the_fix(
    failures: Callable[[str], tuple[Ended, Path]], name: str
) -> None:
    """Exit code not zero, nothing on stdout, one line on stderr besides the progress, no process left."""
    result, folder = failures(name)
    assert result.code > 0
    assert result.stdout == ""
    (line,) = result.said
    assert line.startswith("error: ")
    assert re.search(CASES[name].says, line), line
    assert left_soon(folder) == []
