"""The exchange as a process: killed and started again, refusing what it cannot use, running by itself."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from alpaca.trading.enums import OrderStatus
from alpaca.trading.models import Clock, Order
from alpaca.trading.requests import (
    MarketOrderRequest,
)

from laptop.exchange.__main__ import main
from laptop.exchange.client import ExchangeAdmin
from laptop.exchange.errors import ExchangeError
from laptop.exchange.ledger import restore
from tests.waiting import wait_for

from .conftest import READY_WITHIN_SECONDS, SESSION_DATES, ExchangeProcess, Prices, Serve, Start
from .orders import bracket

HEADER = "timestamp,open,high,low,close,volume"
QUIET: Prices = {"CALM": [(100, 101, 99, 100)] * 6}


def buy(client_order_id: str, symbol: str = "IBM") -> MarketOrderRequest:
    """A bracket far from the market."""
    return bracket(symbol, client_order_id, shares=5, target=300, stop=10)


def kill(exchange: ExchangeProcess) -> None:
    """End the process without warning."""
    exchange.process.send_signal(signal.SIGKILL)
    exchange.process.wait(READY_WITHIN_SECONDS)


def test_after_kill_9_every_acknowledged_order_and_the_clock_are_still_there(
    start: Start, tmp_path: Path
) -> None:
    """Killed right after an answer, twice: the same orders, fills, cash and market time come back."""
    first = start(tmp_path, "--sessions", "10")
    first.trading.submit_order(buy("before"))
    first.admin.step()
    for number in range(20):
        first.trading.submit_order(buy(f"queued-{number}", "MSFT"))
    report, status = first.admin.report(), first.admin.status()
    kill(first)
    second = start(tmp_path)
    assert second.admin.report() == report
    assert second.admin.status() == status
    second.admin.step()
    assert len(second.admin.report().fills) == 21
    kill(second)
    assert start(tmp_path).admin.status().sessions_done == 2


def test_two_runs_with_one_seed_are_alike_and_another_seed_differs(start: Start, tmp_path: Path) -> None:
    """Account, order, leg and fill ids follow from the seed, whatever order the orders came in."""

    def run(name: str, seed: int, ids: list[str]) -> list[object]:
        exchange = start(tmp_path / name, "--sessions", "3", seed=seed)
        for client_order_id in ids:
            exchange.trading.submit_order(buy(client_order_id))
        exchange.admin.step()
        report = exchange.admin.report()
        account = exchange.get("/v2/account").json()
        orders = sorted((order.client_order_id, order.id) for order in report.orders)
        return [account["id"], account["account_number"], orders, report.fills]

    once = run("once", 1, ["a", "b"])
    assert run("again", 1, ["b", "a"]) == once
    assert all(mine != other for mine, other in zip(once, run("other", 2, ["a", "b"]), strict=True))


def test_a_checkpoint_brings_the_book_back_to_where_it_was(start: Start, tmp_path: Path) -> None:
    """The copy is whole, and restoring it over a later book forgets what came after."""
    state, copy = tmp_path / "state", tmp_path / "checkpoints" / "book.sqlite"
    exchange = start(state, "--sessions", "5")
    exchange.trading.submit_order(buy("kept"))
    exchange.admin.step()
    report = exchange.admin.report()
    exchange.admin.checkpoint(copy)
    exchange.trading.submit_order(buy("forgotten", "MSFT"))
    exchange.admin.step()
    kill(exchange)
    restore(copy, state / "book.sqlite")
    back = start(state)
    assert back.admin.report() == report
    assert back.admin.status().sessions_done == 1


def test_the_clock_runs_by_itself_and_fills_as_it_goes(
    start: Start, prices: Callable[[Prices], Path], tmp_path: Path
) -> None:
    """Time never goes back, an order fills at the open it passes, and the clock stops with the data."""
    data = prices(QUIET)
    options = ("--data", str(data), "--sessions", "2", "--seconds-per-session", "0.6")
    exchange = start(tmp_path / "state", *options, clock="running")
    seen: list[datetime] = []

    def used_up() -> bool:
        clock = exchange.trading.get_clock()
        assert isinstance(clock, Clock)
        seen.append(clock.timestamp)
        return exchange.admin.status().data_used_up

    exchange.trading.submit_order(buy("running", "CALM"))
    wait_for(used_up, what="the end of the data")
    assert seen == sorted(seen)
    order = exchange.trading.get_order_by_client_id("running")
    assert isinstance(order, Order)
    assert order.status is OrderStatus.FILLED
    end = datetime(2012, 11, 27, 21, 30, tzinfo=UTC)
    wait_for(lambda: exchange.admin.status().now >= end, what="half an hour after the last close")
    assert exchange.admin.status().now == end


def test_an_open_session_serves_its_forming_bar(serve: Serve, prices: Callable[[Prices], Path]) -> None:
    """Frozen in the middle of a session: the bar has today's start and only what was traded so far."""
    exchange = serve(prices({"RISE": [(100, 110, 90, 105)] * 6}))
    exchange.admin.clock(mode="running", seconds_per_session=1)

    def frozen_in_a_session() -> bool:
        if not exchange.admin.status().is_open:
            return False
        if exchange.admin.clock(mode="stepped").is_open:
            return True
        exchange.admin.clock(mode="running")
        return False

    wait_for(frozen_in_a_session, what="an open session")
    status = exchange.admin.status()
    assert status.session is not None
    bar = exchange.get("/v2/stocks/bars", symbols="RISE", timeframe="1Day").json()["bars"]["RISE"][-1]
    trade = exchange.get("/v2/stocks/trades/latest", symbols="RISE").json()["trades"]["RISE"]
    passed = (status.now - status.session.open) / (status.session.close - status.session.open)
    assert bar["t"] == f"{status.session.date}T05:00:00Z"
    assert (bar["o"], bar["c"]) == (100, trade["p"])
    assert bar["l"] <= bar["c"] <= bar["h"]
    # Whole shares, of the minutes that closed and of the one that has not.
    assert bar["v"] == pytest.approx(10_000 * passed, abs=2)


def test_the_clock_can_be_set_from_running_to_stepped(serve: Serve, prices: Callable[[Prices], Path]) -> None:
    """Once stepped, time stands still until a step, and a step past the data is refused."""
    exchange = serve(prices(QUIET))
    exchange.admin.jump(date.fromisoformat(SESSION_DATES[-1]))
    exchange.admin.clock(mode="running", seconds_per_session=600)
    with pytest.raises(ExchangeError, match="the clock runs by itself"):
        exchange.admin.step()
    stopped = exchange.admin.clock(mode="stepped", seconds_per_session=30)
    assert (stopped.mode, stopped.seconds_per_session) == ("stepped", 30)
    assert exchange.admin.status().now == stopped.now
    after = exchange.admin.step()
    assert (after.sessions_done, after.data_used_up) == (5, True)
    assert after.now == datetime(2012, 11, 27, 21, 30, tzinfo=UTC)
    with pytest.raises(ExchangeError, match=r"409 .*the data is used up"):
        exchange.admin.step()


def test_a_client_of_a_stopped_exchange_says_so() -> None:
    """The admin client's error names the address and what to do."""
    with ExchangeAdmin("http://127.0.0.1:9", "any") as admin, pytest.raises(ExchangeError) as raised:
        admin.status()
    assert "http://127.0.0.1:9" in str(raised.value)
    assert "start it again" in str(raised.value)


def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, *arguments: str) -> str:
    """The one line that a start which cannot be ends with."""
    token = tmp_path / "token"
    token.write_text("token")
    required = ["--state", str(tmp_path / "state"), "--key", "k", "--secret", "s"]
    code = main([*required, "--admin-token-file", str(token), "--port", "0", *arguments])
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    return said.err


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["2012-11-19,1,2,0.5,x,1"], "AAPL.csv line 2: 'x' is no number; write a plain number"),
        (
            ["2012-11-19,1,2,0.5,1,1", "2012-11-19,1,2,0.5,1,1"],
            "AAPL.csv line 3: 2012-11-19 is there twice; keep one row a day, sorted by time",
        ),
        (
            ["2012-11-22,1,2,0.5,1,1"],
            "AAPL.csv line 2: 2012-11-22 is no session of the New York Stock Exchange",
        ),
        (
            ["2012-11-20,1,2,0.5,1,1", "2012-11-19,1,2,0.5,1,1"],
            "AAPL.csv line 3: 2012-11-19 comes after 2012-11-20; keep one row a day, sorted by time",
        ),
        (
            ["2012-11-19,1,2,0.5,1,1", "2012-11-21,1,2,0.5,1,1"],
            "AAPL.csv line 3: no row for the session of 2012-11-20, 2012-11-21 comes next; add what is",
        ),
        (
            ["2012-11-19T14:31:00Z,1,2,0.5,1,1", "2012-11-19T14:31:00Z,1,2,0.5,1,1"],
            "AAPL.csv line 3: 2012-11-19 14:31:00+00:00 is there twice; keep one row a minute",
        ),
        (["2012-11-19T14:31:30Z,1,2,0.5,1,1"], "is no whole minute; write the minute's start"),
        (["2012-11-19T22:00:00Z,1,2,0.5,1,1"], "no row of the file lies in a session"),
        (
            ["2012-11-19,1,2,0.5,1,1", "2012-11-20T14:31:00Z,1,2,0.5,1,1"],
            "AAPL.csv line 3: 2012-11-20T14:31:00Z is a time of day; keep one row a day in this file",
        ),
        (
            ["2012-11-19T14:31:00Z,1,2,0.5,1,1", "2012-11-20,1,2,0.5,1,1"],
            "AAPL.csv line 3: 2012-11-20 is a whole day among minutes",
        ),
        (["2012-11-19,1,2,0,1,1"], "AAPL.csv line 2: a price is zero or negative; delete the row"),
        (["2012-11-19,3,2,0.5,1,1"], "lies outside low 0.5 to high 2.0; correct the row"),
        (["2012-11-19,1,2,0.5,1"], "AAPL.csv line 2: 5 fields instead of 6"),
        (["yesterday,1,2,0.5,1,1"], "AAPL.csv line 2: 'yesterday' is no date; write it as 2012-12-31"),
        ([], "AAPL.csv line 2: there is no row"),
    ],
)
def test_a_broken_file_is_named_with_line_and_fix(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rows: list[str], expected: str
) -> None:
    """One line on stderr, exit code 2, and no book is left behind."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "AAPL.csv").write_text("\n".join([HEADER, *rows]))
    assert expected in refused(capsys, tmp_path, "--data", str(data))
    assert not (tmp_path / "state").exists()


def test_wrong_columns_an_empty_folder_and_a_missing_folder_say_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each message names the folder or file and the fix."""
    data = tmp_path / "data"
    assert "no such folder; give a folder of SYMBOL.csv files" in refused(
        capsys, tmp_path, "--data", str(data)
    )
    data.mkdir()
    assert "no SYMBOL.csv in it; add one" in refused(capsys, tmp_path, "--data", str(data))
    (data / "AAPL.csv").write_text("date,close\n2012-11-19,1\n")
    assert f"AAPL.csv line 1: the columns are date,close; make them {HEADER}" in refused(
        capsys, tmp_path, "--data", str(data)
    )


def test_a_date_outside_the_data_says_what_dates_there_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The message gives the first and the last date."""
    said = refused(capsys, tmp_path, "--from", "2020-01-01")
    assert "--from 2020-01-01: the prices go from 2000-03-01 to 2013-03-01; give a date between" in said


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The message names the port and the option that changes it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(capsys, tmp_path, "--port", str(port))
    assert f"port {port} cannot be used" in said
    assert "give another --port" in said


def test_a_book_is_opened_by_one_exchange_with_its_own_seed_and_prices(
    capsys: pytest.CaptureFixture[str], start: Start, tmp_path: Path
) -> None:
    """A second process, another seed: each is refused, and the book stays usable."""
    exchange = start(tmp_path / "state", "--sessions", "1")
    assert "stop the exchange that uses it, or give another --state" in refused(capsys, tmp_path)
    exchange.process.terminate()
    exchange.process.wait(READY_WITHIN_SECONDS)
    said = refused(capsys, tmp_path, "--seed", "2")
    assert "was made with --seed 1 and the same prices" in said
    assert start(tmp_path / "state").admin.status().sessions_total == 1


def test_the_process_listens_on_loopback_only_and_stops_cleanly(start: Start, tmp_path: Path) -> None:
    """No other address of the machine answers on its port; SIGTERM: exit code 0."""
    exchange = start(tmp_path, "--sessions", "1")
    port = int(exchange.url.rsplit(":", 1)[1])
    table = Path("/proc/net/tcp")
    if table.exists():  # on Linux
        listening = table.read_text().splitlines()
        local = [line.split()[1] for line in listening[1:] if line.split()[3] == "0A"]
        assert [address for address in local if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]
    exchange.process.terminate()
    assert exchange.process.wait(READY_WITHIN_SECONDS) == 0
