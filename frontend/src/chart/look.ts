// How every chart looks and behaves, and what of it a change of theme paints anew.
import { ColorType, CrosshairMode, TickMarkType, type DeepPartial, type IChartApi, type Time, type TimeChartOptions } from "lightweight-charts";
import type { Palette } from "./palette";

export function frame(palette: Palette): DeepPartial<TimeChartOptions> {
  const { layout, timeScale, ...colours } = painted(palette);
  return {
    ...colours,
    autoSize: true,
    layout: {
      ...layout,
      fontFamily: "system-ui, sans-serif",
      fontSize: 11,
      // The attribution its licence asks for stands in the panel's foot instead.
      attributionLogo: false,
    },
    timeScale: { ...timeScale, rightOffset: 3, tickMarkFormatter: dayMark },
    crosshair: { mode: CrosshairMode.Magnet },
    // The page scrolls with one finger and with the wheel; pinch and drag move the chart.
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
    handleScale: { mouseWheel: false },
  };
}

/** The colours alone: given again, a right offset would move the chart to its newest bar. */
export const painted = ({ ground, soft, line }: Palette) => ({
  layout: { background: { type: ColorType.Solid as const, color: ground }, textColor: soft },
  grid: { vertLines: { color: `${line}80` }, horzLines: { color: `${line}80` } },
  rightPriceScale: { borderColor: line },
  timeScale: { borderColor: line },
});

/** So wide is half of a day's name on the time axis, in pixels. */
const HALF_A_NAME = 24;

/** Keeps all points in view, with room for the name of the first day and so many pixels behind the last; hears how many there are. */
export function fitting(canvas: IChartApi, element: HTMLElement, behind = HALF_A_NAME): (points: number) => void {
  let count = 0;
  function fit(): void {
    const bars = (pixels: number) => Math.max(0.5, (count * pixels) / Math.max(1, element.clientWidth));
    if (count > 0) canvas.timeScale().setVisibleLogicalRange({ from: -bars(HALF_A_NAME), to: count - 1 + bars(behind) });
  }
  canvas.timeScale().subscribeSizeChange(fit);
  return (points) => {
    count = points;
    fit();
  };
}

export const dollars = (value: number): string => `$${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;

/** A day is named with its month; null leaves years, months and hours to the library. */
function dayMark(time: Time, mark: TickMarkType): string | null {
  if (mark !== TickMarkType.DayOfMonth) return null;
  const day = typeof time === "string" ? new Date(`${time}T00:00:00Z`) : typeof time === "number" ? new Date(time * 1000) : null;
  return day && day.toLocaleDateString("en-US", { month: "short", day: "numeric", timeZone: "UTC" });
}
