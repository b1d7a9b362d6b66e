"""An intent: what someone wants traded, before risk has judged it.

Made by `signal/conclude` and the orders API; read from the FIFO queue by `trading/execute`. Its
client order id is a function of its content, so sending it twice is harmless.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from alpaquero.orders.identity import client_order_id
from alpaquero.orders.kinds import OrderClass, OrderType, Purpose, Side, TimeInForce
from alpaquero.orders.terms import check
from alpaquero.quickly_made import dataclass

__all__ = ["Intent", "OrderClass", "OrderType", "Origin", "Purpose", "Side", "TimeInForce"]


_TIMES = ("bar_close", "valid_until", "asked_at")


class Origin(StrEnum):
    """Who asked: the strategy, a person, a risk rule, or the repair of a missing stop."""

    SIGNAL = "sig"
    MANUAL = "man"
    RISK = "risk"
    PROTECT = "prot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is wanted, from whom, and until when. Prices are dollars a share, raw (not split-adjusted).

    Its size is a `quantity` of shares, `notional` dollars (an entry) or a `percentage` of the
    position (an exit); without any an entry is sized by risk and an exit sells the whole position.
    `order_class` None is a bracket for an entry and simple for an exit. A bracket takes what it lacks of
    `take_profit_price` and `stop_loss_price` from the settings. `forced` sells although another exit
    is under way, which it takes the place of. `bar_close` and `valid_until` are market time; `asked_at`
    is when a person asked, wall time.
    Raises `ValueError` for an intent no broker could take, a `TermsError` where a field is to blame.
    """

    account: str
    origin: Origin
    purpose: Purpose
    symbol: str
    side: Side
    key: str
    revision: int = 0
    order_type: OrderType = OrderType.MARKET
    order_class: OrderClass | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Decimal | None = None
    notional: Decimal | None = None
    percentage: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    extended_hours: bool = False
    forced: bool = False
    strategy: str | None = None
    timeframe: str | None = None
    bar_close: datetime | None = None
    valid_until: datetime | None = None
    asked_at: datetime | None = None
    reference_price: Decimal | None = None
    strength: int | None = None
    reason: str = ""
    requested_by: str = "strategy"
    run_id: str | None = None
    correlation_id: str = ""

    def __post_init__(self) -> None:
        client_order_id(self.origin, self.symbol, self.key, self.revision)
        check(self)
        for at in (self.bar_close, self.valid_until, self.asked_at):
            if at is not None and at.tzinfo is None:
                name = next(name for name in _TIMES if getattr(self, name) is at)
                raise ValueError(f"{name} must carry a time zone; pass an aware UTC datetime")

    @property
    def kind(self) -> OrderClass:
        """The class it is ordered as."""
        if self.order_class is not None:
            return self.order_class
        return OrderClass.BRACKET if self.purpose is Purpose.ENTRY else OrderClass.SIMPLE

    @property
    def client_order_id(self) -> str:
        """The id the broker gets; see `alpaquero.orders.identity`."""
        return client_order_id(self.origin, self.symbol, self.key, self.revision)
