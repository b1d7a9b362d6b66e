"""How many shares an entry buys: whole shares, what its method wants, within the tightest cap.

Called by `alpaquero.risk.rules`. The methods: a percentage of equity at risk to the stop
(`equity_at_risk`), a fixed fraction of equity (`fixed_fraction`), and the first with a stop a
multiple of the average true range away (`atr`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from alpaquero.orders.intent import Purpose
from alpaquero.prices.ticks import Direction, round_price
from alpaquero.quickly_made import dataclass, maker
from alpaquero.risk.book import RiskBook
from alpaquero.risk.limits import HUNDRED, UNKNOWN_SECTOR, RiskLimits, SizingMethod

_ZERO = Decimal(0)
# Python 3.11 takes ten times as long to find a member in its enum.
_ATR, _FIXED_FRACTION = SizingMethod.ATR, SizingMethod.FIXED_FRACTION
_UP, _DOWN = Direction.UP, Direction.DOWN


class Cap(msgspec.Struct, frozen=True, gc=False):
    """A limit on what an entry may cost, in dollars, and how much of it is used already."""

    limit: Decimal
    used: Decimal

    @property
    def left(self) -> Decimal:
        """Dollars an entry may still cost; negative when the limit is passed already."""
        return self.limit - self.used


@dataclass(frozen=True, slots=True)
class Sizing:
    """Whole shares, and the cap that decided.

    `by_method` is what the method and the risk allow, in shares; the others are dollars over `worst_price`.
    """

    quantity: Decimal
    bound_by: str
    by_method: Mapping[str, Decimal]
    others: Mapping[str, Cap]
    worst_price: Decimal

    @property
    def caps(self) -> dict[str, Decimal]:
        """What each cap alone would allow, in shares."""
        others = {code: _whole_shares(cap.left, self.worst_price) for code, cap in self.others.items()}
        return {**self.by_method, **others}


_sized = maker(Sizing)


def percent_of(value: Decimal, percent: Decimal) -> Decimal:
    """`percent` of `value`."""
    return value * percent / HUNDRED


def reserve_price(price: Decimal, limits: RiskLimits) -> Decimal:
    """Dollars a share to count an entry at: `price` and the margin for a gap up at the open."""
    return price + percent_of(price, limits.entry_reserve_margin_percent)


def sector_exposure(sector: str, book: RiskBook, limits: RiskLimits) -> Decimal:
    """Dollars held and reserved in the symbols of one sector."""
    held = (abs(p.market_value) for symbol, p in book.positions.items() if limits.sector_of(symbol) == sector)
    entries = (r for r in book.reservations.values() if r.purpose is Purpose.ENTRY)
    reserved = (r.notional for r in entries if limits.sector_of(r.symbol) == sector)
    return sum(held, Decimal(0)) + sum(reserved, Decimal(0))


def caps(symbol: str, book: RiskBook, limits: RiskLimits) -> dict[str, Cap]:
    """What limits the cost of an entry in `symbol`, by the code of its rule.

    Without `buying_power` until the first sync has read the broker's.
    """
    equity, reserved, exposure = book.equity, book.reserved_cash, book.exposure
    sector = limits.sector_of(symbol)
    in_sector = sector_exposure(sector, book, limits) if limits.sectors else exposure
    of_sector = (
        limits.unknown_sector_limit_percent if sector == UNKNOWN_SECTOR else limits.sector_limit_percent
    )
    # Equity must cover a percentage of exposure, so exposure may be this many times equity.
    margin = equity * HUNDRED / limits.maintenance_margin_percent
    in_symbol = book.symbol_exposure(symbol)
    found = {
        "position_limit": Cap(equity * limits.position_limit_percent / HUNDRED, in_symbol),
        "exposure_limit": Cap(equity * limits.total_exposure_limit_percent / HUNDRED, exposure),
        "sector_limit": Cap(equity * of_sector / HUNDRED, in_sector),
        "leverage_limit": Cap(equity * limits.leverage_limit, exposure),
        "cash_reserve": Cap(book.cash - equity * limits.cash_reserve_percent / HUNDRED, reserved),
        "intraday_margin": Cap(margin, exposure),
        "order_notional": Cap(limits.order_notional_limit_dollars, _ZERO),
    }
    if book.buying_power is not None:
        usable = book.buying_power * (HUNDRED - limits.buying_power_reserve_percent) / HUNDRED
        found["buying_power"] = Cap(usable, book.undeducted_cash)
    return found


def stop_distance(price: Decimal, limits: RiskLimits, average_true_range: Decimal | None) -> Decimal | None:
    """Dollars a share from `price` to the stop; None when the method needs a range that is not known."""
    if limits.sizing_method is not _ATR:
        return percent_of(price, limits.stop_loss_percent)
    return None if average_true_range is None else average_true_range * limits.atr_stop_multiple


def size_entry(
    symbol: str,
    *,
    worst_price: Decimal,
    stop_distance: Decimal,
    book: RiskBook,
    limits: RiskLimits,
    known: Mapping[str, Cap] | None = None,
) -> Sizing:
    """Whole shares of `symbol` to buy, counted at `worst_price` dollars against the caps.

    `known` are its `caps`, for a caller that has them already.

    The loss over `stop_distance` dollars a share is at most `equity_at_risk_percent` of equity,
    whatever the method. Of equal caps the one listed first is named.
    """
    at_risk = percent_of(book.equity, limits.equity_at_risk_percent)
    quantity, bound_by = _whole_shares(at_risk, stop_distance), "equity_at_risk"
    whole, found = {bound_by: quantity}, caps(symbol, book, limits) if known is None else known
    if limits.sizing_method is _FIXED_FRACTION:
        fraction = percent_of(book.equity, limits.fixed_fraction_percent)
        whole["fixed_fraction"] = shares = _whole_shares(fraction, worst_price)
        if shares < quantity:
            quantity, bound_by = shares, "fixed_fraction"
    for code, cap in found.items():
        left = cap.limit - cap.used
        if quantity and left < quantity * worst_price:  # so many do not fit
            quantity, bound_by = _whole_shares(left, worst_price), code
    return _sized(quantity, bound_by, whole, found, worst_price)


def _whole_shares(dollars: Decimal, price: Decimal) -> Decimal:
    return dollars // price if dollars > 0 else _ZERO


def stop_loss_price(price: Decimal, distance: Decimal) -> Decimal:
    """The stop of a long entry judged at `price`, on its price step, never nearer than `distance` dollars."""
    return round_price(price - distance, _DOWN)


def take_profit_price(price: Decimal, limits: RiskLimits) -> Decimal:
    """The target of a long entry judged at `price`, on its price step, never nearer than the setting."""
    return round_price(price + percent_of(price, limits.take_profit_percent), _UP)
