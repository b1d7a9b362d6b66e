import { expect, test } from "vitest";
import { ApiError } from "../api/client";
import type { Chart, Marker } from "../api/bodies";
import { ChartHistory, joined, type Span } from "./history";

const DAY = 86_400;
const marker = (at: number): Marker => ({ kind: "fill", time: new Date(at * 1000).toISOString() }) as Marker;

/** Bars `from` to `to`, a bar a day; each value is its bar's number, as judged on a window of its own. */
function chart(from: number, to: number, changed: Partial<Chart> = {}): Chart {
  const numbers = Array.from({ length: to - from + 1 }, (_, n) => from + n);
  return {
    symbol: "AAPL", timeframe: "1Day", strategy: "mine", forming: false,
    bars: { time: numbers.map((n) => n * DAY), open: numbers, high: numbers, low: numbers, close: numbers, volume: numbers },
    indicators: [{ name: "k", label: "K", pane: "oscillator", unit: "points", levels: {}, values: numbers.map((n) => n * 10) }],
    markers: [marker(to * DAY + 100)],
    ...changed,
  } as Chart;
}

/** An API with the bars from number `oldest` on; what it was asked is kept. */
function api(oldest: number) {
  const asked: Span[] = [];
  const ask = async (span: Span): Promise<Chart> => {
    asked.push(span);
    const last = Math.floor(Date.parse(span.to) / 1000 / DAY);
    const start = span.from === undefined ? oldest : Math.max(oldest, Math.ceil(Date.parse(span.from) / 1000 / DAY));
    if (last < start) throw new ApiError(404, "not_found", "no bars", null, {});
    return chart(Math.max(start, last - span.limit + 1), last);
  };
  return { ask, asked };
}

const numbersOf = ({ bars }: Chart) => bars.time.map((time) => time / DAY);

test("older bars stand before the newest, each once, and lines and marks go through", () => {
  const whole = joined(chart(1, 6), chart(5, 8));
  expect(numbersOf(whole)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(whole.indicators[0]!.values).toEqual([10, 20, 30, 40, 50, 60, 70, 80]);
  expect(whole.markers).toEqual(chart(5, 8).markers);
  expect(joined(chart(1, 4), chart(5, 8)).markers).toHaveLength(2);
});

test("a line that the older bars do not have begins where it is known", () => {
  expect(joined(chart(1, 2, { indicators: [] }), chart(3, 4)).indicators[0]!.values).toEqual([null, null, 30, 40]);
});

test("the newest bars move on and what was there before them stays", async () => {
  const { ask } = api(1);
  const history = new ChartHistory(ask, () => undefined);
  history.with(chart(2001, 2250));
  await history.older();
  expect(numbersOf(history.chart!)).toEqual(numbersOf(chart(1001, 2250)));
  expect(numbersOf(history.with(chart(2003, 2252)))).toEqual(numbersOf(chart(1001, 2252)));
});

test("prices that a split changed, and bars behind a gap, begin anew", () => {
  const history = new ChartHistory(api(1).ask, () => undefined);
  history.with(chart(1, 10));
  const halved = chart(5, 12);
  halved.bars.close = halved.bars.close.map((close) => close / 2);
  expect(history.with(halved)).toBe(halved);
  expect(numbersOf(history.with(chart(20, 25)))).toEqual([20, 21, 22, 23, 24, 25]);
});

test("the beginning is found once and nothing more is asked", async () => {
  const { ask, asked } = api(1);
  const history = new ChartHistory(ask, () => undefined);
  history.with(chart(1_002, 1_251));
  for (let n = 0; n < 4; n++) await history.older();
  expect(numbersOf(history.chart!)[0]).toBe(1);
  expect(history.ended).toBe(true);
  expect(asked).toHaveLength(2);
});

test("far fewer daily bars than were asked for are all there are", async () => {
  const { ask, asked } = api(1);
  const history = new ChartHistory(ask, () => undefined);
  history.with(chart(5, 100));
  await history.older();
  expect([history.ended, asked]).toEqual([true, []]);
  history.with(chart(601, 850));
  await history.older();
  await history.older();
  expect([history.ended, asked.length, numbersOf(history.chart!)[0]]).toEqual([true, 1, 1]);
});

test("a bar far back is reached with some before it, and one on the page asks for nothing", async () => {
  const { ask, asked } = api(1);
  const history = new ChartHistory(ask, () => undefined);
  history.with(chart(15_000, 15_249));
  await history.reach(15_100 * DAY);
  expect(asked).toEqual([]);
  await history.reach(3_000 * DAY);
  const numbers = numbersOf(history.chart!);
  expect(numbers[0]).toBe(2_900);
  expect(numbers).toEqual(numbersOf(chart(2_900, 15_249)));
  expect(asked).toHaveLength(2);
});

test("a refusal is told and tried again on demand", async () => {
  let refuses = true;
  const { ask } = api(1);
  const history = new ChartHistory((span) => (refuses ? Promise.reject(new ApiError(503, "unavailable", "away", null, {})) : ask(span)), () => undefined);
  history.with(chart(501, 750));
  await history.older();
  expect([history.error?.message, history.busy, history.ended]).toEqual(["away", false, false]);
  refuses = false;
  await history.older();
  expect([history.error, numbersOf(history.chart!)[0]]).toEqual([undefined, 1]);
});
