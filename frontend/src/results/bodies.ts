// The bodies of the analytics routes, name for name as `alpaquero.web.bodies.analytics` encodes them.
import type { Amount, Moment } from "../api/bodies";

export interface AccountCurve {
  start: string;
  end: string;
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
  turnover_yearly?: number | null;
}

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
  days: string[];
  gain_percent: number[];
  benchmark_gain_percent: number[];
}

export interface Summary {
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

export interface RoundTrip {
  symbol: string;
  side: string;
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
  slippage_bps: Amount | null;
  holding_days: number;
}

export interface Mark {
  at: Moment;
  equity: Amount;
  cash: Amount;
  drawdown_percent: Amount;
  pnl: Amount | null;
}

export interface Distribution {
  trades: number;
  mean_percent: number | null;
  median_percent: number | null;
  deviation_percent: number | null;
  bins: { low_percent: Amount; high_percent: Amount; trades: number; pnl: Amount }[];
}

/** By year and month, `"1"` to `"12"`. */
export interface MonthlyReturns {
  months: Record<string, Record<string, number>>;
  years: Record<string, number>;
}
