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
