import { describe, expect, test } from "vitest";
import { at, boundsInWords, changeOf, clashes, fieldOf, fieldsOf, parametersOf, pathOfField, shown, typed, type Schema } from "./schema";

const root: Schema = {
  $defs: {
    Action: { title: "Action", enum: ["HALTED", "TELL"] },
    StrategySettings: { allOf: [{ if: { properties: { rule: { const: "cross" } } }, then: { properties: { parameters: { $ref: "#/$defs/parameters%20of%20cross" } } } }] },
    "parameters of cross": { properties: { fast_bars: { type: "integer", default: 20 } } },
  },
};
const percent = fieldOf(root, "risk.stop_loss_percent", { type: ["string", "number"], format: "decimal", title: "stop loss percent", "x-unit": "percent", exclusiveMinimum: 0, maximum: 50 });
const bars = fieldOf(root, "bars", { type: "integer", minimum: 2, maximum: 100 });
const action = fieldOf(root, "risk.action", { $ref: "#/$defs/Action", title: "action", default: "TELL" });
const level = fieldOf(root, "log_level", { anyOf: [{ enum: ["DEBUG", "INFO"] }, { type: "null" }], default: null });
const list = fieldOf(root, "symbols", { anyOf: [{ type: "array", items: { type: "string" } }, { type: "null" }] });

describe("a field of the settings' form", () => {
  test("has kind, unit and bounds of its schema, references and nulls seen through", () => {
    expect([percent.kind, percent.decimal, percent.unit, boundsInWords(percent.bounds)]).toEqual(["number", true, "percent", "above 0, at most 50"]);
    expect([action.kind, action.label, action.choices]).toEqual(["choice", "action", ["HALTED", "TELL"]]);
    expect([level.kind, level.nullable, list.kind]).toEqual(["choice", true, "list"]);
    expect(boundsInWords(bars.bounds)).toBe("2 to 100");
  });

  test("leaves groups to their own heading and finds a rule's parameters", () => {
    const group: Schema = { properties: { one: { type: "integer" }, inner: { properties: {} }, skipped: { type: "string" } } };
    expect(fieldsOf(root, group, "x", ["skipped"]).map(({ path }) => path)).toEqual(["x.one"]);
    expect(Object.keys(parametersOf(root, "cross").properties ?? {})).toEqual(["fast_bars"]);
  });
});

describe("what was typed", () => {
  test("goes to the API in the setting's own type, decimals as strings", () => {
    expect(typed(percent, " 2.50 ")).toEqual({ value: "2.50" });
    expect(typed(bars, "14")).toEqual({ value: 14 });
    expect(typed(list, "aapl, MSFT\nbrk.b")).toEqual({ value: ["AAPL", "MSFT", "BRK.B"] });
    expect(typed(level, "")).toEqual({ value: null });
    expect(typed(fieldOf(root, "m", { type: "object", additionalProperties: { type: "string" } }), '{"A": "tech"}')).toEqual({ value: { A: "tech" } });
  });

  test.each([
    [percent, "0"],
    [percent, "50.1"],
    [percent, "many"],
    [bars, "2.5"],
    [bars, "1"],
    [action, "SHRUG"],
    [fieldOf(root, "m", { type: "object" }), "{A: 1}"],
  ])("is told before it is sent when it does not fit: %#", (field, text) => {
    expect(typed(field, text)).toHaveProperty("fault");
  });

  test("stands again in its input as it is stored", () => {
    expect([shown(list, ["A", "B"]), shown(list, null), shown(percent, "3")]).toEqual(["A, B", "", "3"]);
  });
});

describe("a change", () => {
  test("is nested as the settings are", () => {
    expect(changeOf({ "risk.a": "1", "risk.b": 2, log_level: null })).toEqual({ risk: { a: "1", b: 2 }, log_level: null });
    expect(pathOfField("settings.risk.a")).toBe("risk.a");
    expect(at({ risk: { a: "1" } }, "risk.a")).toBe("1");
  });

  test("clashes with what someone else changed meanwhile, and with nothing else", () => {
    const now = { risk: { a: "2", b: "1" } };
    expect(clashes({ "risk.a": "1", "risk.b": "1" }, now)).toEqual([{ path: "risk.a", was: "1", theirs: "2" }]);
  });
});
