// Two backtests figure by figure. Pure.
import { NONE, gain, money } from "../format/money";
import { gained, number, share } from "../results/numbers";
import type { Outcome } from "./outcome";

export interface Row {
  name: string;
  one: string;
  other: string;
  /** The second less the first, in the row's own unit. */
  apart: string;
}

type Value = number | string | null;
type Show = (value: number) => string;

/** Of some figures the sign says something; of others, such as a volatility, only of a difference. */
const PERCENT: readonly [Show, Show] = [(value) => share(value, 2), (value) => gained(value)];
const GAIN: readonly [Show, Show] = [(value) => gained(value), (value) => gained(value)];
const PLAIN: readonly [Show, Show] = [(value) => number(value), (value) => signed(value, 2)];
const COUNT: readonly [Show, Show] = [(value) => number(value, 0), (value) => signed(value, 0)];
const MONEY: readonly [Show, Show] = [(value) => money(value.toFixed(2)), (value) => gain(value.toFixed(2))];

const signed = (value: number, places: number): string => `${value > 0 ? "+" : ""}${number(value, places)}`;

export function rowsOf(one: Outcome, other: Outcome): Row[] {
  const row = (name: string, of: (outcome: Outcome) => Value, [show, difference]: readonly [Show, Show]): Row => {
    const [left, right] = [of(one), of(other)].map((value) => (value === null ? null : Number(value))) as [number | null, number | null];
    const shown = (value: number | null) => (value === null ? NONE : show(value));
    return { name, one: shown(left), other: shown(right), apart: left === null || right === null ? NONE : difference(right - left) };
  };
  const text = (name: string, of: (outcome: Outcome) => string): Row => ({ name, one: of(one), other: of(other), apart: of(one) === of(other) ? "the same" : "differs" });
  return [
    text("Sessions", ({ asked }) => `${asked.start} to ${asked.end}`),
    text("Symbols", ({ asked }) => String(asked.symbols.length)),
    text("Bars", ({ asked }) => asked.timeframe),
    text("Strategies", ({ asked }) => Object.keys(asked.strategies).join(", ")),
    row("Ends with", (outcome) => outcome.final_equity, MONEY),
    row("Return", ({ curve }) => curve.total_return_percent, GAIN),
    row("Growth a year (CAGR)", ({ curve }) => curve.cagr_percent, GAIN),
    row("Volatility a year", ({ curve }) => curve.volatility_percent, PERCENT),
    row("Sharpe, a year", ({ curve }) => curve.sharpe, PLAIN),
    row("Sortino, a year", ({ curve }) => curve.sortino, PLAIN),
    row("Deepest drawdown", ({ curve }) => curve.max_drawdown_percent, PERCENT),
    row("Trades", ({ trades }) => trades.trades, COUNT),
    row("Win rate", ({ trades }) => trades.win_rate_percent, PERCENT),
    row("Profit factor", ({ trades }) => trades.profit_factor, PLAIN),
    row("Expectancy, a trade", ({ trades }) => trades.expectancy, MONEY),
    row("Fees", ({ activity }) => activity.fees, MONEY),
    text("Trades, to the last digit", ({ trades_sha256 }) => trades_sha256.slice(0, 12)),
  ];
}
