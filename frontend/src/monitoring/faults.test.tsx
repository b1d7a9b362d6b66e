import { expect, test } from "vitest";
import type { Fault, FaultInForce, FaultMix, Faults } from "../api/bodies";
import { elements, named, words } from "../parts/drawn";
import { InForce, Mixes, Spoiling } from "./faults";

const fault = (id: string): Fault => ({ id, kind: id, route: "", probability: 0.02, times: null, seed: 0, milliseconds: 500, most_milliseconds: null, retry_after: 1, status: 502, age_seconds: 3600, event: "" });
const LIGHT: FaultMix = { name: "light", rules: [fault("429")] };
const HEAVY: FaultMix = { name: "heavy", rules: [fault("429"), fault("html")] };
const HIT: FaultInForce = { rule: fault("429"), matched: 1500, injected: 31 };
const board = (...rules: FaultInForce[]): Faults => ({ rules, injected: rules.length > 0 ? { "429": 31 } : {}, mixes: [LIGHT, HEAVY], kinds: [], routes: [] });

const mixes = (known: Faults, able = true, add: (mix: FaultMix) => void = () => undefined) => <Mixes board={known} able={able} why={able ? undefined : "why"} add={add} />;
const inForce = (known: Faults, able = true, done: (what: string) => void = () => undefined) => (
  <InForce board={known} able={able} why={able ? undefined : "why"} remove={(one) => done(one.rule.id)} clear={() => done("all")} />
);
const buttons = (node: Parameters<typeof elements>[0]) => elements(node).filter(({ type }) => type === "button");

test("each mix is a button that puts it in force", () => {
  const chosen: string[] = [];
  const shown = mixes(board(), true, (mix) => chosen.push(mix.name));
  expect(words(shown)).toBe("Light mix, 1 ruleHeavy mix, 2 rules");
  named(shown, "fault-mix-heavy")!.props.onClick!();
  expect(chosen).toEqual(["heavy"]);
});

test("a mix that stands says so, and one whose rules stand in part says why it cannot be added", () => {
  const shown = mixes(board(HIT));
  expect(words(named(shown, "fault-mix-light")!)).toBe("Light mix, 1 rule: in force");
  expect(buttons(shown).map(({ props }) => props.disabled)).toEqual([true, true]);
  expect(named(shown, "fault-mix-heavy")!.props.title).toBe("Some of its rules are in force already: clear them first.");
});

test("who may not change them finds every button off, with the reason tied to it", () => {
  const shown = [...buttons(mixes(board(), false)), ...buttons(inForce(board(HIT), false))];
  expect(shown.length).toBe(4);
  expect(shown.every(({ props }) => props.disabled && (props as Record<string, unknown>)["aria-describedby"] === "why")).toBe(true);
});

test("rules in force stand with what they met and spoilt, and go one by one or all", () => {
  const done: string[] = [];
  const shown = inForce(board(HIT), true, (what) => done.push(what));
  expect(words(shown)).toMatch(/429: too many requests, every request it fits2%–1,50031/);
  expect(words(named(shown, "faults-tally")!)).toBe("Spoilt since the exchange began: 429: too many requests 31.");
  named(shown, "fault-remove")!.props.onClick!();
  named(shown, "faults-clear")!.props.onClick!();
  expect(done).toEqual(["429", "all"]);
});

test("without a rule nothing can be cleared, and the panel says that all is well", () => {
  const shown = inForce(board());
  expect(words(shown)).toBe("No fault is in force: the exchange answers as it should.Spoilt since the exchange began: nothing.");
  expect(named(shown, "faults-clear")).toBeUndefined();
  expect(words(<Spoiling count={0} />)).toContain("nothing is spoilt");
  expect(words(<Spoiling count={1} />)).toContain("1 rule in force");
});
