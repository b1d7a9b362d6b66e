"""How many shares an entry buys: whole shares, as many as the tightest cap allows.

Called by `alpaquero.risk.rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from alpaquero.prices.ticks import Direction, round_price
from alpaquero.risk.book import RiskBook
from alpaquero.risk.limits import HUNDRED, RiskLimits


@dataclass(frozen=True, slots=True)
class Sizing:
    """Whole shares, the cap that decided, and what each cap alone would allow (in shares)."""

    quantity: Decimal
    bound_by: str
    caps: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Caps:
    """What limits an entry, in dollars: the limit, and how much of it is used already."""

    position: tuple[Decimal, Decimal]
    exposure: tuple[Decimal, Decimal]
    leverage: tuple[Decimal, Decimal]
    cash: tuple[Decimal, Decimal]


def percent_of(value: Decimal, percent: Decimal) -> Decimal:
    """`percent` of `value`."""
    return value * percent / HUNDRED


def reserve_price(price: Decimal, limits: RiskLimits) -> Decimal:
    """Dollars a share to count an entry at: `price` and the margin for a gap up at the open."""
    return price + percent_of(price, limits.entry_reserve_margin_percent)


def caps(symbol: str, book: RiskBook, limits: RiskLimits) -> Caps:
    """The caps of an entry in `symbol`: limit and used, each in dollars."""
    equity = book.equity
    return Caps(
        position=(percent_of(equity, limits.position_limit_percent), book.symbol_exposure(symbol)),
        exposure=(percent_of(equity, limits.total_exposure_limit_percent), book.exposure),
        leverage=(equity * limits.leverage_limit, book.exposure),
        cash=(book.cash - percent_of(equity, limits.cash_reserve_percent), book.reserved_cash),
    )


def size_entry(
    symbol: str, *, price: Decimal, worst_price: Decimal, book: RiskBook, limits: RiskLimits
) -> Sizing:
    """Whole shares of `symbol` to buy at `price` dollars, counted at `worst_price` against the caps.

    The loss from `price` to the stop is at most `equity_at_risk_percent` of equity. Of equal caps
    the one listed first is named.
    """
    loss_per_share = percent_of(price, limits.stop_loss_percent)
    limit = caps(symbol, book, limits)
    allowed = {
        "equity_at_risk": percent_of(book.equity, limits.equity_at_risk_percent) / loss_per_share,
        "position_limit": (limit.position[0] - limit.position[1]) / worst_price,
        "exposure_limit": (limit.exposure[0] - limit.exposure[1]) / worst_price,
        "leverage_limit": (limit.leverage[0] - limit.leverage[1]) / worst_price,
        "cash_reserve": (limit.cash[0] - limit.cash[1]) / worst_price,
    }
    whole = {name: max(shares, Decimal(0)).to_integral_value(ROUND_FLOOR) for name, shares in allowed.items()}
    bound_by = min(whole, key=whole.__getitem__)
    return Sizing(quantity=whole[bound_by], bound_by=bound_by, caps=whole)


def stop_loss_price(price: Decimal, limits: RiskLimits) -> Decimal:
    """The stop of a long entry judged at `price`, on its price step, never nearer than the setting."""
    return round_price(price - percent_of(price, limits.stop_loss_percent), Direction.DOWN)


def take_profit_price(price: Decimal, limits: RiskLimits) -> Decimal:
    """The target of a long entry judged at `price`, on its price step, never nearer than the setting."""
    return round_price(price + percent_of(price, limits.take_profit_percent), Direction.UP)
