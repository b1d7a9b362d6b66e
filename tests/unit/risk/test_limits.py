"""The risk limits have the documented defaults and refuse what makes no sense."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from alpaquero.risk.limits import Blackout, RiskLimits, SizingMethod
from alpaquero.store.tables import from_body, to_body

OWNERS = {
    "stop_loss_percent": 3,
    "take_profit_percent": 6,
    "equity_at_risk_percent": 2,
    "position_limit_percent": 10,
    "total_exposure_limit_percent": 95,
    "sector_limit_percent": 25,
    "drawdown_limit_percent": 15,
    "cash_reserve_percent": 5,
    "leverage_limit": 1,
    "one_position_per_symbol": True,
    "allow_short": False,
}
NUMBERS = [f.name for f in fields(RiskLimits) if type(getattr(RiskLimits(), f.name)) in {int, Decimal}]
MAY_BE_NOTHING = [
    "cash_reserve_percent", "entry_reserve_margin_percent", "buying_power_reserve_percent",
    "session_open_delay_minutes", "session_close_margin_minutes", "symbol_cooldown_minutes",
    "loss_streak_limit_trades", "stop_guard_limit_stops", "trailing_stop_percent", "maximum_holding_days",
]  # fmt: skip
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def limits(**changes: Any) -> RiskLimits:
    """The defaults but for `changes`."""
    return RiskLimits(**changes)


def test_the_defaults_are_the_owners() -> None:
    """Every limit that the requirements name has their number."""
    defaults = RiskLimits()
    assert OWNERS == {name: getattr(defaults, name) for name in OWNERS}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["-0.01", "1000000001"])
def test_a_limit_out_of_range_is_refused_by_name(name: str, value: str) -> None:
    """The message names the setting and the range, so that it can be corrected."""
    with pytest.raises(ValueError, match=rf"^{name} is .*; set it"):
        limits(**{name: Decimal(value)})


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_limit_is_a_number(value: str) -> None:
    """What compares with nothing limits nothing."""
    with pytest.raises(ValueError, match="position_limit_percent is"):
        limits(position_limit_percent=Decimal(value))


@pytest.mark.parametrize("name", MAY_BE_NOTHING)
def test_some_limits_may_be_nothing(name: str) -> None:
    """A reserve of 0 is a choice and a count of 0 switches its rule off; a stop of 0 is a mistake."""
    assert Decimal(0) == getattr(limits(**{name: Decimal(0)}), name)
    with pytest.raises(ValueError, match="stop_loss_percent is 0; set it above 0 to 50"):
        RiskLimits(stop_loss_percent=Decimal(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drawdown_release_percent": Decimal(15)}, "drawdown_release_percent is 15; set it below"),
        ({"one_open_entry_per_symbol": False}, "two open entries would make two positions"),
        ({"locked_symbols": ("aapl",)}, "locked_symbols holds 'aapl'"),
        ({"sectors": {"A-B": "energy"}}, "sectors holds 'A-B'"),
        ({"sectors": {"XOM": " "}}, "sectors gives XOM the sector ' '"),
        ({"sectors": {"XOM": "unknown"}}, "name one or leave it out"),
        ({"locked_symbols": ("A",) * 5001}, "locked_symbols holds over 5000 entries"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes: dict[str, Any], message: str) -> None:
    """The message says which, and what to write instead."""
    with pytest.raises(ValueError, match=message):
        limits(**changes)


@pytest.mark.parametrize(
    ("symbol", "start", "end"),
    [
        ("aapl", NEW_YEAR, NEW_YEAR),
        ("AAPL", NEW_YEAR, NEW_YEAR - timedelta(seconds=1)),
        ("AAPL", NEW_YEAR.replace(tzinfo=None), NEW_YEAR),
    ],
)
def test_a_blackout_that_no_moment_lies_in_is_refused(symbol: str, start: datetime, end: datetime) -> None:
    """Nor one of no symbol, nor one whose hours are anybody's guess."""
    with pytest.raises(ValueError, match="blackout"):
        Blackout(symbol=symbol, start=start, end=end)


def test_limits_survive_the_settings_table() -> None:
    """Lists, maps and methods come back as they were saved."""
    given = RiskLimits(
        sizing_method=SizingMethod.ATR,
        sectors={"XOM": "energy"},
        locked_symbols=("IBM",),
        blackouts=(Blackout(symbol="*", start=NEW_YEAR, end=NEW_YEAR, reason="announcement"),),
    )
    assert given == from_body(to_body(given), RiskLimits)


def test_short_selling_cannot_be_switched_on_unnoticed() -> None:
    """A setting that nothing obeys is refused, not ignored."""
    with pytest.raises(ValueError, match="not supported yet"):
        RiskLimits(allow_short=True)


def test_a_stored_setting_out_of_range_is_refused() -> None:
    """A stop written as a fraction of the wrong scale does not slip in through the table."""
    with pytest.raises(msgspec.ValidationError, match="stop_loss_percent is 300"):
        msgspec.json.decode(b'{"stop_loss_percent": "300"}', type=RiskLimits)
