"""Orders that someone else placed: what we can keep is kept, what we cannot never stops a sync."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.broker.alpaca import AlpacaSubmitter
from alpaquero.broker.market_data import AlpacaMarketData
from alpaquero.broker.records import UnmodelledOrder, adopted
from alpaquero.errors import BrokerUnclear
from alpaquero.orders.intent import OrderType
from alpaquero.orders.order import Order, OrderOrigin
from tests.fakes.http_server import Reply, ScriptedServer
from tests.unit.broker.payloads import order

NOW = datetime(2026, 1, 5, 15, tzinfo=UTC)
# An options spread: the order itself has neither symbol nor side, its legs have both.
SPREAD = order(
    id="spread",
    client_order_id="by-hand",
    order_class="mleg",
    symbol="",
    side="",
    type="limit",
    limit_price="1.20",
    legs=[order(id="leg", client_order_id="leg", symbol="AAPL260116C00200000", asset_class="us_option")],
)


def test_an_options_spread_hides_no_other_order(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """A list with an order of a class we do not model is read whole."""
    server.script = [Reply(200, [SPREAD, order()])]
    spread, ours = broker.open_orders()
    assert (spread.order_class, spread.symbol, spread.side) == ("mleg", "", "")
    assert spread.legs[0].asset_class == "us_option"
    assert ours.symbol == "AAPL"


@pytest.mark.parametrize("missing", [{"symbol": None}, {"side": None}, {"symbol": "", "side": ""}], ids=str)
def test_an_order_of_ours_has_symbol_and_side(
    broker: AlpacaSubmitter, server: ScriptedServer, missing: dict[str, Any]
) -> None:
    """For the classes that we model a missing field is an answer that makes no sense."""
    server.script = [Reply(200, [order(**missing)])] * 3
    with pytest.raises(BrokerUnclear):
        broker.open_orders()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"order_class": "mleg", "symbol": "", "side": ""}, "side|mleg|Side"),
        ({"order_class": "ladder"}, "ladder"),
        ({"type": "peg", "order_type": "peg"}, "peg"),
        ({"time_in_force": "gtd"}, "gtd"),
    ],
    ids=str,
)
def test_what_the_books_have_no_form_for_is_named_and_not_raised(
    broker: AlpacaSubmitter, server: ScriptedServer, changes: dict[str, Any], why: str
) -> None:
    """Adoption answers an UnmodelledOrder with its ids and the reason."""
    server.script = [Reply(200, [order(client_order_id="by-hand", **changes)])]
    [theirs] = broker.open_orders()
    record = adopted(theirs, "paper", NOW)
    assert isinstance(record, UnmodelledOrder)
    assert (record.id, record.client_order_id) == (theirs.id, "by-hand")
    assert any(part in record.why for part in why.split("|"))


def test_a_trailing_stop_placed_by_hand_is_adopted(broker: AlpacaSubmitter, server: ScriptedServer) -> None:
    """Every type that we model is kept, with whose it is."""
    server.script = [Reply(200, [order(client_order_id="by-hand", type="trailing_stop", trail_price="2")])]
    record = adopted(broker.open_orders()[0], "paper", NOW)
    assert isinstance(record, Order)
    assert (record.origin, record.order_type) == (OrderOrigin.EXTERNAL, OrderType.TRAILING_STOP)


ACTIONS = {
    "forward_splits": [
        {
            "id": "a",
            "symbol": "NVDA",
            "new_rate": 10,
            "old_rate": 1,
            "ex_date": "2026-06-10",
            "process_date": "2026-06-07",
        }
    ],
    "reverse_splits": [
        {
            "id": "b",
            "symbol": "OLD",
            "new_symbol": "NEW",
            "new_rate": 1,
            "old_rate": 8,
            "ex_date": "2026-06-09",
        }
    ],
    "stock_dividends": [{"id": "c", "symbol": "MSFT", "rate": 0.05, "ex_date": "2026-06-08"}],
    "cash_dividends": [{"id": "d", "symbol": "AAPL", "rate": 0.24, "ex_date": "2026-06-08"}],
    "name_changes": [{"id": "e", "old_symbol": "FB", "new_symbol": "META", "process_date": "2026-06-12"}],
    "cash_mergers": [{"id": "f", "acquiree_symbol": "TWTR", "rate": 54.2, "effective_date": "2026-06-13"}],
    "spin_offs": [{"id": "g", "source_symbol": "IBM", "new_symbol": "KD", "ex_date": "2026-06-14"}],
}


def test_corporate_actions_are_read_by_their_effect(
    market_data: AlpacaMarketData, server: ScriptedServer
) -> None:
    """Each kind says how many shares one becomes, what it pays, and the new ticker; oldest first."""
    server.script = [Reply(200, {"corporate_actions": ACTIONS, "next_page_token": None})]
    found = market_data.corporate_actions(["NVDA", "FB"], date(2026, 6, 1), date(2026, 6, 30))
    assert [(one.id, one.symbol, one.share_ratio, one.new_symbol, one.cash) for one in found] == [
        ("d", "AAPL", None, None, Decimal("0.24")),
        ("c", "MSFT", Decimal("1.05"), None, None),
        ("b", "OLD", Decimal("0.125"), "NEW", None),
        ("a", "NVDA", Decimal(10), None, None),
        ("e", "FB", None, "META", None),
        ("f", "TWTR", None, None, Decimal("54.2")),
        ("g", "IBM", None, "KD", None),
    ]
    assert found[0].kind == "cash_dividend"
    [asked] = server.asked
    assert asked.path == "/v1/corporate-actions"
    assert (asked.query["symbols"], asked.query["start"]) == ("NVDA,FB", "2026-06-01")


def test_corporate_actions_come_through_all_pages(
    market_data: AlpacaMarketData, server: ScriptedServer
) -> None:
    """A page token is followed, and pages that do not advance are unclear."""
    first = {"corporate_actions": {"cash_dividends": ACTIONS["cash_dividends"]}, "next_page_token": "t"}
    last = {"corporate_actions": {"forward_splits": ACTIONS["forward_splits"]}, "next_page_token": None}
    server.script = [Reply(200, first), Reply(200, last), Reply(200, first), Reply(200, first)]
    span = (date(2026, 6, 1), date(2026, 6, 30))
    assert [one.id for one in market_data.corporate_actions(["NVDA"], *span)] == ["d", "a"]
    with pytest.raises(BrokerUnclear):
        market_data.corporate_actions(["NVDA"], *span)
