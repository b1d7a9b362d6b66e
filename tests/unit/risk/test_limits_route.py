"""The limits route shows each limit and how much of it the risk book uses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from alpaquero.orders.intent import Purpose, Side
from alpaquero.risk.activity import Activity
from alpaquero.risk.book import HeldPosition, Reservation, RiskBook
from alpaquero.risk.limits import RiskLimits
from alpaquero.store.books import Books
from functions.risk import api

Call = Callable[..., tuple[int, Any]]
BOOK = RiskBook(
    account="paper",
    cash=Decimal(60000),
    equity=Decimal(90000),
    peak_equity=Decimal(100000),
    as_of=datetime(2026, 11, 20, 21, tzinfo=UTC),
    positions={
        "AAPL": HeldPosition(quantity=Decimal(100), market_value=Decimal(18000)),
        "IBM": HeldPosition(quantity=Decimal(-50), market_value=Decimal(-9000)),
    },
    reservations={"c": Reservation("MSFT", Side.BUY, Purpose.ENTRY, Decimal(27000))},
    activity=Activity(
        loss_streak=3,
        stop_exits=(datetime(2026, 11, 19, 21, tzinfo=UTC), datetime(2026, 11, 19, 21, 1, tzinfo=UTC)),
    ),
)

pytestmark = pytest.mark.usefixtures("tables")


def test_what_is_used_is_in_the_unit_of_its_limit(call: Call) -> None:
    """Percentages are of equity, short positions and promised entries count, drawdown is from the peak."""
    Books("paper").commit(risk_book=BOOK)
    status, answer = call(api.app, "/risk/risk/limits")
    assert (status, answer["trading_state"]) == (200, "ACTIVE")
    assert {name: Decimal(value) for name, value in answer["used"].items()} == {
        "position_limit_percent": 30,
        "total_exposure_limit_percent": 60,
        "sector_limit_percent": 0,
        "unknown_sector_limit_percent": 60,
        "leverage_limit": Decimal("0.6"),
        "cash_reserve_percent": Decimal("36.6667"),
        "open_positions_limit": 3,
        "orders_per_minute_limit": 0,
        "daily_loss_limit_percent": 0,
        "drawdown_limit_percent": 10,
        "loss_streak_limit_trades": 3,
        "stop_guard_limit_stops": 1,
    }
    assert answer["used"].keys() <= answer["limits"].keys()
    assert answer["limits"]["drawdown_limit_percent"] == "15"


def test_before_the_first_sync_nothing_is_made_up(call: Call) -> None:
    """Without a risk book the answer says when there will be one."""
    status, answer = call(api.app, "/risk/risk/limits")
    assert status == 404
    assert "first sync" in answer["error"]["message"]


def test_an_account_without_equity_uses_nothing() -> None:
    """Zero equity does not divide."""
    empty = RiskBook(
        account="p", cash=Decimal(0), equity=Decimal(0), peak_equity=Decimal(0), as_of=BOOK.as_of
    )
    assert set(api.used(empty, RiskLimits()).values()) == {Decimal(0)}
