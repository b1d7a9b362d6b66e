// Signals as a list to read: one line for what a symbol was withheld for on bar after bar.
import type { Signal } from "../api/bodies";

export interface Gathered {
  signal: Signal;
  /** On so many bars before it the same was said. */
  before: number;
  /** The oldest of these bars. */
  since: string;
}

const kindOf = (signal: Signal): string => [signal.symbol, signal.strategy, signal.timeframe, signal.code].join("|");

/** `signals` newest first. What had a side stands by itself: it might have been traded. */
export function gathered(signals: readonly Signal[]): Gathered[] {
  const lines: Gathered[] = [];
  const lapsed = new Map<string, Gathered>();
  for (const signal of signals) {
    const kind = kindOf(signal);
    const line = signal.side ? undefined : lapsed.get(kind);
    if (line) {
      line.before += 1;
      line.since = signal.bar_close;
      continue;
    }
    const fresh = { signal, before: 0, since: signal.bar_close };
    lines.push(fresh);
    if (!signal.side) lapsed.set(kind, fresh);
  }
  return lines;
}
