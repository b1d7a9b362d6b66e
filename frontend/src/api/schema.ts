// Written by tools/api-types.mjs from infra/openapi.json (`npm run types`); not edited by hand.

/** Money, a price or a quantity: a decimal as text. */
export type Amount = string;
/** A time, ISO 8601 in UTC. */
export type Moment = string;
/** A date, as 2012-04-03. */
export type Day = string;

/** The account as our books have it, with the broker's own figures beside it. */
export interface Account {
  account: string;
  environment: string;
  trading_state: TradingState;
  cash: Amount;
  equity: Amount;
  buying_power: Amount;
  position_value: Amount;
  broker_cash: Amount;
  broker_equity: Amount;
  as_of: Moment;
}

/** Return and risk of the account without deposits and withdrawals (time-weighted), from its closes. A year has 252 sessions. `calmar` is `cagr_percent` over `max_drawdown_percent`. `exposure_percent` is the average share of equity invested, `time_invested_percent` that of sessions with a position, `turnover_yearly` how often the average equity was bought and sold again. Sharpe and Sortino take `risk_free_percent` a year off returns. What cannot be computed is null. Equity is in dollars, drawdowns are in days of the calendar. */
export interface AccountCurve {
  start: Day;
  end: Day;
  sessions: number;
  initial_equity: number;
  final_equity: number;
  total_return_percent: number | null;
  cagr_percent: number | null;
  volatility_percent: number | null;
  sharpe: number | null;
  sortino: number | null;
  calmar: number | null;
  max_drawdown_percent: number;
  longest_drawdown_days: number;
  best_session_percent: number | null;
  worst_session_percent: number | null;
  exposure_percent: number | null;
  time_invested_percent: number | null;
  turnover_yearly: number | null;
  risk_free_percent: number;
}

/** Either a mix by its name, with the seed of its draws, or a rule of one's own. */
export interface AddFaults {
  mix?: string | null;
  seed?: number;
  rule?: NewFault | null;
}

/** How the trading went. What there is nothing to compute from is null. Counts and averages are of the trades closed in the stretch, `realised_pnl` of the shares closed in it. `open_pnl` is what is held now would gain, null for a stretch that has ended. `total_pnl` is the change of equity without `deposits`: realised, open and `income` (dividends, fees) together. It, `curve` and what follows from it are the whole account's, null for a part of the trades. Slippage is against the prices at the orders' arrival, above 0 a cost. */
export interface AnalyticsSummary {
  trades: number;
  wins: number;
  losses: number;
  open_trades: number;
  win_rate_percent: Amount | null;
  profit_factor: Amount | null;
  payoff_ratio: Amount | null;
  expectancy: Amount | null;
  realised_pnl: Amount;
  open_pnl: Amount | null;
  average_win: Amount | null;
  average_loss: Amount | null;
  largest_win: Amount | null;
  largest_loss: Amount | null;
  average_holding_days: number | null;
  longest_win_streak_trades: number;
  longest_loss_streak_trades: number;
  slippage_dollars: Amount | null;
  slippage_bps: Amount | null;
  since: Moment | null;
  as_of: Moment | null;
  income: Amount | null;
  deposits: Amount | null;
  total_pnl: Amount | null;
  total_return_percent: number | null;
  max_drawdown_percent: number | null;
  curve: AccountCurve | null;
  benchmark: Benchmark | null;
}

/** A person's order to judge without placing it: the fields are those of `PlaceOrder`. */
export interface AssessTrade {
  symbol: string;
  side: Side;
  quantity?: Amount | null;
  notional?: Amount | null;
  percentage?: Amount | null;
  order_type?: OrderType;
  order_class?: OrderClass | null;
  time_in_force?: TimeInForce;
  limit_price?: Amount | null;
  stop_price?: Amount | null;
  trail_price?: Amount | null;
  trail_percent?: Amount | null;
  take_profit_price?: Amount | null;
  stop_loss_price?: Amount | null;
  stop_loss_limit_price?: Amount | null;
  extended_hours?: boolean;
  reason?: string;
}

/** The verdict on a proposed trade, rule by rule; prices and quantity are those an order would have. */
export interface Assessment {
  approved: boolean;
  quantity: Amount;
  stop_loss_price: Amount | null;
  take_profit_price: Amount | null;
  reserve_notional: Amount;
  bound_by: string | null;
  rules: RuleOutcome[];
  book_version: number;
  as_of: Moment;
}

/** A backtest as a job. `figures` are null until it is done; `message` says why one failed. */
export interface Backtest {
  id: string;
  status: string;
  message: string;
  requested_by: string;
  created_at: Moment;
  started_at: Moment | null;
  ended_at: Moment | null;
  progress_percent: number;
  progress_note: string;
  request: Record<string, unknown>;
  figures: Record<string, unknown> | null;
}

/** A backtest is queued, or was already with the same Idempotency-Key; follow it by its id. */
export interface BacktestAccepted {
  id: string;
  status: string;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface BacktestPage {
  items: Backtest[];
  next: string | null;
}

/** One backtest. `start` and `end` are sessions in New York, both included. `strategies` are rules, or with `settings` "current" the names of the settings in force; empty are all of them (default: the rule that comes with the code). `changes` maps settings to values, as the module says. Raises `ValueError` naming the field and the fix. */
export interface BacktestRequest {
  symbols: string[];
  start: Day;
  end: Day;
  strategies?: string[];
  timeframe?: Timeframe | null;
  cash?: Amount;
  seed?: number;
  fills?: FillSettings;
  settings?: "current" | "default";
  changes?: Record<string, unknown>;
}

export interface Bar {
  time: Moment;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

/** Bars as columns of one length, oldest first: less than half of the bytes of a row a bar. `time` is the start of each bar in whole seconds since 1970 (UTC); prices are US dollars, `volume` is whole shares. */
export interface BarColumns {
  time: number[];
  open: number[];
  high: number[];
  low: number[];
  close: number[];
  volume: number[];
}

/** What to export: New York days, both included, or a `year`; everything without either. */
export interface BeginExport {
  kind: "equity" | "fills" | "orders" | "tax_lots" | "trades";
  format?: "csv" | "parquet";
  from?: Day | null;
  to?: Day | null;
  year?: number | null;
}

/** The account beside a symbol that was held all the time, over the `days` both have a value of. `alpha_percent`, `tracking_error_percent` and `information_ratio` are annual; the two lists are what each had gained by a day, in percent. */
export interface Benchmark {
  symbol: string;
  sessions: number;
  alpha_percent: number | null;
  beta: number | null;
  correlation: number | null;
  tracking_error_percent: number | null;
  information_ratio: number | null;
  total_return_percent: number | null;
  benchmark_return_percent: number | null;
  days: Day[];
  gain_percent: number[];
  benchmark_gain_percent: number[];
}

/** The circuit breaker of one API of the broker: closed, or open until it is tried again. */
export interface BreakerState {
  scope: string;
  state: "closed" | "open";
  failures: number;
  tries_again_at: Moment | null;
}

export interface CacheStatistics {
  series: number;
  chunks: number;
  bars: number;
  stored_bytes: number;
  newest: Day | null;
  as_of: Moment;
}

/** What became of one bar by one strategy; `answer` is the chain in a sentence. */
export interface Chain {
  strategy: string;
  timeframe: string;
  mode: string;
  run_id: string | null;
  bar_close: Moment | null;
  answer: string;
  steps: Step[];
}

/** The settings to change and to what; what is left out stays. `version` is the one they were read at. */
export interface ChangeConfiguration {
  reason: string;
  settings: Record<string, unknown>;
  version?: number | null;
}

/** The state to set and why; `flatten` sells every position and goes with REDUCING. */
export interface ChangeTradingState {
  state: TradingState;
  reason: string;
  flatten?: boolean;
}

/** One way to reach a user, and what goes over it. `address` is an e-mail address or a number such as +15551234567; of a webhook the name of its secret under `alpaquero/webhooks/`, which holds `{"url", "signing_key"}` (Telegram: `chat_id` too). `severity` is the least that is sent, `categories` are all when empty. Below critical, `digest` collects messages. What passes `most_per_hour` waits for the next hour, the critical no longer. */
export interface Channel {
  name: string;
  kind: "email" | "sms" | "webhook";
  address: string;
  format?: "discord" | "json" | "slack" | "telegram";
  severity?: "critical" | "info" | "warning";
  categories?: ("account" | "exit" | "fill" | "health" | "notice" | "order" | "risk" | "summary")[];
  digest?: "daily" | "hourly" | "none";
  most_per_hour?: number;
}

/** Bars with what the bot saw and did on them; `forming` tells that the last bar has not closed. `source` is live, or cache while the feed does not answer: then the bars are the stored ones, and `age_seconds` is how long ago (wall time) they last changed. `synthetic` says that prices were made up, null where nobody can say. `strategy` names the instance whose `indicators` are drawn. `as_of` is market time. */
export interface Chart {
  symbol: string;
  timeframe: Timeframe;
  adjustment: string;
  feed: string;
  synthetic: boolean | null;
  source: "cache" | "live";
  age_seconds: number;
  strategy: string | null;
  bars: BarColumns;
  forming: boolean;
  indicators: Plotted[];
  markers: Marker[];
  as_of: Moment;
}

/** Sell a position at market, or a part of it; `force` also ends another exit under way. */
export interface ClosePosition {
  quantity?: Amount | null;
  percentage?: Amount | null;
  force?: boolean;
  reason?: string;
}

/** Sell every position at market; `force` also ends other exits under way. */
export interface ClosePositions {
  force?: boolean;
  reason?: string;
}

/** Shares of one purchase that one sale closed, first in, first out. */
export interface ClosedLot {
  source: string;
  closed_by: string;
  opened_at: Moment;
  closed_at: Moment;
  holding_days: number;
  quantity: Amount;
  cost_basis: Amount;
  proceeds: Amount;
  realised_pnl: Amount;
}

/** The trading settings in force, their version, and the environment (secrets by name only). */
export interface Configuration {
  version: number;
  author: string;
  reason: string;
  changed_at: Moment;
  settings: Record<string, unknown>;
  environment: Record<string, string>;
}

/** A version in the history, with the paths of the settings it changed. */
export interface ConfigurationChange {
  version: number;
  author: string;
  reason: string;
  changed_at: Moment;
  changed: string[];
  rolled_back_to: number | null;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface ConfigurationChangePage {
  items: ConfigurationChange[];
  next: string | null;
}

/** What differs between two versions. */
export interface ConfigurationDiff {
  from_version: number;
  to_version: number;
  changes: SettingDifference[];
}

/** Where the stack runs and with what: no value of a secret, of addresses the host alone. `log_level` is the one in force, `functions` what the template gives to every function, `parameters` those the stack was deployed with. */
export interface ConfigurationEnvironment {
  environment: string;
  account: string;
  version: string;
  python: string;
  region: string;
  log_level: string;
  log_level_from: string;
  functions: Record<string, string>;
  parameters: Record<string, string>;
}

/** One version as it was written; `rolled_back_to` is the version it brought back. */
export interface ConfigurationVersion {
  version: number;
  author: string;
  reason: string;
  changed_at: Moment;
  settings: Record<string, unknown>;
  rolled_back_to: number | null;
}

/** An admin's word that real money may be traded: on which of the broker's accounts, and why. */
export interface ConfirmLiveTrading {
  account_number: string;
  reason: string;
}

/** `usd_per` dollars for `per` units at list price; `usd` is null when nobody counted. */
export interface CostLine {
  what: string;
  quantity: number | null;
  unit: string;
  usd_per: Amount;
  per: number;
  usd: Amount | null;
  source: string;
  priced_on: Day | null;
}

/** The trading state in force, what a person asked for, and what holds it lower. */
export interface CurrentTradingState {
  state: TradingState;
  asked: TradingState;
  locks: TradingLock[];
  flattening: boolean;
  author: string | null;
  reason: string | null;
  changed_at: Moment | null;
  book_version: number;
}

/** Shares of one lot that one fill closed, as the tax office counts them (New York days, dollars). `cost` holds fees and what wash sales `carried` in; `disallowed` is the part of the loss that one takes away, so `taxable_gain` is `gain` plus it. `term` is `short` or `long`. */
export interface Disposal {
  symbol: string;
  source: string;
  closed_by: string;
  quantity: Amount;
  is_short: boolean;
  acquired_on: Day;
  held_since: Day;
  sold_on: Day;
  closed_on: Day;
  proceeds: Amount;
  cost: Amount;
  gain: Amount;
  carried: Amount;
  disallowed: Amount;
  taxable_gain: Amount;
  is_wash_sale: boolean;
  term: string;
  is_date_known: boolean;
}

/** The results of trades in percent of their entry; 0 is always an edge. */
export interface Distribution {
  trades: number;
  mean_percent: number | null;
  median_percent: number | null;
  deviation_percent: number | null;
  bins: DistributionBin[];
}

/** The trades that gained from `low_percent` to below `high_percent` of their entry. */
export interface DistributionBin {
  low_percent: Amount;
  high_percent: Amount;
  trades: number;
  pnl: Amount;
}

/** Equity at a moment; `pnl` is what was gained since the account was first seen, deposits left out. */
export interface EquityMark {
  at: Moment;
  equity: Amount;
  cash: Amount;
  drawdown_percent: Amount;
  pnl: Amount | null;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface EquityMarkPage {
  items: EquityMark[];
  next: string | null;
}

/** The body of every answer that is no success. */
export interface ErrorBody {
  error: ErrorDetail;
}

/** What went wrong: `code` for programs, `message` with the fix, `details` such as the `field`. */
export interface ErrorDetail {
  code: string;
  message: string;
  details: Record<string, string>;
  correlation_id: string;
}

/** How far an exit has come; see `alpaquero.orders.exits`. */
export type ExitStep = "cancel_legs" | "confirm" | "done" | "failed" | "protect" | "sell";

/** Why a symbol did, or did not, trade, by each strategy that judges it; `at` is what was asked for. */
export interface Explanation {
  symbol: string;
  at: Moment | null;
  answer: string;
  chains: Chain[];
}

/** An export as a job: `queued`, `done` or `failed`. `url` is there once it is done, for five minutes. */
export interface Export {
  id: string;
  kind: string;
  format: string;
  status: string;
  message: string;
  requested_by: string;
  created_at: Moment;
  ended_at: Moment | null;
  rows: number;
  size_bytes: number;
  filename: string;
  url: string | null;
}

/** An export is queued; follow it by its id. */
export interface ExportAccepted {
  id: string;
  status: string;
}

/** A rule of the laptop's paper exchange: what goes wrong on purpose (`kind`), and for whom (`route`). `route` is a group such as `orders`, or a pattern such as `GET /v2/orders/*`; empty is every request, or every message for a stream's kind. `probability` of each that it meets, `times` at most; `milliseconds` to `most_milliseconds` serve latency, `retry_after` (seconds) 429, `status` html, `age_seconds` stale_clock, `event` (the type of message) the streams. */
export interface Fault {
  id: string;
  kind: string;
  route: string;
  probability: number;
  times: number | null;
  seed: number;
  milliseconds: number;
  most_milliseconds: number | null;
  retry_after: number;
  status: number;
  age_seconds: number;
  event: string;
}

/** A rule, how many requests or messages it met, and how many of them it spoilt. */
export interface FaultInForce {
  rule: Fault;
  matched: number;
  injected: number;
}

/** Rules that are put in force together, by one name. */
export interface FaultMix {
  name: string;
  rules: Fault[];
}

/** Rules in force: those that were added, or those that are left. */
export interface FaultRules {
  rules: FaultInForce[];
}

/** What the paper exchange spoils on purpose, and what there is to choose from. `injected` counts by kind since the exchange began, rules that are gone included; `routes` are the groups that a rule may name. */
export interface Faults {
  rules: FaultInForce[];
  injected: Record<string, number>;
  mixes: FaultMix[];
  kinds: string[];
  routes: string[];
}

/** One execution at the broker, in market time; without our order's id when the order was not ours. */
export interface Fill {
  id: string;
  at: Moment;
  symbol: string;
  side: Side;
  quantity: Amount;
  price: Amount;
  value: Amount;
  client_order_id: string | null;
  broker_order_id: string;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface FillPage {
  items: Fill[];
  next: string | null;
}

/** How orders fill. The defaults are the paper exchange's, so that a demo gives the same trades. `partial_fills` is the share of orders that fill in two, 0 to 1. `half_spread_bps` is what the quote is away from the traded price on either side, `slippage_bps` what a market order loses beyond it, both in hundredths of a percent. `fee_percent` is of what a fill is worth. Raises `ValueError` naming the setting and its range. */
export interface FillSettings {
  partial_fills?: Amount;
  half_spread_bps?: Amount;
  slippage_bps?: Amount;
  fee_per_share_dollars?: Amount;
  fee_percent?: Amount;
}

/** `memory_mb` is the most that a process of it used; null where it has told nothing. */
export interface FunctionUsage {
  function: string;
  invocations: number;
  errors: number;
  throttles: number;
  average_ms: number | null;
  memory_mb: number | null;
  memory_limit_mb: number | null;
}

/** Bars that the calendar promises and the store lacks, in a row. */
export interface Gap {
  first: Moment;
  last: Moment;
  bars: number;
}

/** What is missing of a stored series; `items` are the first of `gaps` in all. */
export interface Gaps {
  symbol: string;
  timeframe: Timeframe;
  adjustment: string;
  start: Day;
  end: Day;
  expected: number;
  missing: number;
  gaps: number;
  items: Gap[];
}

/** An order at the broker that sells at a price (buys back, when short), and the shares it is for. The price is null while the broker has not said where a trailing stop stands. */
export interface Guard {
  price: Amount | null;
  quantity: Amount;
}

/** `since` (wall time) is when it was raised, or last cleared. */
export interface HealthAlert {
  name: string;
  service: string;
  raised: boolean;
  since: Moment | null;
  message: string;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface HealthAlertPage {
  items: HealthAlert[];
  next: string | null;
}

/** A page of stored bars. They are served from our own store: `as_of` is when they last changed there. */
export interface History {
  symbol: string;
  timeframe: Timeframe;
  adjustment: string;
  source: string;
  as_of: Moment;
  age_seconds: number;
  items: Bar[];
  next: string | null;
}

/** A strategy's indicators on the closed, split-adjusted bars, oldest first; null where undefined. `closes` are the bars' last prices in dollars. */
export interface Indicators {
  symbol: string;
  strategy: string;
  timeframe: string;
  adjustment: string;
  times: Moment[];
  series: Record<string, (number | null)[]>;
  closes: number[];
}

/** Bars being fetched into the store. `without_bars` had none in any step so far. */
export interface Ingest {
  id: string;
  state: IngestState;
  symbols: string[];
  timeframe: Timeframe;
  adjustment: string;
  start: Day;
  end: Day;
  steps: number;
  steps_done: number;
  bars: number;
  without_bars: string[];
  message: string;
  requested_by: string;
  begun: Moment;
  updated: Moment;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface IngestPage {
  items: Ingest[];
  next: string | null;
}

/** How a job stands. */
export type IngestState = "done" | "failed" | "queued" | "running";

/** Which bars to fetch: New York dates, both included; `end` is today at the latest, and when left out. */
export interface IngestWanted {
  symbols: string[];
  start: Day;
  end?: Day | null;
  timeframe?: Timeframe;
  adjustment?: "all" | "dividend" | "raw" | "split";
}

/** What a leg does for its parent. */
export type LegRole = "stop_loss" | "take_profit";

/** One thing looked at; `holds` is None for what is only told. `by` is how far off a condition is. */
export interface Line {
  text: string;
  holds?: boolean | null;
  by?: number | null;
}

/** Whether real money may be traded: the confirmed account's end, by whom and why; None if never. */
export interface LiveTrading {
  environment: string;
  account: string | null;
  author: string | null;
  reason: string | null;
  confirmed_at: Moment | null;
}

/** Shares of one purchase that are still held (of one sale, below 0, when short). */
export interface Lot {
  source: string;
  opened_at: Moment;
  holding_days: number;
  quantity: Amount;
  cost_basis: Amount;
  market_value: Amount;
  unrealised_pnl: Amount;
}

/** A new key: `key` is what the program sends as its bearer token, and is shown this once. */
export interface MadeKey {
  key: string;
  name: string;
  role: string;
  expires_at: Moment;
  requests_a_day: number;
}

/** The key to make: no key is an admin's. */
export interface MakeKey {
  name: string;
  role: "trader" | "viewer";
  expires_in_days?: number;
  requests_a_day?: number;
}

/** Something the bot did on the chart: `kind` is signal, fill or order. Of a signal `outcome` is raised or withheld, `shadow` says that its strategy trades nothing. An order is one that ended without its fill: `outcome` is canceled, rejected or expired. */
export interface Marker {
  kind: "fill" | "order" | "signal";
  outcome: string;
  shadow: boolean;
  strategy: string;
  time: Moment;
  side: string;
  price: Amount | null;
  quantity: Amount | null;
  text: string;
}

/** The market's clock; `source` and `age_seconds` as in `Quote`. */
export interface MarketStatus {
  is_open: boolean;
  now: Moment;
  next_open: Moment;
  next_close: Moment;
  source: "cache" | "live";
  age_seconds: number;
}

/** Counts since the stack began, depths and ages at `as_of`, some seconds ago at most. What nobody knows is null, and `missing` says why by the figure's name. */
export interface Metrics {
  as_of: Moment;
  runs: number;
  orders: number;
  fills: number;
  unknown_orders: number;
  outbox_depth: number;
  queue_depths: Record<string, number>;
  dead_letters: number;
  queues: QueueFigures[];
  last_run_at: Moment | null;
  last_sync_at: Moment | null;
  last_monitor_at: Moment | null;
  sync_lag_seconds: number | null;
  drift: Record<string, Amount>;
  drift_since: Moment | null;
  runs_missing: number;
  alerts_raised: number;
  breakers: BreakerState[] | null;
  request_budgets: RequestBudget[];
  missing: Record<string, string>;
}

/** Time-weighted returns in percent, by year and month (1 to 12), and by year. */
export interface MonthlyReturns {
  months: Record<string, Record<string, number>>;
  years: Record<string, number>;
}

/** A rule as `Fault` has it; what is left out is the exchange's to say. */
export interface NewFault {
  kind: string;
  id?: string | null;
  route?: string | null;
  probability?: number | null;
  times?: number | null;
  seed?: number | null;
  milliseconds?: number | null;
  most_milliseconds?: number | null;
  retry_after?: number | null;
  status?: number | null;
  age_seconds?: number | null;
  event?: string | null;
}

/** A person's word, or a test: to everybody, to one `user`, or over one of his channels. */
export interface Notice {
  subject?: string;
  text?: string;
  severity?: "critical" | "info" | "warning";
  user?: string | null;
  channel?: string | null;
}

/** A message that is on its way; the log tells what became of it under this id. */
export interface NotificationAccepted {
  id: string;
}

/** One way to reach a user; a webhook's `address` is the name of its secret, never the secret. */
export interface NotificationChannel {
  name: string;
  kind: "email" | "sms" | "webhook";
  address: string;
  format: "discord" | "json" | "slack" | "telegram";
  severity: "critical" | "info" | "warning";
  categories: ("account" | "exit" | "fill" | "health" | "notice" | "order" | "risk" | "summary")[];
  digest: "daily" | "hourly" | "none";
  most_per_hour: number;
}

/** A line of the delivery log: one message over one channel to one user. `state` is sending, sent, failed (it is tried again), given_up (a dead letter), held or repeated; `outcome` the other side's id for it, or why it failed or waits. */
export interface NotificationDelivery {
  event_id: string;
  event: string;
  user: string;
  channel: string;
  kind: string;
  category: string;
  severity: string;
  subject: string;
  state: State;
  attempts: number;
  outcome: string;
  first_at: Moment;
  changed_at: Moment;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface NotificationDeliveryPage {
  items: NotificationDelivery[];
  next: string | null;
}

/** What a user wants to be told; `version` goes back with a change, 0 means none was set yet. `events` and `categories` are what there is to tell; `owner_is_mailed` says that the owner gets everything by e-mail, because nobody's settings name his address. */
export interface NotificationSettings {
  user: string;
  version: number;
  channels: NotificationChannel[];
  time_zone: string;
  quiet_from: string | null;
  quiet_until: string | null;
  digest_at: string;
  changed_at: Moment | null;
  events: string[];
  categories: ("account" | "exit" | "fill" | "health" | "notice" | "order" | "risk" | "summary")[];
  owner_is_mailed: boolean;
}

/** What anyone may know: whether all is well. */
export interface OpenHealth {
  status: "degraded" | "ok";
}

export interface Order {
  client_order_id: string;
  broker_order_id: string | null;
  parent: string | null;
  role: LegRole | null;
  origin: OrderOrigin;
  purpose: OrderPurpose;
  symbol: string;
  side: Side;
  order_type: OrderType;
  order_class: OrderClass;
  time_in_force: TimeInForce;
  quantity: Amount | null;
  limit_price: Amount | null;
  stop_price: Amount | null;
  stop_loss_price: Amount | null;
  take_profit_price: Amount | null;
  status: string;
  filled_quantity: Amount;
  filled_average_price: Amount | null;
  reason: string;
  created_at: Moment;
  updated_at: Moment;
  verdict: RuleOutcome[];
  history: OrderStep[];
  notional: Amount | null;
  trail_price: Amount | null;
  trail_percent: Amount | null;
  stop_loss_limit_price: Amount | null;
  extended_hours: boolean;
  requested_by: string;
  run_id: string | null;
  correlation_id: string;
  exit_step: ExitStep | null;
  replaces: string | null;
  replaced_by: string | null;
  arrival_price: Amount | null;
}

/** The order is queued for the risk check; follow it by its client order id. */
export interface OrderAccepted {
  client_order_id: string;
  status: "cancel queued" | "queued" | "replacement queued";
}

/** Alpaca's order classes; what Alpaca writes as an empty string is `simple` here. */
export type OrderClass = "bracket" | "oco" | "oto" | "simple";

/** Who asked: the origins of an intent, and the two of orders we did not write ourselves. */
export type OrderOrigin = "external" | "man" | "prot" | "recovered" | "risk" | "sig";

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface OrderPage {
  items: Order[];
  next: string | null;
}

/** What the order is for. */
export type OrderPurpose = "entry" | "exit" | "leg" | "protection" | "unknown";

/** One order's fills against its benchmark: `arrival`, `signal`, `stop` or `limit`. `beyond_bps` is against `assumed_price`, what a backtest would have filled at. Above 0 is a cost. */
export interface OrderSlippage {
  client_order_id: string;
  symbol: string;
  side: string;
  order_type: string;
  strategy: string;
  filled_at: Moment;
  quantity: Amount;
  price: Amount;
  benchmark: string;
  benchmark_price: Amount;
  assumed_price: Amount;
  slippage_bps: Amount;
  assumed_bps: Amount;
  beyond_bps: Amount;
  cost: Amount;
}

/** One line of an order's log: market time, the status after it, why, and what the broker answered. */
export interface OrderStep {
  at: Moment;
  status: string;
  why: string;
  answer: string;
}

/** Alpaca's order types. */
export type OrderType = "limit" | "market" | "stop" | "stop_limit" | "trailing_stop";

/** Several orders that are queued, to be placed or cancelled. */
export interface OrdersAccepted {
  client_order_ids: string[];
  status: "cancel queued" | "queued";
}

/** A person's order. `Idempotency-Key` is a header. A purchase is for a `quantity` of shares or `notional` dollars, without either sized by risk; a sale for a `quantity` or a `percentage` of the position, without either all of it. Without `order_class` a purchase is a bracket, whose stop and target the settings give where it has none. */
export interface PlaceOrder {
  symbol: string;
  side: Side;
  quantity?: Amount | null;
  notional?: Amount | null;
  percentage?: Amount | null;
  order_type?: OrderType;
  order_class?: OrderClass | null;
  time_in_force?: TimeInForce;
  limit_price?: Amount | null;
  stop_price?: Amount | null;
  trail_price?: Amount | null;
  trail_percent?: Amount | null;
  take_profit_price?: Amount | null;
  stop_loss_price?: Amount | null;
  stop_loss_limit_price?: Amount | null;
  extended_hours?: boolean;
  reason?: string;
}

/** One of a strategy's values at each bar of a chart, null where undefined or not judged yet. `pane` is price (drawn over the bars) or oscillator, `unit` USD, points or percent; `levels` are horizontal lines by the name of the strategy's parameter. */
export interface Plotted {
  name: string;
  label: string;
  pane: string;
  unit: string;
  levels: Record<string, number>;
  values: (number | null)[];
}

/** Profit and loss of a day (2026-11-20), week (2026-W47), month (2026-11), symbol, strategy or tag. `pnl`, `income`, `deposits`, `return_percent` and `equity` are the account's, by period alone (income by symbol too); `open_pnl` is told by group alone, and only up to now. */
export interface PnlRow {
  key: string;
  trades: number;
  wins: number;
  losses: number;
  win_rate_percent: Amount | null;
  profit_factor: Amount | null;
  expectancy: Amount | null;
  realised_pnl: Amount;
  open_pnl: Amount | null;
  income: Amount | null;
  pnl: Amount | null;
  deposits: Amount | null;
  return_percent: number | null;
  equity: Amount | null;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface PnlRowPage {
  items: PnlRow[];
  next: string | null;
}

/** The last equity mark of a market day; `deposits` are net, and no part of `pnl`. */
export interface PortfolioDay {
  date: Day;
  equity: Amount;
  cash: Amount;
  deposits: Amount;
  pnl: Amount;
  drawdown_percent: Amount;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface PortfolioDayPage {
  items: PortfolioDay[];
  next: string | null;
}

/** The portfolio at the newest prices, or at those of the last sync: `source` is then `cache`. */
export interface PortfolioSummary {
  value: Amount;
  cash: Amount;
  buying_power: Amount;
  position_value: Amount;
  exposure_percent: Amount;
  exposure_by_symbol: Record<string, Amount>;
  unrealised_pnl: Amount;
  realised_pnl: Amount;
  as_of: Moment;
  exposure_by_sector: Record<string, Amount>;
  day_pnl: Amount | null;
  income: Amount;
  deposits: Amount;
  total_pnl: Amount;
  differences: Record<string, Amount>;
  source: string;
  age_seconds: number;
}

/** A holding at the newest price, or at that of the last sync: `source` is then `cache`. `stops` and `targets` are all that guard it, the nearest first; `stop_price` and `target_price` are the nearest of each. */
export interface Position {
  symbol: string;
  quantity: Amount;
  average_entry_price: Amount;
  current_price: Amount;
  market_value: Amount;
  cost_basis: Amount;
  unrealised_pnl: Amount;
  unrealised_pnl_percent: Amount;
  stop_price: Amount | null;
  target_price: Amount | null;
  opened_at: Moment | null;
  sector: string;
  broker_quantity: Amount | null;
  source: string;
  age_seconds: number;
  stops: Guard[];
  targets: Guard[];
}

/** One symbol: the position (null when flat), its lots, and what another entry could buy. `reconciled` says that our shares are the broker's as the last sync read them. */
export interface PositionDetail {
  symbol: string;
  position: Position | null;
  realised_pnl: Amount;
  lots: Lot[];
  closed_lots: ClosedLot[];
  reconciled: boolean;
  sizing: Sizing | null;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface PositionPage {
  items: Position[];
  next: string | null;
}

/** How a user wants the dashboard. `symbols` are shown first. Raises `ValueError` naming what does not fit. */
export interface Preferences {
  theme?: "dark" | "light" | "system";
  time_zone?: string;
  first_page?: "analytics" | "config" | "monitoring" | "overview" | "portfolio" | "trading";
  symbols?: string[];
}

/** What is known of a program's key; `last_used_at` is right to the hour. */
export interface ProgramKey {
  name: string;
  role: string;
  made_by: string;
  made_at: Moment;
  expires_at: Moment;
  requests_a_day: number;
  last_used_at: Moment | null;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface ProgramKeyPage {
  items: ProgramKey[];
  next: string | null;
}

/** A queue's messages: those that wait, those a worker has, and those given up, in its dead letters. */
export interface QueueFigures {
  queue: string;
  waiting: number;
  in_flight: number;
  dead_letters: number;
}

/** `source` is live, or cache for the last known one while the feed does not answer. `age_seconds` is how long ago (wall time) that one was asked for; 0 when it is live. */
export interface Quote {
  symbol: string;
  bid: Amount;
  ask: Amount;
  last: Amount;
  at: Moment;
  source: "cache" | "live";
  age_seconds: number;
}

/** Which days to hold against the broker's statement, both included; all since the books were opened. */
export interface Reconcile {
  from?: Day | null;
  to?: Day | null;
}

/** Dollars of `cash`, or shares of a symbol, that either side holds. */
export interface ReconciledBalance {
  name: string;
  ours: Amount;
  broker: Amount;
}

/** The dollars of one kind of activity (`FILL` or the broker's word) on one day, on either side. */
export interface ReconciledDay {
  day: Day;
  kind: string;
  our_lines: number;
  broker_lines: number;
  ours: Amount;
  broker: Amount;
  difference: Amount;
}

/** A line that differs: `not_in_books`, `not_at_broker`, `different` or `unexplained`. */
export interface ReconciledLine {
  difference: string;
  id: string;
  kind: string;
  day: Day;
  symbol: string;
  ours: string;
  broker: string;
}

/** The last reconciliation; `agrees` when nothing differs, to the cent and the share. `since` is the day the books were opened. `differences` are at most 500 of `differences_found`. */
export interface Reconciliation {
  from: Day;
  to: Day;
  since: Day;
  at: Moment;
  wall_at: Moment;
  correlation_id: string;
  agrees: boolean;
  days: ReconciledDay[];
  differences: ReconciledLine[];
  differences_found: number;
  balances: ReconciledBalance[];
}

/** An order that never was: `codes` are the rules that refused it, or `command_failed`. `at` is market time, `wall_at` wall time. */
export interface Refusal {
  id: string;
  at: Moment;
  wall_at: Moment;
  client_order_id: string;
  symbol: string;
  side: string;
  codes: string[];
  message: string;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface RefusalPage {
  items: Refusal[];
  next: string | null;
}

/** What to change of an open order; `quantity` is the whole, what is filled included. */
export interface ReplaceOrder {
  quantity?: Amount | null;
  limit_price?: Amount | null;
  stop_price?: Amount | null;
  trail?: Amount | null;
  time_in_force?: TimeInForce | null;
  reason?: string;
}

/** What is left of a key's requests until `resets_at`; told only once it runs low. */
export interface RequestBudget {
  scope: string;
  limit: number;
  remaining: number;
  resets_at: Moment;
}

/** Each limit with how much of it is used, in the unit its name carries. */
export interface RiskLimits {
  trading_state: TradingState;
  limits: Record<string, Amount>;
  used: Record<string, Amount>;
  as_of: Moment;
}

/** The version whose settings come back, as a new version; `version` is the one in force. */
export interface RollBackConfiguration {
  to: number;
  reason: string;
  version?: number | null;
}

/** One rule's answer: passed, failed or not_applicable; `limit` and `used` are in its own unit. */
export interface RuleOutcome {
  code: string;
  passed: boolean;
  message: string;
  outcome: string;
  limit: Amount | null;
  used: Amount | null;
}

/** One judgement of one closed bar; `late` when a newer bar had closed by then. `planned_at` is market time. `missed` bars before this one, from the close `missed_since` on, were judged by no run. */
export interface Run {
  id: string;
  timeframe: string;
  bar_start: Moment;
  bar_close: Moment;
  planned_at: Moment;
  state: RunState;
  late: boolean;
  missed: number;
  missed_since: Moment | null;
  symbols: number;
  shards: number;
  reported: number;
  raised: number;
  withheld: number;
  intents: number;
  settings_version: number;
  rules_version: number;
}

/** A run with its signals, the raised first in the order of their rank. `valid_until` is by strategy; `missing_shards` had not reported when the run was concluded. */
export interface RunDetail {
  id: string;
  timeframe: string;
  bar_start: Moment;
  bar_close: Moment;
  planned_at: Moment;
  state: RunState;
  late: boolean;
  missed: number;
  missed_since: Moment | null;
  symbols: number;
  shards: number;
  reported: number;
  raised: number;
  withheld: number;
  intents: number;
  settings_version: number;
  rules_version: number;
  valid_until: Record<string, Moment>;
  missing_shards: number[];
  signals: Signal[];
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface RunPage {
  items: Run[];
  next: string | null;
}

export type RunState = "concluded" | "planned";

/** All symbols of a watchlist, and why; `version` is that of the settings they were read at. */
export interface SaveWatchlist {
  symbols: string[];
  reason: string;
  version?: number | null;
}

/** What the last probe found; `last_work` is what the service did last, null for one that only answers. */
export interface ServiceHealth {
  service: string;
  status: string;
  message: string;
  checked_at: Moment;
  latency_ms: number;
  version: string | null;
  memory_mb: number | null;
  last_work_at: Moment | null;
  last_work: string | null;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface ServiceHealthPage {
  items: ServiceHealth[];
  next: string | null;
}

/** A signed-in session; the refresh token travels only in an HttpOnly cookie. */
export interface Session {
  access_token: string;
  expires_in_seconds: number;
  username: string;
  roles: string[];
}

/** A setting by its path, and what it was and is; null where it is not set or not there. */
export interface SettingDifference {
  setting: string;
  before: unknown;
  after: unknown;
}

/** Buy or sell, in Alpaca's words. */
export type Side = "buy" | "sell";

export interface SignInRequest {
  username: string;
  password: string;
}

/** A signal raised, or withheld with its reason (`outcome` is raised or withheld). `code` says which in a word: raised, or why it was withheld. */
export interface Signal {
  symbol: string;
  outcome: string;
  side: string | null;
  strategy: string;
  timeframe: string;
  bar_close: Moment;
  strength: number | null;
  reference_price: Amount | null;
  reason: string;
  values: Record<string, number>;
  run_id: string;
  code: string;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface SignalPage {
  items: Signal[];
  next: string | null;
}

/** How many shares an entry would buy now, the cap that decides, and what each cap allows. */
export interface Sizing {
  quantity: Amount;
  bound_by: string;
  caps: Record<string, Amount>;
}

/** `all` is null while nothing was measured; `assumed_taken_bps` is what backtests pay a market order. */
export interface Slippage {
  assumed_taken_bps: Amount;
  all: SlippageFigures | null;
  by_symbol: Record<string, SlippageFigures>;
  by_side: Record<string, SlippageFigures>;
  by_benchmark: Record<string, SlippageFigures>;
  by_strategy: Record<string, SlippageFigures>;
  orders: OrderSlippage[];
}

/** Basis points over several orders, each counted once; `cost` in dollars. */
export interface SlippageFigures {
  orders: number;
  mean_bps: number;
  median_bps: number;
  worst_bps: number;
  mean_assumed_bps: number;
  mean_beyond_bps: number;
  cost: Amount;
}

/** How a delivery stands. */
export type State = "failed" | "given_up" | "held" | "repeated" | "sending" | "sent";

/** One link of the chain; where `passed` is false the chain ends. `at` is market time. */
export interface Step {
  name: string;
  result: string;
  passed?: boolean;
  at?: Moment | null;
  lines?: Line[];
}

/** A sync or a rebuild is queued; its log lines and events carry what follows. */
export interface SyncAccepted {
  correlation_id: string;
  status: string;
}

export interface TableUsage {
  table: string;
  read_units: number;
  write_units: number;
  throttles: number;
}

/** Shares still held; `held_since` and `cost` count what wash sales carried in. */
export interface TaxLot {
  symbol: string;
  source: string;
  quantity: Amount;
  acquired_on: Day;
  held_since: Day;
  cost: Amount;
  carried: Amount;
  is_date_known: boolean;
}

/** The disposals of a year (of all, where it is null), their sums by term, and what is held now. */
export interface TaxLots {
  year: number | null;
  disposals: Disposal[];
  held: TaxLot[];
  totals: Record<string, TaxTotals>;
}

/** Sums over disposals, in dollars. */
export interface TaxTotals {
  proceeds: Amount;
  cost: Amount;
  disallowed: Amount;
  taxable_gain: Amount;
}

/** A one-time ticket for the socket, valid 30 seconds. */
export interface Ticket {
  ticket: string;
  expires_in_seconds: number;
}

/** Alpaca's times in force. */
export type TimeInForce = "cls" | "day" | "fok" | "gtc" | "ioc" | "opg";

/** How long a bar is, spelled as Alpaca spells it. */
export type Timeframe = "15Min" | "1Day" | "1Hour" | "1Min" | "5Min";

/** A round trip. `tag` is why it was opened, `reason` why it was closed. Arrival prices are what the symbol stood at when the orders reached the market; slippage is against them, above 0 a cost. `pnl_percent` is of the entry, null where shares came at no cost. */
export interface Trade {
  symbol: string;
  side: Side;
  quantity: Amount;
  opened_at: Moment;
  closed_at: Moment;
  entry_price: Amount;
  exit_price: Amount;
  pnl: Amount;
  pnl_percent: Amount | null;
  strategy: string;
  tag: string;
  reason: string;
  arrival_price: Amount | null;
  exit_arrival_price: Amount | null;
  slippage_bps: Amount | null;
  holding_days: number;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface TradePage {
  items: Trade[];
  next: string | null;
}

/** A broken limit that holds trading down. */
export interface TradingLock {
  code: string;
  state: TradingState;
  since: Moment;
  reason: string;
}

/** ACTIVE trades, REDUCING only shrinks positions, HALTED places no order at all. */
export type TradingState = "ACTIVE" | "HALTED" | "REDUCING";

/** The day from midnight UTC as CloudWatch had counted it at `until`; `cost_usd` adds what is known. */
export interface Usage {
  since: Moment | null;
  until: Moment | null;
  functions: FunctionUsage[];
  tables: TableUsage[];
  cost: CostLine[];
  cost_usd: Amount | null;
  missing: Record<string, string>;
}

/** What the caller prefers of the dashboard; version 0 is what everybody begins with. */
export interface UserPreferences {
  version: number;
  changed_at: Moment;
  theme: string;
  time_zone: string;
  first_page: string;
  symbols: string[];
}

/** A user's settings as he wants them; `version` is that of those he has read. */
export interface Wanted {
  version: number;
  channels: Channel[];
  time_zone?: string;
  quiet_from?: string | null;
  quiet_until?: string | null;
  digest_at?: string;
}

/** A named list of symbols, the strategies that judge it, and the settings' version it is of. */
export interface Watchlist {
  name: string;
  symbols: string[];
  strategies: string[];
  version: number;
}

/** One page of a list; `next` is an opaque cursor, null on the last page. */
export interface WatchlistPage {
  items: Watchlist[];
  next: string | null;
}
