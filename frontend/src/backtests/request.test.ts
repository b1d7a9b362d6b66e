import { expect, test } from "vitest";
import { BEGINNING, barsOf, changesIn, faultsOf, gainOf, requestOf, yearBefore, type Plan } from "./request";

const plan = (changes: Partial<Plan>): Plan => ({ ...BEGINNING, symbols: "aapl, MSFT aapl", start: "2012-01-03", end: "2012-12-31", ...changes });

test("a filled form is the body the route takes, money as text", () => {
  expect(requestOf(plan({ changes: "risk.stop_loss_percent = 2\nrisk.sizing_method: atr" }))).toEqual({
    symbols: ["AAPL", "MSFT"],
    start: "2012-01-03",
    end: "2012-12-31",
    settings: "current",
    cash: "100000",
    seed: 1,
    fills: { half_spread_bps: "1", slippage_bps: "0", fee_per_share_dollars: "0", partial_fills: "0" },
    changes: { "risk.stop_loss_percent": 2, "risk.sizing_method": "atr" },
  });
});

test("what is missing or does not fit begins nothing and is told at its field", () => {
  expect(requestOf(plan({ symbols: "" }))).toBeNull();
  expect(faultsOf(plan({ end: "2011-01-01" }))).toHaveProperty("end");
  expect(faultsOf(plan({ cash: "much" }))).toHaveProperty("cash");
  expect(faultsOf(plan({ symbols: "A!" }))).toHaveProperty("symbols");
  expect(changesIn("stop loss is 2").fault).toMatch(/no change/);
});

test("two curves of different money are laid together by what they gained", () => {
  expect(gainOf([200, 210, 190])).toEqual([0, 5, -5]);
  expect(gainOf([])).toEqual([]);
  expect(yearBefore("2012-02-29")).toBe("2011-03-01");
});

test("the bars that a backtest needs begin before it, as far back as its rules look", () => {
  const applied = { slow: { timeframe: "1Day" }, quick: { timeframe: "5Min" }, other: { timeframe: "5Min" } };
  const asked = (changes: Partial<Plan>) => barsOf(plan(changes), applied).map(({ timeframe, start }) => `${timeframe} ${start}`);
  expect(barsOf(plan({ timeframe: "5Min" }), applied)).toEqual([{ symbols: ["AAPL", "MSFT"], timeframe: "5Min", start: "2011-12-19", end: "2012-12-31" }]);
  expect(asked({})).toEqual(["1Day 2010-11-09", "5Min 2011-12-19"]);
  expect(asked({ strategies: ["other"] })).toEqual(["5Min 2011-12-19"]);
  expect(asked({ settings: "default" })).toEqual(["1Day 2010-11-09"]);
  expect(asked({ end: "" })).toEqual([]);
});
