// Candles of one symbol with its lines, the bot's signals, orders and fills, and what a position rests on.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Chart, Order, Page, Position } from "../api/bodies";
import type { CandleCanvas, Level } from "../chart/canvas";
import { Attribution, fetchCanvases, useCanvas } from "../chart/loaded";
import { barStart, candles, lastMove, levelsOf, lineTone, signs, type Candle, type ChartTime, type Sign } from "../chart/series";
import { Cached, Gain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useRead, type View } from "../store/hooks";
import { usePositions } from "./positions";

const BARS = 250;
export const TIMEFRAMES = ["1Min", "5Min", "15Min", "1Hour", "1Day"] as const;

/** Each fetch costs the broker two requests of its budget, and events tell of what is new. */
const EVERY_MS = 20_000;

export const useChart = (symbol: string | null, timeframe: string) =>
  useRead<Chart>(symbol && `/api/chart/${encodeURIComponent(symbol)}?limit=${BARS}&timeframe=${timeframe}`, EVERY_MS);

interface ChartPanelProps {
  symbol: string | null;
  timeframe: string;
  onTimeframe: (timeframe: string) => void;
  /** Taller, for the page of one symbol. */
  tall?: boolean;
  /** Hears the bar that was clicked, by its start in seconds since 1970. */
  onBar?: (start: number) => void;
}

export function ChartPanel({ symbol, timeframe, onTimeframe, tall, onBar }: ChartPanelProps) {
  const view = useChart(symbol, timeframe);
  const chart = view.data;
  // The code comes while the bars do; what became of it is told by the canvas.
  useEffect(() => void fetchCanvases().catch(() => undefined), []);
  return (
    <Panel title={symbol ? `${symbol} chart` : "Chart"} aside={chart && <ChartFacts chart={chart} />} view={view}>
      <TimeframePicker value={timeframe} pick={onTimeframe} />
      <Candles view={view} {...(tall ? { tall } : {})} {...(onBar ? { onBar } : {})} />
    </Panel>
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
  view: View<Chart>;
  tall?: boolean;
  onBar?: (start: number) => void;
}

function Candles({ view, ...rest }: CandlesProps) {
  return (
    <Loaded
      view={view}
      what="bars"
      rows={8}
      isEmpty={(chart) => chart.bars.time.length === 0}
      empty="No bar of this symbol is stored yet. Bars are fetched when a run judges the symbol."
    >
      {(chart) => <Canvas chart={chart} {...rest} />}
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

function Canvas({ chart, tall, onBar }: { chart: Chart; tall?: boolean; onBar?: (start: number) => void }) {
  const [hovered, setHovered] = useState<ChartTime | null>(null);
  const levels = useLevels(chart.symbol);
  const rows = useMemo(() => candles(chart), [chart]);
  const marks = useMemo(() => signs(chart), [chart]);

  const [clicked, setClicked] = useState<ChartTime | null>(null);
  const { host, canvas, failure } = useCanvas<CandleCanvas>(({ openCandles }, element) => openCandles(element, setHovered, setClicked));
  useEffect(() => canvas?.show(chart, levels), [canvas, chart, levels]);
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
      data-levels={String(levels.length)}
      data-drawn={String(canvas !== null)}
    >
      <Readout rows={rows} marks={marks} hovered={hovered} move={lastMove(chart)} />
      {failure && <p class="notice bad">{failure}</p>}
      <div
        ref={host}
        class={tall ? "canvas tall" : "canvas"}
        role="img"
        aria-label={`${chart.symbol}, ${rows.length} bars of ${chart.timeframe}, last close ${rows.at(-1)?.close.toFixed(2)}; ${signals} signals and ${fills} fills`}
      />
      <figcaption>
        <span>
          <span class="up" aria-hidden="true">▲</span> BUY signal <span class="down" aria-hidden="true">▼</span> SELL signal{" "}
          <span class="accent" aria-hidden="true">●</span> fill, B bought, S sold
          {count("withheld") > 0 && " ■ withheld"}
          {count("shadow") > 0 && " grey: shadow strategy"}
        </span>
        <Legend chart={chart} />
        <Attribution />
      </figcaption>
    </figure>
  );
}

/** What the lines are, by colour. */
const Legend = ({ chart }: { chart: Chart }) => (
  <span data-testid="chart-lines">
    {chart.indicators.map((plotted, n) => (
      <span key={plotted.name}>
        <span class={lineTone(chart.indicators, n)} aria-hidden="true">
          ━
        </span>{" "}
        {plotted.label}{" "}
      </span>
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
