"""At a glance: whether an intent passes every rule for sure; for a backtest's many verdicts.

`in_doubt` names those of the rules `ANSWERED` that may not pass. They are asked one by one, so a glance
refuses nothing. What it looks at is named by the rule it answers for. Called by `assess` when nobody
wants the words of rules that pass.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

from alpaquero.orders.intent import Intent, Purpose, Side
from alpaquero.orders.terms import WAITS
from alpaquero.risk.book import RiskBook, TradingState
from alpaquero.risk.facts import Facts
from alpaquero.risk.limits import HUNDRED, RiskLimits
from alpaquero.risk.proposal import Proposal

# The rules that a glance answers for; any other is asked each time.
ANSWERED = frozenset({
    "trading_state", "market_clock", "market_open", "session_window", "data_freshness", "signal_validity",
    "request_age", "blackout", "direction", "tradable", "symbol_lock", "symbol_cooldown", "price_known",
    "price_collar", "already_held", "open_positions", "duplicate_direction", "wash_trade", "nothing_to_sell",
    "orders_per_minute", "daily_loss", "drawdown", "loss_streak", "stop_guard", "equity_at_risk",
    "order_notional", "position_limit", "exposure_limit", "sector_limit", "leverage_limit", "cash_reserve",
    "buying_power", "intraday_margin", "quantity",
})  # fmt: skip
LOSSES = frozenset({"daily_loss", "drawdown", "loss_streak", "stop_guard"})  # answered for together
NONE = frozenset[str]()
_ONE = Decimal(1)
# Python 3.11 takes ten times as long to find a member in its enum.
_BUY, _SELL, _EXIT, _ACTIVE = Side.BUY, Side.SELL, Purpose.EXIT, TradingState.ACTIVE
_ROUNDED = Decimal("0.0001")  # percent: losses are rounded to so much before they are compared


def in_doubt(proposal: Proposal) -> frozenset[str]:
    """The rules answered for that have to be asked: none where each passes for sure, `LOSSES`, or all."""
    intent, book, limits, facts = proposal.intent, proposal.book, proposal.limits, proposal.facts
    until = intent.valid_until
    if not (
        book.trading_state is _ACTIVE  # trading_state
        and (until is None or facts.now <= until)  # signal_validity
        and intent.asked_at is None  # request_age
    ):
        return ANSWERED
    if intent.purpose is _EXIT:
        return NONE if _sells_what_is_free(proposal) else ANSWERED
    if not (
        intent.side is _BUY  # direction
        and _is_sized_within_bounds(proposal)
        and _trades_in_time(intent, book, limits, facts)
        and _is_alone(intent, book, limits, facts)
    ):
        return ANSWERED
    return NONE if _loses_little(book, limits) else LOSSES


def _sells_what_is_free(proposal: Proposal) -> bool:
    """`direction`, `price_collar` (not for an exit at market), `nothing_to_sell`."""
    intent = proposal.intent
    if intent.side is not _SELL or intent.limit_price is not None or intent.stop_price is not None:
        return False
    return 0 < proposal.quantity <= proposal.book.free_quantity(intent.symbol, forced=intent.forced)


def _is_sized_within_bounds(proposal: Proposal) -> bool:
    """`equity_at_risk`, the caps, `quantity`, `price_known`, `price_collar`.

    What risk sized is whole shares that fit within each bound: see `sizing.size_entry`. A price that
    leaves a dollar under the stop leaves it however it is rounded.
    """
    price, distance, intent, market = (
        proposal.price,
        proposal.stop_distance,
        proposal.intent,
        proposal.facts.market,
    )
    if proposal.bound_by is None or proposal.quantity < _ONE or price is None or distance is None:
        return False
    own = (intent.stop_loss_price, intent.take_profit_price, intent.limit_price, intent.stop_price)
    if own != (None, None, None, None) or not (distance > 0 and price - distance >= _ONE):
        return False
    return market is not None and market.last is price and market.bid is None and market.ask is None


def _trades_in_time(intent: Intent, book: RiskBook, limits: RiskLimits, facts: Facts) -> bool:
    """`market_clock`, `market_open`, `session_window`, `data_freshness`, `blackout`: it waits for an open."""
    now, sessions, market = facts.now, facts.sessions, facts.market
    if market is None or not sessions or limits.blackouts or limits.session_open_delay_minutes:
        return False
    return (
        book.as_of <= now
        and limits.allow_entries_while_closed
        and intent.time_in_force in WAITS
        and sessions[-1].open > now
        and now - market.at <= _minutes(limits.price_age_limit_minutes)
        and facts.open_session is None
    )


def _is_alone(intent: Intent, book: RiskBook, limits: RiskLimits, facts: Facts) -> bool:
    """The rules about the symbol and about pace."""
    symbol, reservations = intent.symbol, book.reservations
    if symbol in book.positions or facts.open_orders or limits.locked_symbols or facts.asset is not None:
        return False  # already_held, wash_trade, symbol_lock, tradable
    if len(book.positions) + len(reservations) >= limits.open_positions_limit:
        return False
    if reservations and book.pending_entry(symbol):
        return False  # duplicate_direction
    if len(book.recent_orders) >= limits.orders_per_minute_limit:
        return False
    last = book.activity.last_exit_at.get(symbol)
    return last is None or facts.now - last >= _minutes(limits.symbol_cooldown_minutes)


@lru_cache(maxsize=16)  # the limits of a backtest are asked for again and again
def _minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def _loses_little(book: RiskBook, limits: RiskLimits) -> bool:
    """`daily_loss`, `drawdown`, `loss_streak`, `stop_guard`: nothing is locked, all are below their limit."""
    activity, streak, stops = book.activity, limits.loss_streak_limit_trades, limits.stop_guard_limit_stops
    start, equity, peak = book.day_start_equity, book.equity, book.peak_equity
    if book.locks or start is None or start <= 0 or peak <= 0:
        return False
    return (
        (start - equity) * HUNDRED <= (limits.daily_loss_limit_percent - _ROUNDED) * start
        and (peak - equity) * HUNDRED <= (limits.drawdown_limit_percent - _ROUNDED) * peak
        and (not streak or activity.loss_streak < streak)
        and (not stops or len(activity.stop_exits) < stops)
    )
