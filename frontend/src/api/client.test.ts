import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { call } from "./client";

let asked: number;

/** A network that fails so many times before it answers. */
function network(failures: number): void {
  asked = 0;
  vi.stubGlobal("fetch", async () => {
    asked += 1;
    if (asked <= failures) throw new TypeError("Failed to fetch");
    return new Response("{}");
  });
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function answered(promise: Promise<unknown>): Promise<unknown> {
  const outcome = promise.catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(1_000);
  return outcome;
}

test("a read that a change of network ended is made once more, and no more than that", async () => {
  network(1);
  expect(await answered(call("GET", "/api/account"))).toEqual({ status: 200, text: "{}" });
  network(2);
  expect(await answered(call("GET", "/api/account"))).toMatchObject({ code: "unreachable" });
  expect(asked).toBe(2);
});

test("a command is never sent twice", async () => {
  network(1);
  expect(await answered(call("POST", "/api/orders"))).toMatchObject({ code: "unreachable" });
  expect(asked).toBe(1);
});

test("a read that was given up is not made again", async () => {
  network(9);
  const given = new AbortController();
  given.abort();
  expect(await answered(call("GET", "/api/account", "", { signal: given.signal }))).toMatchObject({ code: "aborted" });
  expect(asked).toBe(1);
});
