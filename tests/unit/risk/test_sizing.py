"""Entries are sized in whole shares by the tightest cap, and never cost more than there is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpaquero.risk.limits import RiskLimits, SizingMethod
from alpaquero.risk.sizing import (
    Sizing,
    reserve_price,
    size_entry,
    stop_distance,
    stop_loss_price,
    take_profit_price,
)
from tests.unit.risk.builders import a_book, entry, held

NO_MARGIN = {"entry_reserve_margin_percent": Decimal(0)}


def size(
    book: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    price: str = "100",
    average_true_range: str | None = None,
) -> Sizing:
    """The size of an AAPL entry at `price`."""
    given_limits = RiskLimits(**(NO_MARGIN if limits is None else limits))
    at = Decimal(price)
    distance = stop_distance(at, given_limits, Decimal(average_true_range) if average_true_range else None)
    assert distance is not None
    return size_entry(
        "AAPL",
        worst_price=reserve_price(at, given_limits),
        stop_distance=distance,
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
        "sector_limit": Decimal(4000),
        "leverage_limit": Decimal(1000),
        "cash_reserve": Decimal(950),
        "intraday_margin": Decimal(3333),
        "order_notional": Decimal(1000),
        "buying_power": Decimal(123),
    } == size({"buying_power": Decimal(12_345)}).caps


@pytest.mark.parametrize(
    ("limits", "average_true_range", "quantity", "bound_by"),
    [
        # 0.15% of 100,000 dollars are 150: 50 shares to a stop 3 dollars away, 30 to one 5 away
        ({"sizing_method": SizingMethod.EQUITY_AT_RISK}, None, 50, "equity_at_risk"),
        ({"sizing_method": SizingMethod.ATR}, "2.5", 30, "equity_at_risk"),
        ({"sizing_method": SizingMethod.ATR, "atr_stop_multiple": Decimal(1)}, "2.5", 60, "equity_at_risk"),
        ({"sizing_method": SizingMethod.ATR}, "0.5", 100, "position_limit"),
        ({"sizing_method": SizingMethod.FIXED_FRACTION}, None, 50, "equity_at_risk"),
        (
            {"sizing_method": SizingMethod.FIXED_FRACTION, "fixed_fraction_percent": Decimal(4)},
            None,
            40,
            "fixed_fraction",
        ),
        (
            {
                "sizing_method": SizingMethod.FIXED_FRACTION,
                "fixed_fraction_percent": Decimal("4.0999"),
            },
            None,
            40,
            "fixed_fraction",
        ),
    ],
)
def test_each_method_has_its_size(
    limits: dict[str, Any], average_true_range: str | None, quantity: int, bound_by: str
) -> None:
    """Risk to the stop, a fraction of equity, or risk to a stop as far as the market ranges; all capped."""
    given_limits = {**NO_MARGIN, "equity_at_risk_percent": Decimal("0.15"), **limits}
    sized = size(limits=given_limits, average_true_range=average_true_range)
    assert (Decimal(quantity), bound_by) == (sized.quantity, sized.bound_by)


@pytest.mark.parametrize(
    ("changes", "quantity", "bound_by"),
    [
        ({"order_notional_limit_dollars": Decimal("999.99")}, 9, "order_notional"),
        ({"order_notional_limit_dollars": Decimal(1000)}, 10, "order_notional"),
        ({"sectors": {"AAPL": "technology"}, "sector_limit_percent": Decimal("1.5")}, 15, "sector_limit"),
        ({"maintenance_margin_percent": Decimal(100), "leverage_limit": Decimal(2)}, 100, "position_limit"),
    ],
)
def test_new_caps_decide_too(changes: dict[str, Any], quantity: int, bound_by: str) -> None:
    """A size never fails a rule that caps it."""
    sized = size(limits={**NO_MARGIN, **changes})
    assert (Decimal(quantity), bound_by) == (sized.quantity, sized.bound_by)


def test_without_a_range_there_is_no_distance() -> None:
    """The method that needs the average true range does not fall back to another."""
    assert stop_distance(Decimal(100), RiskLimits(sizing_method=SizingMethod.ATR), None) is None


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
    distance = stop_distance(price, limits, None)
    assert distance is not None
    sized = size_entry("AAPL", worst_price=worst, stop_distance=distance, book=book, limits=limits)
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
    distance = stop_distance(Decimal(price), limits, None)
    assert distance is not None
    assert (Decimal(stop), Decimal(target)) == (
        stop_loss_price(Decimal(price), distance),
        take_profit_price(Decimal(price), limits),
    )
