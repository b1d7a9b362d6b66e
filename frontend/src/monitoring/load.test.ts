import { expect, test } from "vitest";
import type { QueueFigures, TableUsage } from "../api/bodies";
import { queuesByTrouble, tablesByLoad } from "./load";

const table = (name: string, read_units: number, write_units: number, throttles = 0): TableUsage => ({ table: name, read_units, write_units, throttles });

test("a table that refused requests comes first, then the one that was used most", () => {
  const found = tablesByLoad([table("Runs", 5, 1), table("Bars", 2, 9), table("Books", 1, 1, 2)]);
  expect(found.map((each) => each.table)).toEqual(["Books", "Bars", "Runs"]);
});

const queue = (name: string, waiting: number, in_flight: number, dead_letters = 0): QueueFigures => ({ queue: name, waiting, in_flight, dead_letters });

test("a queue that gave messages up comes first, then the fullest, waiting or in flight; idle ones keep their place", () => {
  const found = queuesByTrouble([queue("Shard", 0, 0), queue("Order", 2, 0), queue("Push", 0, 0), queue("Sync", 1, 4), queue("Position", 0, 0, 1)]);
  expect(found.map((each) => each.queue)).toEqual(["Position", "Sync", "Order", "Shard", "Push"]);
});
