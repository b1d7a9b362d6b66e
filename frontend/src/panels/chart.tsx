// Candles of one symbol with its lines, the bot's signals, orders and fills, and what a position rests on.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import type { Chart, Order, Page, Position, Refusal } from "../api/bodies";
import type { CandleCanvas, Level } from "../chart/canvas";
import { ChartHistory, NEWEST, type Span } from "../chart/history";
import { Attribution, InLegend, fetchCanvases, useCanvas } from "../chart/loaded";
import { TIMEFRAMES } from "../chart/timeframes";
import { barAt, barStart, candles, chartTime, isDaily, lastMove, levelsOf, lineTone, openingOf, refusedMarkers, signs, type Candle, type ChartTime, type Sign } from "../chart/series";
import { getAfter } from "../desk";
import { marketDate } from "../format/time";
import { Cached, Gain } from "../parts/figures";
import { ErrorNotice, Loaded, Panel } from "../parts/panel";
import { useDraft } from "../store/draft";
import { useRead, type View } from "../store/hooks";
import { usePositions } from "./positions";

/** Each fetch costs the broker two requests of its budget, and events tell of what is new. */
const EVERY_MS = 20_000;

const chartPath = (symbol: string, timeframe: string): string => `/api/chart/${encodeURIComponent(symbol)}?timeframe=${timeframe}`;

/** What a chart shows: its bars as a read, and the older ones before them. */
export interface Bars {
  view: View<Chart>;
  history: ChartHistory;
}

export function useBars(symbol: string | null, timeframe: string): Bars {
  const newest = useRead<Chart>(symbol && `${chartPath(symbol, timeframe)}&limit=${NEWEST}`, EVERY_MS);
  const [, redraw] = useReducer((count: number, _: undefined) => count + 1, 0);
  const history = useMemo(() => {
    const ask = async (span: Span) => {
      const asked = new URLSearchParams(Object.entries(span).map(([name, value]) => [name, String(value)]));
      return JSON.parse(await getAfter(`${chartPath(symbol ?? "", timeframe)}&${asked.toString()}`)) as Chart;
    };
    return new ChartHistory(ask, () => redraw(undefined));
  }, [symbol, timeframe]);
  return { view: { ...newest, data: newest.data && history.with(newest.data) }, history };
}

interface ChartPanelProps {
  symbol: string | null;
  timeframe: string;
  onTimeframe: (timeframe: string) => void;
}

/** The chart of a page that shows other things too. */
export function ChartPanel({ symbol, timeframe, onTimeframe }: ChartPanelProps) {
  const bars = useBars(symbol, timeframe);
  return (
    <ChartOf symbol={symbol} bars={bars}>
      <TimeframePicker value={timeframe} pick={onTimeframe} />
      <Candles bars={bars} />
    </ChartOf>
  );
}

interface SymbolChartProps {
  symbol: string;
  timeframe: string;
  bars: Bars;
  onTimeframe: (timeframe: string) => void;
  /** The bar that is explained, by a time in it in seconds since 1970; null is the newest. */
  picked: number | null;
  /** Hears the bar that was picked. */
  onBar: (start: number) => void;
}

/** The chart of one symbol's page: taller, and any bar of it can be picked, by day too. */
export function SymbolChart({ symbol, timeframe, bars, onTimeframe, picked, onBar }: SymbolChartProps) {
  return (
    <ChartOf symbol={symbol} bars={bars}>
      <div class="chart-tools">
        <TimeframePicker value={timeframe} pick={onTimeframe} />
        <DayPicker picked={picked} pick={onBar} />
      </div>
      <Candles bars={bars} tall picked={picked} onBar={onBar} />
    </ChartOf>
  );
}

function ChartOf({ symbol, bars: { view }, children }: { symbol: string | null; bars: Bars; children: ComponentChildren }) {
  // The code comes while the bars do; what became of it is told by the canvas.
  useEffect(() => void fetchCanvases().catch(() => undefined), []);
  return (
    <Panel title={symbol ? `${symbol} chart` : "Chart"} aside={view.data && <ChartFacts chart={view.data} />} view={view}>
      {children}
    </Panel>
  );
}

/** Goes to the session of a day. */
function DayPicker({ picked, pick }: { picked: number | null; pick: (start: number) => void }) {
  const day = picked === null ? "" : marketDate(new Date(picked * 1000).toISOString());
  return (
    <label class="day-picker">
      Go to{" "}
      <input
        type="date"
        value={day}
        data-testid="go-to-day"
        onChange={(event) => {
          const opening = openingOf(event.currentTarget.value);
          if (opening !== null) pick(opening);
        }}
      />
    </label>
  );
}

function ChartFacts({ chart }: { chart: Chart }) {
  return (
    <>
      <Cached what={chart} />
      {chart.synthetic && <span class="badge warn" title="Made up to fit real daily bars">synthetic</span>}
      {chart.forming && <span class="badge">last bar forming</span>}
      <span>
        $ · {chart.timeframe} · {chart.adjustment} · {chart.feed}
        {chart.strategy && ` · ${chart.strategy}`}
      </span>
    </>
  );
}

function TimeframePicker({ value, pick }: { value: string; pick: (timeframe: string) => void }) {
  return (
    <div class="picker" role="group" aria-label="Timeframe">
      {TIMEFRAMES.map((timeframe) => (
        <button key={timeframe} type="button" aria-pressed={timeframe === value} onClick={() => pick(timeframe)}>
          {timeframe}
        </button>
      ))}
    </div>
  );
}

interface CandlesProps {
  bars: Bars;
  tall?: boolean;
  picked?: number | null;
  onBar?: (start: number) => void;
}

function Candles({ bars, ...rest }: CandlesProps) {
  return (
    <Loaded
      view={bars.view}
      what="bars"
      rows={8}
      isEmpty={(chart) => chart.bars.time.length === 0}
      empty="No bar of this symbol is stored yet. Bars are fetched when a run judges the symbol."
    >
      {(chart) => <Canvas chart={chart} history={bars.history} {...rest} />}
    </Loaded>
  );
}

/** The newest orders of one symbol, as a read. */
export const ordersOf = (symbol: string): string => `/api/orders?symbol=${encodeURIComponent(symbol)}&limit=20`;

/** The position and the orders that wait, as lines across the chart. */
function useLevels(symbol: string): Level[] {
  const position: Position | undefined = usePositions().data?.items.find((item) => item.symbol === symbol);
  const orders = useRead<Page<Order>>(ordersOf(symbol)).data?.items;
  return useMemo(() => levelsOf(position, orders ?? []), [position, orders]);
}

interface CanvasProps extends Omit<CandlesProps, "bars"> {
  chart: Chart;
  history: ChartHistory;
}

/** With the orders that rules refused; without any that came to nothing where they are `hidden`. */
function useMarked(chart: Chart, whole: boolean, hidden: boolean): Chart {
  const asked = whole && !hidden;
  const refusals = useRead<Page<Refusal>>(asked ? `/api/refusals?symbol=${encodeURIComponent(chart.symbol)}&limit=100` : null).data?.items;
  return useMemo(() => {
    const markers = hidden ? chart.markers.filter(({ kind }) => kind !== "order") : [...chart.markers, ...refusedMarkers(refusals ?? [])];
    return { ...chart, markers };
  }, [chart, refusals, hidden]);
}

function Canvas({ chart: read, history, tall = false, picked = null, onBar }: CanvasProps) {
  const [hidden, setHidden] = useDraft("chart-ended-hidden", false);
  const chart = useMarked(read, tall, hidden);
  const [hovered, setHovered] = useState<ChartTime | null>(null);
  const levels = useLevels(chart.symbol);
  const rows = useMemo(() => candles(chart), [chart]);
  const marks = useMemo(() => signs(chart), [chart]);

  const [clicked, setClicked] = useState<ChartTime | null>(null);
  const atEdge = useRef(() => {});
  atEdge.current = () => {
    if (!history.error) void history.older();
  };
  const { host, canvas, failure } = useCanvas<CandleCanvas>(({ openCandles }, element) => openCandles(element, setHovered, setClicked, () => atEdge.current()));
  useEffect(() => canvas?.show(chart, levels), [canvas, chart, levels]);
  // The bar that was asked for comes into view once it is there; afterwards the reader may look elsewhere.
  const there = picked !== null && picked >= (chart.bars.time[0] ?? Infinity);
  useEffect(() => {
    if (there && picked !== null) canvas?.reveal(chartTime(barAt(chart, picked), isDaily(chart.timeframe)));
  }, [canvas, picked, there, chart.timeframe]);
  useEffect(() => {
    if (clicked !== null) onBar?.(barStart(chart, clicked));
  }, [clicked]);

  const count = (kind: Sign["kind"]) => marks.filter((mark) => mark.kind === kind).length;
  const [signals, fills] = [count("signal"), count("fill")];
  return (
    <figure
      class="chart"
      data-testid="chart"
      data-symbol={chart.symbol}
      data-bars={String(rows.length)}
      data-signals={String(signals)}
      data-fills={String(fills)}
      data-ended={String(count("ended"))}
      data-levels={String(levels.length)}
      data-drawn={String(canvas !== null)}
    >
      <Readout rows={rows} marks={marks} hovered={hovered} move={lastMove(chart)} />
      {failure && <p class="notice bad">{failure}</p>}
      {history.error && <ErrorNotice error={history.error} what="older bars" retry={() => void history.older()} />}
      <div
        ref={host}
        class={tall ? "canvas tall" : "canvas"}
        role="img"
        aria-label={`${chart.symbol}, ${rows.length} bars of ${chart.timeframe}, last close ${rows.at(-1)?.close.toFixed(2)}; ${signals} signals and ${fills} fills`}
      />
      <figcaption>
        <span class="legend">
          <InLegend tone="up" shape="▲" name="BUY signal" />
          <InLegend tone="down" shape="▼" name="SELL signal" />
          <InLegend tone="accent" shape="●" name="fill: B bought, S sold" />
          {count("withheld") > 0 && <InLegend tone="soft" shape="■" name="withheld" />}
          {count("ended") > 0 && <InLegend tone="soft" shape="✕" name="order cancelled, refused or run out" />}
          {count("shadow") > 0 && <InLegend tone="soft" shape="▲" name="grey: shadow strategy" />}
        </span>
        <label class="check">
          <input type="checkbox" checked={!hidden} onChange={(event) => setHidden(!event.currentTarget.checked)} data-testid="show-ended" /> orders that came to nothing
        </label>
        <Legend chart={chart} />
        {history.busy && <span role="status">Older bars are being fetched …</span>}
        <Attribution />
      </figcaption>
    </figure>
  );
}

/** What the lines are, by colour. */
const Legend = ({ chart }: { chart: Chart }) => (
  <span class="legend" data-testid="chart-lines">
    {chart.indicators.map((plotted, n) => (
      <InLegend key={plotted.name} tone={lineTone(chart.indicators, n)} shape="━" name={plotted.label} />
    ))}
  </span>
);

/** The bar under the pointer, or the last one, in figures. */
function Readout({ rows, marks, hovered, move }: { rows: Candle[]; marks: Sign[]; hovered: ChartTime | null; move: string | null }) {
  const row = (hovered !== null && rows.find((candle) => candle.time === hovered)) || rows.at(-1);
  if (!row) return null;
  const said = marks.filter((mark) => mark.time === row.time).map((mark) => mark.text);
  const when = typeof row.time === "string" ? row.time : new Date(row.time * 1000).toISOString().slice(0, 16).replace("T", " ");
  return (
    <p class="readout">
      <span title={typeof row.time === "string" ? "session, in New York" : "New York, market time"}>{when}</span>
      {(["open", "high", "low", "close"] as const).map((name) => (
        <span key={name}>
          <abbr title={name}>{name[0]?.toUpperCase()}</abbr> {row[name].toFixed(2)}
        </span>
      ))}
      <span>
        <abbr title="volume, shares">V</abbr> {row.volume.toLocaleString("en-US")}
      </span>
      {row === rows.at(-1) && move && <Gain amount={move} unit="%" />}
      {said.length > 0 && <span class="said">{said.join(" · ")}</span>}
    </p>
  );
}
