import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SessionKeeper } from "./session";

const session = (token: string): string =>
  JSON.stringify({ access_token: token, expires_in_seconds: 900, username: "owner", roles: ["viewer"] });
const error = (code: string): string => JSON.stringify({ error: { code, message: code } });
const asked: string[] = [];

/** An API that takes one token and refuses every other with this status and code. */
function api(status: number, code: string, taken = "Bearer new"): void {
  vi.stubGlobal("fetch", async (path: string, request: RequestInit) => {
    const token = (request.headers as Record<string, string>).Authorization ?? "";
    asked.push(`${path} ${token}`.trim());
    if (path.endsWith("/sign-in")) return new Response(session("old"));
    if (path.endsWith("/refresh")) return new Response(session("new"));
    return token === taken ? new Response("{}") : new Response(error(code), { status });
  });
}

/** An API that answers when the test says so, or fails as fetch does when the request is given up. */
function slowApi(): { answer: (path: string, text?: string, status?: number) => Promise<void>; under: () => string[] } {
  const under = new Map<string, (response: Response) => void>();
  vi.stubGlobal("fetch", (path: string, request: RequestInit) => {
    asked.push(`${path} ${(request.headers as Record<string, string>).Authorization ?? ""}`.trim());
    return new Promise<Response>((resolve, reject) => {
      under.set(path, resolve);
      request.signal!.addEventListener("abort", () => {
        under.delete(path);
        reject(request.signal!.reason as Error);
      });
    });
  });
  return {
    async answer(path, text = "{}", status = 200) {
      under.get(path)!(new Response(status === 204 ? null : text, { status }));
      under.delete(path);
      await vi.advanceTimersByTimeAsync(0);
    },
    under: () => [...under.keys()],
  };
}

async function signedIn(slow: ReturnType<typeof slowApi>): Promise<SessionKeeper> {
  const keeper = new SessionKeeper();
  const coming = keeper.signIn("owner", "secret");
  await vi.advanceTimersByTimeAsync(0);
  await slow.answer("/api/auth/sign-in", session("old"));
  await coming;
  asked.length = 0;
  return keeper;
}

beforeEach(() => {
  asked.length = 0;
  vi.useFakeTimers();
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined, removeItem: () => undefined });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a token refused with 401 is renewed once and the request asked again", async () => {
  api(401, "unauthorized");
  const keeper = new SessionKeeper();
  await keeper.signIn("owner", "secret");
  expect((await keeper.request("GET", "/api/account")).status).toBe(200);
  expect(asked.slice(1)).toEqual(["/api/account Bearer old", "/api/auth/refresh", "/api/account Bearer new"]);
});

test("a role that may not is told so at once, without a renewal", async () => {
  api(403, "forbidden", "Bearer nobody");
  const keeper = new SessionKeeper();
  await keeper.signIn("owner", "secret");
  await expect(keeper.request("POST", "/api/orders")).rejects.toMatchObject({ status: 403, code: "forbidden" });
  expect(asked.slice(1)).toEqual(["/api/orders Bearer old"]);
});

test("sign-out gives up the reads under way, then ends the session, and no read begins after it", async () => {
  const slow = slowApi();
  const keeper = await signedIn(slow);
  const read = keeper.request("GET", "/api/orders");
  const given = expect(read).rejects.toMatchObject({ code: "aborted" });
  void keeper.signOut();
  expect(slow.under()).toEqual([]);
  await given;
  await expect(keeper.request("GET", "/api/signals")).rejects.toMatchObject({ code: "aborted" });
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual(["/api/orders Bearer old", "/api/auth/sign-out Bearer old"]);
});

test("a command under way at sign-out is answered before the session ends", async () => {
  const slow = slowApi();
  const keeper = await signedIn(slow);
  const command = keeper.request("PUT", "/api/config/preferences", { body: {} });
  void keeper.signOut();
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual(["/api/config/preferences Bearer old"]);
  await slow.answer("/api/config/preferences");
  expect((await command).status).toBe(200);
  await vi.advanceTimersByTimeAsync(0);
  expect(asked.at(-1)).toBe("/api/auth/sign-out Bearer old");
});

test("who signs in again is not let in before the sign-out was answered, which takes the cookie away", async () => {
  const slow = slowApi();
  const keeper = await signedIn(slow);
  void keeper.signOut();
  await vi.advanceTimersByTimeAsync(0);
  const coming = keeper.signIn("owner", "secret");
  await vi.advanceTimersByTimeAsync(0);
  expect(slow.under()).toEqual(["/api/auth/sign-out"]);
  await slow.answer("/api/auth/sign-out", "", 204);
  expect(slow.under()).toEqual(["/api/auth/sign-in"]);
  await slow.answer("/api/auth/sign-in", session("new"));
  await coming;
  expect(keeper.state.value).toMatchObject({ phase: "signed-in", notice: null });
});

test("a session that has ended gives up the other reads, and none begins until the next sign-in", async () => {
  const slow = slowApi();
  const keeper = await signedIn(slow);
  const first = expect(keeper.request("GET", "/api/account")).rejects.toMatchObject({ status: 401 });
  const other = expect(keeper.request("GET", "/api/orders")).rejects.toMatchObject({ code: "aborted" });
  await slow.answer("/api/account", error("unauthorized"), 401);
  await slow.answer("/api/auth/refresh", error("unauthorized"), 401);
  await first;
  await other;
  expect(keeper.state.value.phase).toBe("expired");
  await expect(keeper.request("GET", "/api/signals")).rejects.toMatchObject({ code: "aborted" });
  const coming = keeper.signIn("owner", "secret");
  await vi.advanceTimersByTimeAsync(0);
  await slow.answer("/api/auth/sign-in", session("new"));
  await coming;
  void keeper.request("GET", "/api/signals");
  expect(asked.at(-1)).toBe("/api/signals Bearer new");
});
