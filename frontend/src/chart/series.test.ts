import { expect, test } from "vitest";
import type { Chart, Marker, Order, Plotted, Position, Refusal } from "../api/bodies";
import { barStart, candles, chartTime, equityPoints, explainedAt, levelsOf, line, lineTone, openingOf, refusedMarkers, signs, tellsOfOlder } from "./series";

const at = (iso: string) => Date.parse(iso) / 1000;

const marker = (kind: Marker["kind"], time: string, price: string | null): Marker => ({
  kind, time, side: "buy", price, quantity: "1", text: kind, outcome: kind === "signal" ? "raised" : "", shadow: false, strategy: "",
});

const plotted: Plotted = { name: "k", label: "K", pane: "oscillator", unit: "points", levels: {}, values: [null, 42.5] };

const chart = (markers: Marker[]): Chart => ({
  symbol: "AAPL", timeframe: "1Day", adjustment: "split", feed: "replay", synthetic: false, forming: false, as_of: "",
  source: "live", age_seconds: 0, strategy: "mine", indicators: [plotted],
  bars: {
    time: [at("2010-03-12T05:00:00Z"), at("2010-03-15T04:00:00Z")],
    open: [10, 11], high: [12, 13], low: [10, 11], close: [12, 13], volume: [1, 1],
  },
  markers,
});

test("a daily bar stands on its New York session on both sides of a clock change", () => {
  const rows = candles(chart([]));
  expect(rows.map((candle) => candle.time)).toEqual(["2010-03-12", "2010-03-15"]);
  expect(rows[1]).toEqual({ time: "2010-03-15", open: 11, high: 13, low: 11, close: 13, volume: 1 });
});

test("of two bars at one time the later counts", () => {
  const twice = chart([]);
  twice.bars.time[1] = twice.bars.time[0]!;
  expect(candles(twice).map((candle) => candle.close)).toEqual([13]);
  expect(line(twice, plotted)).toEqual([{ time: "2010-03-12", value: 42.5 }]);
});

test("a line has a gap where its value is not defined", () => {
  expect(line(chart([]), plotted)).toEqual([{ time: "2010-03-12" }, { time: "2010-03-15", value: 42.5 }]);
});

test("lines of one pane have colours of their own", () => {
  const lines = (["price", "price", "oscillator", "price"] as const).map((pane) => ({ ...plotted, pane }));
  expect(lines.map((_, n) => lineTone(lines, n))).toEqual(["accent", "warn", "accent", "soft"]);
});

test("a signal tells whether it was raised, withheld or a shadow's; one without a side is not drawn", () => {
  const raised = marker("signal", "2010-03-12T21:00:00Z", "12");
  const all = [raised, { ...raised, outcome: "withheld" }, { ...raised, outcome: "withheld", shadow: true }, { ...raised, side: "" }];
  expect(signs(chart(all)).map((sign) => sign.kind)).toEqual(["signal", "withheld", "shadow"]);
});

test("an order that came to nothing and one that rules refused are marked as such", () => {
  const refusal = { at: "2010-03-15T14:00:00Z", side: "sell", codes: ["daily_loss", "halted"], message: "trading is halted" } as Refusal;
  const canceled: Marker = { ...marker("order", "2010-03-12T18:00:00Z", "12"), outcome: "canceled" };
  expect(signs(chart([canceled, ...refusedMarkers([refusal])])).map(({ kind, time, buy, text }) => [kind, time, buy, text])).toEqual([
    ["ended", "2010-03-12", true, "order"],
    ["ended", "2010-03-15", false, "sell refused by daily loss, halted: trading is halted"],
  ]);
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
  const mark = (at: string, equity: string) => ({ at, equity, cash: "0", pnl: "0", drawdown_percent: "0" });
  const points = equityPoints([mark("2010-03-15T20:00:00Z", "3"), mark("2010-03-12T21:00:00Z", "1"), mark("2010-03-15T20:00:00Z", "4")]);
  expect(points.map((point) => point.value)).toEqual([1, 4]);
});

test("a bar is explained as of its own close, whatever bars are on the page", () => {
  expect(explainedAt("1Day", at("2010-03-12T05:00:00Z"))).toBe("2010-03-13T04:59:59.000Z");
  expect(explainedAt("5Min", at("2010-03-12T15:00:00Z"))).toBe("2010-03-12T15:05:00.000Z");
  expect(barStart(chart([]), "2010-03-12")).toBe(at("2010-03-12T05:00:00Z"));
});

test("a date is the opening of its session in New York, summer or winter", () => {
  expect(openingOf("2012-01-04")).toBe(at("2012-01-04T14:30:00Z"));
  expect(openingOf("2012-07-03")).toBe(at("2012-07-03T13:30:00Z"));
  expect(openingOf("")).toBeNull();
});

test("every stop and target of a position is drawn, once though their orders wait at the same prices", () => {
  const order = (limit_price: string, status: string) => ({ side: "sell", quantity: "5", limit_price, stop_price: null, status }) as Order;
  const guard = (price: string | null) => ({ price, quantity: "5" });
  const position = { average_entry_price: "10", stops: [guard("9"), guard("8"), guard(null)], targets: [guard("12")] } as Position;
  const levels = levelsOf(position, [order("12", "new"), order("15", "new"), order("16", "canceled")]);
  expect(levels.map(({ kind, price }) => [kind, price])).toEqual([["entry", 10], ["stop", 9], ["stop", 8], ["target", 12], ["order", 15]]);
});

test("an explanation of the bar before is told apart from that of the bar that is named", () => {
  const named = { start: Date.parse("2012-04-10T04:00:00Z") / 1000, timeframe: "1Day" };
  const chain = (bar_close: string | null, timeframe = "1Day") => ({ bar_close, timeframe });
  expect(tellsOfOlder(chain("2012-04-09T20:00:00Z"), named)).toBe(true);
  expect(tellsOfOlder(chain("2012-04-10T20:00:00Z"), named)).toBe(false);
  // A daily rule says nothing of the hour that was picked, but of the day before it.
  expect(tellsOfOlder(chain("2012-04-09T20:00:00Z", "1Hour"), named)).toBe(false);
  expect(tellsOfOlder(chain(null), named)).toBe(false);
});
