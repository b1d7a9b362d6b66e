// Times on the page are the market's, in New York, as the exchange's clock gave them. On the
// laptop that clock replays other years, so nothing here asks this computer what time it is.

const ZONE = "America/New_York";

const style = (options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat("en-US", { timeZone: ZONE, hourCycle: "h23", ...options });

const DAY = style({ year: "numeric", month: "short", day: "numeric" });
const WEEKDAY = style({ weekday: "short", year: "numeric", month: "short", day: "numeric" });
const CLOCK = style({ hour: "2-digit", minute: "2-digit" });
const SHORT = style({ month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const PARTS = style({ year: "numeric", month: "2-digit", day: "2-digit" });

/** `Mar 3, 2010`. */
export const marketDay = (iso: string): string => DAY.format(new Date(iso));

/** `Wed, Mar 3, 2010`. */
export const marketWeekday = (iso: string): string => WEEKDAY.format(new Date(iso));

/** `10:42`. */
export const marketClock = (iso: string): string => CLOCK.format(new Date(iso));

/** `Mar 3, 10:42`. */
export const marketMoment = (iso: string): string => SHORT.format(new Date(iso));

/** `2010-03-03`, the session a moment belongs to. */
export function marketDate(iso: string): string {
  const parts = Object.fromEntries(PARTS.formatToParts(new Date(iso)).map((part) => [part.type, part.value]));
  return `${parts.year}-${parts.month}-${parts.day}`;
}

const WALL = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** `19:40 here`: a moment of this world in this computer's zone, for what is not the market's. */
export const wallClock = (iso: string): string => `${WALL.format(new Date(iso))} here`;

/** `40 s`, `5 min`, `3 h` or `2 d`. */
export function ageOf(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** The whole moment, for a tooltip. */
export const fullMoment = (iso: string): string =>
  `${marketWeekday(iso)}, ${marketClock(iso)} New York (${iso})`;
