"""At a glance: where a rule passes for sure, so that nobody need ask it; for a backtest's many verdicts.

`GLANCES` has a function for a rule's code that is true only where the rule passes; where it is false the
rule itself is asked, so a glance decides nothing. Called by `alpaquero.risk.rules.assess`, which asks
every rule when the words of all of them are wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType

from alpaquero.orders.intent import Purpose, Side
from alpaquero.orders.terms import WAITS
from alpaquero.risk.book import TradingState
from alpaquero.risk.limits import HUNDRED
from alpaquero.risk.locks import DAILY_LOSS, DRAWDOWN
from alpaquero.risk.proposal import Proposal

_ONE = Decimal(1)
_ROUNDED = Decimal("0.0001")  # percent: losses are rounded to so much before they are compared


def trading_state(proposal: Proposal) -> bool:
    """Trading is active."""
    return proposal.book.trading_state is TradingState.ACTIVE


def market_clock(proposal: Proposal) -> bool:
    """The books are not of later."""
    return proposal.book.as_of <= proposal.facts.now


def market_open(proposal: Proposal) -> bool:
    """It may wait, and a session follows to wait for."""
    sessions = proposal.facts.sessions
    return (
        proposal.limits.allow_entries_while_closed
        and proposal.intent.time_in_force in WAITS
        and bool(sessions)
        and sessions[-1].open > proposal.facts.now
    )


def session_window(proposal: Proposal) -> bool:
    """It trades at the open, and nothing delays it."""
    return not proposal.limits.session_open_delay_minutes and proposal.facts.open_session is None


def data_freshness(proposal: Proposal) -> bool:
    """The price is no older than the limit by any clock."""
    market, facts = proposal.facts.market, proposal.facts
    return market is not None and facts.now - market.at <= timedelta(
        minutes=proposal.limits.price_age_limit_minutes
    )


def signal_validity(proposal: Proposal) -> bool:
    """Its end is not over."""
    until = proposal.intent.valid_until
    return until is None or proposal.facts.now <= until


def request_age(proposal: Proposal) -> bool:
    """Nobody asked by hand."""
    return proposal.intent.asked_at is None


def blackout(proposal: Proposal) -> bool:
    """There is none."""
    return not proposal.limits.blackouts


def direction(proposal: Proposal) -> bool:
    """It buys to enter or sells to leave."""
    intent = proposal.intent
    return intent.side is (Side.BUY if intent.purpose is Purpose.ENTRY else Side.SELL)


def symbol_lock(proposal: Proposal) -> bool:
    """No symbol is locked."""
    return not proposal.limits.locked_symbols


def symbol_cooldown(proposal: Proposal) -> bool:
    """It was never sold, or long ago."""
    last = proposal.book.activity.last_exit_at.get(proposal.intent.symbol)
    return last is None or proposal.facts.now - last >= timedelta(
        minutes=proposal.limits.symbol_cooldown_minutes
    )


def price_known(proposal: Proposal) -> bool:
    """The price leaves a dollar and more under its stop, which no rounding takes away."""
    price, distance, intent = proposal.price, proposal.stop_distance, proposal.intent
    if price is None or distance is None or intent.stop_loss_price or intent.take_profit_price:
        return False
    return distance > 0 and price - distance >= _ONE


def price_collar(proposal: Proposal) -> bool:
    """It is judged at the last trade itself, and there is no quote."""
    intent, market = proposal.intent, proposal.facts.market
    if market is None or market.bid is not None or market.ask is not None:
        return False
    return market.last is proposal.price and not (intent.limit_price or intent.stop_price)


def already_held(proposal: Proposal) -> bool:
    """Nothing of it is held."""
    return proposal.intent.symbol not in proposal.book.positions


def open_positions(proposal: Proposal) -> bool:
    """All that is held and all that is under way are fewer than the limit."""
    book = proposal.book
    return len(book.positions) + len(book.reservations) < proposal.limits.open_positions_limit


def duplicate_direction(proposal: Proposal) -> bool:
    """Nothing is under way."""
    return not proposal.book.reservations


def wash_trade(proposal: Proposal) -> bool:
    """No order of the symbol is open."""
    return not proposal.facts.open_orders


def orders_per_minute(proposal: Proposal) -> bool:
    """All orders that are remembered are fewer than the limit."""
    return len(proposal.book.recent_orders) < proposal.limits.orders_per_minute_limit


def daily_loss(proposal: Proposal) -> bool:
    """Nothing is locked, and the loss is below the limit however it is rounded."""
    book, start = proposal.book, proposal.book.day_start_equity
    if DAILY_LOSS in book.locks:
        return False
    return start is None or _is_below(start, book.equity, proposal.limits.daily_loss_limit_percent)


def drawdown(proposal: Proposal) -> bool:
    """Nothing is locked, and the fall is below the limit however it is rounded."""
    book = proposal.book
    if DRAWDOWN in book.locks:
        return False
    return _is_below(book.peak_equity, book.equity, proposal.limits.drawdown_limit_percent)


def _is_below(before: Decimal, after: Decimal, limit: Decimal) -> bool:
    """Whether less than `limit` percent of `before` dollars was lost, by more than is rounded."""
    return before > 0 and (before - after) * HUNDRED <= (limit - _ROUNDED) * before


def loss_streak(proposal: Proposal) -> bool:
    """Too few losses in a row, or none count."""
    limit = proposal.limits.loss_streak_limit_trades
    return not limit or proposal.book.activity.loss_streak < limit


def stop_guard(proposal: Proposal) -> bool:
    """Too few stops were hit, or none count."""
    limit = proposal.limits.stop_guard_limit_stops
    return not limit or len(proposal.book.activity.stop_exits) < limit


def equity_at_risk(proposal: Proposal) -> bool:
    """Risk sized it, and the stop's loss is one of the bounds it was sized within."""
    return _is_sized(proposal)


def _is_sized(proposal: Proposal) -> bool:
    """Whether it has the whole shares that fit within every bound: see `sizing.size_entry`."""
    return proposal.bound_by is not None and proposal.quantity >= _ONE


GLANCES: Mapping[str, Callable[[Proposal], bool]] = MappingProxyType(
    {
        judge.__name__: judge
        for judge in (
            trading_state, market_clock, market_open, session_window, data_freshness, signal_validity,
            request_age, blackout, direction, symbol_lock, symbol_cooldown, price_known, price_collar,
            already_held, open_positions, duplicate_direction, wash_trade, orders_per_minute, daily_loss,
            drawdown, loss_streak, stop_guard, equity_at_risk,
        )
    }
    | dict.fromkeys(
        (
            "order_notional", "position_limit", "exposure_limit", "sector_limit", "leverage_limit",
            "cash_reserve", "buying_power", "intraday_margin", "quantity",
        ),
        _is_sized,
    )
)  # fmt: skip
