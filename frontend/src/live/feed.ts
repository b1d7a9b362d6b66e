// The list of latest events: what the socket brings, and, for the time before it was open, what
// the orders and signals of the API tell about themselves.
import type { LiveEvent, Order, OrderStep, Signal } from "../api/bodies";

export interface FeedEntry {
  /** The event's own id, or the subject where it came from the books. */
  id: string;
  /** What the entry is about; an entry from the books never repeats a subject that is there. */
  subject: string;
  type: string;
  at: string;
  live: boolean;
  detail: Record<string, unknown>;
}

export const FEED_LENGTH = 200;

/** Events whose time is this world's, not the market's: on the laptop the two differ by years. */
export const WALL_TIME: ReadonlySet<string> = new Set(["TradingStateChanged", "SettingsChanged", "ServiceDegraded", "ServiceRecovered", "BooksRebuilt"]);

/** Events that only move figures, or that another event of the list says better. */
const SILENT = new Set(["EquityMarked", "RunPlanned", "PositionChanged"]);

const FILL_STATES = new Set(["filled", "partially_filled"]);

const word = (detail: Record<string, unknown>, name: string): string => String(detail[name] ?? "");

const isQuiet = (detail: Record<string, unknown>): boolean => detail.raised === 0 && detail.missing_shards === 0;

/** Whether the newest of its kind says it all: a symbol withheld at every bar, a bar that raised nothing. */
const lapses = (subject: string): boolean => subject.startsWith("withheld|") || subject === "quiet run";

function subjectOf(type: string, detail: Record<string, unknown>): string {
  switch (type) {
    case "SignalRaised":
      return ["raised", word(detail, "symbol"), word(detail, "strategy"), Date.parse(word(detail, "bar_close"))].join("|");
    case "SignalWithheld":
      return ["withheld", word(detail, "symbol")].join("|");
    case "RunConcluded":
      return isQuiet(detail) ? "quiet run" : ["run", word(detail, "run_id")].join("|");
    case "OrderSubmitted":
    case "OrderUpdated":
      return ["order", word(detail, "client_order_id"), word(detail, "status")].join("|");
    case "TradeRejected":
      return ["order", word(detail, "client_order_id"), "refused"].join("|");
    case "OrderFilled":
      return ["fill", word(detail, "client_order_id")].join("|");
    default:
      return [type, word(detail, "id")].join("|");
  }
}

/** The entry of a live event, or null for an event the list does not show. */
export function entryOf(event: LiveEvent): FeedEntry | null {
  const { type, detail } = event;
  if (SILENT.has(type)) return null;
  // The fill itself follows as OrderFilled, with its price.
  if (type === "OrderUpdated" && FILL_STATES.has(word(detail, "status"))) return null;
  const subject = subjectOf(type, detail);
  const at = event.at || word(detail, "occurred_at");
  return { id: word(detail, "id") || `${subject}|${at}`, subject, type, at, live: true, detail };
}

/** The feed with one more live event: newest on top, each fact once. */
export function withEvent(feed: readonly FeedEntry[], event: LiveEvent): readonly FeedEntry[] {
  const entry = entryOf(event);
  if (!entry || feed.some((known) => known.id === entry.id)) return feed;
  const outdated = (known: FeedEntry) => known.subject === entry.subject && (!known.live || lapses(entry.subject));
  return [entry, ...feed.filter((known) => !outdated(known))].slice(0, FEED_LENGTH);
}

/** The feed with what the books tell (newest first), put between the live events by market time. */
export function withBooks(feed: readonly FeedEntry[], told: readonly FeedEntry[]): readonly FeedEntry[] {
  const known = new Set(feed.map((entry) => entry.subject));
  const fresh = told.filter((entry) => !known.has(entry.subject) && known.add(entry.subject));
  if (fresh.length === 0) return feed;
  const merged = [...feed];
  for (const entry of fresh) {
    const below = merged.findIndex((other) => !WALL_TIME.has(other.type) && Date.parse(other.at) <= Date.parse(entry.at));
    merged.splice(below < 0 ? merged.length : below, 0, entry);
  }
  return merged.slice(0, FEED_LENGTH);
}

/** What an order's history would have said live; that it was intended is said by its signal. */
export function toldByOrder(order: Order): FeedEntry[] {
  return order.history.filter((step) => step.status !== "intended").map((step) => entryOfStep(order, step));
}

function entryOfStep(order: Order, step: OrderStep): FeedEntry {
  const { client_order_id, symbol, side, purpose, role } = order;
  const fill = FILL_STATES.has(step.status);
  const amounts = fill
    ? { quantity: order.filled_quantity, price: order.filled_average_price }
    : { quantity: order.quantity };
  const detail = { client_order_id, symbol, side, purpose, role, status: step.status, message: step.why, ...amounts };
  const type = fill ? "OrderFilled" : "OrderUpdated";
  const subject = subjectOf(type, detail);
  return { id: subject, subject, type, at: step.at, live: false, detail };
}

/** What a signal would have said live. */
export function toldBySignal(signal: Signal): FeedEntry {
  const type = signal.outcome === "raised" ? "SignalRaised" : "SignalWithheld";
  const detail = { ...signal, message: signal.reason };
  const subject = subjectOf(type, detail);
  return { id: subject, subject, type, at: signal.bar_close, live: false, detail };
}
