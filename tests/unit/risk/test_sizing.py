"""Entries are sized in whole shares by the tightest cap, and never cost more than there is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.risk.limits import RiskLimits
from alpaquero.risk.sizing import Sizing, reserve_price, size_entry, stop_loss_price, take_profit_price
from tests.unit.risk.builders import a_book, entry, held

NO_MARGIN = {"entry_reserve_margin_percent": Decimal(0)}


def size(
    book: dict[str, Any] | None = None, limits: dict[str, Any] | None = None, price: str = "100"
) -> Sizing:
    """The size of an AAPL entry at `price`."""
    given_limits = RiskLimits(**(NO_MARGIN if limits is None else limits))
    at = Decimal(price)
    return size_entry(
        "AAPL",
        price=at,
        worst_price=reserve_price(at, given_limits),
        book=a_book(**(book or {})),
        limits=given_limits,
    )


@pytest.mark.parametrize(
    ("book", "limits", "quantity", "bound_by"),
    [
        ({}, NO_MARGIN, 100, "position_limit"),
        ({}, {}, 98, "position_limit"),
        ({}, {**NO_MARGIN, "equity_at_risk_percent": Decimal("0.25")}, 83, "equity_at_risk"),
        ({}, {**NO_MARGIN, "equity_at_risk_percent": Decimal("0.3")}, 100, "equity_at_risk"),
        ({"positions": {"IBM": held("1", "90000")}}, NO_MARGIN, 50, "exposure_limit"),
        ({"reservations": {"o": entry("IBM", "93000")}}, NO_MARGIN, 20, "exposure_limit"),
        (
            {"positions": {"IBM": held("1", "90000")}},
            {**NO_MARGIN, "total_exposure_limit_percent": Decimal(200)},
            100,
            "position_limit",
        ),
        (
            {"positions": {"IBM": held("1", "93000")}},
            {**NO_MARGIN, "total_exposure_limit_percent": Decimal(200)},
            70,
            "leverage_limit",
        ),
        ({"cash": Decimal(7000)}, NO_MARGIN, 20, "cash_reserve"),
        ({"cash": Decimal(9000), "reservations": {"o": entry("IBM", "1000")}}, NO_MARGIN, 30, "cash_reserve"),
        ({"cash": Decimal(5099)}, NO_MARGIN, 0, "cash_reserve"),
        ({"cash": Decimal(-1)}, NO_MARGIN, 0, "cash_reserve"),
        ({"positions": {"AAPL": held("10", "1000")}}, NO_MARGIN, 90, "position_limit"),
        ({"equity": Decimal(-5)}, NO_MARGIN, 0, "equity_at_risk"),
    ],
)
def test_the_tightest_cap_decides(
    book: dict[str, Any], limits: dict[str, Any], quantity: int, bound_by: str
) -> None:
    """The size is the least of what each cap allows, and says which one it was."""
    sized = size(book, limits)
    assert (Decimal(quantity), bound_by) == (sized.quantity, sized.bound_by)


def test_each_cap_is_told() -> None:
    """A person can see how far every cap was, not only the one that bound."""
    assert {
        "equity_at_risk": Decimal(666),
        "position_limit": Decimal(100),
        "exposure_limit": Decimal(950),
        "leverage_limit": Decimal(1000),
        "cash_reserve": Decimal(950),
    } == size().caps


@given(
    price=st.decimals("0.01", "5000", places=4),
    cash=st.decimals("-1000", "200000", places=2),
    equity=st.decimals("-1000", "200000", places=2),
    used=st.decimals("0", "100000", places=2),
    margin=st.decimals("0", "10", places=1),
)
def test_no_size_breaks_a_cap(
    price: Decimal, cash: Decimal, equity: Decimal, used: Decimal, margin: Decimal
) -> None:
    """Whole shares, never negative, whose cost with the margin stays within cash, position and exposure."""
    limits = RiskLimits(entry_reserve_margin_percent=margin)
    book = a_book(cash=cash, equity=equity, positions={"IBM": held("1", str(used))})
    worst = reserve_price(price, limits)
    sized = size_entry("AAPL", price=price, worst_price=worst, book=book, limits=limits)
    cost = sized.quantity * worst
    assert sized.quantity >= 0
    assert sized.quantity == int(sized.quantity)
    if sized.quantity:
        assert cost <= cash - equity * 5 / 100
        assert cost <= equity * 10 / 100
        assert used + cost <= equity * 95 / 100


def test_an_entry_is_reserved_above_its_price() -> None:
    """A market order that queues overnight may open higher, so 2% more than the close is set aside."""
    assert Decimal("102.00") == reserve_price(Decimal("100.00"), RiskLimits()).quantize(Decimal("0.01"))


@pytest.mark.parametrize(
    ("price", "stop", "target"),
    [
        ("100", "97.00", "106.00"),
        ("99.99", "96.99", "105.99"),
        ("33.33", "32.33", "35.33"),
        ("33.37", "32.36", "35.38"),
        ("0.5", "0.4850", "0.5300"),
        ("1.02", "0.9894", "1.09"),
    ],
)
def test_stop_and_target_lie_on_the_price_grid(price: str, stop: str, target: str) -> None:
    """3% below and 6% above, rounded away from the price: to the cent from a dollar on, else finer."""
    limits = RiskLimits()
    assert (Decimal(stop), Decimal(target)) == (
        stop_loss_price(Decimal(price), limits),
        take_profit_price(Decimal(price), limits),
    )
