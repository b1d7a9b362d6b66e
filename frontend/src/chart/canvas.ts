// Candles and equity, drawn with lightweight-charts. Loaded by `import()` only where a chart is shown; with
// `lines.ts` and `look.ts` all that knows the library.
import {
  AreaSeries,
  CandlestickSeries,
  HistogramSeries,
  LineSeries,
  LineStyle,
  createChart,
  createSeriesMarkers,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  type SeriesMarker,
  type Time,
} from "lightweight-charts";
import type { Chart, EquityMark, Plotted } from "../api/bodies";
import { dollars, fitting, frame, painted } from "./look";
import { paletteOf, watchTheme, type Palette } from "./palette";
import { candles, equityPoints, isDaily, line, lineTone, signs, type Candle, type ChartTime, type Level, type Sign } from "./series";

export { openLines, type LinesCanvas } from "./lines";
export type { Level };

export interface CandleCanvas {
  show(chart: Chart, levels: readonly Level[]): void;
  /** Brings the bar at `time` into view, where it is not. */
  reveal(time: ChartTime): void;
  close(): void;
}

/** So many bars before the first one that is drawn, older ones are asked for. */
const EDGE_BARS = 15;

/** How wide a bar is when a symbol is opened, in pixels; older bars are a drag to the left away. */
const FIRST_BAR_WIDTH = 7;

/** Bars of room beside the last one, for the names of stop and target. */
const ROOM_AT_RIGHT = 8;

/** `hovered` hears the time under the pointer, or null; `clicked` that of a bar that was clicked; `atEdge`
 * hears that the first bars are in view. */
export function openCandles(element: HTMLElement, hovered: (time: ChartTime | null) => void, clicked: (time: ChartTime) => void, atEdge: () => void): CandleCanvas {
  let palette = paletteOf(element);
  const canvas = createChart(element, frame(palette));
  const price = canvas.addSeries(CandlestickSeries, candleLook(palette));
  const volume = canvas.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
  canvas.priceScale("volume").applyOptions({ scaleMargins: { top: 0.86, bottom: 0 } });
  canvas.priceScale("right").applyOptions({ scaleMargins: { top: 0.08, bottom: 0.18 } });
  const markers = createSeriesMarkers(price);
  let lines: IPriceLine[] = [];
  let indicators: ISeriesApi<"Line">[] = [];
  let shown: { chart: Chart; levels: readonly Level[] } | null = null;

  function draw(chart: Chart, levels: readonly Level[]): void {
    const rows = candles(chart);
    price.setData(rows as Parameters<typeof price.setData>[0]);
    volume.setData(rows.map((row) => volumeBar(row, palette)));
    markers.setMarkers(signs(chart).map((sign) => drawn(sign, palette)));
    for (const line of lines) price.removePriceLine(line);
    lines = levels.map((level) => price.createPriceLine(lineOf(level, palette)));
    for (const series of indicators) canvas.removeSeries(series);
    indicators = chart.indicators.map((plotted, n) => drawLine(chart, plotted, palette[lineTone(chart.indicators, n)]));
    canvas.timeScale().applyOptions({ timeVisible: !isDaily(chart.timeframe) });
    if (shown?.chart.symbol !== chart.symbol || shown.chart.timeframe !== chart.timeframe) {
      const inView = Math.max(40, Math.round(element.clientWidth / FIRST_BAR_WIDTH));
      canvas.timeScale().setVisibleLogicalRange({ from: Math.max(-1, rows.length - inView), to: rows.length + ROOM_AT_RIGHT });
    }
  }

  function drawLine(chart: Chart, plotted: Plotted, color: string): ISeriesApi<"Line"> {
    const pane = plotted.pane === "oscillator" ? 1 : 0;
    const look = { color, lineWidth: 1 as const, priceLineVisible: false, lastValueVisible: pane > 0, crosshairMarkerVisible: false };
    const series = canvas.addSeries(LineSeries, look, pane);
    series.setData(line(chart, plotted) as Parameters<typeof series.setData>[0]);
    for (const [name, value] of Object.entries(plotted.levels)) {
      series.createPriceLine({ price: value, title: name.replaceAll("_", " "), color: palette.soft, lineWidth: 1, lineStyle: LineStyle.Dotted, axisLabelVisible: false });
    }
    if (pane > 0) canvas.panes()[1]?.setStretchFactor(0.4);
    return series;
  }

  canvas.subscribeCrosshairMove(({ time }) => hovered((time as ChartTime | undefined) ?? null));
  canvas.subscribeClick(({ time }) => time !== undefined && clicked(time as ChartTime));
  canvas.timeScale().subscribeVisibleLogicalRangeChange((range) => range && shown && range.from < EDGE_BARS && atEdge());
  const stopWatching = watchTheme(() => {
    palette = paletteOf(element);
    canvas.applyOptions(painted(palette));
    price.applyOptions(candleLook(palette));
    if (shown) draw(shown.chart, shown.levels);
  });

  return {
    show(chart, levels) {
      draw(chart, levels);
      shown = { chart, levels };
    },
    reveal(time) {
      const range = canvas.timeScale().getVisibleLogicalRange();
      const bar = shown ? candles(shown.chart).findIndex((row) => row.time === time) : -1;
      if (!range || bar < 0 || (bar >= range.from && bar <= range.to)) return;
      const half = (range.to - range.from) / 2;
      canvas.timeScale().setVisibleLogicalRange({ from: bar - half, to: bar + half });
    },
    close() {
      stopWatching();
      canvas.remove();
    },
  };
}

export interface EquityCanvas {
  show(marks: readonly EquityMark[]): void;
  close(): void;
}

export function openEquity(element: HTMLElement): EquityCanvas {
  const canvas: IChartApi = createChart(element, frame(paletteOf(element)));
  const series = canvas.addSeries(AreaSeries, equityLook(paletteOf(element)));
  const fit = fitting(canvas, element);
  canvas.timeScale().applyOptions({ timeVisible: true });
  canvas.applyOptions({ localization: { priceFormatter: dollars } });
  const stopWatching = watchTheme(() => {
    canvas.applyOptions(painted(paletteOf(element)));
    series.applyOptions(equityLook(paletteOf(element)));
  });
  return {
    show(marks) {
      const points = equityPoints(marks);
      series.setData(points as Parameters<typeof series.setData>[0]);
      fit(points.length);
    },
    close() {
      stopWatching();
      canvas.remove();
    },
  };
}

const candleLook = ({ up, down }: Palette) => ({
  upColor: up,
  downColor: down,
  borderUpColor: up,
  borderDownColor: down,
  wickUpColor: up,
  wickDownColor: down,
});

const equityLook = ({ accent }: Palette) => ({
  lineColor: accent,
  topColor: `${accent}40`,
  bottomColor: `${accent}05`,
  lineWidth: 2 as const,
  priceFormat: { type: "price" as const, precision: 2, minMove: 0.01 },
});

const volumeBar = ({ time, open, close, volume }: Candle, { up, down }: Palette) => ({
  time: time as Time,
  value: volume,
  color: `${close >= open ? up : down}38`,
});

/** Signals are arrows outside the bar, grey for those that nobody traded on; fills are dots, at their price where it is
 * on the scale; orders that came to nothing are crossed out. */
function drawn(sign: Sign, palette: Palette): SeriesMarker<Time> {
  const time = sign.time as Time;
  const color = sign.buy ? palette.up : palette.down;
  const position = sign.buy ? "belowBar" : "aboveBar";
  if (sign.kind === "ended") return { time, color: palette.soft, shape: "circle", position, size: 0.4, text: "✕" };
  if (sign.kind === "withheld") return { time, color: palette.soft, shape: "square", position, size: 0.5 };
  if (sign.kind !== "fill") {
    const arrow = sign.buy ? "arrowUp" : "arrowDown";
    return { time, color: sign.kind === "shadow" ? palette.soft : color, shape: arrow, position };
  }
  const look = { time, color: palette.accent, shape: "circle" as const, text: sign.buy ? "B" : "S" };
  if (sign.price === null) return { ...look, position };
  return { ...look, position: "atPriceMiddle", price: sign.price };
}

function lineOf(level: Level, palette: Palette) {
  const color = { entry: palette.soft, stop: palette.down, target: palette.up, order: palette.accent }[level.kind];
  return { price: level.price, title: level.title, color, lineWidth: 1 as const, lineStyle: LineStyle.Dashed, axisLabelVisible: true };
}
