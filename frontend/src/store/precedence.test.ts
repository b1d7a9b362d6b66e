import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LONGEST_WAIT_MS, Precedence } from "./precedence";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const told: string[] = [];
beforeEach(() => void (told.length = 0));

const chief = (precedence: Precedence, name: string, milliseconds: number): Promise<void> =>
  precedence.first(() => new Promise((resolve) => setTimeout(resolve, milliseconds))).then(() => void told.push(name));
const rest = (precedence: Precedence): Promise<void> => precedence.after().then(() => void told.push("rest"));

test("what is not chief waits for all that is, also for what an answer called for", async () => {
  const precedence = new Precedence();
  void chief(precedence, "settings", 100).then(() => chief(precedence, "chart", 200));
  void rest(precedence);
  await vi.advanceTimersByTimeAsync(250);
  expect(told).toEqual(["settings"]);
  await vi.advanceTimersByTimeAsync(200);
  expect(told).toEqual(["settings", "chart", "rest"]);
});

test("beside a read that hangs it waits so long and no longer, and with none not at all", async () => {
  const precedence = new Precedence();
  await rest(precedence);
  void chief(precedence, "hangs", 60_000);
  void rest(precedence);
  await vi.advanceTimersByTimeAsync(LONGEST_WAIT_MS - 1);
  expect(told).toEqual(["rest"]);
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toEqual(["rest", "rest"]);
});
