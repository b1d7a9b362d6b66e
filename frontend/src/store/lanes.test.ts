import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LONGEST_WAIT_MS, Lanes, serviceOf } from "./lanes";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A read that takes its time, and notes when it began. */
const read = (name: string, milliseconds: number, log: string[]) => async () => {
  log.push(name);
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return name;
};

test("reads of one service go one after another, those of others beside them", async () => {
  const lanes = new Lanes();
  const log: string[] = [];
  const first = lanes.take("position", read("account", 100, log));
  const second = lanes.take("position", read("positions", 100, log));
  void lanes.take("risk", read("limits", 100, log));
  await vi.advanceTimersByTimeAsync(99);
  expect(log).toEqual(["account", "limits"]);
  await vi.advanceTimersByTimeAsync(1);
  expect(log).toEqual(["account", "limits", "positions"]);
  await vi.advanceTimersByTimeAsync(100);
  expect(await Promise.all([first, second])).toEqual(["account", "positions"]);
});

test("a read that fails or hangs holds up what is behind it no longer than for a while", async () => {
  const lanes = new Lanes();
  const log: string[] = [];
  const failing = lanes.take("signal", () => Promise.reject(new Error("gone")));
  const next = lanes.take("signal", read("next", 0, log));
  await expect(failing).rejects.toThrow("gone");
  await vi.advanceTimersByTimeAsync(0);
  expect(await next).toBe("next");
  void lanes.take("signal", read("hangs", 60_000, log));
  void lanes.take("signal", read("behind", 0, log));
  await vi.advanceTimersByTimeAsync(LONGEST_WAIT_MS - 1);
  expect(log).toEqual(["next", "hangs"]);
  await vi.advanceTimersByTimeAsync(1);
  expect(log).toEqual(["next", "hangs", "behind"]);
});

test("a path is known by the service that answers it", () => {
  expect(["/api/portfolio/history?days=30", "/api/positions", "/api/orders?limit=20"].map(serviceOf)).toEqual(["position", "position", "trading"]);
  expect(["/api/indicators/BRK.B", "/api/trading_state", "/api/config/schema"].map(serviceOf)).toEqual(["signal", "risk", "config"]);
});
