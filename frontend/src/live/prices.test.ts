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

const lasts = () => ["AAPL", "IBM", "GOOG"].map((symbol) => prices.of(symbol).value?.last);

const settled = () => new Promise<void>((resolve) => queueMicrotask(resolve));

test("a symbol is watched while any panel shows it, and all that changes in one go is told once", async () => {
  const first = prices.watch(["AAPL"]);
  const second = prices.watch(["IBM"]);
  const third = prices.watch(["IBM"]);
  await settled();
  first();
  second();
  await settled();
  third();
  await settled();
  expect(told).toEqual([["prices:AAPL", "prices:IBM"], ["prices:IBM"], []]);
});

test("a page nobody looks at watches nothing, and all again when it is looked at", async () => {
  prices.watch(["AAPL"]);
  await settled();
  prices.setAwake(false);
  await settled();
  prices.setAwake(true);
  await settled();
  expect(told.slice(1)).toEqual([[], ["prices:AAPL"]]);
});

test("each poll brings the newest, and one that was overtaken changes nothing", () => {
  prices.take(poll("2010-03-15T14:30:03Z", ["AAPL", "10.2"], ["IBM", "99"]));
  prices.take(poll("2010-03-15T14:30:00Z", ["AAPL", "10.1"], ["GOOG", "500"]));
  expect(lasts()).toEqual(["10.2", "99", "500"]);
});

test("prices of a lost connection are forgotten, and market time may begin anew", () => {
  prices.take(poll("2010-03-15T14:30:03Z", ["AAPL", "10.2"]));
  prices.forget();
  expect(lasts()).toEqual([undefined, undefined, undefined]);
  prices.take(poll("2010-03-12T14:30:00Z", ["AAPL", "9"]));
  expect(lasts()).toEqual(["9", undefined, undefined]);
});

test("a price that moves tells those who show it, and no other", () => {
  const moved: string[] = [];
  for (const symbol of ["AAPL", "IBM"]) prices.of(symbol).watch(() => moved.push(symbol));
  prices.take(poll("2010-03-15T14:30:03Z", ["AAPL", "10.2"]));
  expect(moved).toEqual(["AAPL"]);
});
