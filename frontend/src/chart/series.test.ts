import { expect, test } from "vitest";
import type { Chart, Marker } from "../api/bodies";
import { candles, chartTime, equityPoints, signs } from "./series";

const bar = (time: string, low: number, high: number) => ({ time, open: low, high, low, close: high, volume: 1 });

const marker = (kind: string, time: string, price: string | null): Marker => ({ kind, time, side: "buy", price, quantity: "1", text: kind });

const chart = (markers: Marker[]): Chart => ({
  symbol: "AAPL", timeframe: "1Day", adjustment: "split", feed: "replay", synthetic: false, forming: false, as_of: "",
  bars: [bar("2010-03-12T05:00:00Z", 10, 12), bar("2010-03-15T04:00:00Z", 11, 13)],
  markers,
});

test("a daily bar stands on its New York session on both sides of a clock change", () => {
  expect(candles(chart([])).map((candle) => candle.time)).toEqual(["2010-03-12", "2010-03-15"]);
});

test("a marker stands on the bar that was open or last closed when it happened", () => {
  const placed = signs(chart([
    marker("fill", "2010-03-15T13:30:00Z", "12.5"),
    marker("signal", "2010-03-12T21:00:00Z", "12"),
    marker("fill", "2010-03-13T15:00:00Z", "11"),
    marker("fill", "2010-03-11T15:00:00Z", "11"),
  ]));
  expect(placed.map(({ kind, time }) => [kind, time])).toEqual([
    ["signal", "2010-03-12"],
    ["fill", "2010-03-12"],
    ["fill", "2010-03-15"],
  ]);
});

test("a fill whose price is not on the series' scale is put on its bar, not at its price", () => {
  expect(signs(chart([marker("fill", "2010-03-15T14:00:00Z", "87.3")]))[0]?.price).toBeNull();
  expect(signs(chart([marker("fill", "2010-03-15T14:00:00Z", "11.5")]))[0]?.price).toBe(11.5);
});

test("an intraday time is New York's wall clock", () => {
  expect(chartTime("2010-07-01T13:30:00Z", false)).toBe(Date.UTC(2010, 6, 1, 9, 30) / 1000);
});

test("equity marks are ascending, and of two at one time the later counts", () => {
  const mark = (at: string, equity: string) => ({ at, equity, cash: "0", drawdown_percent: "0" });
  const points = equityPoints([mark("2010-03-15T20:00:00Z", "3"), mark("2010-03-12T21:00:00Z", "1"), mark("2010-03-15T20:00:00Z", "4")]);
  expect(points.map((point) => point.value)).toEqual([1, 4]);
});
