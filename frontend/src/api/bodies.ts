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
