// Candles of one symbol with the bot's signals and fills, and the lines of an open position.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Chart, Configuration, Position } from "../api/bodies";
import type { CandleCanvas, Level } from "../chart/canvas";
import { Attribution, useCanvas } from "../chart/loaded";
import { candles, lineTone, signs, type Candle, type ChartTime, type Sign } from "../chart/series";
import { ageOf } from "../format/time";
import { LivePrice } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { usePrices, useRead, type View } from "../store/hooks";
import { usePositions } from "./positions";

const BARS = 250;
const TIMEFRAMES = ["1Min", "5Min", "15Min", "1Hour", "1Day"] as const;
/** Live prices are asked for so many of the watchlist: a connection may watch a hundred. */
const WATCHED = 40;

/** Each fetch costs the broker two requests of its budget, and events tell of what is new. */
const EVERY_MS = 20_000;

export const useConfig = () => useRead<Configuration>("/api/config");

export function watchlistOf(config: Configuration | undefined): string[] {
  const list = config?.settings.watchlist;
  return Array.isArray(list) ? list.map(String) : [];
}

export function ChartPanel() {
  const config = useConfig();
  const watchlist = watchlistOf(config.data);
  const [picked, setPicked] = useState<string | null>(null);
  const [timeframe, setTimeframe] = useState<string>("1Day");
  const symbol = picked ?? watchlist[0] ?? null;
  const view = useRead<Chart>(symbol && `/api/chart/${encodeURIComponent(symbol)}?limit=${BARS}&timeframe=${timeframe}`, EVERY_MS);
  const chart = view.data;
  return (
    <Panel title={symbol ? `${symbol} chart` : "Chart"} aside={chart && <ChartFacts chart={chart} />}>
      <Loaded
        view={config}
        what="watchlist"
        isEmpty={() => watchlist.length === 0}
        empty="The watchlist is empty, so nothing is traded. Name the symbols to watch in the settings."
      >
        {() => (
          <>
            <SymbolPicker symbols={watchlist} value={symbol} pick={setPicked} />
            <TimeframePicker value={timeframe} pick={setTimeframe} />
            <Candles view={view} />
          </>
        )}
      </Loaded>
    </Panel>
  );
}

function ChartFacts({ chart }: { chart: Chart }) {
  return (
    <>
      {chart.source === "cache" && (
        <span class="badge warn" title="The broker does not answer: these bars are the stored ones">
          cached, {ageOf(chart.age_seconds)} old
        </span>
      )}
      {chart.synthetic && <span class="badge warn" title="Made up to fit real daily bars">synthetic</span>}
      {chart.forming && <span class="badge">last bar forming</span>}
      <span>
        {chart.timeframe} · {chart.adjustment} · {chart.feed}
        {chart.strategy && ` · ${chart.strategy}`}
      </span>
    </>
  );
}

function SymbolPicker({ symbols, value, pick }: { symbols: string[]; value: string | null; pick: (symbol: string) => void }) {
  const prices = usePrices(symbols.slice(0, WATCHED));
  return (
    <div class="picker" role="group" aria-label="Symbol">
      {symbols.map((symbol) => (
        <button key={symbol} type="button" aria-label={symbol} aria-pressed={symbol === value} onClick={() => pick(symbol)}>
          {symbol} <LivePrice of={prices.get(symbol)} />
        </button>
      ))}
    </div>
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

function Candles({ view }: { view: View<Chart> }) {
  return (
    <Loaded
      view={view}
      what="bars"
      rows={8}
      isEmpty={(chart) => chart.bars.time.length === 0}
      empty="No bar of this symbol is stored yet. Bars are fetched when a run judges the symbol."
    >
      {(chart) => <Canvas chart={chart} />}
    </Loaded>
  );
}

function levelsOf(position: Position | undefined): Level[] {
  if (!position) return [];
  const level = (kind: Level["kind"], price: string | null): Level[] => (price ? [{ kind, title: kind, price: Number(price) }] : []);
  return [...level("entry", position.average_entry_price), ...level("stop", position.stop_price), ...level("target", position.target_price)];
}

function Canvas({ chart }: { chart: Chart }) {
  const [hovered, setHovered] = useState<ChartTime | null>(null);
  const positions = usePositions();
  const position = positions.data?.items.find((item) => item.symbol === chart.symbol);
  const levels = useMemo(() => levelsOf(position), [position]);
  const rows = useMemo(() => candles(chart), [chart]);
  const marks = useMemo(() => signs(chart), [chart]);

  const { host, canvas, failure } = useCanvas<CandleCanvas>(({ openCandles }, element) => openCandles(element, setHovered));
  useEffect(() => canvas?.show(chart, levels), [canvas, chart, levels]);

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
      data-drawn={String(canvas !== null)}
    >
      <Readout rows={rows} marks={marks} hovered={hovered} />
      {failure && <p class="notice bad">{failure}</p>}
      <div
        ref={host}
        class="canvas"
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
function Readout({ rows, marks, hovered }: { rows: Candle[]; marks: Sign[]; hovered: ChartTime | null }) {
  const row = (hovered !== null && rows.find((candle) => candle.time === hovered)) || rows.at(-1);
  if (!row) return null;
  const said = marks.filter((mark) => mark.time === row.time).map((mark) => mark.text);
  const when = typeof row.time === "string" ? row.time : new Date(row.time * 1000).toISOString().slice(0, 16).replace("T", " ");
  return (
    <p class="readout">
      <span>{when}</span>
      {(["open", "high", "low", "close"] as const).map((name) => (
        <span key={name}>
          <abbr title={name}>{name[0]?.toUpperCase()}</abbr> {row[name].toFixed(2)}
        </span>
      ))}
      {said.length > 0 && <span class="said">{said.join(" · ")}</span>}
    </p>
  );
}
