// A quantity times a price, exact.
import { parseDecimal } from "../format/decimal";

export function timesPrice(quantity: string, price: string): string {
  const [left, right] = [parseDecimal(quantity), parseDecimal(price)];
  const places = left.places + right.places;
  const units = left.units * right.units;
  const size = (units < 0n ? -units : units).toString().padStart(places + 1, "0");
  const text = places === 0 ? size : `${size.slice(0, -places)}.${size.slice(-places)}`;
  return units < 0n ? `-${text}` : text;
}
