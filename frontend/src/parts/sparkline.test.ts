import { expect, test } from "vitest";
import { pathOf } from "./sparkline";

test("a line goes from the left edge to the right one and has a gap where a value is missing", () => {
  expect(pathOf([1, 2, null, 3, 4], (value) => value)).toBe("M0 1L25 2M75 3L100 4");
});

test("of no value there is no line", () => {
  expect(pathOf([null, null], (value) => value)).toBe("");
});
