import { beforeEach, expect, test } from "vitest";
import type { LiveEvent } from "../api/bodies";
import { LivePrices } from "./prices";

let told: string[][];
let prices: LivePrices;

beforeEach(() => {
  told = [];
  prices = new LivePrices((topics) => told.push(topics));
});

const poll = (at: string, ...rows: [string, string][]): LiveEvent => ({
  type: "PricesChanged",
  at,
  detail: { prices: rows.map(([symbol, last]) => ({ symbol, last, bid: null, ask: null, at, age_seconds: 0 })) },
});

const lasts = () => Object.fromEntries([...prices.cell.value].map(([symbol, { last }]) => [symbol, last]));

test("a symbol is watched while any panel shows it", () => {
  const first = prices.watch(["AAPL", "IBM"]);
  const second = prices.watch(["IBM"]);
  first();
  second();
  expect(told).toEqual([["prices:AAPL", "prices:IBM"], ["prices:AAPL", "prices:IBM"], ["prices:IBM"], []]);
});

test("a page nobody looks at watches nothing, and all again when it is looked at", () => {
  prices.watch(["AAPL"]);
  prices.setAwake(false);
  prices.setAwake(true);
  expect(told.slice(1)).toEqual([[], ["prices:AAPL"]]);
});

test("each poll brings the newest, and one that was overtaken changes nothing", () => {
  prices.take(poll("2010-03-15T14:30:03Z", ["AAPL", "10.2"], ["IBM", "99"]));
  prices.take(poll("2010-03-15T14:30:00Z", ["AAPL", "10.1"], ["GOOG", "500"]));
  expect(lasts()).toEqual({ AAPL: "10.2", IBM: "99", GOOG: "500" });
});

test("prices of a lost connection are forgotten, and market time may begin anew", () => {
  prices.take(poll("2010-03-15T14:30:03Z", ["AAPL", "10.2"]));
  prices.forget();
  expect(lasts()).toEqual({});
  prices.take(poll("2010-03-12T14:30:00Z", ["AAPL", "9"]));
  expect(lasts()).toEqual({ AAPL: "9" });
});
