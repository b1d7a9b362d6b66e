import { expect, test } from "vitest";
import { gained, number } from "./numbers";
import { TIMES, TRADES, WHOLE, csvOf, faultOf, queryOf } from "./query";

test("only what was asked for, and what the route takes, goes into the query", () => {
  const part = { ...WHOLE, from: "2026-01-01", symbol: "BRK.B", benchmark: "SPY" };
  expect(queryOf(part, TIMES)).toBe("?from=2026-01-01");
  expect(queryOf(part, TRADES, { result: "win", side: "" })).toBe("?from=2026-01-01&symbol=BRK.B&result=win");
  expect(queryOf(WHOLE, TRADES)).toBe("");
});

test("days the wrong way round and what is no symbol are told before they are asked for", () => {
  expect(faultOf({ ...WHOLE, from: "2026-02-01", to: "2026-01-01" })).toMatch(/after/);
  expect(faultOf({ ...WHOLE, symbol: "A B" })).toMatch(/No symbol/);
  expect(faultOf({ ...WHOLE, from: "2026-01-01", to: "2026-01-01" })).toBeNull();
});

test("a file keeps its columns whatever stands in a cell, and gives a spreadsheet no formula", () => {
  expect(csvOf(["a", "b"], [["x, \"y\"", "=1+1"], [null, -2.5], ["-12.5", "-cmd"]])).toBe('a,b\r\n"x, ""y""",\'=1+1\r\n,-2.5\r\n-12.5,\'-cmd\r\n');
});

test("statistics that could not be computed are a dash, and what rounds to nought has no sign", () => {
  expect([number(null), number(1234.5), number(-0.001), gained(1.5), gained(-0.5), gained(0)]).toEqual(["–", "1,234.50", "0.00", "+1.50%", "−0.50%", "0.00%"]);
});
