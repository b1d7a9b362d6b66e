import { expect, test } from "vitest";
import { rowsOf } from "./comparison";
import type { Outcome } from "./outcome";

const outcome = (drawdown: number, expectancy: string | null, equity: string): Outcome =>
  ({
    asked: { start: "2011-01-03", end: "2012-01-03", symbols: ["AAPL"], timeframe: "1Day", strategies: { stochrsi_ema: {} } },
    final_equity: equity,
    curve: { total_return_percent: 2, cagr_percent: null, volatility_percent: 3, sharpe: 0.5, sortino: 1, max_drawdown_percent: drawdown },
    trades: { trades: 4, win_rate_percent: "50", profit_factor: null, expectancy },
    activity: { fees: "0" },
    trades_sha256: "0123456789abcdef",
  }) as unknown as Outcome;

const rows = Object.fromEntries(rowsOf(outcome(10, "-12.5", "99500"), outcome(8, "3", "100250.5")).map((row) => [row.name, row]));

test("a figure that has no sign is given none, its difference is", () => {
  expect(rows["Deepest drawdown"]).toMatchObject({ one: "10.00%", other: "8.00%", apart: "−2.00%" });
  expect(rows["Win rate"]).toMatchObject({ one: "50.00%", apart: "0.00%" });
  expect(rows.Return).toMatchObject({ one: "+2.00%", apart: "0.00%" });
});

test("a loss in dollars has its sign before the unit", () => {
  expect(rows["Expectancy, a trade"]).toMatchObject({ one: "−$12.50", other: "$3.00", apart: "+$15.50" });
  expect(rows["Ends with"]).toMatchObject({ one: "$99,500.00", other: "$100,250.50", apart: "+$750.50" });
});

test("what could not be computed is apart from nothing", () => {
  expect(rows["Profit factor"]).toMatchObject({ one: "–", other: "–", apart: "–" });
});
