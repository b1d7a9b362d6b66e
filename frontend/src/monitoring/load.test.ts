import { expect, test } from "vitest";
import type { TableUsage } from "../api/bodies";
import { tablesByLoad } from "./load";

const table = (name: string, read_units: number, write_units: number, throttles = 0): TableUsage => ({ table: name, read_units, write_units, throttles });

test("a table that refused requests comes first, then the one that was used most", () => {
  const found = tablesByLoad([table("Runs", 5, 1), table("Bars", 2, 9), table("Books", 1, 1, 2)]);
  expect(found.map((each) => each.table)).toEqual(["Books", "Bars", "Runs"]);
});
