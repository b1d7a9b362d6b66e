"""Which positions risk itself wants sold, and the intents that sell them.

Called by `risk/monitor` each minute and by the trading state's route when someone asks for a
flatten. What is due stays due until it is sold, so a lost command is sent again the next minute;
an intent's id is the same for one holding, rule and market day, so a repeat places nothing; one that
came to nothing is followed by its next revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from alpaquero.orders.identity import exit_key, is_ours
from alpaquero.orders.intent import Intent, Origin, Purpose, Side
from alpaquero.orders.lifecycle import is_live, is_terminal
from alpaquero.orders.order import ExitStep, Order, OrderPurpose
from alpaquero.quickly_made import dataclass
from alpaquero.risk.activity import Holding
from alpaquero.risk.book import RiskBook, TradingState, market_day
from alpaquero.risk.limits import HUNDRED, RiskLimits

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)  # between two exits of a holding
MOST_EXITS = 30  # of one holding, rule and market day
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

    `prices` are the newest of regular hours; a symbol that is being sold already is left out. A flatten
    leaves out only what is sold by force: any other sale may wait for its price for ever.
    """
    if book.trading_state is TradingState.HALTED:
        return []
    held = [s for s in sorted(book.positions) if book.held_quantity(s) > 0]
    found = (_due(symbol, book, limits, prices.get(symbol), now) for symbol in held)
    return [due for due in found if due is not None]


def entries_to_cancel(book: RiskBook, open_orders: Iterable[Order], limits: RiskLimits) -> list[str]:
    """The entries at the broker that would buy although nothing may, by client order id.

    A flatten ends all. A halt ends those that have bought nothing: one that is filled in part brings
    its stop with its last share, and no stop could be placed under the shares of one cancelled.
    """
    entries = [o for o in open_orders if o.purpose is OrderPurpose.ENTRY and is_live(o.status)]
    if book.flatten_since is not None:
        return [order.client_order_id for order in entries]
    if book.trading_state is not TradingState.HALTED or not limits.cancel_entries_when_halted:
        return []
    return [order.client_order_id for order in entries if not order.filled_quantity]


def _due(
    symbol: str, book: RiskBook, limits: RiskLimits, price: Decimal | None, now: datetime
) -> DueExit | None:
    if book.flatten_since is not None:
        is_left = book.free_quantity(symbol, forced=True) > 0
        return DueExit(symbol, FLATTEN, "everything is to be sold") if is_left else None
    if book.exiting(symbol):
        return None
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


def next_exit(
    due: DueExit,
    book: RiskBook,
    now: datetime,
    correlation_id: str,
    look_up: Callable[[str], Order | None],
) -> Intent | None:
    """The intent to send now: the day's first, or once that is over and shares are left, the one after it.

    An exit is over when the broker refused it, someone cancelled it, or it sold less than is held now.
    Each one after another waits twice as long (market time): a sale takes the stop away first. None while
    that lasts. `look_up` finds an order by its client order id.
    """
    pause = FIRST_PAUSE
    for revision in range(MOST_EXITS):
        intent = exit_intent(due, book, now, correlation_id, revision)
        before = look_up(intent.client_order_id)
        if before is None or not _is_over(before):
            return intent
        if timedelta() <= now - before.updated_at < pause:  # below 0 the clock was set back: nothing waits
            return None
        pause = min(pause * 2, LONGEST_PAUSE)
    return None


def _is_over(order: Order) -> bool:
    return is_terminal(order.status) and order.exit_step in {None, ExitStep.DONE}


def exit_intent(
    due: DueExit, book: RiskBook, now: datetime, correlation_id: str, revision: int = 0
) -> Intent:
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
        revision=revision,
        forced=due.code == FLATTEN,
        reason=f"{due.code}: {due.message}",
        requested_by="risk",
        correlation_id=correlation_id,
    )
