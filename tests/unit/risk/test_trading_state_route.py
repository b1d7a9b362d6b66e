"""The kill switch: a trader lowers the trading state, an admin raises it, everyone hears of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.events.schemas import TradingStateChanged, decode
from alpaquero.risk.activity import Activity, Holding
from alpaquero.risk.book import Lock, RiskBook, TradingState
from alpaquero.store.books import Books
from functions.risk import api
from tests.fakes.broker import FakeBroker
from tests.fakes.queues import FakeQueues
from tests.unit.orders.builders import NOON, an_order
from tests.unit.risk.builders import a_book, held

Call = Callable[..., tuple[int, Any]]
BOOKS = Books("paper")
ROUTE = "/api/trading_state"


@pytest.fixture(autouse=True)
def broker(tables: None, monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    """A clock; the books are open and active."""
    fake = FakeBroker()
    monkeypatch.setattr(api, "_clock", lambda: fake)
    BOOKS.commit(risk_book=a_book(positions={"AAPL": held("10", "1000"), "IBM": held("5", "500")}))
    return fake


def book() -> RiskBook:
    found = BOOKS.risk_book()
    assert found is not None
    return found


def told() -> list[Any]:
    events = [decode(event.name, event.detail) for event in BOOKS.outbox()]
    return [event for event in events if isinstance(event, TradingStateChanged)]


def wish(state: str, **more: Any) -> dict[str, Any]:
    return {"state": state, "reason": "a bad feeling", **more}


def test_a_trader_halts_trading(call: Call) -> None:
    """The state, who set it and why are in the book and in an event, in one write."""
    version = book().version
    status, answer = call(api.app, ROUTE, method="POST", body=wish("HALTED"), role="trader")
    assert (200, "HALTED", "ana", "a bad feeling") == (
        status, answer["state"], answer["author"], answer["reason"],
    )  # fmt: skip
    assert (TradingState.HALTED, version + 1) == (book().trading_state, book().version)
    [event] = told()
    assert ("ACTIVE", "HALTED", "ana", "a bad feeling") == (
        event.previous_state, event.state, event.author, event.reason,
    )  # fmt: skip
    assert answer == call(api.app, ROUTE)[1]


def test_a_halt_ends_entries_at_once_and_asks_no_broker(
    call: Call, queues: FakeQueues, broker: FakeBroker
) -> None:
    """Who presses it must not wait for a minute, nor for a broker that does not answer."""
    BOOKS.commit(new_orders=[an_order(client_order_id="waiting", status="new")])
    broker.fail_next("clock", "unavailable")
    assert 200 == call(api.app, ROUTE, method="POST", body=wish("HALTED"), role="trader")[0]
    assert ["waiting"] == [body["client_order_id"] for body in queues.bodies("order-queue")]


def test_the_state_there_is_already_is_no_news(call: Call) -> None:
    """Asked for again it is kept with its new reason, and nobody is woken."""
    answer = call(api.app, ROUTE, method="POST", body=wish("ACTIVE"), role="admin")[1]
    assert ("ACTIVE", "a bad feeling", []) == (answer["state"], answer["reason"], told())


@pytest.mark.parametrize(
    ("role", "state", "status"),
    [
        (None, "HALTED", 401),
        ("viewer", "HALTED", 403),
        ("trader", "HALTED", 200),
        ("trader", "REDUCING", 200),
        ("trader", "ACTIVE", 403),
        ("admin", "ACTIVE", 200),
    ],
)
def test_who_may_do_what(call: Call, role: str | None, state: str, status: int) -> None:
    """From REDUCING: lowering (and repeating) needs a trader, raising an admin."""
    call(api.app, ROUTE, method="POST", body=wish("REDUCING"), role="trader")
    assert status == call(api.app, ROUTE, method="POST", body=wish(state), role=role)[0]


def test_a_trader_does_not_raise_what_a_lock_will_let_go(call: Call) -> None:
    """Halted before a limit broke: asking for less than halted is a raise, though the lock holds it."""
    lock = {"drawdown": Lock(state=TradingState.HALTED, since=NOON, reason="15% lost")}
    locked = a_book(version=2, locks=lock, trading_state="HALTED", asked_state=TradingState.HALTED)
    BOOKS.commit(risk_book=locked)
    assert 403 == call(api.app, ROUTE, method="POST", body=wish("REDUCING"), role="trader")[0]


def test_an_admin_lets_go_of_a_lock(call: Call) -> None:
    """The locks are shown, with since when and why; ACTIVE releases them."""
    lock = {"drawdown": Lock(state=TradingState.REDUCING, since=NOON, reason="15% lost")}
    BOOKS.commit(
        risk_book=a_book(version=2, locks=lock, trading_state="REDUCING", asked_state=TradingState.ACTIVE)
    )
    shown = call(api.app, ROUTE)[1]
    assert ("REDUCING", "ACTIVE") == (shown["state"], shown["asked"])
    assert [("drawdown", "15% lost")] == [(lock["code"], lock["reason"]) for lock in shown["locks"]]
    assert 403 == call(api.app, ROUTE, method="POST", body=wish("ACTIVE"), role="trader")[0]
    answer = call(api.app, ROUTE, method="POST", body=wish("ACTIVE"), role="admin")[1]
    assert ("ACTIVE", []) == (answer["state"], answer["locks"])


def test_a_flatten_sends_an_exit_for_every_position(call: Call, queues: FakeQueues) -> None:
    """Through the same queue as every order, and again by the monitor while anything is held."""
    ours = Activity(holdings={"AAPL": Holding(NOON, "baseline")})
    BOOKS.commit(risk_book=a_book(version=2, positions=book().positions, activity=ours))
    BOOKS.commit(new_orders=[an_order(client_order_id="entry-1", symbol="XOM", status="accepted")])
    status, answer = call(api.app, ROUTE, method="POST", body=wish("REDUCING", flatten=True), role="trader")
    assert (200, True) == (status, answer["flattening"])
    cancel, *placed = queues.bodies("order-queue")
    assert ("CancelOrder", "entry-1") == (cancel["type"], cancel["client_order_id"])
    intents = [command["intent"] for command in placed]
    assert [("AAPL", "exit", "sell", "risk"), ("IBM", "exit", "sell", "risk")] == [
        (i["symbol"], i["purpose"], i["side"], i["origin"]) for i in intents
    ]
    assert book().flatten_since == book().as_of
    call(api.app, ROUTE, method="POST", body=wish("REDUCING", flatten=True), role="trader")
    assert 3 == len(queues.bodies("order-queue"))  # the same ids: SQS drops the repeat


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (wish("PAUSED"), "state"),
        ({"state": "HALTED", "reason": " "}, "reason"),
        (wish("HALTED", flatten=True), "flatten"),
        (wish("ACTIVE", flatten=True), "flatten"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call: Call, body: dict[str, Any], field: str) -> None:
    """And nothing changes."""
    status, answer = call(api.app, ROUTE, method="POST", body=body, role="admin")
    assert (400, field) == (status, answer["error"]["details"]["field"])
    assert TradingState.ACTIVE is book().trading_state


def test_a_write_in_between_does_not_undo_the_halt(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change is made on the newest book, so a sync at the same moment loses nothing."""
    commit = Books.commit

    def overtaken(self: Books, **what: Any) -> None:
        if what["risk_book"].trading_state is TradingState.HALTED and book().cash == Decimal(100_000):
            commit(self, risk_book=a_book(version=book().version + 1, cash=Decimal(5)))
        commit(self, **what)

    monkeypatch.setattr(Books, "commit", overtaken)
    assert 200 == call(api.app, ROUTE, method="POST", body=wish("HALTED"), role="trader")[0]
    assert (TradingState.HALTED, Decimal(5)) == (book().trading_state, book().cash)
    assert 1 == len(told())
