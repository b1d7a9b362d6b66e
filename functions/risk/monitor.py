"""Watches the account each minute: marks equity, locks and releases trading, and sends what must be done.

Started by the rule `MonitorSchedule`. It reads the risk book that `sync` keeps and prices what is
held. It trades nothing itself: exits and stops go as commands to OrderQueue, where `execute` acts.
Everything is decided from what is there, so a command that was lost is sent again the next minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from alpaquero import wall
from alpaquero.broker.alpaca import connect_clock
from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import BrokerTrade, ClockReader, MarketDataReader
from alpaquero.errors import BrokerError, Conflict
from alpaquero.events import bus, queues
from alpaquero.events.commands import CancelOrder, PlaceOrder, ProtectPosition, ReplaceOrder
from alpaquero.events.equity import equity_mark, evening_marks
from alpaquero.events.schemas import Event, RiskLimitBreached, TradingStateChanged
from alpaquero.observability import correlation_id, count, logger, observed
from alpaquero.orders.identity import is_ours
from alpaquero.orders.order import Order
from alpaquero.orders.replacement import Change
from alpaquero.orders.timeouts import OrderSettings, overdue, reprices
from alpaquero.risk.book import RiskBook, TradingState, market_day
from alpaquero.risk.drawdown import MissingStop, daily_loss_percent, mark, missing_stops
from alpaquero.risk.exits import due_exits, entries_to_cancel, next_exit, with_highs
from alpaquero.risk.limits import RiskLimits
from alpaquero.risk.locks import locked
from alpaquero.settings import ClockSettings, Text, load
from alpaquero.store import health, trading_settings
from alpaquero.store.books import Books
from alpaquero.store.risk_facts import sessions_around

ATTEMPTS = 5  # at a risk book that others also write to


class MonitorSettings(ClockSettings, frozen=True, kw_only=True):
    """What watching needs: clock and prices with the reading keys, and the queue that `execute` reads."""

    order_queue: Text


SETTINGS = load(MonitorSettings)


@cache
def _clock() -> ClockReader:
    return connect_clock(SETTINGS)


@cache
def _market_data() -> MarketDataReader:
    return connect_market_data(SETTINGS)


@dataclass(frozen=True, slots=True)
class Watched:
    """The book after a look at it, how many breaches there are (told today or not), bare positions.

    `prices` are the newest trades of regular hours, which trailing stops go by; `open_orders` are
    those of the books with something left to do.
    """

    book: RiskBook
    breaches: int
    bare: Sequence[MissingStop]
    prices: Mapping[str, Decimal]
    open_orders: Sequence[Order]


@observed("risk")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Marks the account once a market time, then sends what is due; answers what it found."""
    books, settings = Books(SETTINGS.account), trading_settings.current().settings
    limits = settings.risk
    now = _clock().clock().now
    found = watch(books, limits, now)
    if found is None:
        logger.info("nothing to watch before the first sync")
        return {"marked": False, "reason": "the first sync has not run yet"}
    cancelled = send_cancels(found, limits, now)
    sold = send_exits(books, found, limits, now)
    protected = send_protections(found, limits, now, sold)
    cancelled += send_overdue(found, settings.orders, now)
    if found.bare:  # events are told once a day; this is said each minute, for an alarm to hear
        logger.warning("shares are held without a stop", symbols=[stop.symbol for stop in found.bare])
        count("PositionsWithoutStop", len(found.bare))
    health.record_work("risk", detail="monitor")
    return {
        "marked": True,
        "equity": str(found.book.equity),
        "breaches": found.breaches,
        "trading_state": found.book.trading_state,
        "cancels": cancelled,
        "exits": sold,
        "protections": protected,
    }


def watch(books: Books, limits: RiskLimits, now: datetime) -> Watched | None:
    """Writes equity at the newest prices, peak, highs and locks, with the events.

    None before the first sync.
    """
    for _ in range(ATTEMPTS):
        book = books.risk_book()
        if book is None:
            return None
        trades = newest_trades(book)
        prices = regular_prices(trades, limits, now)
        after = locked(with_highs(marked(book.on_day_of(now), trades, now), prices), limits, now)
        open_orders = books.open_orders()
        bare = missing_stops({s: p.quantity for s, p in book.positions.items()}, open_orders)
        breaches = [*limit_breaches(after, limits, now), *stop_breaches(after, bare, now)]
        untold = [breach for breach in breaches if breach.id not in after.told]
        after = replace(after, told=(*after.told, *(breach.id for breach in untold)))
        if after == book:
            return Watched(book, len(breaches), bare, prices, open_orders)
        marks = evening_marks(book, now)
        if book.marked_at != now:
            marks.append(equity_mark(after, now))
        events: list[Event] = [*marks, *untold, *state_events(book, after)]
        after = after.next_version()
        try:
            books.commit(risk_book=after, events=[bus.encoded(event, "risk") for event in events])
        except Conflict:
            continue
        return Watched(after, len(breaches), bare, prices, open_orders)
    raise Conflict("the risk book kept changing while it was marked; the next minute tries again")


def newest_trades(book: RiskBook) -> dict[str, BrokerTrade]:
    """The newest trades of what is held; none when market data does not answer.

    Then the broker's own value of the last sync counts: flattening and stops must not wait for a feed.
    """
    if not book.positions:
        return {}
    try:
        return _market_data().latest_trades(sorted(book.positions))
    except BrokerError as error:
        logger.warning("no prices; what is held counts as the last sync had it", error=str(error))
        return {}


def marked(book: RiskBook, trades: Mapping[str, BrokerTrade], now: datetime) -> RiskBook:
    """The book with equity and peak at the newest trades; a position without one keeps its value."""
    positions = {
        symbol: replace(held, market_value=held.quantity * trades[symbol].price) if symbol in trades else held
        for symbol, held in book.positions.items()
    }
    equity = book.cash + sum((p.market_value for p in positions.values()), Decimal(0))
    peak = mark(book.peak_equity, equity).peak_equity
    return replace(book, positions=positions, equity=equity, peak_equity=peak, marked_at=now)


def regular_prices(
    trades: Mapping[str, BrokerTrade], limits: RiskLimits, now: datetime
) -> dict[str, Decimal]:
    """The trades of regular hours, by symbol: what trailing stops go by; none while they are switched off."""
    if not limits.trailing_stop_percent:
        return {}
    sessions = sessions_around(_clock(), now)
    return {
        symbol: trade.price
        for symbol, trade in trades.items()
        if any(session.open <= trade.at <= session.close for session in sessions)
    }


# what is told


def state_events(before: RiskBook, after: RiskBook) -> list[TradingStateChanged]:
    """The change of the trading state that locks made, if any (wall time)."""
    if before.trading_state is after.trading_state:
        return []
    reasons = "; ".join(f"{code}: {lock.reason}" for code, lock in sorted(after.locks.items()))
    return [
        TradingStateChanged(
            id=f"trading_state:{after.account}:{after.version + 1}",
            occurred_at=wall.now(),
            account=after.account,
            correlation_id=correlation_id(),
            state=after.trading_state,
            previous_state=before.trading_state,
            author="risk monitor",
            reason=reasons or "the limits that were broken are kept again",
        )
    ]


def limit_breaches(book: RiskBook, limits: RiskLimits, now: datetime) -> list[RiskLimitBreached]:
    """Drawdown and the day's loss, where they are past their limit; the id makes one report a market day."""
    drawdown = mark(book.peak_equity, book.equity).drawdown_percent
    daily = daily_loss_percent(book.day_start_equity, book.equity)
    measured = (
        ("drawdown", drawdown, limits.drawdown_limit_percent, f"its peak of {book.peak_equity}"),
        ("daily_loss", daily, limits.daily_loss_limit_percent, f"the day's start of {book.day_start_equity}"),
    )
    return [
        RiskLimitBreached(
            id=f"breach:{code}:{market_day(now)}",
            occurred_at=now,
            account=book.account,
            code=f"{code}_limit",
            message=f"equity is {used}% below {below}",
            limit=str(limit),
            used=str(used),
        )
        for code, used, limit, below in measured
        if used >= limit
    ]


def stop_breaches(book: RiskBook, bare: Sequence[MissingStop], now: datetime) -> list[RiskLimitBreached]:
    """The positions that no stop covers; the id makes one report a symbol and market day.

    While trading is halted nothing mends it, which is told once more.
    """
    halted = book.trading_state is TradingState.HALTED
    mark = ":halted" if halted else ""
    why = "; trading is HALTED, so none is placed until an admin raises it to REDUCING" if halted else ""
    return [
        RiskLimitBreached(
            id=f"breach:stop_missing:{stop.symbol}:{market_day(now)}{mark}",
            occurred_at=now,
            account=book.account,
            code="stop_missing",
            symbol=stop.symbol,
            message=f"{stop.held} {stop.symbol} held, {stop.covered} of them with a stop at the broker{why}",
            limit=str(stop.held),
            used=str(stop.covered),
        )
        for stop in bare
    ]


# what is sent


def send_cancels(found: Watched, limits: RiskLimits, now: datetime) -> list[str]:
    """Asks for the entries to be cancelled that a flatten or a halt must end; answers their ids."""
    cancelled = entries_to_cancel(found.book, found.open_orders, limits)
    for identifier in cancelled:
        queues.send_in_order(
            SETTINGS.order_queue,
            CancelOrder(client_order_id=identifier, requested_by="risk", correlation_id=correlation_id()),
            group=SETTINGS.account,
            deduplication_id=f"cancel:{identifier}:{now:%Y%m%d%H%M}",
        )
    return cancelled


def send_overdue(found: Watched, settings: OrderSettings, now: datetime) -> list[str]:
    """Asks for the entries that wait too long to be cancelled or priced anew; answers their ids."""
    if not (settings.entry_timeout_minutes or settings.reprice_after_minutes):
        return []
    if found.book.trading_state is not TradingState.ACTIVE:
        settings = replace(settings, reprice_after_minutes=0)  # a dearer entry would be refused each minute
    symbols = reprices(found.open_orders, settings)
    prices = _asks(symbols) if symbols else {}
    due = overdue(found.open_orders, settings, sessions_around(_clock(), now), prices, now)
    for late in due:
        identifier, waited = late.order.client_order_id, f"it waited {late.waited_minutes} minutes"
        logger.info("an entry is overdue", order=identifier, waited=waited, limit_price=late.limit_price)
        command: CancelOrder | ReplaceOrder
        if late.limit_price is None:
            command = CancelOrder(
                client_order_id=identifier, requested_by="the time-out", correlation_id=correlation_id()
            )
        else:
            command = ReplaceOrder(
                client_order_id=identifier,
                change=Change(limit_price=late.limit_price),
                requested_by="the time-out",
                correlation_id=correlation_id(),
                reason=f"{waited}; the limit follows the market",
                asked_at=wall.now(),
            )
        queues.send_in_order(
            SETTINGS.order_queue,
            command,
            group=SETTINGS.account,
            deduplication_id=f"overdue:{identifier}:{now:%Y%m%d%H%M}",
        )
    return [late.order.client_order_id for late in due]


def _asks(symbols: Sequence[str]) -> dict[str, Decimal]:
    """What a purchase follows, and the bot's entries are purchases; none when market data does not answer."""
    try:
        quotes = _market_data().latest_quotes(symbols)
    except BrokerError as error:
        logger.warning("no quotes; entries follow the market again once there are", error=str(error))
        return {}
    return {symbol: quote.ask for symbol, quote in quotes.items() if quote.ask > 0}


def send_exits(books: Books, found: Watched, limits: RiskLimits, now: datetime) -> list[str]:
    """Sends the exits that are due; answers their symbols."""
    book, sent = found.book, []
    for exit_due in due_exits(book, limits, found.prices, now):
        intent = next_exit(exit_due, book, now, correlation_id(), books.order)
        if intent is None:
            continue  # its last exit came to nothing just now
        logger.info("an exit is due", symbol=exit_due.symbol, rule=exit_due.code, why=exit_due.message)
        queues.send_in_order(
            SETTINGS.order_queue,
            PlaceOrder(intent=intent),
            group=SETTINGS.account,
            deduplication_id=f"{intent.client_order_id}:{wall.now():%Y%m%d%H%M}",
        )
        sent.append(exit_due.symbol)
    return sent


def send_protections(found: Watched, limits: RiskLimits, now: datetime, sold: Sequence[str]) -> list[str]:
    """Asks for stops under the bare shares that we bought; answers their symbols.

    What someone else bought, or was held before we came, is only reported: it is not ours to sell.
    """
    book = found.book
    if not limits.protect_missing_stops or book.trading_state is TradingState.HALTED:
        return []
    sent = []
    for stop in found.bare:
        holding = book.activity.holdings.get(stop.symbol)
        if stop.held <= 0 or stop.symbol in sold or holding is None or not is_ours(holding.episode):
            continue
        queues.send_in_order(
            SETTINGS.order_queue,
            ProtectPosition(symbol=stop.symbol, episode=holding.episode, correlation_id=correlation_id()),
            group=SETTINGS.account,
            deduplication_id=f"protect:{holding.episode}:{now:%Y%m%d%H%M}",
        )
        sent.append(stop.symbol)
    return sent
