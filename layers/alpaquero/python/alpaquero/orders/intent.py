"""An intent: what someone wants traded, before risk has judged it.

Made by `signal/conclude` and the orders API; read from the FIFO queue by `trading/execute`. Its
client order id is a function of its content, so sending it twice is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from alpaquero.orders.identity import client_order_id


class Side(StrEnum):
    """Buy or sell, in Alpaca's words."""

    BUY = "buy"
    SELL = "sell"


class Origin(StrEnum):
    """Who asked: the strategy, a person, a risk rule, or the repair of a missing stop."""

    SIGNAL = "sig"
    MANUAL = "man"
    RISK = "risk"
    PROTECT = "prot"


class Purpose(StrEnum):
    """What for: an entry opens or grows a position, an exit shrinks or closes it."""

    ENTRY = "entry"
    EXIT = "exit"


class OrderType(StrEnum):
    """Alpaca's order types."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class OrderClass(StrEnum):
    """Alpaca's order classes; what Alpaca writes as an empty string is `simple` here."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class TimeInForce(StrEnum):
    """Alpaca's times in force."""

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"


_NEEDS_LIMIT = {OrderType.LIMIT, OrderType.STOP_LIMIT}
_NEEDS_STOP = {OrderType.STOP, OrderType.STOP_LIMIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is wanted, from whom, and until when. Prices are dollars a share, raw (not split-adjusted).

    `quantity` None means: sized by risk (an entry), the whole position (an exit). `bar_close` and
    `valid_until` are market time. Raises `ValueError` for an intent no broker could take.
    """

    account: str
    origin: Origin
    purpose: Purpose
    symbol: str
    side: Side
    key: str
    revision: int = 0
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    strategy: str | None = None
    timeframe: str | None = None
    bar_close: datetime | None = None
    valid_until: datetime | None = None
    reference_price: Decimal | None = None
    strength: int | None = None
    reason: str = ""
    requested_by: str = "strategy"
    run_id: str | None = None
    correlation_id: str = ""

    def __post_init__(self) -> None:
        client_order_id(self.origin, self.symbol, self.key, self.revision)
        for name in ("quantity", "limit_price", "stop_price", "reference_price"):
            value: Decimal | None = getattr(self, name)
            if value is not None and not (value.is_finite() and value > 0):
                raise ValueError(f"{name} is {value}; it must be a number above 0")
        if self.order_type is OrderType.TRAILING_STOP:
            raise ValueError("an intent carries no trail; use order_type market, limit, stop or stop_limit")
        if (self.limit_price is not None) != (self.order_type in _NEEDS_LIMIT):
            raise ValueError("limit_price goes with the order types limit and stop_limit, and only with them")
        if (self.stop_price is not None) != (self.order_type in _NEEDS_STOP):
            raise ValueError("stop_price goes with the order types stop and stop_limit, and only with them")
        for name in ("bar_close", "valid_until"):
            at: datetime | None = getattr(self, name)
            if at is not None and at.tzinfo is None:
                raise ValueError(f"{name} must carry a time zone; pass an aware UTC datetime")

    @property
    def client_order_id(self) -> str:
        """The id the broker gets; see `alpaquero.orders.identity`."""
        return client_order_id(self.origin, self.symbol, self.key, self.revision)
