// From the API's bars, markers and marks to what a chart is drawn from. Pure; no canvas here.
import type { Chart, EquityMark, Marker, Order, Plotted, Position, Refusal } from "../api/bodies";
import { marketDate } from "../format/time";

/** A session's date for daily bars and longer, seconds of New York's clock for shorter ones. */
export type ChartTime = string | number;

export interface Candle {
  time: ChartTime;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

export interface Sign {
  time: ChartTime;
  /** A shadow is the signal of a strategy that trades nothing; withheld is one that came to nothing; ended
   * is an order that did. */
  kind: "signal" | "withheld" | "shadow" | "fill" | "ended";
  buy: boolean;
  /** Null where the price is not on this series' scale, as a fill before a split is not. */
  price: number | null;
  text: string;
}

export const isDaily = (timeframe: string): boolean => /day|week|month/i.test(timeframe);

const NEW_YORK = new Intl.DateTimeFormat("sv-SE", { timeZone: "America/New_York", dateStyle: "short", timeStyle: "medium" });

export function chartTime(moment: string | number, daily: boolean): ChartTime {
  const iso = typeof moment === "number" ? new Date(moment * 1000).toISOString() : moment;
  if (daily) return marketDate(iso);
  // The chart knows no zones, so it is given New York's wall clock as if it were UTC.
  const wall = NEW_YORK.format(new Date(iso));
  return Date.parse(`${wall.replace(" ", "T")}Z`) / 1000;
}

/** Ascending and one candle a time, as the chart demands; of two at one time the later row counts. */
export function candles(chart: Chart): Candle[] {
  const { open, high, low, close, volume } = chart.bars;
  const times = chartTimes(chart);
  const rows = times.map((time, n) => ({ time, open: open[n]!, high: high[n]!, low: low[n]!, close: close[n]!, volume: volume[n]! }));
  return rows.filter((row, index) => row.time !== rows[index + 1]?.time);
}

const timesOf = new WeakMap<Chart, ChartTime[]>();

/** The bars' times, worked out once a chart: each line through it needs them. */
function chartTimes(chart: Chart): ChartTime[] {
  const daily = isDaily(chart.timeframe);
  const times = timesOf.get(chart) ?? chart.bars.time.map((start) => chartTime(start, daily));
  timesOf.set(chart, times);
  return times;
}

/** A line through a strategy's values; a time without one is a gap. */
export function line(chart: Chart, plotted: Plotted): { time: ChartTime; value?: number }[] {
  const points = chartTimes(chart).map((time, n) => {
    const value = plotted.values[n];
    return value === null || value === undefined ? { time } : { time, value };
  });
  return points.filter((point, index) => point.time !== points[index + 1]?.time);
}

/** Lines of one pane are told apart by colour, the same on the canvas and in the legend. */
export function lineTone(indicators: readonly Plotted[], n: number): "accent" | "warn" | "soft" {
  const before = indicators.slice(0, n).filter((other) => other.pane === indicators[n]?.pane).length;
  return (["accent", "warn", "soft"] as const)[before % 3]!;
}

/** The start of the bar that stands at `time`, in seconds since 1970. */
export function barStart(chart: Chart, time: ChartTime): number {
  return chart.bars.time[chartTimes(chart).lastIndexOf(time)] ?? chart.bars.time.at(-1)!;
}

/** The start of the last bar that began at `moment` or before; the first one's where none did. */
export const barAt = ({ bars }: Chart, moment: number): number => bars.time[Math.max(0, lastNotAfter(bars.time, moment))]!;

/** What the last bar gained on the bar before it, in per cent. */
export function lastMove({ bars }: Chart): string | null {
  const [before, last] = bars.close.slice(-2);
  return before && last ? ((last / before - 1) * 100).toFixed(4) : null;
}

/** Seconds from a bar's start until it has surely closed, and the next one has not. A session of days ends
 * before its day does. */
const SPANS: Readonly<Record<string, number>> = { "1Min": 60, "5Min": 300, "15Min": 900, "1Hour": 3600, "1Day": 86_399 };

/** Until when the bar that starts at `start`, in seconds since 1970, is the last one that closed. */
export const explainedAt = (timeframe: string, start: number): string => new Date((start + (SPANS[timeframe] ?? SPANS["1Day"]!)) * 1000).toISOString();

/** When the session of `date`, as 2012-04-03, opens in New York, in seconds since 1970; null for no date. */
export function openingOf(date: string): number | null {
  // New York's offset never changes on a day with a session.
  const opening = [13.5, 14.5].map((hours) => Date.parse(`${date}T00:00:00Z`) / 1000 + hours * 3600);
  return opening.find((at) => Number.isFinite(at) && NEW_YORK.format(new Date(at * 1000)) === `${date} 09:30:00`) ?? null;
}

/** A bar by its start, in seconds since 1970, and its length. */
export interface NamedBar {
  start: number;
  timeframe: string;
}

/** Whether a chain of explanation ends with a bar before the one that is named: that one was not judged yet. */
export const tellsOfOlder = (chain: { timeframe: string; bar_close: string | null }, named: NamedBar): boolean =>
  chain.timeframe === named.timeframe && chain.bar_close !== null && Date.parse(chain.bar_close) <= named.start * 1000;

/** A line across the chart. */
export interface Level {
  price: number;
  title: string;
  kind: "entry" | "stop" | "target" | "order";
}

/** An order in one of these states may still fill. */
const WAITING: ReadonlySet<string> = new Set(["accepted", "new", "pending_new", "partially_filled", "held", "pending_replace"]);

/** What a position rests on, and the orders that wait at a price, those that are its stop or target left out. */
export function levelsOf(position: Position | undefined, orders: readonly Order[]): Level[] {
  const level = (kind: Level["kind"], price: string | null | undefined, title: string = kind): Level[] => (price ? [{ kind, title, price: Number(price) }] : []);
  const waiting = orders
    .filter((order) => WAITING.has(order.status.toLowerCase()))
    .flatMap((order) => level("order", order.limit_price ?? order.stop_price, `${order.side.toLowerCase()} ${order.quantity ?? ""}`.trim()));
  const held = position
    ? [...level("entry", position.average_entry_price), ...position.stops.flatMap(({ price }) => level("stop", price)), ...position.targets.flatMap(({ price }) => level("target", price))]
    : [];
  const known = new Set(held.map(({ price }) => price));
  return [...held, ...waiting.filter(({ price }) => !known.has(price))];
}

/** The markers, each on the last bar that began before it; those before the first bar are left out, as
 * are signals withheld before they had a side. */
export function signs(chart: Chart): Sign[] {
  const daily = isDaily(chart.timeframe);
  const starts = chart.bars.time.map((start) => start * 1000);
  const placed: { at: number; sign: Sign }[] = [];
  for (const marker of chart.markers) {
    const at = Date.parse(marker.time);
    const bar = lastNotAfter(starts, at);
    if (bar >= 0 && marker.side) placed.push({ at, sign: signOn(chart, bar, marker, daily) });
  }
  return placed.sort((one, other) => one.at - other.at).map((item) => item.sign);
}

function signOn({ bars }: Chart, bar: number, marker: Marker, daily: boolean): Sign {
  const price = marker.price === null ? NaN : Number(marker.price);
  return {
    time: chartTime(bars.time[bar]!, daily),
    kind: kindOf(marker),
    buy: marker.side.toLowerCase() === "buy",
    price: price >= bars.low[bar]! && price <= bars.high[bar]! ? price : null,
    text: marker.text,
  };
}

function kindOf(marker: Marker): Sign["kind"] {
  if (marker.kind === "fill") return "fill";
  if (marker.kind === "order") return "ended";
  if (marker.shadow) return "shadow";
  return marker.outcome === "withheld" ? "withheld" : "signal";
}

/** Orders that rules refused, as marks of the chart: they never became orders. */
export const refusedMarkers = (refusals: readonly Refusal[]): Marker[] =>
  refusals.map(({ at, side, codes, message }) => ({
    kind: "order", outcome: "refused", shadow: false, strategy: "", time: at, side, price: null, quantity: null,
    text: `${side} refused by ${codes.join(", ").replaceAll("_", " ")}: ${message}`,
  }));

function lastNotAfter(starts: readonly number[], at: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? Infinity) <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

interface Point {
  time: number;
  value: number;
}

/** The equity curve, oldest first, one point a second of New York's clock. */
export function equityPoints(marks: readonly EquityMark[]): Point[] {
  const points = marks.map((mark) => ({ time: chartTime(mark.at, false) as number, value: Number(mark.equity) }));
  points.sort((one, other) => one.time - other.time);
  return points.filter((point, index) => point.time !== points[index + 1]?.time);
}
