// Exact decimals for every amount on the page. The API sends money, prices and quantities as
// decimal strings; they are never turned into floating point on the way to the screen.

/** `units` times ten to the power of minus `places`. */
export interface Decimal {
  readonly units: bigint;
  readonly places: number;
}

const SHAPE = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/** Reads a decimal string as Python writes one, `1E+2` included. Throws `RangeError` on anything else. */
export function parseDecimal(text: string): Decimal {
  const match = SHAPE.exec(text);
  if (!match) throw new RangeError(`"${text}" is not a decimal number; the API must send amounts as decimal strings`);
  const [, sign, whole = "0", fraction = "", exponent = "0"] = match;
  const digits = BigInt(whole + fraction);
  const places = fraction.length - Number(exponent);
  const units = sign === "-" ? -digits : digits;
  return places >= 0 ? { units, places } : { units: units * 10n ** BigInt(-places), places: 0 };
}

/** Rounds half to even, as Python's decimals do. */
export function round(value: Decimal, places: number): Decimal {
  if (value.places <= places) {
    return { units: value.units * 10n ** BigInt(places - value.places), places };
  }
  const step = 10n ** BigInt(value.places - places);
  const size = value.units < 0n ? -value.units : value.units;
  const kept = size / step;
  const twice = (size % step) * 2n;
  const up = twice > step || (twice === step && kept % 2n === 1n);
  const units = up ? kept + 1n : kept;
  return { units: value.units < 0n ? -units : units, places };
}

export function subtract(left: Decimal, right: Decimal): Decimal {
  const places = Math.max(left.places, right.places);
  return { units: round(left, places).units - round(right, places).units, places };
}

/** -1, 0 or 1. */
export function sign(value: Decimal): -1 | 0 | 1 {
  if (value.units === 0n) return 0;
  return value.units < 0n ? -1 : 1;
}

/** Digits with thousands grouped, no sign. */
export function digits(value: Decimal): string {
  const size = value.units < 0n ? -value.units : value.units;
  const text = size.toString().padStart(value.places + 1, "0");
  const whole = text.slice(0, text.length - value.places).replace(/\B(?=(\d{3})+$)/g, ",");
  return value.places === 0 ? whole : `${whole}.${text.slice(-value.places)}`;
}

const written = ({ units, places }: Decimal): string => {
  const size = (units < 0n ? -units : units).toString().padStart(places + 1, "0");
  const text = places === 0 ? size : `${size.slice(0, -places)}.${size.slice(-places)}`;
  return units < 0n ? `-${text}` : text;
};

const times = (left: Decimal, right: Decimal): Decimal => ({ units: left.units * right.units, places: left.places + right.places });

/** A quantity times a price, both decimal strings. */
export const worth = (quantity: string, price: string): string => written(times(parseDecimal(quantity), parseDecimal(price)));

/** So many per cent of a quantity, to nine places as the broker counts. */
export function share(quantity: string, percent: string): string {
  const { units, places } = times(parseDecimal(quantity), parseDecimal(percent));
  return written(round({ units, places: places + 2 }, Math.min(9, places + 2)));
}
