// Lines over time in one or two panes: equity with its drawdown, or two backtests beside each other.
import { AreaSeries, LineSeries, createChart, type ISeriesApi } from "lightweight-charts";
import { dollars, fitting, frame, painted } from "./look";
import { paletteOf, watchTheme, type Palette } from "./palette";
import type { ChartTime } from "./series";

export interface Line {
  name: string;
  tone: keyof Palette;
  /** 0 above, 1 below. */
  pane: 0 | 1;
  unit: "$" | "%";
  /** Filled to its ground, as a drawdown is. */
  filled?: boolean;
  /** Ascending, each time once. */
  points: readonly { time: ChartTime; value: number }[];
}

export interface LinesCanvas {
  show(lines: readonly Line[]): void;
  close(): void;
}

/** So wide are the lines' names at their ends, in pixels. */
const NAMES_OF_LINES = 84;

type Drawn = ISeriesApi<"Line"> | ISeriesApi<"Area">;

export function openLines(element: HTMLElement): LinesCanvas {
  const canvas = createChart(element, frame(paletteOf(element)));
  const fit = fitting(canvas, element, NAMES_OF_LINES);
  let drawn: Drawn[] = [];
  let shown: readonly Line[] = [];

  function draw(lines: readonly Line[]): void {
    const palette = paletteOf(element);
    for (const series of drawn) canvas.removeSeries(series as ISeriesApi<"Line">);
    drawn = lines.map((line) => {
      const colour = palette[line.tone];
      const look = { title: line.name, lineWidth: 2 as const, priceLineVisible: false, crosshairMarkerVisible: true, priceFormat: { type: "custom" as const, minMove: 0.01, formatter: formatOf(line.unit) } };
      const series: Drawn = line.filled
        ? canvas.addSeries(AreaSeries, { ...look, lineColor: colour, topColor: `${colour}08`, bottomColor: `${colour}50`, invertFilledArea: true }, line.pane)
        : canvas.addSeries(LineSeries, { ...look, color: colour }, line.pane);
      (series as ISeriesApi<"Line">).setData(line.points as Parameters<ISeriesApi<"Line">["setData"]>[0]);
      return series;
    });
    if (lines.some(({ pane }) => pane === 1)) canvas.panes()[1]?.setStretchFactor(0.4);
    canvas.timeScale().applyOptions({ timeVisible: lines.some(({ points }) => typeof points[0]?.time === "number") });
    fit(new Set(lines.flatMap(({ points }) => points.map(({ time }) => time))).size);
  }

  const stopWatching = watchTheme(() => {
    canvas.applyOptions(painted(paletteOf(element)));
    draw(shown);
  });
  return {
    show(lines) {
      shown = lines;
      draw(lines);
    },
    close() {
      stopWatching();
      canvas.remove();
    },
  };
}

const formatOf = (unit: Line["unit"]) => (unit === "%" ? (value: number) => `${value.toFixed(2)}%` : dollars);
