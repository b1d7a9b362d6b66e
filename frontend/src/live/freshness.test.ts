import { expect, test } from "vitest";
import { STALE_AFTER_MS, fresh } from "./freshness";

test("a page that polls says so until nothing has been heard for a while, then since when it is stale", () => {
  expect(fresh("polling", 1_000, 1_000 + STALE_AFTER_MS)).toBe("polling");
  expect(fresh("polling", 1_000, 1_001 + STALE_AFTER_MS)).toBe("stale");
  expect(fresh("reconnecting", 1_000, 1_001 + STALE_AFTER_MS)).toBe("stale");
});

test("a live connection watches over itself, and before the first answer nothing is stale", () => {
  expect(fresh("live", 1_000, 10_000_000)).toBe("live");
  expect(fresh("connecting", 0, 10_000_000)).toBe("connecting");
});
