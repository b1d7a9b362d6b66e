"""A strategy of bars of 5 minutes through the whole cloud, within a session: run, signal, order, fill.

The clock stands within a session afterwards, so these tests come after most others of the cloud.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from laptop.quiescence import Quiescence
from laptop.stack import ACCOUNT, LaptopCloud
from tests.integration.asking import Caller
from tests.integration.commands import ended, start
from tests.integration.reading import Item, Traded, item, items

# In the minutes that the exchange makes of GOOG's day the fast average crosses above the slow one on this bar
# and on the next, and below it on the last one.
SYMBOL, CLOSE = "GOOG", datetime(2012, 4, 18, 14, 0, tzinfo=UTC)
NEXT_CLOSE, SOLD_CLOSE = (datetime(2012, 4, 18, *at, tzinfo=UTC) for at in ((14, 5), (15, 50)))
MOST_LATE = 5
QUICK = {
    "rule": "ema_cross",
    "timeframe": "5Min",
    "minimum_history_bars": 12,
    "symbols": [SYMBOL],
    "parameters": {
        "fast_period_bars": 2,
        "slow_period_bars": 6,
        "atr_period_bars": 3,
        "maximum_atr_percent": 100.0,
    },
}


def _run(close: datetime) -> str:
    return f"5Min-{close:%Y%m%dT%H%M%SZ}"


RUN = _run(CLOSE)


def _set(admin: Caller, strategy: object) -> None:
    body = {"reason": "bars of 5 minutes", "settings": {"strategies": {"quick": strategy}}}
    answer = admin.ask("POST", "/api/config", body=body, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


def _pass(cloud: LaptopCloud, quiet: Quiescence, to: datetime, *jobs: str) -> None:
    """Market time goes on, and the schedules' jobs come as each minute."""
    cloud.exchange.jump(to)
    for job in jobs:
        cloud.tick(job)
    quiet.wait()


@pytest.fixture(scope="module")
def judged(cloud: LaptopCloud, admin: Caller, traded: Traded, fired: Item) -> Iterator[Item]:
    """The run of the bar that closed last, half a minute ago, in a session that is open."""
    assert SYMBOL not in traded.held
    assert fired
    _set(admin, QUICK)
    quiet = Quiescence(cloud, ACCOUNT)
    _pass(cloud, quiet, CLOSE + timedelta(seconds=30), "sync", "monitor", "plan")
    yield _runs(cloud)[RUN]
    _set(admin, None)


def _runs(cloud: LaptopCloud) -> dict[str, Item]:
    return {one["body"]["id"]: one for one in items(cloud, "Runs", "RUN#5Min")}


def _why(cloud: LaptopCloud, admin: Caller) -> str:
    """What became of the symbol's signals, for a test that fails."""
    return admin.ask("GET", f"/api/signals/{SYMBOL}?limit=3").text


def _traded_in(cloud: LaptopCloud, run: str) -> tuple[Item, list[Item]]:
    """The order of a run, and its fills."""
    (order,) = (
        one["body"]
        for one in items(cloud, "Books", "ORDER#")
        if one["body"].get("run_id") == run and one["body"]["role"] is None
    )
    fills = [one["body"] for one in items(cloud, "Books", "FILL#")]
    return order, [one for one in fills if one["client_order_id"] == order["client_order_id"]]


def _held(cloud: LaptopCloud) -> Decimal:
    """Shares of the symbol, of which books and exchange say the same."""
    position = item(cloud, "Positions", ACCOUNT, f"POSITION#{SYMBOL}")
    assert position is not None
    owned = {one.symbol: one.qty for one in cloud.exchange.report().positions}
    assert Decimal(position["body"]["quantity"]) == owned.get(SYMBOL, 0)
    return Decimal(position["body"]["quantity"])


def test_a_tick_within_a_session_judges_the_bar_that_closed(
    cloud: LaptopCloud, admin: Caller, judged: Item
) -> None:
    """One run, of the newest bar alone, not late, concluded, with one signal that became an intent."""
    body = judged["body"]
    assert (body["timeframe"], datetime.fromisoformat(body["bar_close"])) == ("5Min", CLOSE)
    assert (judged["state"], body["late"], body["symbols"]) == ("concluded", False, 1)
    assert (body["raised"], body["intents"]) == (1, 1), _why(cloud, admin)


def test_its_signal_is_bought_in_the_same_session(
    cloud: LaptopCloud, quiet: Quiescence, judged: Item
) -> None:
    """The order waits at the exchange, trades as the clock goes on, and books and positions say so."""
    order, none = _traded_in(cloud, RUN)
    assert (order["symbol"], order["side"], order["strategy"], none) == (SYMBOL, "buy", "quick", [])
    assert datetime.fromisoformat(order["bar_close"]) == CLOSE
    _pass(cloud, quiet, CLOSE + timedelta(minutes=1), "sync", "monitor")
    order, (fill,) = _traded_in(cloud, RUN)
    assert (order["status"], order["filled_quantity"]) == ("filled", fill["quantity"])
    assert CLOSE < datetime.fromisoformat(fill["at"]) <= CLOSE + timedelta(minutes=1)
    assert _held(cloud) == Decimal(fill["quantity"])


@pytest.mark.usefixtures("judged")
def test_the_next_bar_has_a_run_of_its_own(cloud: LaptopCloud, quiet: Quiescence) -> None:
    """Five minutes later the next bar is judged, once, and buys no more of what is held."""
    _pass(cloud, quiet, NEXT_CLOSE + timedelta(seconds=30), "sync", "plan", "plan")
    runs = _runs(cloud)
    assert set(runs) == {RUN, _run(NEXT_CLOSE)}
    run = runs[_run(NEXT_CLOSE)]
    assert (run["state"], run["body"]["raised"], run["body"]["intents"]) == ("concluded", 1, 0)


@pytest.mark.usefixtures("judged")
def test_after_a_pause_the_newest_bar_sells(cloud: LaptopCloud, admin: Caller, quiet: Quiescence) -> None:
    """Of the bars that nobody planned the last ones are caught up, late, and the newest is judged in time."""
    _pass(cloud, quiet, SOLD_CLOSE + timedelta(seconds=30), "sync", "plan")
    runs = _runs(cloud)
    late = sorted(run["body"]["bar_close"] for run in runs.values() if run["body"]["late"])
    assert [datetime.fromisoformat(close) for close in late] == [
        SOLD_CLOSE - timedelta(minutes=5 * bars) for bars in range(MOST_LATE, 0, -1)
    ]
    between = (SOLD_CLOSE - NEXT_CLOSE) // timedelta(minutes=5) - 1
    assert sum(run["body"]["missed"] for run in runs.values()) == between - MOST_LATE
    run = runs[_run(SOLD_CLOSE)]
    assert (run["state"], run["body"]["intents"]) == ("concluded", 1), _why(cloud, admin)
    _pass(cloud, quiet, SOLD_CLOSE + timedelta(minutes=1), "sync")
    _pass(cloud, quiet, SOLD_CLOSE + timedelta(minutes=2), "sync", "monitor")
    order, (fill,) = _traded_in(cloud, _run(SOLD_CLOSE))
    assert (order["side"], order["status"], fill["quantity"]) == ("sell", "filled", order["quantity"])
    assert _held(cloud) == 0


@pytest.mark.usefixtures("judged")
def test_it_is_replayed_and_explained(cloud: LaptopCloud) -> None:
    """The run gives the same from what was stored; the chain goes from the tick to the fill."""
    done = ended(start("replay", RUN, "--json", "--state", cloud.state.root))
    assert (done.code, json.loads(done.stdout)["mismatches"]) == (0, 0), done.stdout + done.stderr
    at = CLOSE.isoformat().replace("+00:00", "Z")
    told = ended(start("explain", SYMBOL, "--at", at, "--json", "--state", cloud.state.root))
    assert told.code == 0, told.stderr
    chains = json.loads(told.stdout)["chains"]
    (quick,) = (chain for chain in chains if "quick" in json.dumps(chain))
    names = [step["name"] for step in quick["steps"]]
    assert names[:7] == ["schedule", "bar", "values", "signal", "ranking", "verdict", "order"]
