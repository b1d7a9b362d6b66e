// What part of the trading the results are of, as the query that the API takes.

export interface Part {
  from: string;
  to: string;
  symbol: string;
  strategy: string;
  tag: string;
  benchmark: string;
}

export const WHOLE: Part = { from: "", to: "", symbol: "", strategy: "", tag: "", benchmark: "" };

const SYMBOL = /^[A-Z][A-Z0-9.]{0,9}$/;

/** Why it cannot be asked for, or null. */
export function faultOf(part: Part): string | null {
  if (part.from !== "" && part.to !== "" && part.from > part.to) return "The first day is after the last one.";
  for (const symbol of [part.symbol, part.benchmark]) {
    if (symbol !== "" && !SYMBOL.test(symbol)) return `No symbol: ${symbol}. Write it as AAPL or BRK.B.`;
  }
  return null;
}

/** `?from=2026-01-01&symbol=AAPL`, of those names that the route takes; empty when nothing is asked. */
export function queryOf(part: Part, names: readonly (keyof Part)[], more: Readonly<Record<string, string>> = {}): string {
  const asked = new URLSearchParams(names.filter((name) => part[name] !== "").map((name) => [name, part[name]]));
  for (const [name, value] of Object.entries(more)) if (value !== "") asked.set(name, value);
  const text = asked.toString();
  return text && `?${text}`;
}

export const TIMES = ["from", "to"] as const;
export const TRADES = [...TIMES, "symbol", "strategy", "tag"] as const;

export const isPart = (part: Part): boolean => part.symbol !== "" || part.strategy !== "" || part.tag !== "";

/** Rows as a CSV file; a cell that a spreadsheet would take for a formula is kept from it. */
export function csvOf(head: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cell = (value: string | number | null): string => {
    const text = value === null ? "" : String(value);
    const safe = typeof value === "string" && /^[=+@\t]|^-(?![\d.])/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}
