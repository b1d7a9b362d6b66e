// The JSON bodies of the API, name for name as `alpaquero.web.bodies` encodes them.
// Money, prices and quantities are decimal strings; times are ISO 8601 in UTC.

export type Amount = string;
export type Moment = string;

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Session {
  access_token: string;
  expires_in_seconds: number;
  username: string;
  roles: string[];
}

export interface Ticket {
  ticket: string;
  expires_in_seconds: number;
}

export interface Account {
  account: string;
  environment: string;
  trading_state: string;
  cash: Amount;
  equity: Amount;
  buying_power: Amount;
  position_value: Amount;
  broker_cash: Amount;
  broker_equity: Amount;
  as_of: Moment;
}

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
}

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
}

export interface RuleOutcome {
  code: string;
  passed: boolean;
  message: string;
  outcome: "passed" | "failed" | "not_applicable";
  limit: string | null;
  used: string | null;
}

export interface OrderStep {
  at: Moment;
  status: string;
  why: string;
  /** What the broker answered. */
  answer: string;
}

export interface Order {
  client_order_id: string;
  broker_order_id: string | null;
  parent: string | null;
  role: string | null;
  origin: string;
  purpose: string;
  symbol: string;
  side: string;
  order_type: string;
  order_class: string;
  time_in_force: string;
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
  exit_step: string | null;
  replaces: string | null;
  replaced_by: string | null;
}

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

/** Columns of one length, oldest first; `time` is each bar's start in whole seconds since 1970. */
export interface BarColumns {
  time: number[];
  open: number[];
  high: number[];
  low: number[];
  close: number[];
  volume: number[];
}

/** A strategy's value at each bar, null where undefined or not judged yet. */
export interface Plotted {
  name: string;
  label: string;
  pane: "price" | "oscillator";
  unit: string;
  levels: Record<string, number>;
  values: (number | null)[];
}

export interface Marker {
  kind: string;
  /** Of a signal, raised or withheld. */
  outcome: string;
  shadow: boolean;
  strategy: string;
  time: Moment;
  side: string;
  price: Amount | null;
  quantity: Amount | null;
  text: string;
}

export interface Chart {
  symbol: string;
  timeframe: string;
  adjustment: string;
  feed: string;
  /** Null where nobody can say. */
  synthetic: boolean | null;
  source: Source;
  age_seconds: number;
  strategy: string | null;
  bars: BarColumns;
  forming: boolean;
  indicators: Plotted[];
  markers: Marker[];
  as_of: Moment;
}

/** `cache` is what was last known while the broker does not answer. */
export type Source = "live" | "cache";

export interface MarketStatus {
  is_open: boolean;
  now: Moment;
  next_open: Moment;
  next_close: Moment;
  source: Source;
  age_seconds: number;
}

export interface WatchedPrice {
  symbol: string;
  bid: Amount | null;
  ask: Amount | null;
  last: Amount | null;
  at: Moment;
  age_seconds: number;
}

export interface AnalyticsSummary {
  trades: number;
  wins: number;
  losses: number;
  win_rate_percent: Amount | null;
  profit_factor: Amount | null;
  realised_pnl: Amount;
  average_win: Amount | null;
  average_loss: Amount | null;
  total_return_percent: Amount | null;
  max_drawdown_percent: Amount;
  since: Moment | null;
  as_of: Moment | null;
}

export interface Trade {
  symbol: string;
  quantity: Amount;
  opened_at: Moment;
  closed_at: Moment;
  entry_price: Amount;
  exit_price: Amount;
  pnl: Amount;
  pnl_percent: Amount;
}

export interface EquityMark {
  at: Moment;
  equity: Amount;
  cash: Amount;
  drawdown_percent: Amount;
}

export interface Configuration {
  version: number;
  author: string;
  reason: string;
  changed_at: Moment;
  settings: Record<string, unknown>;
  environment: Record<string, string>;
}

export interface ServiceHealth {
  service: string;
  status: string;
  message: string;
  checked_at: Moment;
  latency_ms: number;
  version: string | null;
  memory_mb: number | null;
}

export interface HealthAlert {
  name: string;
  service: string;
  raised: boolean;
  since: Moment | null;
  message: string;
}

export interface BreakerState {
  scope: string;
  state: string;
  failures: number;
  tries_again_at: Moment | null;
}

export interface RequestBudget {
  scope: string;
  limit: number;
  remaining: number;
  resets_at: Moment;
}

/** What nobody knows is null, and `missing` says why by the figure's name. */
export interface Metrics {
  runs: number;
  orders: number;
  fills: number;
  unknown_orders: number;
  outbox_depth: number;
  queue_depths: Record<string, number>;
  dead_letters: number;
  last_run_at: Moment | null;
  last_sync_at: Moment | null;
  last_monitor_at: Moment | null;
  sync_lag_seconds: number | null;
  drift: Record<string, string>;
  drift_since: Moment | null;
  runs_missing: number;
  alerts_raised: number;
  breakers: BreakerState[] | null;
  request_budgets: RequestBudget[];
  missing: Record<string, string>;
}

/** One frame of the dashboard socket; `detail` is the event of `alpaquero.events.schemas`. */
export interface LiveEvent {
  type: string;
  at: Moment;
  detail: Record<string, unknown>;
}

export interface OrderAccepted {
  client_order_id: string;
  status: string;
}

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

export interface ConfigurationChange {
  version: number;
  author: string;
  reason: string;
  changed_at: Moment;
  changed: string[];
  rolled_back_to: number | null;
}

export interface ConfigurationDiff {
  from_version: number;
  to_version: number;
  changes: { setting: string; before: unknown; after: unknown }[];
}

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

export interface Watchlist {
  name: string;
  symbols: string[];
  strategies: string[];
  version: number;
}

export interface UserPreferences {
  version: number;
  changed_at: Moment;
  theme: "system" | "light" | "dark";
  time_zone: string;
  first_page: string;
  symbols: string[];
}

export interface NotificationChannel {
  name: string;
  kind: "email" | "sms" | "webhook";
  address: string;
  format: "json" | "slack" | "discord" | "telegram";
  severity: "info" | "warning" | "critical";
  categories: string[];
  digest: "none" | "hourly" | "daily";
  most_per_hour: number;
}

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
  categories: string[];
  owner_is_mailed: boolean;
}

export interface NotificationDelivery {
  event_id: string;
  event: string;
  user: string;
  channel: string;
  kind: string;
  category: string;
  severity: string;
  subject: string;
  state: string;
  attempts: number;
  outcome: string;
  first_at: Moment;
  changed_at: Moment;
}

export interface Run {
  id: string;
  timeframe: string;
  bar_start: Moment;
  bar_close: Moment;
  planned_at: Moment;
  state: string;
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

export interface FunctionUsage {
  function: string;
  invocations: number;
  errors: number;
  throttles: number;
  average_ms: number | null;
}

export interface CostLine {
  what: string;
  quantity: number | null;
  unit: string;
  usd_per: Amount;
  per: number;
  usd: Amount | null;
  source: string;
  priced_on: string | null;
}

export interface Usage {
  since: Moment | null;
  until: Moment | null;
  functions: FunctionUsage[];
  tables: { table: string; read_units: number; write_units: number; throttles: number }[];
  cost: CostLine[];
  cost_usd: Amount | null;
  missing: Record<string, string>;
}

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

export interface Lot {
  source: string;
  opened_at: Moment;
  holding_days: number;
  quantity: Amount;
  cost_basis: Amount;
  market_value: Amount;
  unrealised_pnl: Amount;
}

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

export interface Sizing {
  quantity: Amount;
  bound_by: string;
  caps: Record<string, Amount>;
}

export interface PositionDetail {
  symbol: string;
  position: Position | null;
  realised_pnl: Amount;
  lots: Lot[];
  closed_lots: ClosedLot[];
  reconciled: boolean;
  sizing: Sizing | null;
}

export interface PortfolioDay {
  date: string;
  equity: Amount;
  cash: Amount;
  deposits: Amount;
  pnl: Amount;
  drawdown_percent: Amount;
}

export interface OrdersAccepted {
  client_order_ids: string[];
  status: string;
}

export interface Indicators {
  symbol: string;
  strategy: string;
  timeframe: string;
  adjustment: string;
  times: Moment[];
  series: Record<string, (number | null)[]>;
}

export interface Quote {
  symbol: string;
  bid: Amount;
  ask: Amount;
  last: Amount;
  at: Moment;
  source: Source;
  age_seconds: number;
}

export interface RiskLimits {
  trading_state: string;
  limits: Record<string, Amount>;
  used: Record<string, Amount>;
  as_of: Moment;
}

export interface TradingLock {
  code: string;
  state: string;
  since: Moment;
  reason: string;
}

export interface TradingState {
  state: string;
  asked: string;
  locks: TradingLock[];
  flattening: boolean;
  author: string | null;
  reason: string | null;
  changed_at: Moment | null;
  book_version: number;
}

/** `holds` is left out for what is only told; `by` is how far off a condition is. */
export interface ExplanationLine {
  text: string;
  holds?: boolean;
  by?: number;
}

export interface ExplanationStep {
  name: string;
  result: string;
  passed?: boolean;
  at?: Moment;
  lines?: ExplanationLine[];
}

export interface ExplanationChain {
  strategy: string;
  timeframe: string;
  mode: string;
  run_id: string | null;
  bar_close: Moment | null;
  answer: string;
  steps: ExplanationStep[];
}

export interface Explanation {
  symbol: string;
  at: Moment | null;
  answer: string;
  chains: ExplanationChain[];
}
