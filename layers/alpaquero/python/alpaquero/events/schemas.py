"""The facts the services tell each other, one struct an event.

The class name is EventBridge's `detail-type`, the struct its `detail`. Every event carries
`schema` (version of its shape), `id` (the same for the same fact, so consumers may drop
repeats), `correlation_id`, `causation_id` (what led to it) and `occurred_at` (market time for
what the market did, wall time for what the system did, as each class says).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What every event carries."""

    id: str
    occurred_at: datetime
    correlation_id: str = ""
    causation_id: str = ""
    account: str = ""
    schema: int = 1


class RunPlanned(Event, frozen=True, kw_only=True):
    """A closed bar is about to be judged (market time); `late` when a newer one has closed."""

    run_id: str
    timeframe: str
    bar_close: datetime
    symbols: int
    shards: int
    late: bool = False


class RunConcluded(Event, frozen=True, kw_only=True):
    """Every shard of a run has reported, or its deadline has passed (market time)."""

    run_id: str
    bar_close: datetime
    raised: int
    withheld: int
    intents: int
    missing_shards: int
    late: bool = False


class SignalRaised(Event, frozen=True, kw_only=True):
    """A strategy's condition held on a closed bar (market time); a `shadow` strategy trades nothing."""

    run_id: str
    symbol: str
    side: str
    strategy: str
    timeframe: str
    bar_close: datetime
    strength: int
    reference_price: Decimal
    reason: str
    values: dict[str, float]
    shadow: bool = False


class SignalWithheld(Event, frozen=True, kw_only=True):
    """A symbol could not be judged, or nobody is asked to trade on its signal, and why (market time)."""

    run_id: str
    symbol: str
    strategy: str
    timeframe: str
    bar_close: datetime
    code: str
    message: str


class TradeRejected(Event, frozen=True, kw_only=True):
    """The risk rules, or the market's time, refused an intent (market time)."""

    client_order_id: str
    symbol: str
    side: str
    codes: list[str]
    message: str


class OrderUpdated(Event, frozen=True, kw_only=True):
    """An order's state after a change; `version` rises with each (market time).

    `status` submitted to the broker and everything after; `filled_quantity` is cumulative.
    """

    client_order_id: str
    version: int
    symbol: str
    side: str
    purpose: str
    role: str | None
    status: str
    previous_status: str
    quantity: Decimal | None
    filled_quantity: Decimal
    filled_average_price: Decimal | None
    message: str = ""


class OrderSubmitted(OrderUpdated, frozen=True, kw_only=True):
    """The broker has taken an order."""


class OrderFilled(Event, frozen=True, kw_only=True):
    """One fill as the broker reported it; `fill_id` is the broker's activity id (market time).

    `strategy` is that of the order, or of the entry whose leg it is.
    `arrival_price` is what the symbol stood at when the order reached the market: for a stop the price
    it waits for, None for a resting target and an order that nobody asked a price for. Schema 1 had
    neither.
    """

    fill_id: str
    client_order_id: str
    symbol: str
    side: str
    purpose: str
    role: str | None
    quantity: Decimal
    price: Decimal
    reason: str
    strategy: str = ""
    arrival_price: Decimal | None = None
    schema: int = 2


class PositionChanged(Event, frozen=True, kw_only=True):
    """A position after a fill, a split or shares moved (market time); `fills` counts them all."""

    symbol: str
    quantity: Decimal
    average_entry_price: Decimal
    realised_pnl: Decimal
    fills: int


class EquityMarked(Event, frozen=True, kw_only=True):
    """Equity and drawdown at a tick of the monitor, or at the last sync of an evening (market time)."""

    equity: Decimal
    cash: Decimal
    peak_equity: Decimal
    drawdown_percent: Decimal


class RiskLimitBreached(Event, frozen=True, kw_only=True):
    """A limit is crossed, or a held position lacks its stop (market time)."""

    code: str
    message: str
    symbol: str | None = None
    limit: str = ""
    used: str = ""


class BooksDrifted(Event, frozen=True, kw_only=True):
    """Our books and the broker's disagree after a sync (market time)."""

    message: str
    differences: dict[str, str]


class PositionSplit(Event, frozen=True, kw_only=True):
    """Each share of an open position became `ratio` shares (market time, midnight of the ex date).

    With `whole` a part of a share was paid out in `cash`. `movement_id` is its id in the books.
    """

    movement_id: str
    symbol: str
    ratio: Decimal
    whole: bool
    cash: Decimal
    message: str


class SharesMoved(Event, frozen=True, kw_only=True):
    """Shares came (or went, below 0) without a fill, at a cost of `price` each (market time)."""

    movement_id: str
    symbol: str
    quantity: Decimal
    price: Decimal
    kind: str
    message: str
    acquired_at: datetime | None = None


class CashMoved(Event, frozen=True, kw_only=True):
    """Dollars came or went without a fill, `kind` in the broker's word (market time)."""

    movement_id: str
    kind: str
    amount: Decimal
    symbol: str | None
    message: str


class OrderPassedOver(Event, frozen=True, kw_only=True):
    """The broker has an order of a form that our books do not keep (market time)."""

    broker_order_id: str
    client_order_id: str
    message: str


class BooksRebuilt(Event, frozen=True, kw_only=True):
    """What is derived in the books was derived anew; projections derive themselves again (wall time)."""

    differences: dict[str, str]


class TradingStateChanged(Event, frozen=True, kw_only=True):
    """ACTIVE, REDUCING or HALTED, who changed it and why (wall time)."""

    state: str
    previous_state: str
    author: str
    reason: str


class SettingsChanged(Event, frozen=True, kw_only=True):
    """A new version of the trading settings (wall time)."""

    version: int
    author: str
    reason: str


class RunMissed(Event, frozen=True, kw_only=True):
    """A bar closed and no run judged it in time (market time)."""

    bar_close: datetime
    message: str


class ServiceDegraded(Event, frozen=True, kw_only=True):
    """Several looks in a row found trouble with a service (wall time); `check` names what was looked at."""

    service: str
    message: str
    check: str = ""


class ServiceRecovered(Event, frozen=True, kw_only=True):
    """What was told as degraded has been well for several looks in a row (wall time)."""

    service: str
    check: str
    degraded_since: datetime | None


class DayTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A round trip that was closed on the day of a summary."""

    symbol: str
    quantity: Decimal
    pnl: Decimal


class DayPosition(msgspec.Struct, frozen=True, kw_only=True):
    """What is held as a summary is made, at its market value."""

    symbol: str
    quantity: Decimal
    value: Decimal


class DaySummarised(Event, frozen=True, kw_only=True):
    """A session is over, and what came of it (market time, the close).

    `pnl` leaves deposits out; `troubles` counts what people were warned of, by the event's name.
    """

    date: str
    equity: Decimal
    cash: Decimal
    pnl: Decimal
    pnl_percent: Decimal
    deposits: Decimal
    drawdown_percent: Decimal
    fills: int
    trades: list[DayTrade]
    positions: list[DayPosition]
    troubles: dict[str, int]


class NoticeGiven(Event, frozen=True, kw_only=True):
    """A person sends word to one user or to all, or tries a channel (wall time); goes to the topic alone."""

    author: str
    subject: str
    text: str
    severity: str
    user: str | None = None
    channel: str | None = None


EVENTS: dict[str, type[Event]] = {
    event.__name__: event
    for event in (
        RunPlanned, RunConcluded, SignalRaised, SignalWithheld, TradeRejected, OrderSubmitted,
        OrderUpdated, OrderFilled, PositionChanged, EquityMarked, RiskLimitBreached, BooksDrifted,
        TradingStateChanged, SettingsChanged, RunMissed, ServiceDegraded,
        ServiceRecovered,
        PositionSplit, SharesMoved, CashMoved, OrderPassedOver, BooksRebuilt, DaySummarised, NoticeGiven,
    )
}  # fmt: skip

_ENCODER = msgspec.json.Encoder(decimal_format="string")


def encode(event: Event) -> str:
    """The event's `detail` as JSON text."""
    return _ENCODER.encode(event).decode()


def decode(name: str, detail: bytes | str | dict[str, object]) -> Event:
    """The event named `name` from its `detail`.

    Raises `KeyError` for a name we do not know and `msgspec.ValidationError` for a detail that
    does not fit it.
    """
    kind = EVENTS[name]
    if isinstance(detail, dict):
        return msgspec.convert(detail, kind, strict=False)
    return msgspec.json.decode(detail, type=kind, strict=False)
