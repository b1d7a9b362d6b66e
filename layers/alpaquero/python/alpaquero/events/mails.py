"""What people read: an event as subject and text, its category and severity; for the notification service.

All templates are here. A new event that people are told of needs a writer and a row in `_KINDS`, and
a place in the rule `NewsToOwner` of template.yaml.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from alpaquero.events.schemas import (
    BooksDrifted,
    CashMoved,
    DaySummarised,
    Event,
    NoticeGiven,
    OrderFilled,
    OrderPassedOver,
    OrderUpdated,
    PositionSplit,
    RiskLimitBreached,
    RunMissed,
    ServiceDegraded,
    ServiceRecovered,
    SharesMoved,
    TradeRejected,
    TradingStateChanged,
)
from alpaquero.prices.sessions import NEW_YORK
from alpaquero.quickly_made import dataclass

Severity = Literal["info", "warning", "critical"]
Category = Literal["order", "fill", "exit", "risk", "health", "account", "summary", "notice"]
MOST_POSITIONS = 30  # lines of a summary that name a position


@dataclass(frozen=True, slots=True)
class Mail:
    """What a person reads, in plain text; the subject is one line.

    `about` names what it tells the state of, empty for most: of that the newest word counts.
    """

    subject: str
    text: str
    category: Category
    severity: Severity
    about: str = ""


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
    return Mail(" ".join(f"[{event.account}] {subject}".split()), text, *kind_of(event), _about(event))


def kind_of(event: Event) -> tuple[Category, Severity]:
    """What an event is about, and how much it matters."""
    category, severity = _KINDS[type(event)]
    match event:
        case OrderFilled(purpose=purpose) if purpose != "entry":
            return "exit", severity
        case RiskLimitBreached(code=code) if code in _CRITICAL_BREACHES:
            return category, "critical"
        case TradingStateChanged(state="HALTED"):
            return category, "critical"
        case NoticeGiven(severity="warning" | "critical" as asked):
            return category, asked
    return category, severity


def _about(event: Event) -> str:
    """What the event tells the state of; empty for one that tells of no state."""
    match event:
        case ServiceDegraded(service=service, check=check) | ServiceRecovered(service=service, check=check):
            return f"{service}:{check}"
        case TradingStateChanged():
            return "trading state"
    return ""


def digest_of(mails: list[Mail], account: str) -> Mail:
    """Several mails as one: their subjects first, then each in full, as they came."""
    worst = max((mail.severity for mail in mails), key=_SEVERITIES.index)
    contents = [f"- {mail.subject}" for mail in mails]
    bodies = [f"{mail.subject}\n\n{mail.text}" for mail in mails]
    text = "\n".join([*contents, "", *bodies])
    return Mail(f"[{account}] {len(mails)} messages", text, "summary", worst)


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


def _service_recovered(event: ServiceRecovered) -> tuple[str, list[str]]:
    since = f" It was not since {_when(event.degraded_since)}." if event.degraded_since else ""
    return f"{event.service} is well again", [f"{event.check or event.service} is well again.{since}"]


def _day(event: DaySummarised) -> tuple[str, list[str]]:
    gain = "flat" if not event.pnl else f"{'up' if event.pnl > 0 else 'down'} {_cents(abs(event.pnl))}"
    lines = [
        (
            f"Equity {_cents(event.equity)}, cash {_cents(event.cash)}, "
            f"{event.drawdown_percent:.2f}% below the peak."
        ),
        f"Result of the day {_cents(event.pnl)} ({event.pnl_percent:+.2f}%)"
        + (f", deposits of {_cents(event.deposits)} apart." if event.deposits else "."),
        (
            f"Fills: {event.fills}. Trades closed: {len(event.trades)}, "
            f"for {_cents(sum((trade.pnl for trade in event.trades), Decimal(0)))}."
        ),
        *(f"  {trade.symbol} {_plain(trade.quantity)}: {_cents(trade.pnl)}" for trade in event.trades),
        f"Positions: {len(event.positions) or 'none'}.",
        *(
            f"  {held.symbol} {_plain(held.quantity)}: {_cents(held.value)}"
            for held in event.positions[:MOST_POSITIONS]
        ),
    ]
    if len(event.positions) > MOST_POSITIONS:
        lines.append(f"  and {len(event.positions) - MOST_POSITIONS} more")
    troubles = [f"{count} {name}" for name, count in sorted(event.troubles.items())]
    lines.append(f"Trouble: {', '.join(troubles) or 'none'}.")
    return f"{event.date}: {gain}", lines


def _notice(event: NoticeGiven) -> tuple[str, list[str]]:
    return event.subject, [*([event.text] if event.text else []), f"Sent by {event.author}."]


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
    ServiceRecovered: _service_recovered,
    DaySummarised: _day,
    NoticeGiven: _notice,
}

_SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
_KINDS: dict[type[Event], tuple[Category, Severity]] = {
    OrderFilled: ("fill", "info"),
    OrderUpdated: ("order", "warning"),
    TradeRejected: ("order", "info"),
    RiskLimitBreached: ("risk", "warning"),
    BooksDrifted: ("health", "critical"),
    PositionSplit: ("account", "info"),
    SharesMoved: ("account", "warning"),
    CashMoved: ("account", "info"),
    OrderPassedOver: ("order", "warning"),
    TradingStateChanged: ("risk", "warning"),
    RunMissed: ("health", "critical"),
    ServiceDegraded: ("health", "critical"),
    ServiceRecovered: ("health", "warning"),
    DaySummarised: ("summary", "info"),
    NoticeGiven: ("notice", "info"),
}
_CRITICAL_BREACHES = frozenset({"drawdown_limit", "daily_loss_limit", "stop_missing"})

# What the bus carries to people; a notice goes to the topic alone.
MAILED_EVENTS = sorted(kind.__name__ for kind in _WRITERS if kind is not NoticeGiven)


def _when(at: datetime) -> str:
    return at.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M:%S New York")


def _money(amount: Decimal) -> str:
    """Dollars with at least two decimals, and never fewer than the amount has."""
    decimals = max(2, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:,.{decimals}f} USD"


def _cents(amount: Decimal) -> str:
    """Dollars to the cent, of sums and values that nobody traded at."""
    return f"{amount:,.2f} USD"


def _plain(quantity: Decimal) -> str:
    return format(quantity.normalize(), "f")
