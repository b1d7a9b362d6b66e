"""Which positions risk itself wants sold, and the intents that sell them.

Called by `risk/monitor` each minute and by the trading state's route when someone asks for a
flatten. What is due stays due until it is sold, so a lost command is sent again the next minute;
an intent's id is the same for one holding, rule and market day, so a repeat places nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from alpaquero.orders.identity import exit_key, is_ours
from alpaquero.orders.intent import Intent, Origin, Purpose, Side
from alpaquero.orders.lifecycle import is_live
from alpaquero.orders.order import Order, OrderPurpose
from alpaquero.risk.activity import Holding
from alpaquero.risk.book import RiskBook, TradingState, market_day
from alpaquero.risk.limits import HUNDRED, RiskLimits

FLATTEN, TRAILING_STOP, HOLDING_TIME = "flatten", "trailing_stop", "holding_time"


@dataclass(frozen=True, slots=True)
class DueExit:
    """A position that must be sold: the rule's code, and what it measured."""

    symbol: str
    code: str
    message: str


def with_highs(book: RiskBook, prices: Mapping[str, Decimal]) -> RiskBook:
    """The book with the highest price of each long position raised to `prices` (regular hours).

    A holding begins its high anew: highs are kept by what names the holding.
    """
    highs = {}
    for symbol in sorted(book.positions):
        name = _name(symbol, book)
        seen = [book.highs[name]] if name in book.highs else []
        seen += [prices[symbol]] if symbol in prices else []
        if seen and book.held_quantity(symbol) > 0:
            highs[name] = max(seen)
    return replace(book, highs=highs)


def due_exits(
    book: RiskBook, limits: RiskLimits, prices: Mapping[str, Decimal], now: datetime
) -> list[DueExit]:
    """The long positions to sell now, one rule each, in order of symbol; none while trading is halted.

    `prices` are the newest of regular hours; a symbol that is being sold already is left out.
    """
    if book.trading_state is TradingState.HALTED:
        return []
    held = [s for s in sorted(book.positions) if book.held_quantity(s) > 0 and not book.exiting(s)]
    found = (_due(symbol, book, limits, prices.get(symbol), now) for symbol in held)
    return [due for due in found if due is not None]


def entries_to_cancel(book: RiskBook, open_orders: Iterable[Order]) -> list[str]:
    """The entries at the broker that a flatten must end, by client order id: they would buy again."""
    if book.flatten_since is None:
        return []
    return [o.client_order_id for o in open_orders if o.purpose is OrderPurpose.ENTRY and is_live(o.status)]


def _due(
    symbol: str, book: RiskBook, limits: RiskLimits, price: Decimal | None, now: datetime
) -> DueExit | None:
    if book.flatten_since is not None:
        return DueExit(symbol, FLATTEN, "everything is to be sold")
    holding = book.activity.holdings.get(symbol)
    if holding is None or not is_ours(holding.episode):
        return None  # someone else's to sell
    high = book.highs.get(_name(symbol, book))
    if limits.trailing_stop_percent and price is not None and high:
        below = (high - price) * HUNDRED / high
        if below >= limits.trailing_stop_percent:
            return DueExit(symbol, TRAILING_STOP, f"{price} is {below:.2f}% below the highest, {high}")
    if limits.maximum_holding_days:
        age = now - holding.since
        if age >= timedelta(days=limits.maximum_holding_days):
            return DueExit(symbol, HOLDING_TIME, f"held for {age.days} days")
    return None


def _name(symbol: str, book: RiskBook) -> str:
    holding = book.activity.holdings.get(symbol)
    return f"{symbol}:{holding.episode}" if holding else symbol


def exit_intent(due: DueExit, book: RiskBook, now: datetime, correlation_id: str) -> Intent:
    """The intent that sells the whole position, good for the market day of `now` by its id."""
    holding = book.activity.holdings.get(due.symbol, Holding(now, "unknown"))
    episode = f"{due.code}:{holding.episode}:{book.flatten_since or ''}:{market_day(now)}"
    return Intent(
        account=book.account,
        origin=Origin.RISK,
        purpose=Purpose.EXIT,
        symbol=due.symbol,
        side=Side.SELL,
        key=exit_key(book.account, due.symbol, episode),
        reason=f"{due.code}: {due.message}",
        requested_by="risk",
        correlation_id=correlation_id,
    )
