"""The risk limits have the documented defaults and refuse what makes no sense."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from alpaquero.risk.limits import RiskLimits

DEFAULTS = {
    "stop_loss_percent": 3,
    "take_profit_percent": 6,
    "equity_at_risk_percent": 2,
    "position_limit_percent": 10,
    "total_exposure_limit_percent": 95,
    "sector_limit_percent": 25,
    "drawdown_limit_percent": 15,
    "cash_reserve_percent": 5,
    "leverage_limit": 1,
    "entry_reserve_margin_percent": 2,
    "one_position_per_symbol": True,
    "allow_short": False,
}


def limits(**changes: Any) -> RiskLimits:
    """The defaults but for `changes`."""
    return RiskLimits(**changes)


def test_the_defaults_are_the_owners() -> None:
    """Every limit has the number the requirements give."""
    assert DEFAULTS == msgspec.to_builtins(RiskLimits(), builtin_types=(Decimal,))


@pytest.mark.parametrize("name", [name for name, value in DEFAULTS.items() if not isinstance(value, bool)])
@pytest.mark.parametrize("value", ["-0.01", "1000", "NaN", "Infinity"])
def test_a_limit_out_of_range_is_refused_by_name(name: str, value: str) -> None:
    """The message names the setting and the range, so that it can be corrected."""
    with pytest.raises(ValueError, match=rf"^{name} is .*; set it"):
        limits(**{name: Decimal(value)})


@pytest.mark.parametrize("name", ["cash_reserve_percent", "entry_reserve_margin_percent"])
def test_a_reserve_may_be_nothing(name: str) -> None:
    """A reserve of 0 is a choice, a stop of 0 is a mistake."""
    assert Decimal(0) == getattr(limits(**{name: Decimal(0)}), name)
    with pytest.raises(ValueError, match="stop_loss_percent is 0; set it above 0 to 50"):
        RiskLimits(stop_loss_percent=Decimal(0))


def test_short_selling_cannot_be_switched_on_unnoticed() -> None:
    """A setting that nothing obeys is refused, not ignored."""
    with pytest.raises(ValueError, match="not supported yet"):
        RiskLimits(allow_short=True)


def test_a_stored_setting_out_of_range_is_refused() -> None:
    """A stop written as a fraction of the wrong scale does not slip in through the table."""
    with pytest.raises(msgspec.ValidationError, match="stop_loss_percent is 300"):
        msgspec.json.decode(b'{"stop_loss_percent": "300"}', type=RiskLimits)
