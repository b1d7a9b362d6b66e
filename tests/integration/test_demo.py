"""`alpaquero demo` as a user runs it: whole, killed and resumed; the books equal the exchange's each time."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from laptop.agreement import trades_sha256
from laptop.demo_options import DemoOptions
from laptop.exchange.faults import MIXES
from tests.fakes.backtests import backtest_of
from tests.integration.commands import Ended, ended, left_soon, start
from tests.integration.conftest import FIRST_SESSION, SESSIONS
from tests.integration.reading import Traded

KILLED_AFTER = 4
ASKED = ("demo", "--from", FIRST_SESSION, "--sessions", str(SESSIONS), "--seed", "1", "--json")
FIELDS = {
    "trades_sha256", "runs", "signals", "withheld", "intents", "orders_accepted_by_exchange", "orders_known",
    "fills", "duplicate_orders", "unknown_orders", "positions", "cash", "equity", "exchange_cash",
    "exchange_equity", "notifications", "dead_letters", "errors", "seconds",
}  # fmt: skip


@dataclass(frozen=True)
class Demos:
    """A demo that ran through, one that was killed, what then still ran, and the killed one resumed."""

    whole: Ended
    killed: Ended
    left: list[str]
    resumed: Ended
    states: dict[str, Path]


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Demos:
    """The same demo twice at the same time, one of them killed after a session and resumed."""
    whole_state, killed_state = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("killed")
    whole = start(*ASKED, "--state", whole_state)
    try:
        killed = ended(start(*ASKED, "--kill-at", str(KILLED_AFTER), "--state", killed_state))
        left = left_soon(killed_state)
        resumed = ended(start(*ASKED, "--resume", "--state", killed_state))
    except BaseException:
        whole.kill()
        raise
    states = {"whole": whole_state, "resumed": killed_state}
    return Demos(ended(whole), killed, left, resumed, states)


def _result(demo: Ended) -> dict[str, Any]:
    assert demo.code == 0, demo.stderr
    result: dict[str, Any] = json.loads(demo.stdout)
    return result


@pytest.mark.parametrize("which", ["whole", "resumed"])
def test_a_demo_prints_one_object_with_every_field(demos: Demos, which: str) -> None:
    """Exit code 0, and stdout is one JSON object with at least the fields of the design."""
    assert set(_result(getattr(demos, which))) >= FIELDS


@pytest.mark.parametrize("which", ["whole", "resumed"])
def test_the_books_of_a_demo_equal_the_exchanges(demos: Demos, which: str) -> None:
    """Nothing is lost, doubled, unknown or given up, and money agrees to the cent."""
    result = _result(getattr(demos, which))
    wrong = ("duplicate_orders", "unknown_orders", "dead_letters", "errors")
    assert {name: result[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert result["orders_known"] == result["orders_accepted_by_exchange"]
    assert Decimal(result["cash"]) == Decimal(result["exchange_cash"])
    assert Decimal(result["equity"]) == Decimal(result["exchange_equity"])
    assert (result["runs"], result["fills"]) == (SESSIONS, 4)
    assert result["notifications"] >= result["fills"]


@pytest.mark.parametrize("which", ["whole", "resumed"])
def test_a_demo_is_replayed_byte_for_byte(demos: Demos, which: str) -> None:
    """After it has ended every run and verdict is recomputed from what it stored, and none differs."""
    result = _result(getattr(demos, which))
    done = ended(start("replay", "--all", "--json", "--state", demos.states[which]))
    told = json.loads(done.stdout)
    assert (done.code, told["mismatches"], told["other_rules"], told["open_runs"]) == (0, 0, 0, 0)
    assert (told["runs"], told["signals"], told["intents"]) == tuple(
        result[name] for name in ("runs", "signals", "intents")
    )
    assert told["verdicts"] >= told["intents"] > 0


def test_a_killed_demo_leaves_no_process(demos: Demos) -> None:
    """`--kill-at` ends everything by SIGKILL: no exit code of its own, no result, no process."""
    assert (demos.killed.code, demos.killed.stdout) == (-signal.SIGKILL, "")
    assert f"session {KILLED_AFTER} of {SESSIONS}" not in demos.resumed.stderr
    assert demos.left == []


def test_a_resumed_demo_trades_the_same(demos: Demos) -> None:
    """Killed and resumed, the demo ends with the very trades of the one that ran through."""
    assert _result(demos.resumed)["trades_sha256"] == _result(demos.whole)["trades_sha256"]


def test_the_same_demo_again_trades_the_same(demos: Demos, traded: Traded) -> None:
    """Another cloud with the same seed and prices makes the same trades, to the hash."""
    assert _result(demos.whole)["trades_sha256"] == trades_sha256([fill["body"] for fill in traded.fills])


def test_a_backtest_of_the_same_sessions_trades_the_same(demos: Demos) -> None:
    """The backtest's fills hash to the demo's, and its equity is the demo's to the cent."""
    backtest = backtest_of(FIRST_SESSION, SESSIONS)
    result = _result(demos.whole)
    assert (backtest.trades_sha256, backtest.equity_end) == (
        result["trades_sha256"],
        Decimal(result["equity"]),
    )


@pytest.mark.slow
@pytest.mark.parametrize("partial_fills", ["0", "0.1"])
def test_a_backtest_of_250_sessions_trades_the_same(tmp_path: Path, partial_fills: str) -> None:
    """Also over the demo of the issue, with and without partial fills."""
    sessions = DemoOptions().sessions
    asked = ("demo", "--sessions", str(sessions), "--seed", "1", "--partial-fills", partial_fills, "--json")
    result = _result(ended(start(*asked, "--state", tmp_path)))
    backtest = backtest_of(None, sessions, float(partial_fills))
    assert (backtest.trades_sha256, backtest.equity_end) == (
        result["trades_sha256"],
        Decimal(result["equity"]),
    )


@pytest.mark.slow
def test_250_sessions_hold_the_books(tmp_path: Path) -> None:
    """250 sessions: 20 fills or more, 5 exits or more, and each run replays to what it said."""
    sessions = str(DemoOptions().sessions)
    result = _result(
        ended(start("demo", "--sessions", sessions, "--seed", "1", "--json", "--state", tmp_path))
    )
    assert (result["fills"] >= 20, result["exits"] >= 5, result["errors"]) == (True, True, 0)
    replayed = _result(ended(start("replay", "--all", "--json", "--state", tmp_path)))
    assert (replayed["runs"], replayed["mismatches"]) == (250, 0)


@pytest.mark.slow
def test_the_worst_day_leaves_the_books_right(tmp_path: Path) -> None:
    """20 sessions in which every kind of fault occurs: the exit code says that all checks hold."""
    asked = ("demo", "--sessions", "20", "--seed", "1", "--faults", "heavy", "--json")
    result = _result(ended(start(*asked, "--state", tmp_path)))
    kinds = {rule.kind.value for rule in MIXES["heavy"](1)}
    assert set(result["faults_injected"]) == kinds
    assert (result["unknown_orders"], result["duplicate_orders"], result["fills_missing"]) == (0, 0, [])
