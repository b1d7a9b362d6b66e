"""Rules about time and price: when an order would trade, on what news, and how far from the market."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from alpaquero.orders.intent import OrderType, Side, TimeInForce
from alpaquero.risk.book import RiskBook, TradingState
from alpaquero.risk.limits import EVERY_SYMBOL, HUNDRED, Blackout, RiskLimits
from alpaquero.risk.proposal import Answer, Proposal, not_applicable
from alpaquero.risk.sizing import stop_loss_price

_AT_ONCE = {TimeInForce.IOC, TimeInForce.FOK}
_MINUTE = timedelta(minutes=1)
_TENTH = Decimal("0.1")
CLOCK_TOLERANCE = timedelta(minutes=1)  # market time between two readers of the clock
_FOUR_DECIMALS = Decimal("0.0001")


def trading_state(proposal: Proposal) -> Answer:
    """HALTED refuses everything; REDUCING refuses what does not shrink a position."""
    state, purpose = proposal.book.trading_state, proposal.intent.purpose
    passed = state is TradingState.ACTIVE or (state is TradingState.REDUCING and not proposal.is_entry)
    return Answer(passed, lambda: f"trading is {state}" + ("" if passed else f", so no {purpose} is placed"))


def market_clock(proposal: Proposal) -> Answer:
    """No entry while the market's clock is behind the books: it was set back.

    What is too late, and what was lost and sold when, would be judged by a time that was there before.
    """
    book, now = proposal.book, proposal.now
    if not is_set_back(book, now):
        return Answer(True, "the market's clock goes forward")
    return Answer(
        False,
        lambda: (
            f"the market's clock shows {now.isoformat()}, the books are of {book.as_of.isoformat()}; entries "
            "wait until it has caught up, or until an admin rebuilds the books: POST /api/rebuild"
        ),
    )


def is_set_back(book: RiskBook, now: datetime) -> bool:
    """Whether market time `now` is before the last sync of the books."""
    return book.as_of - now > CLOCK_TOLERANCE


def market_open(proposal: Proposal) -> Answer:
    """An entry trades in an open session, or waits for the next one where the settings let it."""
    facts = proposal.facts
    if facts.open_session is not None:
        return Answer(True, "the market is open")
    at = facts.trades_at
    if at is None:
        return Answer(False, "the calendar shows no session now or later; sync and try again")
    opens, force = "the market is closed and opens ", proposal.intent.time_in_force
    if force in _AT_ONCE:
        return Answer(False, lambda: f"{opens}{at.isoformat()}; {force} orders need an open market")
    if not proposal.limits.allow_entries_while_closed:
        return Answer(False, lambda: f"{opens}{at.isoformat()}; allow_entries_while_closed is off")
    return Answer(True, lambda: f"{opens}{at.isoformat()}; the order waits for it")


def session_window(proposal: Proposal) -> Answer:
    """No entry too soon after the open or too close to the close of the session it trades in."""
    facts, limits = proposal.facts, proposal.limits
    delay, margin = limits.session_open_delay_minutes, limits.session_close_margin_minutes
    session = facts.open_session
    if session is None:
        # It would trade at the open, which only a delay forbids.
        return Answer(
            delay == 0,
            lambda: f"it would trade at the open, entries begin {delay} minutes later",
            Decimal(delay),
            Decimal(0),
        )
    since, left = _minutes(proposal.now - session.open), _minutes(session.close - proposal.now)
    if since < delay:
        return Answer(False, lambda: f"{since} minutes after the open", Decimal(delay), since)
    return Answer(left >= margin, lambda: f"{left} minutes before the close", Decimal(margin), left)


def data_freshness(proposal: Proposal) -> Answer:
    """An entry is judged on a price that is no older than the setting, counted in open market time."""
    market = proposal.facts.market
    limit = proposal.limits.price_age_limit_minutes
    if market is None:
        trouble = proposal.facts.trouble or "the feed has none"
        message = f"no price of {proposal.intent.symbol}: {trouble}; try again once it has"
        return Answer(False, message, Decimal(limit))
    age = _minutes(proposal.facts.open_time_since(market.at))
    return Answer(
        age <= limit, lambda: f"the newest price is {age} minutes of open market old", Decimal(limit), age
    )


def signal_validity(proposal: Proposal) -> Answer:
    """An intent is refused after its time: a late order trades on news that is old.

    Measured in bars of the signal's timeframe that closed since the one that was judged.
    """
    intent, facts, now = proposal.intent, proposal.facts, proposal.now
    until = intent.valid_until
    if until is None:
        return not_applicable("the intent has no end")
    passed = now <= until
    words = partial(_validity, until, now)
    if intent.bar_close is None or not facts.sessions:
        return Answer(passed, words)
    bars = Decimal(facts.bars_between(intent.timeframe, intent.bar_close, now))
    limit = Decimal(facts.bars_between(intent.timeframe, intent.bar_close, until))
    return Answer(passed, words, limit, bars)


def request_age(proposal: Proposal) -> Answer:
    """What a person asked for is refused once it waited too long: he may have thought again since.

    An exit too: it may meet a holding that was bought after it was asked for.
    """
    return age_of_request(proposal.intent.asked_at, proposal.facts.wall_now, proposal.limits)


def age_of_request(asked_at: datetime | None, wall_now: datetime | None, limits: RiskLimits) -> Answer:
    """Whether a request of `asked_at` may still be carried out (wall time)."""
    limit = limits.request_validity_minutes
    if asked_at is None or wall_now is None or not limit:
        return not_applicable("nobody asked by hand" if limit else "request_validity_minutes is 0")
    age = _minutes(wall_now - asked_at)
    return Answer(age <= limit, lambda: f"it was asked for {age} minutes ago", Decimal(limit), age)


def blackout(proposal: Proposal) -> Answer:
    """No entry while a blackout of its symbol lasts, now or when the order would trade."""
    symbol, blackouts = proposal.intent.symbol, proposal.limits.blackouts
    windows = [w for w in blackouts if w.symbol in {EVERY_SYMBOL, symbol}] if blackouts else []
    if not windows:
        return not_applicable(lambda: f"no blackout of {symbol} in the settings")
    moments = [proposal.now, proposal.facts.trades_at or proposal.now]
    hit = next((w for w in windows if any(w.start <= moment <= w.end for moment in moments)), None)
    return Answer(hit is None, _described(hit) if hit else "outside of every blackout")


def price_known(proposal: Proposal) -> Answer:
    """An entry needs a price to be sized and limited by, and one that leaves room for its stop."""
    price, distance = proposal.price, proposal.stop_distance
    if price is None:
        return Answer(False, "no quote and no reference price; wait for market data")
    if distance is None:
        return Answer(False, "the average true range is not known; too few daily bars of the symbol")
    own, target = proposal.intent.stop_loss_price, proposal.intent.take_profit_price
    stop = own or stop_loss_price(price, distance)
    if target is not None and target <= price:
        return Answer(
            False, f"judged at {price}, stop {stop}, target {target}; the target must be above the price"
        )
    if 0 < stop < price:
        return Answer(True, lambda: f"judged at {price}, stop {stop}")
    return Answer(False, f"judged at {price}, stop {stop}; the stop must be below the price, above 0")


def price_collar(proposal: Proposal) -> Answer:
    """No order far from the market: a market order's price and a stop on neither side, a limit not past it.

    A limit that waits on its own side of the market does no harm and passes.
    """
    intent, market = proposal.intent, proposal.facts.market
    near = market.for_side(intent.side) if market else None
    own = intent.limit_price or intent.stop_price
    if not proposal.is_entry and own is None:
        return not_applicable("an exit at market takes the market's price")
    judged = own or proposal.price
    if judged is None or near is None:
        return not_applicable("nothing to compare; see price_known and data_freshness")
    away = (judged - near) * HUNDRED / near
    if own is not None and intent.order_type is OrderType.LIMIT:
        away = max(away if intent.side is Side.BUY else -away, Decimal(0))
    away, limit = abs(away).quantize(_FOUR_DECIMALS), proposal.limits.price_collar_percent
    return Answer(away <= limit, lambda: f"{judged} is {away}% from the market's {near}", limit, away)


def _minutes(span: timedelta) -> Decimal:
    return (Decimal(span // timedelta(seconds=1)) / Decimal(_MINUTE.seconds)).quantize(_TENTH)


def _validity(until: datetime, now: datetime) -> str:
    return f"valid until {until.isoformat()}, now {now.isoformat()}"


def _described(window: Blackout) -> str:
    reason = f" ({window.reason})" if window.reason else ""
    return f"blackout of {window.symbol} until {window.end.isoformat()}{reason}"
