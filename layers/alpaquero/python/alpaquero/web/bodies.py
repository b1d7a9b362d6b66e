"""The JSON bodies of both APIs, as the handlers encode them and the dashboard reads them.

Money, prices and quantities are decimal strings, times are ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list; `next` is an opaque cursor, null on the last page."""

    items: list[T]
    next: str | None = None


class SignInRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    username: str
    password: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in session; the refresh token travels only in an HttpOnly cookie."""

    access_token: str
    expires_in_seconds: int
    username: str
    roles: list[str]


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time ticket for the socket, valid 30 seconds."""

    ticket: str
    expires_in_seconds: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The account as our books have it, with the broker's own figures beside it."""

    account: str
    environment: str
    trading_state: str
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    position_value: Decimal
    broker_cash: Decimal
    broker_equity: Decimal
    as_of: datetime


class Position(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    quantity: Decimal
    average_entry_price: Decimal
    current_price: Decimal
    market_value: Decimal
    cost_basis: Decimal
    unrealised_pnl: Decimal
    unrealised_pnl_percent: Decimal
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    opened_at: datetime | None = None
    sector: str = ""
    broker_quantity: Decimal | None = None


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one purchase that are still held (of one sale, below 0, when short)."""

    source: str
    opened_at: datetime
    holding_days: int
    quantity: Decimal
    cost_basis: Decimal
    market_value: Decimal
    unrealised_pnl: Decimal


class ClosedLot(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one purchase that one sale closed, first in, first out."""

    source: str
    closed_by: str
    opened_at: datetime
    closed_at: datetime
    holding_days: int
    quantity: Decimal
    cost_basis: Decimal
    proceeds: Decimal
    realised_pnl: Decimal


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """How many shares an entry would buy now, the cap that decides, and what each cap allows."""

    quantity: Decimal
    bound_by: str
    caps: dict[str, Decimal]


class PositionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol: the position (null when flat), its lots, and what another entry could buy.

    `reconciled` says that our shares are the broker's as the last sync read them.
    """

    symbol: str
    position: Position | None
    realised_pnl: Decimal
    lots: list[Lot]
    closed_lots: list[ClosedLot]
    reconciled: bool
    sizing: Sizing | None


class PortfolioDay(msgspec.Struct, frozen=True, kw_only=True):
    """The last equity mark of a market day; `deposits` are net, and no part of `pnl`."""

    date: date
    equity: Decimal
    cash: Decimal
    deposits: Decimal
    pnl: Decimal
    drawdown_percent: Decimal


class PortfolioSummary(msgspec.Struct, frozen=True, kw_only=True):
    value: Decimal
    cash: Decimal
    buying_power: Decimal
    position_value: Decimal
    exposure_percent: Decimal
    exposure_by_symbol: dict[str, Decimal]
    unrealised_pnl: Decimal
    realised_pnl: Decimal
    as_of: datetime
    exposure_by_sector: dict[str, Decimal] = {}
    day_pnl: Decimal | None = None
    income: Decimal = Decimal(0)
    deposits: Decimal = Decimal(0)
    total_pnl: Decimal = Decimal(0)
    differences: dict[str, Decimal] = {}


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's order. `Idempotency-Key` is a header.

    A purchase is for a `quantity` of shares or `notional` dollars, without either sized by risk; a
    sale for a `quantity` or a `percentage` of the position, without either all of it. Without
    `order_class` a purchase is a bracket, whose stop and target the settings give where it has none.
    """

    symbol: str
    side: str
    quantity: Decimal | None = None
    notional: Decimal | None = None
    percentage: Decimal | None = None
    order_type: str = "market"
    order_class: str | None = None
    time_in_force: str = "day"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    extended_hours: bool = False
    reason: str = ""


class ReplaceOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of an open order; `quantity` is the whole, what is filled included."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: str | None = None
    reason: str = ""


class ClosePosition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sell a position at market, or a part of it; `force` also ends another exit under way."""

    quantity: Decimal | None = None
    percentage: Decimal | None = None
    force: bool = False
    reason: str = ""


class ClosePositions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sell every position at market; `force` also ends other exits under way."""

    force: bool = False
    reason: str = ""


class SyncAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A sync or a rebuild is queued; its log lines and events carry what follows."""

    correlation_id: str
    status: str = "queued"


class OrderAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The order is queued for the risk check; follow it by its client order id."""

    client_order_id: str
    status: str = "queued"


class OrdersAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """Several orders that are queued, to be placed or cancelled."""

    client_order_ids: list[str]
    status: str = "queued"


class RuleOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's answer: passed, failed or not_applicable; `limit` and `used` are in its own unit."""

    code: str
    passed: bool
    message: str
    outcome: str = "passed"
    limit: Decimal | None = None
    used: Decimal | None = None


class OrderStep(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an order's log: market time, the status after it, why, and what the broker answered."""

    at: datetime
    status: str
    why: str
    answer: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    client_order_id: str
    broker_order_id: str | None
    parent: str | None
    role: str | None
    origin: str
    purpose: str
    symbol: str
    side: str
    order_type: str
    order_class: str
    time_in_force: str
    quantity: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    stop_loss_price: Decimal | None
    take_profit_price: Decimal | None
    status: str
    filled_quantity: Decimal
    filled_average_price: Decimal | None
    reason: str
    created_at: datetime
    updated_at: datetime
    verdict: list[RuleOutcome]
    history: list[OrderStep]
    notional: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    extended_hours: bool = False
    requested_by: str = ""
    run_id: str | None = None
    correlation_id: str = ""
    exit_step: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A signal raised, or withheld with its reason (`outcome` is raised or withheld).

    `code` says which in a word: raised, or why it was withheld.
    """

    symbol: str
    outcome: str
    side: str | None
    strategy: str
    timeframe: str
    bar_close: datetime
    strength: int | None
    reference_price: Decimal | None
    reason: str
    values: dict[str, float]
    run_id: str
    code: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One judgement of one closed bar; `late` when a newer bar had closed by then.

    `planned_at` is market time. `missed` bars before this one, from the close `missed_since` on,
    were judged by no run.
    """

    id: str
    timeframe: str
    bar_start: datetime
    bar_close: datetime
    planned_at: datetime
    state: str
    late: bool
    missed: int
    missed_since: datetime | None
    symbols: int
    shards: int
    reported: int
    raised: int
    withheld: int
    intents: int
    settings_version: int
    rules_version: int


class RunDetail(Run, frozen=True, kw_only=True):
    """A run with its signals, the raised first in the order of their rank.

    `valid_until` is by strategy; `missing_shards` had not reported when the run was concluded.
    """

    valid_until: dict[str, datetime]
    missing_shards: list[int]
    signals: list[Signal]


class Indicators(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy's indicators on the closed, split-adjusted bars, oldest first; null where undefined."""

    symbol: str
    strategy: str
    timeframe: str
    adjustment: str
    times: list[datetime]
    series: dict[str, list[float | None]]


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A page of stored bars. They are served from our own store: `as_of` is when they last changed there."""

    symbol: str
    timeframe: str
    adjustment: str
    source: str
    as_of: datetime
    age_seconds: int
    items: list[Bar]
    next: str | None


class BarColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Bars as columns of one length, oldest first: less than half of the bytes of a row a bar.

    `time` is the start of each bar in whole seconds since 1970 (UTC); prices are US dollars.
    """

    time: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


class Plotted(msgspec.Struct, frozen=True, kw_only=True):
    """One of a strategy's values at each bar of a chart, null where undefined or not judged yet.

    `pane` is price (drawn over the bars) or oscillator, `unit` USD, points or percent; `levels` are
    horizontal lines by the name of the strategy's parameter.
    """

    name: str
    label: str
    pane: str
    unit: str
    levels: dict[str, float]
    values: list[float | None]


class Ingest(msgspec.Struct, frozen=True, kw_only=True):
    """Bars being fetched into the store. `without_bars` had none in any step so far."""

    id: str
    state: str
    symbols: list[str]
    timeframe: str
    adjustment: str
    start: date
    end: date
    steps: int
    steps_done: int
    bars: int
    without_bars: list[str]
    message: str
    requested_by: str
    begun: datetime
    updated: datetime


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Bars that the calendar promises and the store lacks, in a row."""

    first: datetime
    last: datetime
    bars: int


class Gaps(msgspec.Struct, frozen=True, kw_only=True):
    """What is missing of a stored series; `items` are the first of `gaps` in all."""

    symbol: str
    timeframe: str
    adjustment: str
    start: date
    end: date
    expected: int
    missing: int
    gaps: int
    items: list[Gap]


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """Something the bot did on the chart: `kind` is signal or fill.

    Of a signal `outcome` is raised or withheld, `shadow` says that its strategy trades nothing.
    """

    kind: str
    outcome: str
    shadow: bool
    strategy: str
    time: datetime
    side: str
    price: Decimal | None
    quantity: Decimal | None
    text: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Bars with what the bot saw and did on them; `forming` tells that the last bar has not closed.

    `source` is live, or cache while the feed does not answer: then the bars are the stored ones, and
    `age_seconds` is how long ago (wall time) they last changed. `synthetic` says that prices were made
    up, null where nobody can say. `strategy` names the instance whose `indicators` are drawn.
    `as_of` is market time.
    """

    symbol: str
    timeframe: str
    adjustment: str
    feed: str
    synthetic: bool | None
    source: str
    age_seconds: int
    strategy: str | None
    bars: BarColumns
    forming: bool
    indicators: list[Plotted]
    markers: list[Marker]
    as_of: datetime


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is live, or cache for the last known one while the feed does not answer.

    `age_seconds` is how long ago (wall time) that one was asked for; 0 when it is live.
    """

    symbol: str
    bid: Decimal
    ask: Decimal
    last: Decimal
    at: datetime
    source: str = "live"
    age_seconds: int = 0


class MarketStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The market's clock; `source` and `age_seconds` as in `Quote`."""

    is_open: bool
    now: datetime
    next_open: datetime
    next_close: datetime
    source: str = "live"
    age_seconds: int = 0


class AnalyticsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Ratios are null until there is something to divide by."""

    trades: int
    wins: int
    losses: int
    win_rate_percent: Decimal | None
    profit_factor: Decimal | None
    realised_pnl: Decimal
    average_win: Decimal | None
    average_loss: Decimal | None
    total_return_percent: Decimal | None
    max_drawdown_percent: Decimal
    since: datetime | None
    as_of: datetime | None


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    quantity: Decimal
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    pnl_percent: Decimal


class EquityMark(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    equity: Decimal
    cash: Decimal
    drawdown_percent: Decimal


class BacktestAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest is queued, or was already with the same Idempotency-Key; follow it by its id."""

    id: str
    status: str


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest as a job. `figures` are null until it is done; `message` says why one failed."""

    id: str
    status: str
    message: str
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress_percent: int
    progress_note: str
    request: dict[str, Any]
    figures: dict[str, Any] | None


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The trading settings in force, their version, and the environment (secrets by name only)."""

    version: int
    author: str
    reason: str
    changed_at: datetime
    settings: dict[str, Any]
    environment: dict[str, str]


class ChangeConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings to change and to what; what is left out stays. `version` is the one they were read at."""

    reason: str
    settings: dict[str, Any]
    version: int | None = None


class RollBackConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The version whose settings come back, as a new version; `version` is the one in force."""

    to: int
    reason: str
    version: int | None = None


class ConfigurationVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version as it was written; `rolled_back_to` is the version it brought back."""

    version: int
    author: str
    reason: str
    changed_at: datetime
    settings: dict[str, Any]
    rolled_back_to: int | None = None


class ConfigurationChange(msgspec.Struct, frozen=True, kw_only=True):
    """A version in the history, with the paths of the settings it changed."""

    version: int
    author: str
    reason: str
    changed_at: datetime
    changed: list[str]
    rolled_back_to: int | None = None


class SettingDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A setting by its path, and what it was and is; null where it is not set or not there."""

    setting: str
    before: Any
    after: Any


class ConfigurationDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two versions."""

    from_version: int
    to_version: int
    changes: list[SettingDifference]


class ConfigurationEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the stack runs and with what: no value of a secret, of addresses the host alone.

    `log_level` is the one in force, `functions` what the template gives to every function,
    `parameters` those the stack was deployed with.
    """

    environment: str
    account: str
    version: str
    python: str
    region: str
    log_level: str
    log_level_from: str
    functions: dict[str, str]
    parameters: dict[str, str]


class Watchlist(msgspec.Struct, frozen=True, kw_only=True):
    """A named list of symbols, the strategies that judge it, and the settings' version it is of."""

    name: str
    symbols: list[str]
    strategies: list[str]
    version: int


class SaveWatchlist(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All symbols of a watchlist, and why; `version` is that of the settings they were read at."""

    symbols: list[str]
    reason: str
    version: int | None = None


class UserPreferences(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller prefers of the dashboard; version 0 is what everybody begins with."""

    version: int
    changed_at: datetime
    theme: str
    time_zone: str
    first_page: str
    symbols: list[str]


class LiveTrading(msgspec.Struct, frozen=True, kw_only=True):
    """Whether real money may be traded: the confirmed account's end, by whom and why; None if never."""

    environment: str
    account: str | None = None
    author: str | None = None
    reason: str | None = None
    confirmed_at: datetime | None = None


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Each limit with how much of it is used, in the unit its name carries."""

    trading_state: str
    limits: dict[str, Decimal]
    used: dict[str, Decimal]
    as_of: datetime


class AssessTrade(PlaceOrder, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's order to judge without placing it: the fields are those of `PlaceOrder`."""


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a proposed trade, rule by rule; prices and quantity are those an order would have."""

    approved: bool
    quantity: Decimal
    stop_loss_price: Decimal | None
    take_profit_price: Decimal | None
    reserve_notional: Decimal
    bound_by: str | None
    rules: list[RuleOutcome]
    book_version: int
    as_of: datetime


class TradingLock(msgspec.Struct, frozen=True, kw_only=True):
    """A broken limit that holds trading down."""

    code: str
    state: str
    since: datetime
    reason: str


class TradingState(msgspec.Struct, frozen=True, kw_only=True):
    """The trading state in force, what a person asked for, and what holds it lower."""

    state: str
    asked: str
    locks: list[TradingLock]
    flattening: bool
    author: str | None
    reason: str | None
    changed_at: datetime | None
    book_version: int


class ChangeTradingState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state to set and why; `flatten` sells every position and goes with REDUCING."""

    state: str
    reason: str
    flatten: bool = False


class CacheStatistics(msgspec.Struct, frozen=True, kw_only=True):
    series: int
    chunks: int
    bars: int
    stored_bytes: int
    newest: date | None
    as_of: datetime


class NotificationChannel(msgspec.Struct, frozen=True, kw_only=True):
    """One way to reach a user; a webhook's `address` is the name of its secret, never the secret."""

    name: str
    kind: str
    address: str
    format: str
    severity: str
    categories: list[str]
    digest: str
    most_per_hour: int


class NotificationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a user wants to be told; `version` goes back with a change, 0 means none was set yet.

    `events` and `categories` are what there is to tell; `owner_is_mailed` says that the owner gets
    everything by e-mail, because nobody's settings name his address.
    """

    user: str
    version: int
    channels: list[NotificationChannel]
    time_zone: str
    quiet_from: str | None
    quiet_until: str | None
    digest_at: str
    changed_at: datetime | None
    events: list[str]
    categories: list[str]
    owner_is_mailed: bool


class NotificationDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the delivery log: one message over one channel to one user.

    `state` is sending, sent, failed (it is tried again), given_up (a dead letter), held or repeated;
    `outcome` the other side's id for it, or why it failed or waits.
    """

    event_id: str
    event: str
    user: str
    channel: str
    kind: str
    category: str
    severity: str
    subject: str
    state: str
    attempts: int
    outcome: str
    first_at: datetime
    changed_at: datetime


class NotificationAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is on its way; the log tells what became of it under this id."""

    id: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is ok or degraded; the open route answers nothing else.

    `last_work` is what a service that works by the clock did last; `memory_mb` the most that the
    process which answers has used.
    """

    status: str
    service: str | None = None
    version: str | None = None
    dependencies: dict[str, str] | None = None
    last_work_at: datetime | None = None
    last_work: str | None = None
    memory_mb: float | None = None


class ServiceHealth(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    status: str
    message: str
    checked_at: datetime
    latency_ms: float
    version: str | None = None
    memory_mb: float | None = None


class HealthAlert(msgspec.Struct, frozen=True, kw_only=True):
    """`since` (wall time) is when it was raised, or last cleared."""

    name: str
    service: str
    raised: bool
    since: datetime | None
    message: str


class BreakerState(msgspec.Struct, frozen=True, kw_only=True):
    """The circuit breaker of one API of the broker: closed, or open until it is tried again."""

    scope: str
    state: str
    failures: int
    tries_again_at: datetime | None


class RequestBudget(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a key's requests until `resets_at`; told only once it runs low."""

    scope: str
    limit: int
    remaining: int
    resets_at: datetime


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the stack began, depths and ages now.

    What nobody knows is null, and `missing` says why by the figure's name.
    """

    runs: int
    orders: int
    fills: int
    unknown_orders: int
    outbox_depth: int
    queue_depths: dict[str, int]
    dead_letters: int
    last_run_at: datetime | None
    last_sync_at: datetime | None
    last_monitor_at: datetime | None
    sync_lag_seconds: float | None
    drift: dict[str, Decimal]
    drift_since: datetime | None
    runs_missing: int
    alerts_raised: int
    breakers: list[BreakerState] | None
    request_budgets: list[RequestBudget]
    missing: dict[str, str]


class FunctionUsage(msgspec.Struct, frozen=True, kw_only=True):
    function: str
    invocations: int
    errors: int
    throttles: int
    average_ms: float | None


class TableUsage(msgspec.Struct, frozen=True, kw_only=True):
    table: str
    read_units: float
    write_units: float
    throttles: int


class CostLine(msgspec.Struct, frozen=True, kw_only=True):
    """`usd_per` dollars for `per` units at list price; `usd` is null when nobody counted."""

    what: str
    quantity: float | None
    unit: str
    usd_per: Decimal
    per: int
    usd: Decimal | None
    source: str
    priced_on: date | None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The day from midnight UTC as CloudWatch had counted it at `until`; `cost_usd` adds what is known."""

    since: datetime | None = None
    until: datetime | None = None
    functions: list[FunctionUsage] = []
    tables: list[TableUsage] = []
    cost: list[CostLine] = []
    cost_usd: Decimal | None = None
    missing: dict[str, str] = {}
