"""The price of a stop that goes under shares which have none; for `trading/execute` and the backtest."""

from __future__ import annotations

from decimal import Decimal

from alpaquero.prices.ticks import Direction, round_price


def stop_price_under(
    average_entry_price: Decimal, current_price: Decimal, last_stop: Decimal | None, percent: Decimal
) -> Decimal:
    """The stop for shares held: the last one there was, else `percent` below cost, in dollars a share.

    When the market is there already, a broker refuses such a stop: then `percent` below the market.
    """
    below_cost, below_market = (
        round_price(price * (1 - percent / 100), Direction.DOWN)
        for price in (average_entry_price, current_price)
    )
    wanted = below_cost if last_stop is None else last_stop
    return wanted if wanted < current_price else below_market
