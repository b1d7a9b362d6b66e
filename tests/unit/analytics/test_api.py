"""Performance, round trips and the equity curve as the routes answer them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.events.schemas import EquityMarked
from alpaquero.orders.intent import Side
from alpaquero.portfolio.trades import Trade
from alpaquero.store import analytics
from functions.analytics import api

Call = Callable[..., tuple[int, Any]]
AT = datetime(2026, 11, 20, 15, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("tables")


def trade(number: int, pnl: str) -> Trade:
    one = Decimal(1)
    return Trade(
        symbol="AAPL", side=Side.BUY, quantity=one, opened_at=AT, closed_at=AT + timedelta(days=number),
        entry_price=Decimal(100), exit_price=100 + Decimal(pnl), pnl=Decimal(pnl), pnl_percent=Decimal(pnl),
        reason="take_profit",
    )  # fmt: skip


def mark(number: int, equity: str) -> EquityMarked:
    return EquityMarked(
        id=f"mark:{number}", occurred_at=AT + timedelta(days=number), equity=Decimal(equity), cash=Decimal(1),
        peak_equity=Decimal(110), drawdown_percent=Decimal("1.5"),
    )  # fmt: skip


def test_the_summary_of_nothing_has_no_ratios(call: Call) -> None:
    """Before the first trade and mark there is nothing to divide by."""
    status, answer = call(api.app, "/api/analytics/summary")
    assert (status, answer["trades"], answer["win_rate_percent"], answer["since"]) == (200, 0, None, None)


def test_the_summary_is_over_all_trades_and_marks(call: Call) -> None:
    """Wins, losses, return and the deepest drawdown follow from what is stored."""
    analytics.save_trades("paper", "AAPL", [trade(1, "6"), trade(2, "-3"), trade(3, "6")], fills=6)
    for number, equity in enumerate(("100", "110", "99", "109")):
        analytics.save_mark("paper", mark(number, equity))
    status, answer = call(api.app, "/analytics/analytics/summary")
    assert status == 200
    assert {name: Decimal(answer[name]) for name in ("realised_pnl", "profit_factor", "average_loss")} == {
        "realised_pnl": Decimal(9),
        "profit_factor": Decimal(4),
        "average_loss": Decimal(-3),
    }
    assert (answer["wins"], answer["losses"], answer["win_rate_percent"]) == (2, 1, "66.6667")
    assert (answer["total_return_percent"], answer["max_drawdown_percent"]) == ("9.0000", "10.0000")


@pytest.mark.parametrize(
    ("route", "field", "whole"),
    [
        ("/api/analytics/trades", "pnl", ["5", "4", "3", "2", "1"]),
        ("/api/analytics/pnl-history", "equity", ["105", "104", "103", "102", "101"]),
    ],
)
def test_lists_page_from_the_newest_to_the_oldest(
    call: Call, route: str, field: str, whole: list[str]
) -> None:
    """Following `next` gives every item once, newest first."""
    analytics.save_trades("paper", "AAPL", [trade(n, str(n)) for n in range(1, 6)], fills=10)
    for number in range(1, 6):
        analytics.save_mark("paper", mark(number, str(100 + number)))
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        status, page = call(api.app, route, query=query)
        assert status == 200
        seen += [item[field] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == whole


def test_a_cursor_that_is_not_ours_is_refused(call: Call) -> None:
    """A made-up cursor answers 400 with the field."""
    status, answer = call(api.app, "/api/analytics/trades", query={"cursor": "bm9uc2Vuc2U"})
    assert (status, answer["error"]["details"]["field"]) == (400, "cursor")
