"""What the matcher is given and what it answers: orders, spans of prices, terms, quotes and fills.

The paper exchange and the backtest build these; `alpaquero.simulation.fills` works on them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import msgspec

from alpaquero.orders.kinds import OrderType, Side, TimeInForce
from alpaquero.quickly_made import dataclass
from alpaquero.words import Word

_LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPPED = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_TRAILING_STOP = OrderType.TRAILING_STOP  # Python 3.11 takes ten times as long to find it in its enum


class Moment(Word):
    """When in a span a fill happened: at its first price, at some time inside it, or at its last price."""

    START = "start"
    INSIDE = "inside"
    END = "end"


class Workable(Protocol):
    """What the matcher reads of an order; see `WorkingOrder` for the fields."""

    @property
    def client_order_id(self) -> str: ...
    @property
    def side(self) -> Side: ...
    @property
    def type(self) -> OrderType: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def filled_quantity(self) -> Decimal: ...
    @property
    def limit_price(self) -> Decimal | None: ...
    @property
    def stop_price(self) -> Decimal | None: ...
    @property
    def triggered(self) -> bool: ...
    @property
    def time_in_force(self) -> TimeInForce: ...
    @property
    def notional(self) -> Decimal | None: ...
    @property
    def trail_price(self) -> Decimal | None: ...
    @property
    def trail_percent(self) -> Decimal | None: ...
    @property
    def high_water_mark(self) -> Decimal | None: ...


class WorkingOrder(msgspec.Struct, frozen=True, gc=False):
    """An order as the matcher reads it. Quantities in shares, prices in dollars.

    `triggered` is true once the stop of a stop, stop-limit or trailing-stop order was reached in an
    earlier span: such an order goes on as a market or a limit order. An order with a `notional` is for
    that many dollars; its `quantity` is then the most that a sale may take. A trailing stop has either
    `trail_price` (dollars) or `trail_percent`, and the `high_water_mark` it trails from: the highest
    price seen (a sale) or the lowest (a purchase).
    """

    client_order_id: str
    side: Side
    type: OrderType
    quantity: Decimal
    filled_quantity: Decimal = Decimal(0)
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    triggered: bool = False
    time_in_force: TimeInForce = TimeInForce.DAY
    notional: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    high_water_mark: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse an order that lacks the price its type needs."""
        if self.limit_price is None and self.type in _LIMITED:
            raise self._lacks("a limit_price")
        if self.stop_price is None and self.type in _STOPPED:
            raise self._lacks("a stop_price")
        if self.type is not _TRAILING_STOP:
            return
        if (self.trail_price is None) is (self.trail_percent is None):
            raise self._lacks("one of trail_price and trail_percent")
        if self.high_water_mark is None:
            raise self._lacks("a high_water_mark")

    def _lacks(self, what: str) -> ValueError:
        return ValueError(f"order {self.client_order_id}: give a {self.type} order {what}")


class PriceSpan(msgspec.Struct, frozen=True, gc=False):
    """A stretch of traded prices: first, extremes, last, and whether it begins or ends a session."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    starts_session: bool = False
    ends_session: bool = False

    @property
    def reading(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """The four prices in the order that a candle is usually read.

        The low comes first when the span closed at or above its open, else the high.
        """
        if self.close >= self.open:
            return self.open, self.low, self.high, self.close
        return self.open, self.high, self.low, self.close


@dataclass(frozen=True, slots=True)
class MatchingTerms:
    """What fills depend on besides the order and the prices."""

    seed: int
    half_spread_bps: Decimal = Decimal(1)
    partial_fill_probability: float = 0.0


class Quote(msgspec.Struct, frozen=True, gc=False):
    """Bid and ask, each on its price step."""

    bid: Decimal
    ask: Decimal


class Fill(msgspec.Struct, frozen=True, gc=False):
    """Shares traded at a price, and when in the span."""

    quantity: Decimal
    price: Decimal
    moment: Moment
