import { expect, test } from "vitest";
import type { Fault, Faults } from "../api/bodies";
import { BEGINNING, routesFor, ruleOf, standingOf, talliedBy, wrongIn, type Draft } from "./rule";

const ROUTES = ["all", "orders", "blockable", "stream", "trade_updates", "data_stream"];
const draft = (changes: Partial<Draft>): Draft => ({ ...BEGINNING, ...changes });
const fault = (id: string, probability = 0.1): Fault => ({ id, kind: id, route: "", probability, times: null, seed: 0, milliseconds: 500, most_milliseconds: null, retry_after: 1, status: 502, age_seconds: 3600, event: "" });
const LIGHT = { name: "light", rules: [fault("429"), fault("500")] };
const board = (...rules: Fault[]): Faults => ({ rules: rules.map((rule) => ({ rule, matched: 0, injected: 0 })), injected: {}, mixes: [LIGHT], kinds: [], routes: ROUTES });

test("a rule carries what its kind takes and nothing of what was typed for another", () => {
  expect(ruleOf(draft({}), ROUTES)).toEqual({ kind: "latency", probability: 1, milliseconds: 500 });
  expect(ruleOf(draft({ kind: "429", percent: "2.5", times: "3", route: "orders", status: "599" }), ROUTES)).toEqual({ kind: "429", probability: 0.025, times: 3, route: "orders", retry_after: 1 });
  expect(ruleOf(draft({ kind: "stream_lost", event: " fill ", route: "trade_updates" }), ROUTES)).toEqual({ kind: "stream_lost", probability: 1, route: "trade_updates", event: "fill" });
});

test("a route that its kind cannot meet is left out", () => {
  expect(routesFor("500", ROUTES)).toEqual(["all", "orders"]);
  expect(routesFor("stream_cut", ROUTES)).toEqual(["stream", "trade_updates", "data_stream"]);
  expect(routesFor("stale_clock", ROUTES)).toEqual([]);
  expect(ruleOf(draft({ kind: "stale_clock", route: "orders" }), ROUTES)).toEqual({ kind: "stale_clock", probability: 1, age_seconds: 3600 });
});

test.each([
  ["percent", { percent: "0" }],
  ["percent", { percent: "" }],
  ["percent", { percent: "101" }],
  ["times", { times: "0" }],
  ["times", { times: "1.5" }],
  ["milliseconds", { milliseconds: "" }],
  ["milliseconds", { milliseconds: "60001" }],
  ["most_milliseconds", { most_milliseconds: "499" }],
  ["retry_after", { kind: "429", retry_after: "-1" }],
  ["status", { kind: "html", status: "199" }],
  ["age_seconds", { kind: "stale_clock", age_seconds: "soon" }],
] as const)("a wrong %s is told at its field, and no rule is made", (name, changes) => {
  expect(Object.keys(wrongIn(draft(changes)))).toEqual([name]);
  expect(ruleOf(draft(changes), ROUTES)).toBeNull();
});

test("what another kind would take may be anything", () => {
  expect(wrongIn(draft({ kind: "500", milliseconds: "", status: "x" }))).toEqual({});
});

test("a mix is on when its rules stand as it has them, and blocked while some or others of their names do", () => {
  expect(standingOf(LIGHT, board())).toBe("off");
  expect(standingOf(LIGHT, board(fault("mine")))).toBe("off");
  expect(standingOf(LIGHT, board(...LIGHT.rules, fault("mine")))).toBe("on");
  expect(standingOf(LIGHT, board(fault("429")))).toBe("blocked");
  expect(standingOf(LIGHT, board(fault("429", 0.3), fault("500", 0.3)))).toBe("blocked");
});

test("what was spoilt is told by its kind, the most frequent first", () => {
  expect(talliedBy({ html: 1, "429": 1200, something_new: 2 })).toBe("429: too many requests 1,200, something new 2, a web page for an answer 1");
  expect(talliedBy({})).toBe("");
});
