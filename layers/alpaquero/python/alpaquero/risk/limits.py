"""The risk limits: settings with their unit in their name, checked when they are read.

`alpaquero.store.trading_settings` reads them from the Settings table; `alpaquero.risk.rules` and
`risk/monitor` apply them. Percentages are of equity unless the name says otherwise; 3 means 3%.
`docs/risk.md` lists each with its default and the rule that applies it.
"""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from alpaquero.prices.symbols import is_symbol
from alpaquero.quickly_made import dataclass

HUNDRED = Decimal(100)
EVERY_SYMBOL = "*"
UNKNOWN_SECTOR = "unknown"
MOST_ENTRIES = 5_000  # of a list in the settings, which are one item of at most 400 KB

_D = Decimal

# Each limit's lowest and highest value; the lowest is allowed where the third is True.
RANGES = {
    "stop_loss_percent": (_D(0), _D(50), False),
    "take_profit_percent": (_D(0), _D(500), False),
    "equity_at_risk_percent": (_D(0), HUNDRED, False),
    "fixed_fraction_percent": (_D(0), HUNDRED, False),
    "atr_period_bars": (_D(2), _D(100), True),
    "atr_stop_multiple": (_D(0), _D(20), False),
    "position_limit_percent": (_D(0), HUNDRED, False),
    "total_exposure_limit_percent": (_D(0), _D(400), False),
    "sector_limit_percent": (_D(0), HUNDRED, False),
    "unknown_sector_limit_percent": (_D(0), _D(400), False),
    "cash_reserve_percent": (_D(0), HUNDRED, True),
    "leverage_limit": (_D(0), _D(4), False),
    "buying_power_reserve_percent": (_D(0), _D(99), True),
    "maintenance_margin_percent": (_D(0), HUNDRED, False),
    "order_notional_limit_dollars": (_D(0), _D(1_000_000_000), False),
    "entry_reserve_margin_percent": (_D(0), _D(50), True),
    "price_collar_percent": (_D(0), _D(50), False),
    "price_age_limit_minutes": (_D(1), _D(390), True),
    "request_validity_minutes": (_D(0), _D(1440), True),
    "open_positions_limit": (_D(1), _D(1000), True),
    "session_open_delay_minutes": (_D(0), _D(180), True),
    "session_close_margin_minutes": (_D(0), _D(180), True),
    "orders_per_minute_limit": (_D(1), _D(200), True),
    "daily_loss_limit_percent": (_D(0), HUNDRED, False),
    "drawdown_limit_percent": (_D(0), HUNDRED, False),
    "drawdown_release_percent": (_D(0), HUNDRED, True),
    "loss_streak_limit_trades": (_D(0), _D(100), True),
    "loss_streak_pause_hours": (_D(1), _D(720), True),
    "stop_guard_limit_stops": (_D(0), _D(100), True),
    "stop_guard_window_hours": (_D(1), _D(720), True),
    "stop_guard_pause_hours": (_D(1), _D(720), True),
    "symbol_cooldown_minutes": (_D(0), _D(43_200), True),
    "trailing_stop_percent": (_D(0), _D(50), True),
    "maximum_holding_days": (_D(0), _D(3650), True),
}


class SizingMethod(StrEnum):
    """How many shares an entry without a quantity wants, before the caps."""

    EQUITY_AT_RISK = "equity_at_risk"  # what the percentage stop may lose is a percentage of equity
    FIXED_FRACTION = "fixed_fraction"  # it costs a percentage of equity
    ATR = "atr"  # as equity_at_risk, with the stop a multiple of the average true range away


class BreachAction(StrEnum):
    """What the monitor does to trading when a limit is broken."""

    TELL = "TELL"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackout:
    """No entry in `symbol` (`*`: any) from `start` to `end`, both included: earnings, an announcement.

    Raises `ValueError` for a window that no moment lies in.
    """

    symbol: str
    start: datetime
    end: datetime
    reason: str = ""

    def __post_init__(self) -> None:
        if self.symbol != EVERY_SYMBOL and not is_symbol(self.symbol):
            raise ValueError(f"blackouts holds {self.symbol[:20]!r}; write symbols as AAPL, or * for all")
        if self.start.tzinfo is None or self.end.tzinfo is None or self.end < self.start:
            raise ValueError(
                f"the blackout of {self.symbol} must start before it ends, both with a time zone"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The limits of an account. Raises `ValueError` naming the setting and its range.

    `stop_loss_percent`, `take_profit_percent`: of the price the entry was judged at.
    `equity_at_risk_percent`: what the stop may lose of equity.
    `entry_reserve_margin_percent`: an entry is counted this much above the price it was judged
    at, because a market order that queues overnight may open higher than it closed.
    `leverage_limit`: exposure as a multiple of equity.
    `buying_power_reserve_percent`: of the broker's buying power, left unused.
    `maintenance_margin_percent`: of exposure, what equity must cover.
    `price_collar_percent`: of the last price. `price_age_limit_minutes` counts open market only.
    `request_validity_minutes`: wall time that a person's request may wait for its verdict.
    `open_positions_limit`: symbols held or being bought; the risk book has room for 1,000.
    `session_open_delay_minutes`, `session_close_margin_minutes`: no entry so soon after the open,
    so close to the close. `sectors` maps symbols to sectors; one that is absent is in `unknown`.
    A count, cooldown, validity, trailing stop or holding time of 0 switches its rule off.
    """

    # what an entry is made of
    sizing_method: SizingMethod = SizingMethod.EQUITY_AT_RISK
    stop_loss_percent: Decimal = Decimal(3)
    take_profit_percent: Decimal = Decimal(6)
    equity_at_risk_percent: Decimal = Decimal(2)
    fixed_fraction_percent: Decimal = Decimal(5)
    atr_period_bars: int = 14
    atr_stop_multiple: Decimal = Decimal(2)
    entry_reserve_margin_percent: Decimal = Decimal(2)
    # how much
    position_limit_percent: Decimal = Decimal(10)
    total_exposure_limit_percent: Decimal = Decimal(95)
    sector_limit_percent: Decimal = Decimal(25)
    unknown_sector_limit_percent: Decimal = Decimal(400)
    sectors: dict[str, str] = field(default_factory=dict)
    cash_reserve_percent: Decimal = Decimal(5)
    leverage_limit: Decimal = Decimal(1)
    buying_power_reserve_percent: Decimal = Decimal(0)
    maintenance_margin_percent: Decimal = Decimal(30)
    order_notional_limit_dollars: Decimal = Decimal(100_000)
    # at what price and when
    price_collar_percent: Decimal = Decimal(5)
    price_age_limit_minutes: int = 60
    request_validity_minutes: int = 15
    allow_entries_while_closed: bool = True
    session_open_delay_minutes: int = 0
    session_close_margin_minutes: int = 5
    blackouts: tuple[Blackout, ...] = ()
    # in what
    open_positions_limit: int = 1000
    one_position_per_symbol: bool = True
    one_open_entry_per_symbol: bool = True
    refuse_wash_trades: bool = True
    allow_short: bool = False
    locked_symbols: tuple[str, ...] = ()
    symbol_cooldown_minutes: int = 60
    # how fast, and after what losses no more
    orders_per_minute_limit: int = 30
    daily_loss_limit_percent: Decimal = Decimal(5)
    daily_loss_action: BreachAction = BreachAction.REDUCING
    drawdown_limit_percent: Decimal = Decimal(15)
    drawdown_release_percent: Decimal = Decimal(10)
    drawdown_action: BreachAction = BreachAction.REDUCING
    loss_streak_limit_trades: int = 6
    loss_streak_pause_hours: int = 24
    stop_guard_limit_stops: int = 4
    stop_guard_window_hours: int = 24
    stop_guard_pause_hours: int = 24
    # what the monitor does to what is held
    protect_missing_stops: bool = True
    cancel_entries_when_halted: bool = True
    trailing_stop_percent: Decimal = Decimal(0)
    maximum_holding_days: int = 0

    def __post_init__(self) -> None:
        for name, (low, high, low_allowed) in RANGES.items():
            value = Decimal(getattr(self, name))
            fits = value.is_finite() and (low <= value if low_allowed else low < value) and value <= high
            if not fits:
                bounds = f"{'from' if low_allowed else 'above'} {low} to {high}"
                raise ValueError(f"{name} is {value}; set it {bounds}")
        self._check_together()
        self._check_lists()

    def _check_together(self) -> None:
        if self.allow_short:
            raise ValueError(
                "allow_short is true, and short positions are not supported yet; set it to false"
            )
        if self.drawdown_release_percent >= self.drawdown_limit_percent:
            raise ValueError(
                f"drawdown_release_percent is {self.drawdown_release_percent}; set it below "
                f"drawdown_limit_percent ({self.drawdown_limit_percent})"
            )
        if self.one_position_per_symbol and not self.one_open_entry_per_symbol:
            raise ValueError(
                "one_open_entry_per_symbol is false, but two open entries would make two positions of "
                "one symbol; set it to true, or one_position_per_symbol to false as well"
            )

    def _check_lists(self) -> None:
        for name in ("locked_symbols", "sectors", "blackouts"):
            if len(getattr(self, name)) > MOST_ENTRIES:
                raise ValueError(f"{name} holds over {MOST_ENTRIES} entries; leave old ones out")
        for name, symbols in (("locked_symbols", self.locked_symbols), ("sectors", tuple(self.sectors))):
            for symbol in symbols:
                if not is_symbol(symbol):
                    raise ValueError(f"{name} holds {symbol[:20]!r}; write symbols as AAPL or BRK.B")
        for symbol, sector in self.sectors.items():
            if not sector.strip() or sector == UNKNOWN_SECTOR:
                raise ValueError(f"sectors gives {symbol} the sector {sector!r}; name one or leave it out")

    def sector_of(self, symbol: str) -> str:
        """The sector of `symbol`, `unknown` when the settings do not say."""
        return self.sectors.get(symbol, UNKNOWN_SECTOR)
