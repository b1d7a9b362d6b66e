import { expect, test } from "vitest";
import { typeName, typeOf, written } from "./api-types.mjs";

const schema = (name) => ({ $ref: `#/components/schemas/${name}` });

test.each([
  [{ type: "string", format: "decimal" }, "Amount"],
  [{ type: ["string", "number"], format: "decimal" }, "Amount"],
  [{ anyOf: [{ type: "string", format: "date-time" }, { type: "null" }] }, "Moment | null"],
  [{ type: "array", items: { anyOf: [{ type: "number" }, { type: "null" }] } }, "(number | null)[]"],
  [{ type: "object", additionalProperties: { type: "string", format: "decimal" } }, "Record<string, Amount>"],
  [{ type: "object" }, "Record<string, unknown>"],
  [{ enum: ["buy", "sell"] }, '"buy" | "sell"'],
  [schema("web.bodies.risk.TradingState"), "RiskTradingState"],
  [{}, "unknown"],
])("%j is %s", (given, type) => expect(typeOf(given)).toBe(type));

test("a name that tells its module leads with the module's last part", () => {
  expect(typeName("Order")).toBe("Order");
  expect(typeName("alpaquero.risk.book.TradingState")).toBe("BookTradingState");
});

test("a field that need not be there is optional, and what a struct says stands above it", () => {
  const Order = { description: "An order.\n\n    Ours.", properties: { id: { type: "string" }, note: { type: "string" } }, required: ["id"] };
  const text = written({ components: { schemas: { Order } } });
  expect(text).toContain("/** An order. Ours. */\nexport interface Order {\n  id: string;\n  note?: string;\n}\n");
});
