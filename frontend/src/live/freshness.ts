// Whether what is on the page can be trusted to be of now: the socket's state, and when the server was last heard.
import type { Connection } from "./socket";

export type Freshness = Connection | "stale";

/** Polling asks every 5 s; an answer that takes longer than this leaves the page behind. */
export const STALE_AFTER_MS = 20_000;

/** `heard` is when the server last answered or sent anything, 0 before. A live socket answers for itself. */
export function fresh(connection: Connection, heard: number, now: number): Freshness {
  if (connection === "live" || heard === 0) return connection;
  return now - heard > STALE_AFTER_MS ? "stale" : connection;
}
