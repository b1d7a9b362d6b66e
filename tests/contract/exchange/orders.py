"""Orders that several tests of the exchange place."""

from __future__ import annotations

from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest, StopLossRequest, TakeProfitRequest


def bracket(
    symbol: str,
    client_order_id: str | None = None,
    *,
    shares: int = 10,
    target: float = 105,
    stop: float = 95,
) -> MarketOrderRequest:
    """A gtc bracket with a market entry."""
    return MarketOrderRequest(
        symbol=symbol,
        qty=shares,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.GTC,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=target),
        stop_loss=StopLossRequest(stop_price=stop),
        client_order_id=client_order_id,
    )
