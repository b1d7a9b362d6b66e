// The live connection: ticket, socket, heartbeat, and coming back after a loss. The page polls
// while this is not `live`.
import type { LiveEvent } from "../api/bodies";
import { PRICES_CHANGED } from "./prices";

/** `reconnecting` is the first seconds of a loss; `polling` tells that the socket stays away. */
export type Connection = "connecting" | "live" | "reconnecting" | "polling";

/** A connection may watch so many topics. */
const MOST_TOPICS = 100;

/** What the server says of the socket itself; everything else is an event. */
const ANSWERS: ReadonlySet<string> = new Set(["Pong", "Watching", "Refused", "Resumed"]);

/** So many ids are remembered to tell a repeated event. */
const REMEMBERED = 500;

/** What this needs of a browser's WebSocket. */
export interface Wire {
  onopen: (() => void) | null;
  onmessage: ((message: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  send(text: string): void;
  close(): void;
}

interface Doors {
  /** A one-time ticket; may reject. */
  ticket(): Promise<string>;
  open(ticket: string): Wire;
  onEvent(event: LiveEvent): void;
  onConnection(connection: Connection): void;
}

const FIRST_WAIT_MS = 500;
export const LONGEST_WAIT_MS = 30_000;
const FAILURES_BEFORE_POLLING = 3;
export const PING_EVERY_MS = 25_000;
export const ANSWER_WITHIN_MS = 10_000;

/** The wait before the attempt that follows `failures` failed ones: doubling, with a fifth of jitter. */
export function waitBefore(failures: number, random: number): number {
  const full = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, failures - 1));
  return full * (0.8 + 0.2 * random);
}

export class LiveSocket {
  connection: Connection = "connecting";
  private wire: Wire | null = null;
  private failures = 0;
  private attempt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private heartbeat: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  private wanted: ReadonlySet<string> = new Set();
  private watched: ReadonlySet<string> = new Set();
  /** The ids of the newest events, oldest first. */
  private readonly seen = new Set<string>();
  private lastSeen = "";

  constructor(private readonly doors: Doors, private readonly random: () => number = Math.random) {}

  start(): void {
    this.stopped = false;
    void this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.failures = 0;
    this.closeOnceOpen();
    this.drop();
    this.tell("connecting");
  }

  /** Skips the rest of a wait: the network is back, or the user looks at the page again. */
  retryNow(): void {
    if (this.stopped || this.connection === "live" || this.wire) return;
    void this.connect();
  }

  /** Names all topics to watch; the server is told of them now, and again on every new connection. */
  watch(topics: Iterable<string>): void {
    this.wanted = new Set([...topics].slice(0, MOST_TOPICS));
    if (this.connection === "live") this.agree();
  }

  private agree(): void {
    const without = (topics: ReadonlySet<string>, others: ReadonlySet<string>) => [...topics].filter((topic) => !others.has(topic));
    const changes = { unsubscribe: without(this.watched, this.wanted), subscribe: without(this.wanted, this.watched) };
    for (const [action, topics] of Object.entries(changes)) {
      if (topics.length > 0) this.wire?.send(JSON.stringify({ action, topics }));
    }
    this.watched = this.wanted;
  }

  private async connect(): Promise<void> {
    this.drop();
    const attempt = this.attempt;
    try {
      const ticket = await this.doors.ticket();
      if (attempt !== this.attempt || this.stopped) return;
      this.listen(this.doors.open(ticket), attempt);
    } catch {
      // Why no ticket came is shown by the panels, which ask the same API.
      if (attempt === this.attempt) this.lost();
    }
  }

  private listen(wire: Wire, attempt: number): void {
    this.wire = wire;
    this.expectWithin(ANSWER_WITHIN_MS);
    wire.onopen = () => {
      if (attempt !== this.attempt) return;
      this.failures = 0;
      this.tell("live");
      this.watched = new Set();
      this.agree();
      if (this.lastSeen) wire.send(JSON.stringify({ action: "resume", after: this.lastSeen }));
      this.keepAlive();
    };
    wire.onmessage = ({ data }) => {
      if (attempt !== this.attempt) return;
      this.keepAlive();
      const event = parseFrame(data);
      if (event?.type === "Resumed") this.resumed(event.detail);
      else if (event && !ANSWERS.has(event.type)) this.take(event);
    };
    wire.onclose = () => {
      if (attempt === this.attempt) this.lost();
    };
  }

  /** Hands an event on, once however often it comes. Prices are told apart by time, not by id. */
  private take(event: LiveEvent): void {
    const id = event.type === PRICES_CHANGED ? "" : String(event.detail.id ?? "");
    if (this.seen.has(id)) return;
    if (id) {
      this.seen.add(id);
      this.lastSeen = id;
      if (this.seen.size > REMEMBERED) this.seen.delete(this.seen.values().next().value as string);
    }
    this.doors.onEvent(event);
  }

  private resumed(detail: Record<string, unknown>): void {
    for (const event of (detail.events ?? []) as LiveEvent[]) this.take(event);
    // What it cannot tell any more is in the reads, which were all fetched anew on coming back.
    if (detail.complete !== true) this.lastSeen = "";
  }

  /** A socket may stay open and say nothing: silence is answered by a ping, then by a new socket. */
  private keepAlive(): void {
    clearTimeout(this.heartbeat);
    this.heartbeat = setTimeout(() => {
      this.wire?.send('{"action":"ping"}');
      this.expectWithin(ANSWER_WITHIN_MS);
    }, PING_EVERY_MS);
  }

  private expectWithin(milliseconds: number): void {
    clearTimeout(this.heartbeat);
    this.heartbeat = setTimeout(() => this.lost(), milliseconds);
  }

  private lost(): void {
    if (this.stopped) return;
    this.drop();
    this.failures += 1;
    this.tell(this.failures > FAILURES_BEFORE_POLLING ? "polling" : "reconnecting");
    this.retryTimer = setTimeout(() => void this.connect(), waitBefore(this.failures, this.random()));
  }

  private drop(): void {
    this.attempt += 1;
    clearTimeout(this.retryTimer);
    clearTimeout(this.heartbeat);
    const wire = this.wire;
    this.wire = null;
    wire?.close();
  }

  /** A browser tells of a socket that is closed while it opens as of an error. */
  private closeOnceOpen(): void {
    const wire = this.wire;
    if (!wire || this.connection === "live") return;
    this.wire = null;
    wire.onopen = () => wire.close();
  }

  private tell(connection: Connection): void {
    if (connection === this.connection) return;
    this.connection = connection;
    this.doors.onConnection(connection);
  }
}

/** The event of a text frame, or null when the frame is none. */
export function parseFrame(data: unknown): LiveEvent | null {
  if (typeof data !== "string") return null;
  try {
    const frame = JSON.parse(data) as Partial<LiveEvent> | null;
    if (!frame || typeof frame.type !== "string") return null;
    return { type: frame.type, at: frame.at ?? "", detail: frame.detail ?? {} };
  } catch {
    return null;
  }
}
