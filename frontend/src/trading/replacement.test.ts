import { expect, test } from "vitest";
import type { Order } from "../api/bodies";
import { beginning, changeable, replacementOf } from "./replacement";

const order = (changes: Partial<Order>): Order =>
  ({ order_type: "limit", quantity: "10", limit_price: "5.00", stop_price: null, trail_percent: null, trail_price: null, time_in_force: "day", ...changes }) as Order;

test("only what was changed is sent", () => {
  const old = order({});
  expect(replacementOf(old, { ...beginning(old), limit_price: "5.10" })).toEqual({ body: { limit_price: "5.10" }, faults: {} });
  expect(replacementOf(old, beginning(old)).body).toBeNull();
  expect(replacementOf(old, { ...beginning(old), time_in_force: "gtc" }).body).toEqual({ time_in_force: "gtc" });
});

test("a trailing stop is changed by its trail, not by the stop that follows the price", () => {
  const old = order({ order_type: "trailing_stop", limit_price: null, stop_price: "97", trail_percent: "3" });
  expect(changeable(old)).toEqual(["quantity", "trail"]);
  expect(replacementOf(old, { ...beginning(old), trail: "2.5" }).body).toEqual({ trail: "2.5" });
});

test("what is no number is told at its field and not sent", () => {
  const old = order({});
  const { body, faults } = replacementOf(old, { ...beginning(old), quantity: "ten" });
  expect(body).toBeNull();
  expect(faults).toHaveProperty("quantity");
});
