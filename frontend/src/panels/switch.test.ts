import { expect, test } from "vitest";
import type { CurrentTradingState } from "../api/bodies";
import { changeOf, offersFor } from "./switch";

const now = (state: string, changed: Partial<CurrentTradingState> = {}) =>
  ({ state, asked: state, locks: [], flattening: false, author: null, reason: null, changed_at: null, ...changed }) as CurrentTradingState;
const ADMIN = { lower: true, raise: true };
const TRADER = { lower: true, raise: false };
const labels = (state: CurrentTradingState, may = ADMIN) => offersFor(state, may).map(({ label }) => label);
const offer = (state: CurrentTradingState, label: string) => offersFor(state, ADMIN).find((one) => one.label === label)!;

test("everything is sold with REDUCING alone, whatever was ticked before", () => {
  const active = now("ACTIVE");
  expect(changeOf(offer(active, "Halt trading"), "why", true)).toEqual({ state: "HALTED", reason: "why", flatten: false });
  expect(changeOf(offer(active, "Reduce only"), "why", true)).toEqual({ state: "REDUCING", reason: "why", flatten: true });
  expect(changeOf(offer(active, "Reduce only"), "why", false).flatten).toBe(false);
  expect(changeOf(offer(now("HALTED"), "Resume trading"), "why", true).flatten).toBe(false);
});

test("who reduces already may still sell everything, once", () => {
  expect(labels(now("REDUCING"))).toEqual(["Halt trading", "Resume trading", "Sell everything"]);
  expect(changeOf(offer(now("REDUCING"), "Sell everything"), "why", false).flatten).toBe(true);
  expect(labels(now("REDUCING", { flattening: true }))).toEqual(["Halt trading", "Resume trading"]);
});

test("a trader lowers the state, an admin raises it, and a lock's halt is an admin's to lift", () => {
  expect(labels(now("ACTIVE"), TRADER)).toEqual(["Halt trading", "Reduce only"]);
  expect(labels(now("REDUCING"), TRADER)).toEqual(["Halt trading", "Sell everything"]);
  expect(labels(now("HALTED"), TRADER)).toEqual([]);
  expect(labels(now("HALTED", { asked: "REDUCING" }), TRADER)).toEqual(["Halt trading"]);
  expect(labels(now("ACTIVE"), { lower: false, raise: false })).toEqual([]);
});
