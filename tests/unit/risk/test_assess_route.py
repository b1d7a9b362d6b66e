"""The verdict on a trade that is not placed: rule by rule, as execute would judge, changing nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.risk.rules import RULES
from alpaquero.store import risk_facts
from alpaquero.store.books import BookItem, Books
from functions.risk import api
from tests.fakes.broker import FakeBroker, FakeMarketData
from tests.fakes.queues import FakeQueues
from tests.unit.risk.builders import a_book, held

Call = Callable[..., tuple[int, Any]]
ROUTE = "/api/risk/assess"
OPEN_MARKET = datetime.fromisoformat("2024-01-03T17:00:00+00:00")


@pytest.fixture(autouse=True)
def market(tables: None, queues: FakeQueues, monkeypatch: pytest.MonkeyPatch) -> FakeMarketData:
    """An open market with AAPL at 100 dollars; 10 IBM are held."""
    risk_facts._calendars.clear()
    data = FakeMarketData(prices={"AAPL": Decimal(100)}, now=OPEN_MARKET)
    monkeypatch.setattr(api, "_clock", lambda: FakeBroker(now=OPEN_MARKET))
    monkeypatch.setattr(api, "_market_data", lambda: data)
    Books("paper").commit(risk_book=a_book(positions={"IBM": held("10", "1000")}))
    return data


def assessed(call: Call, role: str | None = "viewer", **trade: Any) -> tuple[int, Any]:
    return call(api.app, ROUTE, method="POST", body={"symbol": "AAPL", "side": "buy", **trade}, role=role)


def test_an_entry_is_sized_and_every_rule_answers(call: Call) -> None:
    """Quantity, stop, target and cash to reserve are those an order would have."""
    status, answer = assessed(call)
    assert (200, True, "98", "position_limit") == (
        status, answer["approved"], answer["quantity"], answer["bound_by"],
    )  # fmt: skip
    assert [rule.code for rule in RULES] == [rule["code"] for rule in answer["rules"]]
    assert {"passed", "not_applicable"} == {rule["outcome"] for rule in answer["rules"]}


def test_a_refusal_gives_measure_and_limit(call: Call) -> None:
    """In the rule's own unit."""
    _, answer = assessed(call, quantity="500", symbol="aapl")
    failed = {rule["code"]: rule for rule in answer["rules"] if rule["outcome"] == "failed"}
    assert {"position_limit"} == set(failed)
    assert ("10000", False, "0") == (
        failed["position_limit"]["limit"].split(".")[0], answer["approved"], answer["quantity"],
    )  # fmt: skip


def test_an_exit_sells_what_is_held(call: Call) -> None:
    """All of it when no quantity is given."""
    _, answer = assessed(call, symbol="IBM", side="sell")
    assert (True, "10") == (answer["approved"], answer["quantity"])


def test_nothing_is_written_or_sent(call: Call, queues: FakeQueues) -> None:
    """However often it is asked."""
    before = {item.sk: item.body for item in BookItem.scan()}
    assessed(call)
    assessed(call, quantity="5")
    assert before == {item.sk: item.body for item in BookItem.scan()}
    assert {} == queues.messages


@pytest.mark.parametrize(
    ("trade", "words"),
    [
        ({"side": "hold"}, "hold"),
        ({"order_type": "limit"}, "limit_price"),
        ({"quantity": "-1"}, "quantity"),
        ({"note": "x"}, "note"),
        ({"order_type": "trailing_stop", "order_class": "simple"}, "trail_price"),
        ({"stop_loss_price": "10", "order_class": "simple"}, "stop_loss_price"),
    ],
)
def test_what_no_broker_could_take_is_refused(call: Call, trade: dict[str, Any], words: str) -> None:
    """The message names what does not fit."""
    status, answer = assessed(call, **trade)
    assert 400 == status
    assert words in answer["error"]["message"]


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("viewer", 200)])
def test_a_viewer_may_ask(call: Call, role: str | None, status: int) -> None:
    """It changes nothing, so reading rights do."""
    assert status == assessed(call, role)[0]


def test_it_judges_what_an_order_can_say(call: Call) -> None:
    """Dollars, own stop and target, a trailing stop: the body is that of POST /orders."""
    _, dollars = assessed(call, notional="500", order_class="simple")
    assert (True, "4.999500049") == (dollars["approved"], dollars["quantity"])  # at the ask
    _, bracket = assessed(call, quantity="5", stop_loss_price="96", take_profit_price="111")
    assert ("96", "111") == (bracket["stop_loss_price"], bracket["take_profit_price"])
    trail = {"order_type": "trailing_stop", "order_class": "simple", "trail_percent": "2"}
    _, trailing = assessed(call, symbol="IBM", side="sell", **trail)
    assert (True, "10") == (trailing["approved"], trailing["quantity"])


def test_a_refusal_names_its_field(call: Call) -> None:
    """So that a form can show it where it belongs."""
    _, answer = assessed(call, order_type="limit")
    assert answer["error"]["details"] == {"field": "limit_price"}
