// Moments are shown in the reader's zone with the market's time, New York's, in the tooltip; sessions
// are dates of New York. On the laptop the exchange's clock replays other years, so nothing here asks
// this computer what time it is.

const ZONE = "America/New_York";

const style = (options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat("en-US", { timeZone: ZONE, hourCycle: "h23", ...options });

const DAY = style({ year: "numeric", month: "short", day: "numeric" });
const WEEKDAY = style({ weekday: "short", year: "numeric", month: "short", day: "numeric" });
const CLOCK = style({ hour: "2-digit", minute: "2-digit" });
const MOMENT = style({ year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const PARTS = style({ year: "numeric", month: "2-digit", day: "2-digit" });

/** `Mar 3, 2010`. */
export const marketDay = (iso: string): string => DAY.format(new Date(iso));

/** `Wed, Mar 3, 2010`. */
export const marketWeekday = (iso: string): string => WEEKDAY.format(new Date(iso));

/** `10:42`. */
export const marketClock = (iso: string): string => CLOCK.format(new Date(iso));

/** `Mar 3, 2010, 10:42`. */
export const marketMoment = (iso: string): string => MOMENT.format(new Date(iso));

/** `2010-03-03`, the session a moment belongs to. */
export function marketDate(iso: string): string {
  const parts = Object.fromEntries(PARTS.formatToParts(new Date(iso)).map((part) => [part.type, part.value]));
  return `${parts.year}-${parts.month}-${parts.day}`;
}

/** The reader's own zone; undefined is this computer's. */
let zone: string | undefined;
let locals = new Map<string, Intl.DateTimeFormat>();

/** Shows times in `name` from now on, or in this computer's zone; a name nobody knows changes nothing. */
export function setZone(name: string | undefined): void {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
  } catch {
    return;
  }
  zone = name;
  locals = new Map();
}

function local(iso: string, form: Intl.DateTimeFormatOptions): string {
  const key = Object.keys(form).join(" ");
  const format = locals.get(key) ?? new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", ...form });
  locals.set(key, format);
  return format.format(new Date(iso));
}

/** `2010`, in the reader's zone. */
export const localYear = (iso: string): string => local(iso, { year: "numeric" });

/** `Mar 3, 16:42`, in the reader's zone; `Mar 3, 2010, 16:42` where that is not the year that goes without saying. */
export function localMoment(iso: string, unsaid = localYear(iso)): string {
  const short = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" } as const;
  return local(iso, localYear(iso) === unsaid ? short : { year: "numeric", ...short });
}

/** `16:42:07`, in the reader's zone. */
export const localClock = (iso: string): string => local(iso, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const localWhole = (iso: string): string => local(iso, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });

/** `40 s`, `5 min`, `3 h` or `2 d`. */
export function ageOf(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** The whole moment, for a tooltip: the market's time, then the reader's. */
export const fullMoment = (iso: string): string =>
  `${marketWeekday(iso)}, ${marketClock(iso)} New York, market time\n${localWhole(iso)}\n${iso}`;

/** The same for a moment of this world, which on the laptop is no market time. */
export const fullWallMoment = (iso: string): string => `${localWhole(iso)}\n${iso}`;
