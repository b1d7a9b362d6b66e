"""Every fault of the switchboard, met by unmodified alpaca-py on a real process, and proved by its list."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import GetOrdersRequest, MarketOrderRequest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from alpaquero import faults
from alpaquero.errors import InvalidRequest, NotFound
from alpaquero.web.bodies import health_monitor as bodies
from laptop.exchange.client import ExchangeAdmin
from laptop.exchange.errors import ExchangeError
from laptop.exchange.faults import FaultKind, FaultRule

from .conftest import KEYS, NO_AUTHORITIES, READY_WITHIN_SECONDS, ExchangeProcess, Start

ALPACA_PYS_RETRIES = 3


@pytest.fixture(scope="module")
def process(start: Start, tmp_path_factory: pytest.TempPathFactory) -> ExchangeProcess:
    """One stepped exchange for all tests."""
    return start(tmp_path_factory.mktemp("faults"), "--sessions", "40")


@pytest.fixture
def exchange(process: ExchangeProcess) -> Iterator[ExchangeProcess]:
    """The exchange without any rule, before and after the test; alpaca-py does not wait between tries."""
    process.trading._retry_wait = 0
    process.trading._retry = ALPACA_PYS_RETRIES
    yield process
    process.admin.clear_faults()


def buy(exchange: ExchangeProcess, name: str) -> None:
    """Buy one share under a client order id."""
    exchange.trading.submit_order(
        MarketOrderRequest(
            symbol="AAPL", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id=name
        )
    )


def accepted(exchange: ExchangeProcess, name: str) -> int:
    """How many orders the exchange has under a client order id."""
    return sum(order.client_order_id == name for order in exchange.admin.report().orders)


def injected(exchange: ExchangeProcess, kind: str) -> list[str | None]:
    """The client order ids of the faults of a kind."""
    return [fault.client_order_id for fault in exchange.admin.injected_faults().items if fault.kind == kind]


@pytest.mark.parametrize(
    ("kind", "status"),
    [(FaultKind.SERVER_ERROR, 500), (FaultKind.UNAVAILABLE, 503), (FaultKind.TIMEOUT_BEFORE, 504)],
)
def test_an_error_before_the_effect_leaves_no_order(
    exchange: ExchangeProcess, kind: FaultKind, status: int
) -> None:
    """alpaca-py raises with the status; the order does not exist."""
    exchange.trading._retry = 0
    exchange.admin.add_faults(FaultRule(kind=kind, route="submit", times=1))
    with pytest.raises(APIError) as raised:
        buy(exchange, f"before-{status}")
    assert raised.value.status_code == status
    assert accepted(exchange, f"before-{status}") == 0
    assert f"before-{status}" in injected(exchange, kind)
    buy(exchange, f"before-{status}")


def test_a_504_after_the_effect_leaves_an_order_and_says_so_in_the_ledger(exchange: ExchangeProcess) -> None:
    """The caller sees 504; the ledger says 200, what the request was, and what became of its answer."""
    exchange.trading._retry = 0
    exchange.admin.add_faults(FaultRule(kind=FaultKind.TIMEOUT_AFTER, route="submit", times=1))
    with pytest.raises(APIError) as raised:
        buy(exchange, "after")
    assert raised.value.status_code == 504
    assert accepted(exchange, "after") == 1
    assert injected(exchange, "504_after")[-1] == "after"
    row = exchange.admin.ledger().items[-1]
    assert (row.caller, row.method, row.path) == (KEYS.key_id, "POST", "/v2/orders")
    assert (row.status, row.fault, json.loads(row.body)["client_order_id"]) == (200, "504_after", "after")
    assert exchange.admin.injected_faults().items[-1].request_id == row.request_id
    changes = exchange.admin.changes(row.first_change - 1, row.last_change - row.first_change + 1).items
    assert [change.kind for change in changes] == ["Accepted"]
    assert b'"after"' in bytes(changes[0].body)
    exchange.trading.cancel_orders()


def test_alpaca_pys_own_repetition_after_a_504_finds_its_order_there(exchange: ExchangeProcess) -> None:
    """The order was taken; the same body, sent again, is refused: one order, and an error for the caller."""
    exchange.admin.add_faults(FaultRule(kind=FaultKind.TIMEOUT_AFTER, route="submit", times=1))
    with pytest.raises(APIError, match="client_order_id must be unique"):
        buy(exchange, "sent-twice")
    assert accepted(exchange, "sent-twice") == 1


def test_a_429_tells_when_to_try_again_and_alpaca_py_does(exchange: ExchangeProcess) -> None:
    """Retry-After and the budget's headers are there; the second try goes through, one order."""
    exchange.admin.add_faults(FaultRule(kind=FaultKind.RATE_LIMITED, times=1, retry_after=7))
    told = exchange.get("/v2/account")
    assert (told.status_code, told.json()["code"]) == (429, 42910000)
    assert (told.headers["Retry-After"], told.headers["X-RateLimit-Remaining"]) == ("7", "0")
    assert 0 < int(told.headers["X-RateLimit-Reset"]) - time.time() <= 7
    assert int(told.headers["X-RateLimit-Limit"]) >= 200
    exchange.admin.add_faults(FaultRule(kind=FaultKind.RATE_LIMITED, route="submit", times=2))
    buy(exchange, "limited")
    assert accepted(exchange, "limited") == 1
    assert injected(exchange, "429") == [None, "limited", "limited"]


@pytest.mark.parametrize(("kind", "orders"), [(FaultKind.CUT_BEFORE, 0), (FaultKind.CUT_AFTER, 1)])
def test_a_cut_connection_leaves_the_caller_in_the_dark(
    exchange: ExchangeProcess, kind: FaultKind, orders: int
) -> None:
    """The same error either way: only a look-up tells if there is an order. The next request is served."""
    exchange.admin.add_faults(FaultRule(kind=kind, route="submit", times=1))
    with pytest.raises(requests.exceptions.ConnectionError):
        buy(exchange, kind.value)
    assert accepted(exchange, kind.value) == orders
    assert injected(exchange, kind) == [kind.value]
    assert exchange.trading.get_clock() is not None


def test_html_instead_of_json_is_an_error_without_a_code(exchange: ExchangeProcess) -> None:
    """The order exists; alpaca-py raises an error whose `code` cannot be read."""
    exchange.admin.add_faults(FaultRule(kind=FaultKind.HTML, route="submit", times=1))
    with pytest.raises(APIError) as raised:
        buy(exchange, "html")
    assert raised.value.status_code == 502
    with pytest.raises(json.JSONDecodeError):
        _ = raised.value.code
    assert accepted(exchange, "html") == 1


@pytest.mark.parametrize("kind", [FaultKind.HTML, FaultKind.TRUNCATED])
def test_a_200_that_is_no_json_cannot_be_read(exchange: ExchangeProcess, kind: FaultKind) -> None:
    """Half a body, or a page with status 200: the order exists and its answer is lost."""
    exchange.admin.add_faults(FaultRule(kind=kind, route="submit", times=1, status=200))
    with pytest.raises(requests.exceptions.JSONDecodeError):
        buy(exchange, f"no-json-{kind}")
    assert accepted(exchange, f"no-json-{kind}") == 1


def test_a_cancellation_whose_empty_answer_is_truncated_was_done(exchange: ExchangeProcess) -> None:
    """204 becomes half an object; the order is cancelled all the same."""
    buy(exchange, "to-cancel")
    [order] = exchange.trading.get_orders(GetOrdersRequest(limit=1))
    exchange.admin.add_faults(FaultRule(kind=FaultKind.TRUNCATED, route="cancel", times=1))
    with pytest.raises(requests.exceptions.JSONDecodeError):
        exchange.trading.cancel_order_by_id(order.id)
    assert "to-cancel" in injected(exchange, "truncated")
    assert exchange.trading.get_order_by_id(order.id).status == "canceled"


def test_latency_delays_the_answer(exchange: ExchangeProcess) -> None:
    """The answer is right and late, by what the rule says."""
    exchange.admin.add_faults(FaultRule(kind=FaultKind.LATENCY, route="account", times=1, milliseconds=300))
    began = time.monotonic()
    account = exchange.trading.get_account()
    assert time.monotonic() - began >= 0.3
    assert account.status == "ACTIVE"


def test_a_stale_clock_tells_an_earlier_time(exchange: ExchangeProcess) -> None:
    """Time, state and next sessions as they were an hour before; then the truth again."""
    right = exchange.trading.get_clock()
    exchange.admin.add_faults(FaultRule(kind=FaultKind.STALE_CLOCK, times=1, age_seconds=3600))
    stale = exchange.trading.get_clock()
    assert right.timestamp - stale.timestamp == timedelta(hours=1)
    assert (right.is_open, stale.is_open) == (False, True)
    assert stale.next_close.astimezone(UTC) < right.next_open.astimezone(UTC)
    assert exchange.trading.get_clock().timestamp == right.timestamp


def test_a_blocked_account_says_so_and_takes_no_order(exchange: ExchangeProcess) -> None:
    """The flags are up, a new order is 403, a cancellation goes through; afterwards all is as before."""
    buy(exchange, "before-the-block")
    exchange.admin.add_faults(FaultRule(kind=FaultKind.ACCOUNT_BLOCKED))
    account = exchange.trading.get_account()
    assert (account.account_blocked, account.trading_blocked) == (True, True)
    with pytest.raises(APIError) as raised:
        buy(exchange, "blocked")
    assert (raised.value.status_code, raised.value.code) == (403, 40310000)
    exchange.trading.cancel_orders()
    assert accepted(exchange, "blocked") == 0
    exchange.admin.clear_faults()
    account = exchange.trading.get_account()
    assert (account.account_blocked, account.trading_blocked) == (False, False)


def test_admin_routes_are_never_hit(exchange: ExchangeProcess) -> None:
    """With every request going wrong, the switchboard can still be read and cleared."""
    exchange.admin.add_faults(FaultRule(kind=FaultKind.CUT_BEFORE, route="all"))
    [state] = exchange.admin.faults()
    assert state.rule.kind is FaultKind.CUT_BEFORE
    with pytest.raises(requests.exceptions.ConnectionError):
        exchange.trading.get_account()
    exchange.admin.remove_fault(state.rule.id)
    assert exchange.admin.faults() == []
    assert exchange.trading.get_account() is not None


def test_a_list_with_a_wrong_rule_puts_none_in_force(exchange: ExchangeProcess) -> None:
    """The answer says what is wrong; unknown fields and kinds are refused too."""
    good, wrong = FaultRule(kind=FaultKind.HTML), FaultRule(kind=FaultKind.HTML, probability=2)
    with pytest.raises(ExchangeError, match=r"422 .*probability must be"):
        exchange.admin.add_faults(good, wrong)
    assert exchange.admin.faults() == []
    headers = {"Authorization": f"Bearer {KEYS.admin_token}"}
    for body in ({"rules": [{"kind": "418"}]}, {"rules": [{"kind": "500", "percent": 3}]}, {}):
        refused = httpx.post(
            exchange.url + "/admin/faults", json=body, headers=headers, trust_env=False, verify=NO_AUTHORITIES
        )
        assert refused.status_code == 422
    with pytest.raises(ExchangeError, match="no fault rule mine"):
        exchange.admin.remove_fault("mine")


def test_the_list_of_faults_is_paged(exchange: ExchangeProcess) -> None:
    """Pages join to the whole list; counts are of all."""
    exchange.admin.add_faults(FaultRule(kind=FaultKind.UNAVAILABLE, route="clock", times=3))
    before = exchange.admin.injected_faults().counts.get("503", 0)
    for _ in range(3):
        with pytest.raises(APIError):
            exchange.trading.get_clock()
    listed, after = [], 0
    while True:
        page = exchange.admin.injected_faults(after, limit=2)
        listed += page.items
        if page.next is None:
            break
        after = page.next
    assert listed == exchange.admin.injected_faults().items
    assert page.counts["503"] == before + 3


def test_admin_routes_want_their_token(exchange: ExchangeProcess) -> None:
    """The trading keys open none of them."""
    for path in ("faults", "faults/injected", "ledger", "changes", "report", "status"):
        assert exchange.get(f"/admin/{path}").status_code == 401


def test_the_health_monitor_sets_faults_with_a_token_of_their_own(
    exchange: ExchangeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its API function sends is taken and answered as it reads it, and the fault hits."""
    monkeypatch.setattr(faults, "_token", lambda _: KEYS.faults_token)
    board = faults.Switchboard(exchange.url, "a secret")
    rule = bodies.NewFault(kind="503", id="mine", route="clock", times=1)
    [added] = board.add({"rules": [rule]}, bodies.FaultRules).rules
    assert (added.rule.id, added.rule.times, added.injected) == ("mine", 1, 0)
    with pytest.raises(APIError):
        exchange.trading.get_clock()
    read = board.read(bodies.Faults)
    assert [(one.rule.id, one.matched, one.injected) for one in read.rules] == [("mine", 1, 1)]
    assert (read.injected["503"] >= 1, {mix.name for mix in read.mixes}) == (True, {"light", "heavy"})
    with pytest.raises(InvalidRequest, match="there is a rule mine already"):
        board.add({"rules": [rule]}, bodies.FaultRules)
    with pytest.raises(InvalidRequest, match="mix must be one of"):
        board.add({"mix": "worst", "seed": 0}, bodies.FaultRules)
    assert board.remove("mine", bodies.FaultRules).rules == []
    with pytest.raises(NotFound, match="no fault rule mine"):
        board.remove("mine", bodies.FaultRules)
    assert len(board.add({"mix": "heavy", "seed": 1}, bodies.FaultRules).rules) == 19
    assert board.clear(bodies.FaultRules).rules == []
    assert exchange.admin.faults() == []


def test_the_faults_token_moves_no_clock(exchange: ExchangeProcess) -> None:
    """Nor does it read the book, copy it or cut streams: the process takes it for the faults alone."""
    before = exchange.admin.status().sessions_done
    with ExchangeAdmin(exchange.url, KEYS.faults_token) as narrow:
        assert narrow.faults() == []
        for refused in (
            narrow.step,
            narrow.pause,
            narrow.report,
            narrow.ledger,
            narrow.changes,
            narrow.cut_streams,
        ):
            with pytest.raises(ExchangeError, match="401"):
                refused()
    assert exchange.admin.status().sessions_done == before


def updates(exchange: ExchangeProcess) -> ClientConnection:
    """A websocket that listens to trade updates."""
    socket = connect(exchange.url.replace("http", "ws") + "/stream", proxy=None)
    for said in (
        {"action": "auth", "key": KEYS.key_id, "secret": KEYS.secret_key},
        {"action": "listen", "data": {"streams": ["trade_updates"]}},
    ):
        socket.send(json.dumps(said))
        socket.recv(timeout=READY_WITHIN_SECONDS)
    return socket


def heard(socket: ClientConnection, count: int) -> list[tuple[str, str]]:
    """The next updates: event and client order id."""
    messages = [json.loads(socket.recv(timeout=READY_WITHIN_SECONDS)) for _ in range(count)]
    return [(one["data"]["event"], one["data"]["order"]["client_order_id"]) for one in messages]


def cancelled(exchange: ExchangeProcess, *names: str) -> None:
    """Place orders while the market is closed, then cancel them all: a pair of updates each."""
    for name in names:
        buy(exchange, name)
    for order in exchange.trading.get_orders():
        exchange.trading.cancel_order_by_id(order.id)


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        (FaultKind.STREAM_DUPLICATE, lambda told: [told[0], *told]),
        (FaultKind.STREAM_REORDER, lambda told: [told[1], told[0], *told[2:]]),
        (FaultKind.STREAM_LOST, lambda told: told[1:]),
    ],
)
def test_a_spoilt_stream_says_things_twice_late_or_not_at_all(
    exchange: ExchangeProcess, kind: FaultKind, spoil: object
) -> None:
    """One listener is told the truth before the rule, another meets the fault at the first cancellation."""
    exchange.trading.cancel_orders()
    with updates(exchange) as socket:
        cancelled(exchange, f"{kind}-1")
        told = heard(socket, 2)
        assert [name for _, name in told] == [f"{kind}-1"] * 2
        exchange.admin.add_faults(FaultRule(kind=kind, event=told[1][0], times=1))
        buy(exchange, f"{kind}-2")
        buy(exchange, f"{kind}-3")
        opened = heard(socket, 2)
        exchange.trading.cancel_orders()
        ends = [(told[1][0], name) for _, name in sorted(opened)]
        spoilt = spoil(ends)  # type: ignore[operator]
        assert heard(socket, len(spoilt)) == spoilt
    assert exchange.admin.injected_faults().counts[kind] == 1


def test_a_mute_stream_stays_open_and_says_nothing_more(exchange: ExchangeProcess) -> None:
    """Nothing comes, a ping is answered; another connection hears it all."""
    exchange.trading.cancel_orders()
    with updates(exchange) as mute:
        exchange.admin.add_faults(FaultRule(kind=FaultKind.STREAM_MUTE, times=1))
        buy(exchange, "mute-1")
        assert mute.ping().wait(READY_WITHIN_SECONDS)
        with updates(exchange) as other:
            cancelled(exchange, "mute-2")
            assert {name for _, name in heard(other, 3)} == {"mute-1", "mute-2"}
            assert mute.ping().wait(READY_WITHIN_SECONDS)
            with pytest.raises(TimeoutError):
                mute.recv(timeout=0)
    assert exchange.admin.injected_faults().counts["stream_mute"] == 1


def test_a_cut_stream_ends_without_a_closing_handshake(exchange: ExchangeProcess) -> None:
    """By a rule at a message, or all at once by the admin route; a new connection hears what follows."""
    exchange.trading.cancel_orders()
    with updates(exchange) as socket:
        exchange.admin.add_faults(FaultRule(kind=FaultKind.STREAM_CUT, times=1))
        buy(exchange, "cut-1")
        with pytest.raises(ConnectionClosed) as raised:
            heard(socket, 1)
        assert raised.value.rcvd is None
    with updates(exchange) as socket:
        exchange.trading.cancel_orders()
        assert [name for _, name in heard(socket, 1)] == ["cut-1"]
        assert exchange.admin.cut_streams() == 1
        with pytest.raises(ConnectionClosed):
            heard(socket, 1)


def test_the_ledger_lists_what_changed_something_and_nothing_else(exchange: ExchangeProcess) -> None:
    """Order, refusal, read, cancellation, step: three rows, their changes one after the other."""
    exchange.trading.cancel_orders()
    last = exchange.admin.ledger().items[-1].number
    buy(exchange, "listed")
    with pytest.raises(APIError):
        buy(exchange, "listed")
    exchange.trading.get_account()
    exchange.trading.cancel_orders()
    wall, market = datetime.now(UTC), exchange.admin.status().now
    exchange.admin.step()
    rows = exchange.admin.ledger(after=last).items
    assert [(row.caller, row.method, row.path, row.status) for row in rows] == [
        (KEYS.key_id, "POST", "/v2/orders", 200),
        (KEYS.key_id, "DELETE", "/v2/orders", 207),
        ("admin", "POST", "/admin/step", 200),
    ]
    assert [row.first_change for row in rows[1:]] == [row.last_change + 1 for row in rows[:-1]]
    assert abs(rows[0].wall - wall) < timedelta(minutes=1)
    assert (rows[0].at, rows[0].fault) == (market, None)
    assert [row.number for row in exchange.admin.ledger(last, limit=1).items] == [rows[0].number]
    assert exchange.admin.ledger(last, limit=1).next == rows[0].number
    assert exchange.admin.ledger(last).next is None


def test_the_report_tells_open_orders_and_splits_equity(exchange: ExchangeProcess) -> None:
    """What may still trade, and equity as the sum of its parts."""
    exchange.trading.cancel_orders()
    buy(exchange, "open-one")
    report = exchange.admin.report()
    assert report.open_orders == ["open-one"]
    assert report.equity == report.cash + report.long_market_value + report.short_market_value
    exchange.admin.step()
    assert exchange.admin.report().open_orders == []
    assert {str(position.qty) for position in exchange.admin.report().positions} == {"1"}
    assert exchange.admin.report().long_market_value > Decimal(0)
