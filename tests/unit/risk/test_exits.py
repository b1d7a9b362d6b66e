"""Risk's own exits: trailing stops, holding time and flatten, each due until it is sold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.orders.identity import client_order_id, manual_key
from alpaquero.orders.intent import Purpose, Side
from alpaquero.orders.order import ExitStep, Order, OrderPurpose
from alpaquero.risk.activity import Activity, Holding
from alpaquero.risk.book import RiskBook, TradingState
from alpaquero.risk.exits import DueExit, due_exits, entries_to_cancel, exit_intent, next_exit, with_highs
from alpaquero.risk.limits import RiskLimits
from tests.unit.orders.builders import NOON, an_order, at
from tests.unit.risk.builders import a_book, held, leaving

OURS = client_order_id("sig", "AAPL", manual_key("paper", "1"))
NAME = f"AAPL:{OURS}"
TRAILING = {"trailing_stop_percent": Decimal(5)}


def holding(episode: str = OURS, days: float = 1, **changes: Any) -> RiskBook:
    """Ten AAPL, held for so many days."""
    activity = Activity(holdings={"AAPL": Holding(NOON - timedelta(days=days), episode)})
    return a_book(**{"positions": {"AAPL": held("10", "1000")}, "activity": activity, **changes})


def due(book: RiskBook, price: str | None = None, **limits: Any) -> list[str]:
    """The rules that want AAPL sold."""
    prices = {} if price is None else {"AAPL": Decimal(price)}
    return [found.code for found in due_exits(book, RiskLimits(**limits), prices, NOON)]


@pytest.mark.parametrize(
    ("price", "codes"), [("95.01", []), ("95", ["trailing_stop"]), ("94.99", ["trailing_stop"]), (None, [])]
)
def test_a_trailing_stop_follows_the_highest_price(price: str | None, codes: list[str]) -> None:
    """At so many percent below it the position is due; without a price of regular hours it waits."""
    assert codes == due(holding(highs={NAME: Decimal(100)}), price, **TRAILING)


def test_a_trailing_stop_is_off_by_default() -> None:
    """Only who asks for it gets it."""
    assert [] == due(holding(highs={NAME: Decimal(100)}), "1")


@pytest.mark.parametrize(("days", "codes"), [(29.99, []), (30, ["holding_time"]), (31, ["holding_time"])])
def test_a_position_has_its_time(days: float, codes: list[str]) -> None:
    """In calendar days of market time, from the fill that opened it."""
    assert codes == due(holding(days=days), maximum_holding_days=30)


def test_a_flatten_comes_before_every_other_rule() -> None:
    """One intent a position, whatever else is due, and also for what is not ours."""
    asked = holding(days=99, flatten_since=NOON)
    assert ["flatten"] == due(asked, "1", maximum_holding_days=1, **TRAILING)
    assert ["flatten"] == due(holding("baseline", flatten_since=NOON))


@pytest.mark.parametrize("episode", ["baseline", "0b7c-of-someone-else"])
def test_what_someone_else_bought_is_theirs_to_sell(episode: str) -> None:
    """No rule but an explicit flatten sells it."""
    book = holding(episode, days=99, highs={f"AAPL:{episode}": Decimal(100)})
    assert [] == due(book, "1", maximum_holding_days=1, **TRAILING)


@pytest.mark.parametrize(
    "changes",
    [
        {"trading_state": TradingState.HALTED},
        {"reservations": {"o": replace(leaving("AAPL", "10"), forced=True)}},
        {"positions": {"AAPL": held("-10", "-1000")}},
        {"positions": {}},
    ],
)
def test_nothing_is_due_that_could_not_be_sold(changes: dict[str, Any]) -> None:
    """Halted, being sold already, short, or gone."""
    assert [] == due(holding(flatten_since=NOON, **changes))


@pytest.mark.parametrize("waiting", ["10", "1"])
def test_a_flatten_takes_the_place_of_a_sale_that_waits_for_its_price(waiting: str) -> None:
    """A sale parked at a limit, for all or a part, may never come; no other rule disturbs it."""
    book = holding(days=99, reservations={"o": leaving("AAPL", waiting)})
    assert [] == due(book, "1", maximum_holding_days=1)
    book = replace(book, flatten_since=NOON)
    assert ["flatten"] == due(book)
    assert exit_intent(DueExit("AAPL", "flatten", ""), book, NOON, "").forced


def test_the_highest_price_is_kept_a_holding() -> None:
    """It only rises, a new holding begins anew, and what is sold is forgotten."""
    book = with_highs(holding(), {"AAPL": Decimal(100)})
    book = with_highs(book, {"AAPL": Decimal(99)})
    assert {NAME: Decimal(100)} == book.highs == with_highs(book, {}).highs
    anew = holding("another", highs=book.highs)
    assert {"AAPL:another": Decimal(90)} == with_highs(anew, {"AAPL": Decimal(90)}).highs
    assert {} == with_highs(a_book(highs=book.highs), {"AAPL": Decimal(90)}).highs


def test_an_exit_has_one_id_a_holding_rule_and_day() -> None:
    """A repeat within the day places nothing; the next day may try again."""
    book, exit_due = holding(), DueExit("AAPL", "trailing_stop", "5% below")
    intent = exit_intent(exit_due, book, NOON, "c-1")
    assert (Purpose.EXIT, Side.SELL, None, "risk") == (
        intent.purpose, intent.side, intent.quantity, intent.requested_by,
    )  # fmt: skip
    same = exit_intent(exit_due, book, at(60), "c-2")
    assert intent.client_order_id == same.client_order_id
    others = [
        exit_intent(exit_due, book, at(24 * 60), ""),
        exit_intent(DueExit("AAPL", "holding_time", ""), book, NOON, ""),
        exit_intent(exit_due, holding("another"), NOON, ""),
    ]
    assert 4 == len({intent.client_order_id, *(other.client_order_id for other in others)})


def test_a_flatten_ends_the_entries_at_the_broker() -> None:
    """They would buy again at the next open; one not sent yet is stopped by the trading state."""
    orders = [
        an_order(client_order_id="live", status="new"),
        an_order(client_order_id="partly", status="partially_filled"),
        an_order(client_order_id="unsent", status="intended"),
        an_order(client_order_id="leg", status="new", purpose=OrderPurpose.LEG),
    ]
    assert ["live", "partly"] == entries_to_cancel(holding(flatten_since=NOON), orders, RiskLimits())
    assert [] == entries_to_cancel(holding(), orders, RiskLimits())


def test_a_halt_ends_the_entries_that_have_bought_nothing() -> None:
    """One that is filled in part brings its stop with its last share; cancelled it would stay bare."""
    orders = [
        an_order(client_order_id="live", status="new"),
        an_order(client_order_id="partly", status="partially_filled", filled_quantity=Decimal(3)),
        an_order(client_order_id="unsent", status="intended"),
        an_order(client_order_id="leg", status="new", purpose=OrderPurpose.LEG),
        an_order(client_order_id="sale", status="new", purpose=OrderPurpose.EXIT),
    ]
    halted = holding(trading_state=TradingState.HALTED)
    assert ["live"] == entries_to_cancel(halted, orders, RiskLimits())
    assert [] == entries_to_cancel(halted, orders, RiskLimits(cancel_entries_when_halted=False))
    assert [] == entries_to_cancel(holding(trading_state=TradingState.REDUCING), orders, RiskLimits())


def an_end(identifier: str, minutes_ago: int, status: str, step: ExitStep = ExitStep.DONE) -> Order:
    """An exit as it was so many minutes before noon."""
    then = NOON - timedelta(minutes=minutes_ago)
    return an_order(client_order_id=identifier, status=status, exit_step=step, updated_at=then)


def test_an_exit_that_came_to_nothing_is_followed_by_another() -> None:
    """Refused, halted half way or raced by an entry: what is due is sold the same day, ever later."""
    book, everything = holding(), DueExit("AAPL", "flatten", "everything")
    orders: dict[str, Order] = {}

    def following() -> str | None:
        intent = next_exit(everything, book, NOON, "", orders.get)
        return None if intent is None else intent.client_order_id

    for pause, status in ((1, "rejected"), (2, "filled"), (4, "canceled")):
        sent = following()
        assert sent is not None
        assert sent not in orders
        for going_on in (an_end(sent, 9, "new", ExitStep.SELL), an_end(sent, 9, status, ExitStep.PROTECT)):
            orders[sent] = going_on
            assert sent == following()
        orders[sent] = an_end(sent, pause - 1, status)
        assert following() is None
        orders[sent] = an_end(sent, pause, status)
    assert 4 == len({*orders, following()})
    orders[sent] = an_end(sent, -60, "canceled")  # the market's clock was set back by an hour since
    assert following() not in {None, sent}
