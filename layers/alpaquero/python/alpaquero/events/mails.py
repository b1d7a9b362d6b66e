"""What the owner reads: an event as the subject and text of a mail; used by notification/deliver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from alpaquero.events.schemas import (
    BooksDrifted,
    CashMoved,
    Event,
    OrderFilled,
    OrderPassedOver,
    OrderUpdated,
    PositionSplit,
    RiskLimitBreached,
    RunMissed,
    ServiceDegraded,
    SharesMoved,
    TradeRejected,
    TradingStateChanged,
)
from alpaquero.prices.sessions import NEW_YORK


@dataclass(frozen=True, slots=True)
class Mail:
    """A plain-text mail; the subject is one line."""

    subject: str
    text: str


def mail_of(event: Event) -> Mail:
    """The mail that tells of `event`.

    Raises `LookupError` for an event nobody is mailed about: the rule that sent it here is wrong.
    """
    write = _WRITERS.get(type(event))
    if write is None:
        raise LookupError(
            f"nobody is mailed about {type(event).__name__}; see who listens in docs/architecture.md"
        )
    subject, lines = write(event)
    footer = f"Account {event.account}. Event {event.id}, correlation id {event.correlation_id or 'none'}."
    text = "\n".join([*lines, f"When: {_when(event.occurred_at)}", "", footer, ""])
    return Mail(" ".join(f"[{event.account}] {subject}".split()), text)


def _filled(event: OrderFilled) -> tuple[str, list[str]]:
    verb = "Bought" if event.side == "buy" else "Sold"
    purpose = event.purpose + (f", {event.role}" if event.role else "")
    return (
        f"{verb} {_plain(event.quantity)} {event.symbol} at {_money(event.price)}",
        [
            f"{_plain(event.quantity)} x {_money(event.price)} = {_money(event.quantity * event.price)}",
            f"Why: {event.reason} ({purpose})",
            f"Order: {event.client_order_id}",
        ],
    )


def _order_failed(event: OrderUpdated) -> tuple[str, list[str]]:
    wanted = "" if event.quantity is None else f" {_plain(event.quantity)}"
    return (
        f"Order {event.status}: {event.side}{wanted} {event.symbol}",
        [
            f"The order was {event.previous_status} and is {event.status} now.",
            f"Filled: {_plain(event.filled_quantity)}",
            f"Why: {event.message or 'the broker gave no reason'}",
            f"Order: {event.client_order_id}",
        ],
    )


def _trade_rejected(event: TradeRejected) -> tuple[str, list[str]]:
    return (
        f"Not traded: {event.side} {event.symbol}",
        [
            f"No order was placed to {event.side} {event.symbol}: {event.message}",
            f"Rules: {', '.join(event.codes)}",
            f"Order: {event.client_order_id}",
        ],
    )


def _limit_breached(event: RiskLimitBreached) -> tuple[str, list[str]]:
    lines = [event.message]
    if event.limit or event.used:
        lines.append(f"Limit {event.limit or 'none'}, used {event.used or 'unknown'}.")
    return f"Risk: {event.code}" + (f" {event.symbol}" if event.symbol else ""), lines


def _books_drifted(event: BooksDrifted) -> tuple[str, list[str]]:
    differences = [f"{name}: {text}" for name, text in sorted(event.differences.items())]
    return "Our books and the broker's disagree", [event.message, *differences]


def _split(event: PositionSplit) -> tuple[str, list[str]]:
    lines = [f"{event.message}.", "Shares, prices, stops and targets in the books follow the broker's."]
    return f"Split: {event.symbol}, one share is {event.ratio:.6g}", lines


def _shares_moved(event: SharesMoved) -> tuple[str, list[str]]:
    verb = "came" if event.quantity > 0 else "went"
    return (
        f"{_plain(abs(event.quantity))} {event.symbol} {verb} without an order of ours",
        [f"{event.message} ({event.kind}), at a cost of {_money(event.price)} a share."],
    )


def _cash_moved(event: CashMoved) -> tuple[str, list[str]]:
    verb = "came" if event.amount > 0 else "went"
    of = f" of {event.symbol}" if event.symbol else ""
    return f"{_money(abs(event.amount))} {verb}: {event.kind}{of}", [event.message]


def _passed_over(event: OrderPassedOver) -> tuple[str, list[str]]:
    return (
        "An order at the broker is not in our books",
        [event.message, f"Order: {event.client_order_id}, {event.broker_order_id} at the broker"],
    )


def _state_changed(event: TradingStateChanged) -> tuple[str, list[str]]:
    return (
        f"Trading is {event.state}",
        [f"Trading went from {event.previous_state} to {event.state}, by {event.author}: {event.reason}"],
    )


def _run_missed(event: RunMissed) -> tuple[str, list[str]]:
    return "A bar was not judged", [event.message, f"Bar close: {_when(event.bar_close)}"]


def _service_degraded(event: ServiceDegraded) -> tuple[str, list[str]]:
    return f"{event.service} is degraded", [event.message]


_WRITERS: dict[type[Event], Callable[[Any], tuple[str, list[str]]]] = {
    OrderFilled: _filled,
    OrderUpdated: _order_failed,
    TradeRejected: _trade_rejected,
    RiskLimitBreached: _limit_breached,
    BooksDrifted: _books_drifted,
    PositionSplit: _split,
    SharesMoved: _shares_moved,
    CashMoved: _cash_moved,
    OrderPassedOver: _passed_over,
    TradingStateChanged: _state_changed,
    RunMissed: _run_missed,
    ServiceDegraded: _service_degraded,
}

MAILED_EVENTS = sorted(kind.__name__ for kind in _WRITERS)


def _when(at: datetime) -> str:
    return at.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M:%S New York")


def _money(amount: Decimal) -> str:
    """Dollars with at least two decimals, and never fewer than the amount has."""
    decimals = max(2, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:,.{decimals}f} USD"


def _plain(quantity: Decimal) -> str:
    return format(quantity.normalize(), "f")
