"""Rules about the symbol: what is held, what is under way, and what may not be traded."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpaquero.orders.intent import Purpose, Side
from alpaquero.orders.terms import is_fractional
from alpaquero.risk.proposal import Answer, Proposal, not_applicable


def direction(proposal: Proposal) -> Answer:
    """Entries buy and exits sell: the bot holds long positions only."""
    intent = proposal.intent
    passed = intent.side is (Side.BUY if intent.purpose is Purpose.ENTRY else Side.SELL)
    return Answer(
        passed,
        lambda: (
            f"{intent.purpose} by {intent.side}" + ("" if passed else "; short positions are not supported")
        ),
    )


def tradable(proposal: Proposal) -> Answer:
    """No entry in a symbol that the broker does not list for it, before the broker is asked to take it."""
    symbol, asset = proposal.intent.symbol, proposal.facts.asset
    if asset is None:
        return not_applicable("nobody lists assets here")
    if not asset.listed:
        return Answer(False, f"the broker does not know {symbol}; check how the symbol is written")
    if not asset.tradable:
        return Answer(False, f"the broker does not let {symbol} be traded")
    if is_fractional(proposal.intent) and not asset.fractionable:
        return Answer(False, f"the broker sells no fractions of {symbol}; give a whole quantity")
    if proposal.intent.side is Side.SELL and not asset.shortable:
        return Answer(False, f"the broker does not let {symbol} be sold short")
    return Answer(True, lambda: f"the broker lists {symbol} as tradable")


def symbol_lock(proposal: Proposal) -> Answer:
    """No entry in a symbol that the settings lock."""
    symbol, locked = proposal.intent.symbol, proposal.limits.locked_symbols
    if not locked:
        return not_applicable("locked_symbols is empty")
    passed = symbol not in locked
    return Answer(passed, lambda: f"{symbol} is {'not ' if passed else ''}among locked_symbols")


def symbol_cooldown(proposal: Proposal) -> Answer:
    """No entry in a symbol so soon after it was sold out."""
    minutes, symbol = proposal.limits.symbol_cooldown_minutes, proposal.intent.symbol
    last = proposal.book.activity.last_exit_at.get(symbol)
    if not minutes or last is None:
        return not_applicable(
            lambda: f"no {symbol} sold lately" if minutes else "symbol_cooldown_minutes is 0"
        )
    since = proposal.now - last
    passed = since >= timedelta(minutes=minutes)
    used = Decimal(max(since, timedelta()) // timedelta(minutes=1))
    return Answer(passed, lambda: f"{symbol} was sold out {used} minutes ago", Decimal(minutes), used)


def already_held(proposal: Proposal) -> Answer:
    """One position a symbol, unless the settings allow more."""
    symbol, held = proposal.intent.symbol, proposal.book.held_quantity(proposal.intent.symbol)
    if not proposal.limits.one_position_per_symbol:
        return not_applicable("several entries a symbol are allowed")
    return Answer(not held, lambda: f"{held or 'no'} {symbol} held")


def open_positions(proposal: Proposal) -> Answer:
    """No entry in one symbol more than the settings allow to be held or under way."""
    others = len(proposal.book.symbols - {proposal.intent.symbol})
    limit = proposal.limits.open_positions_limit
    return Answer(
        others < limit, lambda: f"{others} other symbols held or under way", Decimal(limit), Decimal(others)
    )


def duplicate_direction(proposal: Proposal) -> Answer:
    """No second entry in a symbol while one has not ended, unless the settings allow it."""
    symbol = proposal.intent.symbol
    if not proposal.limits.one_open_entry_per_symbol:
        return not_applicable("several open entries a symbol are allowed")
    under_way = proposal.book.pending_entry(symbol)
    return Answer(not under_way, lambda: f"{'an' if under_way else 'no'} entry in {symbol} is under way")


def wash_trade(proposal: Proposal) -> Answer:
    """No order against an open order of ours on the other side: Alpaca refuses it as a wash trade.

    An exit cancels the symbol's open orders before it sells, so this judges entries alone.
    Source: Alpaca, User Protection, "Preventing Wash Trades".
    """
    intent = proposal.intent
    if not proposal.limits.refuse_wash_trades:
        return not_applicable("refuse_wash_trades is off")
    against = [o for o in proposal.facts.open_orders if o.symbol == intent.symbol and o.side != intent.side]
    if against:
        return Answer(False, f"{against[0].client_order_id} is open on the other side of {intent.symbol}")
    return Answer(True, lambda: f"no open order of ours on the other side of {intent.symbol}")


def nothing_to_sell(proposal: Proposal) -> Answer:
    """An exit sells shares that are held and that no other exit is selling."""
    symbol, book = proposal.intent.symbol, proposal.book
    held, free = book.held_quantity(symbol), book.free_quantity(symbol, forced=proposal.intent.forced)
    asked = proposal.quantity
    passed = 0 < asked <= free
    return Answer(
        passed,
        lambda: f"{held} {symbol} held, {free} free to sell" + ("" if passed else f", {asked} asked"),
        free,
        asked,
    )
