// The bars of a chart as far back as somebody looked: the newest ones, which are read again and again, and
// the older ones before them, each read once.
import { ApiError } from "../api/client";
import type { Chart, Plotted } from "../api/bodies";

/** Bars asked for at first, at the left edge, and the most that the API gives at once. */
export const NEWEST = 250;
const A_PAGE = 1000;
const MOST = 10_000;
/** The API looks further back than for so many sessions, so far fewer daily bars are all there are. */
const SHORT = 0.9;
/** Bars that should stand before the one that is looked at. */
const LEAD = 20;
/** Further back than this many of the largest answers nobody is taken at once. */
const MOST_ANSWERS = 3;
const A_DAY = 86_400;

export interface Span {
  to: string;
  from?: string;
  limit: number;
}

type Ask = (span: Span) => Promise<Chart>;

const first = (chart: Chart): number => chart.bars.time[0] ?? Infinity;

/** Both charts as one, of what both have the later one's. Each value was judged on a window of its own, so
 * lines meet without a seam. */
export function joined(before: Chart, after: Chart): Chart {
  const edge = first(after);
  const kept = before.bars.time.filter((time) => time < edge).length;
  const column = (name: keyof Chart["bars"]) => [...before.bars[name].slice(0, kept), ...after.bars[name]];
  const values = ({ name }: Plotted) => before.indicators.find((plotted) => plotted.name === name)?.values.slice(0, kept) ?? Array<null>(kept).fill(null);
  return {
    ...after,
    bars: { time: column("time"), open: column("open"), high: column("high"), low: column("low"), close: column("close"), volume: column("volume") },
    indicators: after.indicators.map((plotted) => ({ ...plotted, values: [...values(plotted), ...plotted.values] })),
    markers: [...before.markers.filter((marker) => Date.parse(marker.time) < edge * 1000), ...after.markers],
  };
}

const isAll = (chart: Chart, asked: number): boolean => chart.timeframe === "1Day" && chart.bars.time.length < SHORT * asked;

/** Whether `newest` goes on where `kept` is: of the same prices, which a split changes, and without a gap. */
function goesOn(kept: Chart, newest: Chart): boolean {
  const bar = kept.bars.time.indexOf(first(newest));
  const alone = bar === kept.bars.time.length - 1; // it may have been forming
  return bar >= 0 && kept.strategy === newest.strategy && (alone || kept.bars.close[bar] === newest.bars.close[0]);
}

export class ChartHistory {
  chart: Chart | undefined;
  /** There is nothing older. */
  ended = false;
  busy = false;
  error: ApiError | undefined;
  private newest: Chart | undefined;

  /** `changed` is called when older bars have come, or did not. */
  constructor(
    private readonly ask: Ask,
    private readonly changed: () => void,
  ) {}

  /** All bars there are, with the newest as they were last read. */
  with(newest: Chart): Chart {
    if (this.chart && newest === this.newest) return this.chart;
    const goes = this.chart !== undefined && goesOn(this.chart, newest);
    if (!goes) this.ended = isAll(newest, NEWEST);
    this.chart = goes ? joined(this.chart!, newest) : newest;
    this.newest = newest;
    return this.chart;
  }

  /** Fetches the page of bars before the oldest one. */
  async older(): Promise<void> {
    await this.fetch(A_PAGE);
  }

  /** Fetches back to the bar at `start` and somewhat before it. */
  async reach(start: number): Promise<void> {
    for (let n = 0; n < MOST_ANSWERS && this.lacks(start) && !this.ended; n++) {
      const daily = this.chart!.timeframe === "1Day";
      const earliest = Math.max(0, Math.min(start, first(this.chart!)) - (daily ? 100 : 7) * A_DAY);
      if (!(await this.fetch(MOST, earliest))) return;
    }
  }

  private lacks(start: number): boolean {
    const times = this.chart?.bars.time ?? [];
    return times.length > 0 && (times[LEAD] ?? Infinity) > start;
  }

  /** Whether bars have come. */
  private async fetch(limit: number, from?: number): Promise<boolean> {
    if (this.busy || this.ended || !this.chart || !Number.isFinite(first(this.chart))) return false;
    this.busy = true;
    this.error = undefined;
    this.changed();
    const iso = (seconds: number) => new Date(seconds * 1000).toISOString();
    let found: Chart | null = null;
    try {
      found = await this.ask({ to: iso(first(this.chart) - 1), ...(from !== undefined && { from: iso(from) }), limit });
      // The newest bars may have begun anew meanwhile, as after a split.
      if (found.bars.time.at(-1)! < first(this.chart)) {
        this.chart = joined(found, this.chart);
        this.ended = from === undefined && isAll(found, limit);
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) this.ended = true;
      else if (error.code !== "aborted") this.error = error;
    } finally {
      this.busy = false;
    }
    this.changed();
    return found !== null;
  }
}
