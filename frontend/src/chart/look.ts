// How every chart looks and behaves, and what of it a change of theme paints anew.
import { ColorType, CrosshairMode, TickMarkType, type DeepPartial, type Time, type TimeChartOptions } from "lightweight-charts";
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

/** A day is named with its month; null leaves years, months and hours to the library. */
function dayMark(time: Time, mark: TickMarkType): string | null {
  if (mark !== TickMarkType.DayOfMonth) return null;
  const day = typeof time === "string" ? new Date(`${time}T00:00:00Z`) : typeof time === "number" ? new Date(time * 1000) : null;
  return day && day.toLocaleDateString("en-US", { month: "short", day: "numeric", timeZone: "UTC" });
}
