"""Every operation that alpaca-py has for stocks works on the exchange, and none is forgotten.

The list is derived: the public methods of alpaca-py's clients, the requests each one sent, and the
operations of the official specs they belong to.
"""

from __future__ import annotations

import inspect
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from alpaca.common.rest import RESTClient
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.trading.client import TradingClient
from alpaca.trading.stream import TradingStream

from alpaquero.simulation import MatchingTerms
from laptop.exchange.app import build_app
from laptop.exchange.history import folder_history
from laptop.exchange.opening import open_venue

from .conftest import KEYS, SESSION_DATES, Prices, RunningExchange, Serve
from .drives import DRIVES, HELD, QUIET, prepared
from .exceptions import EXCLUDED_METHODS, UNSERVED
from .official import Answer, operation_of, operations, served
from .stream_drives import drive_data_stream, drive_trading_stream
from .watching import watching

CLIENTS = (TradingClient, StockHistoricalDataClient, TradingStream, StockDataStream)
FLAT = [(100.0, 101.0, 99.0, 100.0)] * 6
SPLIT = [*FLAT[:1], *[(50.0, 50.5, 49.5, 50.0)] * 5]


def methods(client: type) -> list[str]:
    """The public methods of a client, without the plain HTTP verbs it is made of."""
    verbs = dir(RESTClient)
    named = inspect.getmembers(client, inspect.isfunction)
    return [name for name, _ in named if not name.startswith("_") and name not in verbs]


@dataclass
class Stand:
    """Stands before a client and notes which of its methods is called; the client itself is as installed."""

    client: Any
    calling: list[str]
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Answer to the client's name."""
        self.name = type(self.client).__name__

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """The client's method, noted while it runs."""

        def call(*arguments: Any, **named: Any) -> Any:
            self.calling.append(f"{self.name}.{method}")
            try:
                return getattr(self.client, method)(*arguments, **named)
            finally:
                self.calling.pop()

        return call


@dataclass(frozen=True)
class Outcome:
    """What driving the clients showed: the operations of each method, and what went wrong."""

    sent: dict[str, set[str]]
    failed: dict[str, str]


def drive_all(exchange: RunningExchange) -> Outcome:
    """Call every method that has a drive, and both streams."""
    calling: list[str] = []
    sent: dict[str, set[str]] = defaultdict(set)
    failed: dict[str, str] = {}

    def note(answer: Answer) -> None:
        if calling and answer.succeeded:
            known = operation_of(answer.method, answer.path)
            sent[calling[-1]].add(str(known or f"{answer.method} {answer.path}, not in the specs"))

    def attempt(name: str, act: Callable[..., None], *arguments: object) -> None:
        try:
            act(*arguments)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {str(error)[:300]}"

    keys = (KEYS.key_id, KEYS.secret_key)
    with watching(note):
        world = prepared(exchange.admin, Stand(exchange.trading, calling), Stand(exchange.data, calling))
        for name, drive in DRIVES.items():
            attempt(name, drive, world)

    def trading_stream() -> None:
        for name, what in drive_trading_stream(exchange.url, keys, exchange.admin, exchange.trading).items():
            sent[f"TradingStream.{name}"] = what

    def data_stream() -> None:
        for name, what in drive_data_stream(exchange.url, keys, exchange.admin).items():
            sent[f"StockDataStream.{name}"] = what

    attempt("TradingStream", trading_stream)
    attempt("StockDataStream", data_stream)
    return Outcome(sent, failed)


def table(outcome: Outcome) -> tuple[list[str], list[str]]:
    """A line for each method of the clients, and the names of those that nothing covers."""
    lines, uncovered = [], []
    for client in CLIENTS:
        for method in methods(client):
            name = f"{client.__name__}.{method}"
            reason = EXCLUDED_METHODS.get(name)
            shown = " + ".join(sorted(outcome.sent.get(name, ()))).replace(" + wss /v2/iex:", ",")
            if reason is None and (name in outcome.failed or not shown or "not in the specs" in shown):
                uncovered.append(name)
                shown = f"UNCOVERED {outcome.failed.get(name, shown or 'nothing drives it')}"
            lines.append(f"{name:<60} {shown if reason is None else f'excluded: {reason}'}")
    return lines, uncovered


@pytest.fixture
def exchange(serve: Serve, prices: Callable[[Prices], Path]) -> RunningExchange:
    """An exchange on flat prices, with one split."""
    folder = prices({QUIET: FLAT, **dict.fromkeys(HELD, FLAT), "SPLT": SPLIT})
    (folder / "splits.csv").write_text(f"symbol,ex_date,new_shares,old_shares\nSPLT,{SESSION_DATES[1]},2,1\n")
    return serve(folder)


def test_every_method_of_alpaca_pys_clients_is_covered(
    exchange: RunningExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each public method is driven with success or excluded for a reason, and nothing is left over."""
    outcome = drive_all(exchange)
    lines, uncovered = table(outcome)
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *lines, f"{len(lines)} methods, {len(uncovered)} uncovered", ""]))
    assert [] == uncovered, outcome.failed
    assert {} == outcome.failed


def test_every_operation_of_the_specs_is_served_or_has_a_reason_not_to_be(
    prices: Callable[[Prices], Path], tmp_path: Path
) -> None:
    """A new operation in the specs, or a route that is gone, shows here; no reason outlives its need."""
    venue = open_venue(folder_history(prices({QUIET: FLAT})), tmp_path, MatchingTerms(1))
    answered = {str(operation) for operation in served(build_app(venue, KEYS).routes)}
    venue.close()
    known = {str(operation) for operation in operations()}
    assert known - answered == UNSERVED.keys()


def test_no_exclusion_outlives_its_method() -> None:
    """Every excluded method is still there and has no drive."""
    there = {f"{client.__name__}.{method}" for client in CLIENTS for method in methods(client)}
    assert set() == EXCLUDED_METHODS.keys() - there
    assert set() == EXCLUDED_METHODS.keys() & DRIVES.keys()
