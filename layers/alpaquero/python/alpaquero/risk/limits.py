"""The risk limits: settings with their unit in their name, checked when they are read.

`alpaquero.store.trading_settings` reads them from the Settings table; `alpaquero.risk.rules` and
`risk/monitor` apply them. Percentages are of equity unless the name says otherwise; 3 means 3%.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

HUNDRED = Decimal(100)

# Each limit's lowest and highest value; the lowest is allowed where the third is True.
_RANGES = {
    "stop_loss_percent": (Decimal(0), Decimal(50), False),
    "take_profit_percent": (Decimal(0), Decimal(500), False),
    "equity_at_risk_percent": (Decimal(0), HUNDRED, False),
    "position_limit_percent": (Decimal(0), HUNDRED, False),
    "total_exposure_limit_percent": (Decimal(0), Decimal(400), False),
    "sector_limit_percent": (Decimal(0), HUNDRED, False),
    "drawdown_limit_percent": (Decimal(0), HUNDRED, False),
    "cash_reserve_percent": (Decimal(0), HUNDRED, True),
    "leverage_limit": (Decimal(0), Decimal(4), False),
    "entry_reserve_margin_percent": (Decimal(0), Decimal(50), True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The limits of an account. Raises `ValueError` naming the setting and its range.

    `stop_loss_percent`, `take_profit_percent`: of the price the entry was judged at.
    `equity_at_risk_percent`: what the stop may lose of equity.
    `entry_reserve_margin_percent`: an entry is counted this much above the price it was judged
    at, because a market order that queues overnight may open higher than it closed.
    `leverage_limit`: exposure as a multiple of equity.
    `sector_limit_percent` is kept and shown, but no rule judges it: we know no sectors.
    """

    stop_loss_percent: Decimal = Decimal(3)
    take_profit_percent: Decimal = Decimal(6)
    equity_at_risk_percent: Decimal = Decimal(2)
    position_limit_percent: Decimal = Decimal(10)
    total_exposure_limit_percent: Decimal = Decimal(95)
    sector_limit_percent: Decimal = Decimal(25)
    drawdown_limit_percent: Decimal = Decimal(15)
    cash_reserve_percent: Decimal = Decimal(5)
    leverage_limit: Decimal = Decimal(1)
    entry_reserve_margin_percent: Decimal = Decimal(2)
    one_position_per_symbol: bool = True
    allow_short: bool = False

    def __post_init__(self) -> None:
        for name, (low, high, low_allowed) in _RANGES.items():
            value: Decimal = getattr(self, name)
            fits = value.is_finite() and (low <= value if low_allowed else low < value) and value <= high
            if not fits:
                bounds = f"{'from' if low_allowed else 'above'} {low} to {high}"
                raise ValueError(f"{name} is {value}; set it {bounds}")
        if self.allow_short:
            raise ValueError(
                "allow_short is true, and short positions are not supported yet; set it to false"
            )
