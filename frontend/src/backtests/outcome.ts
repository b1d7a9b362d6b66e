// What a backtest came to, name for name as `alpaquero.backtests.outcome` encodes it.
import type { AccountCurve } from "../api/bodies";
import type { Line } from "../chart/lines";

export interface TradeFigures {
  trades: number;
  wins: number;
  losses: number;
  pnl: string;
  win_rate_percent: string | null;
  profit_factor: string | null;
  payoff_ratio: string | null;
  expectancy: string | null;
  average_win: string | null;
  average_loss: string | null;
  largest_win: string | null;
  largest_loss: string | null;
}

export interface BacktestTrade {
  symbol: string;
  strategy: string;
  side: string;
  quantity: string;
  opened_at: string;
  closed_at: string;
  entry_price: string;
  exit_price: string;
  pnl: string;
  pnl_percent: string;
  fees: string;
  entry_tag: string;
  exit_tag: string;
}

export interface Outcome {
  asked: { symbols: string[]; start: string; end: string; timeframe: string; cash: string; data: string; rules_version: string; strategies: Record<string, Record<string, unknown>> };
  trades_sha256: string;
  final_equity: string;
  final_cash: string;
  curve: AccountCurve;
  benchmark: AccountCurve;
  trades: TradeFigures;
  by_symbol: Record<string, TradeFigures>;
  by_strategy: Record<string, TradeFigures>;
  by_exit_tag: Record<string, TradeFigures>;
  activity: { signals: number; withheld: Record<string, number>; passed_over: Record<string, number>; intents: number; refused: Record<string, number>; fills: number; fees: string; traded_dollars: string };
  monthly_percent: Record<string, Record<string, number>>;
  yearly_percent: Record<string, number>;
  equity: { days: string[]; equity: number[]; drawdown_percent: number[]; benchmark: number[] };
  round_trips: BacktestTrade[];
  notes: string[];
  seconds: number;
}

/** The curves of a result; a drawdown is 0 or less, and falls below its line. */
export function linesOf(equity: Outcome["equity"]): Line[] {
  const points = (values: readonly number[]) => equity.days.map((time, n) => ({ time, value: values[n] ?? 0 }));
  return [
    { name: "equity", tone: "accent", pane: 0, unit: "$", points: points(equity.equity) },
    { name: "held all the time", tone: "soft", pane: 0, unit: "$", points: points(equity.benchmark) },
    { name: "drawdown", tone: "down", pane: 1, unit: "%", filled: true, points: points(equity.drawdown_percent) },
  ];
}
