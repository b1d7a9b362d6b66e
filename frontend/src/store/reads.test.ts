import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "../api/client";
import { GATHER_MS, PACE_LIVE_MS, PACE_POLLING_MS, Reads, YOUNG_MS } from "./reads";

let asked: string[];
let answer: (path: string) => Promise<string>;
let reads: Reads;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  answer = () => Promise.resolve('{"n":1}');
  reads = new Reads((path) => {
    asked.push(path);
    return answer(path);
  });
});

afterEach(() => {
  reads.clear();
  vi.useRealTimers();
});

test("a burst of events costs one fetch of what is shown, and none of what is not", async () => {
  reads.watch("/api/orders?limit=20", () => {});
  await vi.advanceTimersByTimeAsync(0);
  for (let n = 0; n < 10; n += 1) reads.touch(["/api/orders", "/api/positions"]);
  await vi.advanceTimersByTimeAsync(GATHER_MS);
  expect(asked).toEqual(["/api/orders?limit=20", "/api/orders?limit=20"]);
});

test("the first answer and what an event touched is asked for anew, what the rhythm brings need not be", async () => {
  const anew: boolean[] = [];
  const seen = new Reads((_path, asked) => {
    anew.push(asked);
    return anew.length === 2 ? Promise.reject(new Error("away")) : Promise.resolve("{}");
  });
  seen.watch("/api/chart/GOOG", () => {});
  await vi.advanceTimersByTimeAsync(0);
  seen.touch(["/api/chart"]);
  await vi.advanceTimersByTimeAsync(GATHER_MS);
  await vi.advanceTimersByTimeAsync(PACE_POLLING_MS);
  await vi.advanceTimersByTimeAsync(PACE_POLLING_MS);
  expect(anew).toEqual([true, true, true, false]);
  seen.clear();
});

test("a steady stream of events does not put a fetch off for ever", async () => {
  reads.watch("/api/account", () => {});
  await vi.advanceTimersByTimeAsync(0);
  for (let n = 0; n < 20; n += 1) {
    reads.touch(["/api/account"]);
    await vi.advanceTimersByTimeAsync(GATHER_MS / 2);
  }
  expect(asked.length).toBeGreaterThan(5);
});

test("what an event touched while it was being fetched is fetched once more", async () => {
  let release: (text: string) => void = () => {};
  answer = () => new Promise((resolve) => (release = resolve));
  reads.watch("/api/account", () => {});
  reads.touch(["/api/account"]);
  release('{"n":1}');
  await vi.advanceTimersByTimeAsync(GATHER_MS);
  expect(asked).toHaveLength(2);
});

test("polling is quick without a socket and slow with one", async () => {
  reads.watch("/api/account", () => {});
  await vi.advanceTimersByTimeAsync(PACE_POLLING_MS * 3);
  expect(asked).toHaveLength(4);
  reads.setPace(PACE_LIVE_MS);
  await vi.advanceTimersByTimeAsync(PACE_LIVE_MS - 1);
  expect(asked).toHaveLength(5);
  reads.setAwake(false);
  await vi.advanceTimersByTimeAsync(PACE_LIVE_MS * 3);
  expect(asked).toHaveLength(5);
  reads.setAwake(true);
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(6);
});

test("an error is told beside the last good data, soon tried again and cleared by a good answer", async () => {
  const changed = vi.fn();
  reads.setPace(PACE_LIVE_MS);
  reads.watch("/api/account", changed);
  await vi.advanceTimersByTimeAsync(0);
  const first = reads.peek("/api/account").data;
  answer = () => Promise.reject(new Error("down"));
  await vi.advanceTimersByTimeAsync(PACE_LIVE_MS);
  expect(reads.peek("/api/account")).toEqual({ data: { n: 1 }, error: new Error("down") });
  answer = () => Promise.resolve('{"n":1}');
  await vi.advanceTimersByTimeAsync(PACE_POLLING_MS);
  expect(reads.peek("/api/account").error).toBeUndefined();
  expect(reads.peek("/api/account").data).toBe(first);
  expect(changed).toHaveBeenCalledTimes(3);
});

test("nothing is asked for once nobody watches", async () => {
  const stop = reads.watch("/api/account", () => {});
  await vi.advanceTimersByTimeAsync(0);
  stop();
  await vi.advanceTimersByTimeAsync(PACE_POLLING_MS * 5);
  expect(asked).toHaveLength(1);
});

test("a change of pace fetches all once, within the time it is given", async () => {
  reads.watch("/api/account", () => {});
  await vi.advanceTimersByTimeAsync(0);
  reads.setPace(PACE_LIVE_MS, 3_000);
  await vi.advanceTimersByTimeAsync(2_999);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toHaveLength(2);
});

test("it is known when the API last answered well, also when the answer was the same", async () => {
  const heard: boolean[] = [];
  const watched = new Reads((path) => answer(path), (good) => heard.push(good));
  watched.watch("/api/account", () => {});
  await vi.advanceTimersByTimeAsync(PACE_POLLING_MS);
  const answered = watched.answeredAt("/api/account");
  answer = () => Promise.reject(new Error("down"));
  await vi.advanceTimersByTimeAsync(PACE_POLLING_MS);
  expect(heard).toEqual([true, true, false]);
  expect(watched.answeredAt("/api/account")).toBe(answered);
  watched.clear();
});

test("panels that show the same within a moment cost one fetch, and a later one another", async () => {
  reads.ask("/api/account");
  reads.watch("/api/account", () => {});
  await vi.advanceTimersByTimeAsync(0);
  reads.watch("/api/account", () => {});
  await vi.advanceTimersByTimeAsync(GATHER_MS);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(YOUNG_MS);
  reads.watch("/api/account", () => {});
  expect(asked).toHaveLength(2);
});

test("what an event touched while nobody looked is fetched as soon as somebody does", async () => {
  reads.watch("/api/account", () => {})();
  await vi.advanceTimersByTimeAsync(0);
  reads.touch(["/api/account"]);
  reads.watch("/api/account", () => {});
  expect(asked).toHaveLength(2);
});

test("a read that was given up is no error: its panel shows what it showed, and it is made again on waking", async () => {
  const changed = vi.fn();
  answer = () => Promise.reject(new ApiError(0, "aborted", "given up"));
  reads.watch("/api/account", changed);
  reads.setAwake(false);
  await vi.advanceTimersByTimeAsync(PACE_POLLING_MS * 3);
  expect(asked).toHaveLength(1);
  expect(changed).not.toHaveBeenCalled();
  answer = () => Promise.resolve('{"n":1}');
  reads.setAwake(true);
  await vi.advanceTimersByTimeAsync(0);
  expect(reads.peek("/api/account")).toEqual({ data: { n: 1 } });
});
