// Statistics as they stand in a table. They come as floating point, unlike money.
import { NONE } from "../format/money";

const MINUS = "\u2212";

/** `1.23`, or a dash where nothing could be computed. */
export function number(value: number | null | undefined, places = 2): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  return value < 0 && /[1-9]/.test(text) ? `${MINUS}${text}` : text;
}

/** `+1.23%`. */
export function gained(value: number | null | undefined, places = 2): string {
  const text = number(value, places);
  if (text === NONE) return NONE;
  return `${(value ?? 0) > 0 && /[1-9]/.test(text) ? "+" : ""}${text}%`;
}

export const share = (value: number | null | undefined, places = 1): string => {
  const text = number(value, places);
  return text === NONE ? NONE : `${text}%`;
};

export const days = (value: number | null | undefined): string => {
  const text = number(value, 1).replace(/\.0$/, "");
  return text === NONE ? NONE : `${text} ${text === "1" ? "day" : "days"}`;
};

export const tone = (value: number | null | undefined): string => (value === null || value === undefined || Math.abs(value) < 0.005 ? "" : value > 0 ? "up" : "down");
