import { expect, test } from "vitest";
import { mayAs } from "./role";

test("each role may what those before it may, and a stranger's role nothing", () => {
  expect(mayAs(["admin"], "trader")).toBe(true);
  expect(mayAs(["trader"], "admin")).toBe(false);
  expect(mayAs(["viewer"], "trader")).toBe(false);
  expect(mayAs(["somebody"], "viewer")).toBe(false);
});
