// From the API's bars, markers and marks to what a chart is drawn from. Pure; no canvas here.
import type { Bar, Chart, EquityMark, Marker } from "../api/bodies";
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
  kind: "signal" | "fill";
  buy: boolean;
  /** Null where the price is not on this series' scale, as a fill before a split is not. */
  price: number | null;
  text: string;
}

export const isDaily = (timeframe: string): boolean => /day|week|month/i.test(timeframe);

export function chartTime(iso: string, daily: boolean): ChartTime {
  if (daily) return marketDate(iso);
  // The chart knows no zones, so it is given New York's wall clock as if it were UTC.
  const wall = new Date(iso).toLocaleString("sv-SE", { timeZone: "America/New_York" });
  return Date.parse(`${wall.replace(" ", "T")}Z`) / 1000;
}

/** Ascending and one candle a time, as the chart demands; of two at one time the later row counts. */
export function candles(chart: Chart): Candle[] {
  const daily = isDaily(chart.timeframe);
  const rows = chart.bars.map((bar) => ({ ...bar, time: chartTime(bar.time, daily) }));
  return rows.filter((row, index) => row.time !== rows[index + 1]?.time);
}

/** The markers, each on the last bar that began before it; those before the first bar are left out. */
export function signs(chart: Chart): Sign[] {
  const daily = isDaily(chart.timeframe);
  const starts = chart.bars.map((bar) => Date.parse(bar.time));
  const placed: { at: number; sign: Sign }[] = [];
  for (const marker of chart.markers) {
    const at = Date.parse(marker.time);
    const bar = chart.bars[lastNotAfter(starts, at)];
    if (bar) placed.push({ at, sign: signOn(bar, marker, daily) });
  }
  return placed.sort((one, other) => one.at - other.at).map((item) => item.sign);
}

function signOn(bar: Bar, marker: Marker, daily: boolean): Sign {
  const price = marker.price === null ? NaN : Number(marker.price);
  return {
    time: chartTime(bar.time, daily),
    kind: marker.kind === "fill" ? "fill" : "signal",
    buy: marker.side.toLowerCase() === "buy",
    price: price >= bar.low && price <= bar.high ? price : null,
    text: marker.text,
  };
}

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

export interface Point {
  time: number;
  value: number;
}

/** The equity curve, oldest first, one point a second of New York's clock. */
export function equityPoints(marks: readonly EquityMark[]): Point[] {
  const points = marks.map((mark) => ({ time: chartTime(mark.at, false) as number, value: Number(mark.equity) }));
  points.sort((one, other) => one.time - other.time);
  return points.filter((point, index) => point.time !== points[index + 1]?.time);
}
