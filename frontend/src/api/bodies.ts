// The bodies of the API, written from its description by tools/api-types.mjs, under the names the page
// knows them by, and what comes through the socket, which no description tells of.
import type { Amount, Moment } from "./schema";

export * from "./schema";
export type { Chain as ExplanationChain, Line as ExplanationLine, Step as ExplanationStep } from "./schema";

export interface Page<T> {
  items: T[];
  next: string | null;
}

/** One price of a `PricesChanged` frame, as `alpaquero.events.live` encodes it. */
export interface WatchedPrice {
  symbol: string;
  bid: Amount | null;
  ask: Amount | null;
  last: Amount | null;
  at: Moment;
  age_seconds: number;
}

/** One frame of the dashboard socket; `detail` is the event of `alpaquero.events.schemas`. */
export interface LiveEvent {
  type: string;
  at: Moment;
  detail: Record<string, unknown>;
}
