// A backtest as it is filled in, and the body that begins it.

export interface Plan {
  symbols: string;
  start: string;
  end: string;
  settings: "current" | "default";
  strategies: readonly string[];
  timeframe: string;
  cash: string;
  seed: string;
  half_spread_bps: string;
  slippage_bps: string;
  fee_per_share_dollars: string;
  partial_fills: string;
  changes: string;
}

export const BEGINNING: Plan = {
  symbols: "",
  start: "",
  end: "",
  settings: "current",
  strategies: [],
  timeframe: "",
  cash: "100000",
  seed: "1",
  half_spread_bps: "1",
  slippage_bps: "0",
  fee_per_share_dollars: "0",
  partial_fills: "0",
  changes: "",
};

export type Faults = Partial<Record<keyof Plan, string>>;

const SYMBOL = /^[A-Z][A-Z0-9.]{0,9}$/;
const AMOUNT = /^\d{1,12}(\.\d{1,9})?$/;
const CHANGE = /^([A-Za-z_][\w.-]*)\s*[=:]\s*(.+)$/;

const symbolsIn = (text: string): string[] => [...new Set(text.toUpperCase().split(/[\s,;]+/).filter(Boolean))];

/** `risk.stop_loss_percent = 2` a line; a value is JSON where it can be, so that numbers are numbers. */
export function changesIn(text: string): { changes: Record<string, unknown>; fault: string | null } {
  const changes: Record<string, unknown> = {};
  for (const line of text.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const match = CHANGE.exec(line);
    if (!match) return { changes, fault: `“${line.slice(0, 40)}” is no change: write it as risk.stop_loss_percent = 2.` };
    changes[match[1]!] = valueOf(match[2]!.trim());
  }
  return { changes, fault: null };
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function faultsOf(plan: Plan): Faults {
  const faults: Faults = {};
  const wrong = symbolsIn(plan.symbols).filter((symbol) => !SYMBOL.test(symbol));
  if (wrong.length > 0) faults.symbols = `No symbol: ${wrong.slice(0, 5).join(", ")}.`;
  if (plan.start !== "" && plan.end !== "" && plan.start > plan.end) faults.end = "The last day is before the first one.";
  for (const name of ["cash", "half_spread_bps", "slippage_bps", "fee_per_share_dollars", "partial_fills"] as const) {
    if (!AMOUNT.test(plan[name].trim())) faults[name] = "Write a number, 0 or more.";
  }
  if (!/^\d{1,15}$/.test(plan.seed.trim())) faults.seed = "Write a whole number.";
  const { fault } = changesIn(plan.changes);
  if (fault) faults.changes = fault;
  return faults;
}

/** The body of POST /api/backtests, null while something is missing or does not fit. */
export function requestOf(plan: Plan): Record<string, unknown> | null {
  const symbols = symbolsIn(plan.symbols);
  if (symbols.length === 0 || plan.start === "" || plan.end === "" || Object.keys(faultsOf(plan)).length > 0) return null;
  const { changes } = changesIn(plan.changes);
  return {
    symbols,
    start: plan.start,
    end: plan.end,
    settings: plan.settings,
    ...(plan.strategies.length > 0 && { strategies: plan.strategies }),
    ...(plan.timeframe !== "" && { timeframe: plan.timeframe }),
    cash: plan.cash.trim(),
    seed: Number(plan.seed),
    fills: {
      half_spread_bps: plan.half_spread_bps.trim(),
      slippage_bps: plan.slippage_bps.trim(),
      fee_per_share_dollars: plan.fee_per_share_dollars.trim(),
      partial_fills: plan.partial_fills.trim(),
    },
    ...(Object.keys(changes).length > 0 && { changes }),
  };
}

/** Days before the first session that hold the 250 bars which rules look back on unless told otherwise. */
const WARM_UP_DAYS: Readonly<Record<string, number>> = { "1Min": 10, "5Min": 15, "15Min": 25, "1Hour": 70, "1Day": 420 };

/** The body of POST /api/historical/ingest. */
export interface Wanted {
  symbols: string[];
  timeframe: string;
  start: string;
  end: string;
}

/** The bars that a plan needs, those before its first session too, by timeframe; `applied` are the settings in force. */
export function barsOf(plan: Plan, applied: Readonly<Record<string, { timeframe: string }>>): Wanted[] {
  if (requestOf(plan) === null) return [];
  return timeframesOf(plan, applied).map((timeframe) => {
    const first = new Date(`${plan.start}T00:00:00Z`);
    first.setUTCDate(first.getUTCDate() - WARM_UP_DAYS[timeframe]!);
    return { symbols: symbolsIn(plan.symbols), timeframe, start: first.toISOString().slice(0, 10), end: plan.end };
  });
}

/** What the strategies of a plan judge: the one it names, or each its own. */
function timeframesOf({ timeframe, settings, strategies }: Plan, applied: Readonly<Record<string, { timeframe: string }>>): string[] {
  if (timeframe !== "") return [timeframe];
  if (settings === "default") return ["1Day"];
  const chosen = strategies.length > 0 ? strategies : Object.keys(applied);
  return [...new Set(chosen.flatMap((name) => applied[name]?.timeframe ?? []))];
}

/** The same day a year before, as a backtest begins unless told otherwise. */
export function yearBefore(day: string): string {
  const at = new Date(`${day}T00:00:00Z`);
  at.setUTCFullYear(at.getUTCFullYear() - 1);
  return at.toISOString().slice(0, 10);
}

/** What each curve has gained in per cent since its first value, so that two of them can be laid together. */
export function gainOf(values: readonly number[]): number[] {
  const first = values[0];
  return first ? values.map((value) => (100 * (value - first)) / first) : [];
}
