// Amounts as a trader reads them; every panel uses these. Input is the API's decimal string.
import { digits, parseDecimal, round, sign, subtract, type Decimal } from "./decimal";

const MINUS = "\u2212";

/** What stands where there is no value. */
export const NONE = "\u2013";

type Direction = "up" | "down" | "flat";

function signed(value: Decimal, unit: string, suffix: string, plus: boolean): string {
  const direction = sign(value);
  const lead = direction < 0 ? MINUS : plus && direction > 0 ? "+" : "";
  return `${lead}${unit}${digits(value)}${suffix}`;
}

/** `$1,234.50`, to the cent. */
export function money(text: string): string {
  return signed(round(parseDecimal(text), 2), "$", "", false);
}

/** `+$12.00` or `−$12.00`. */
export function gain(text: string): string {
  return signed(round(parseDecimal(text), 2), "$", "", true);
}

/** `+1.25%`; the text is in per cent already. */
export function gainPercent(text: string): string {
  return signed(round(parseDecimal(text), 2), "", "%", true);
}

export function percent(text: string, places = 1): string {
  return signed(round(parseDecimal(text), places), "", "%", false);
}

/** A price per share: two decimals, up to four where the price has them. */
export function price(text: string): string {
  const exact = round(parseDecimal(text), 4);
  const short = round(exact, 2);
  const tail = exact.units - short.units * 100n;
  if (tail === 0n) return digits(short);
  return digits(tail % 10n === 0n ? round(exact, 3) : exact);
}

/** A quantity without the zeros that say nothing. */
export function quantity(text: string): string {
  let { units, places } = parseDecimal(text);
  while (places > 0 && units % 10n === 0n) {
    units /= 10n;
    places -= 1;
  }
  return signed({ units, places }, "", "", false);
}

/** Which way an amount points once rounded to the cent, so that −0.001 is not shown as a loss. */
export function direction(text: string): Direction {
  const way = sign(round(parseDecimal(text), 2));
  return way > 0 ? "up" : way < 0 ? "down" : "flat";
}

/** Null when two amounts agree to the cent, else ours minus theirs, as `+$0.01`. */
export function gap(ours: string, theirs: string): string | null {
  const difference = round(subtract(parseDecimal(ours), parseDecimal(theirs)), 2);
  return sign(difference) === 0 ? null : signed(difference, "$", "", true);
}

/** What `part` was of the whole before it came about, in per cent: the gain of a day from gain and end. */
export function ratioPercent(part: string, end: string): string | null {
  const begin = subtract(parseDecimal(end), parseDecimal(part));
  if (sign(begin) <= 0) return null;
  const share = (Number(part) / (Number(end) - Number(part))) * 100;
  return share.toFixed(4);
}
