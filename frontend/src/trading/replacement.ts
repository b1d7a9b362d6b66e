// Which fields of an open order may be changed, and the body that changes them.
import type { Order } from "../api/bodies";
import { decimalOf } from "../ticket/ticket";

export type Changeable = "quantity" | "limit_price" | "stop_price" | "trail";

export interface Change {
  quantity: string;
  limit_price: string;
  stop_price: string;
  trail: string;
  time_in_force: string;
}

/** The fields that this order has, in the order of the form. */
export function changeable(order: Order): readonly Changeable[] {
  const found: Changeable[] = order.quantity === null ? [] : ["quantity"];
  if (order.limit_price !== null) found.push("limit_price");
  if (order.stop_price !== null && order.order_type !== "trailing_stop") found.push("stop_price");
  if (order.order_type === "trailing_stop") found.push("trail");
  return found;
}

export const beginning = (order: Order): Change => ({
  quantity: order.quantity ?? "",
  limit_price: order.limit_price ?? "",
  stop_price: order.stop_price ?? "",
  trail: order.trail_percent ?? order.trail_price ?? "",
  time_in_force: order.time_in_force,
});

export interface Draft {
  body: Record<string, string> | null;
  faults: Partial<Record<Changeable, string>>;
}

/** What differs from the order, as the body of PATCH; null while nothing does or something is no number. */
export function replacementOf(order: Order, change: Change): Draft {
  const before = beginning(order);
  const body: Record<string, string> = {};
  const faults: Draft["faults"] = {};
  for (const name of changeable(order)) {
    const amount = decimalOf(change[name]);
    if (amount === null) faults[name] = "Write a number above 0, such as 12.5.";
    else if (amount !== decimalOf(before[name])) body[name] = amount;
  }
  if (change.time_in_force !== before.time_in_force) body.time_in_force = change.time_in_force;
  const whole = Object.keys(faults).length === 0 && Object.keys(body).length > 0;
  return { body: whole ? body : null, faults };
}
