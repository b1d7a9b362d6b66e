// What the page has read from the API: one copy of each path, fetched while some panel shows it,
// again when an event touches it, and again in a steady rhythm.
import type { ApiError } from "../api/client";

export interface Read<T> {
  data?: T;
  error?: ApiError;
}

const NOTHING: Read<never> = {};

/** `anew` is false where the API may answer what it answered another some seconds ago. */
export type Fetch = (path: string, anew: boolean) => Promise<string>;

/** Events come in bursts: one fetch answers all that arrive within this time. */
export const GATHER_MS = 200;
/** So old an answer may be for another panel that shows the same. */
export const YOUNG_MS = 2_000;
export const PACE_LIVE_MS = 30_000;
export const PACE_POLLING_MS = 5_000;

class Entry {
  read: Read<unknown> = {};
  text = "";
  /** When the API last answered well, by this computer's clock. */
  at: number | undefined;
  users = new Set<() => void>();
  pace: number | null = null;
  busy = false;
  stale = false;
  /** An event touched it while nobody looked. */
  outdated = false;
  /** It was never read, or something may have changed since: only a new answer will do. */
  overtaken = true;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer rings, by this computer's clock. */
  due = Infinity;

  constructor(readonly path: string) {}
}

export class Reads {
  private entries = new Map<string, Entry>();
  private pace = PACE_POLLING_MS;
  private awake = true;

  /** `heard` is called after each answer: true for a good one. */
  constructor(private readonly fetch: Fetch, private readonly heard: (good: boolean) => void = () => {}) {}

  peek<T>(path: string): Read<T> {
    return (this.entries.get(path)?.read ?? NOTHING) as Read<T>;
  }

  answeredAt(path: string): number | undefined {
    return this.entries.get(path)?.at;
  }

  /** Keeps `path` fresh until the returned function is called; `every` overrides the rhythm. */
  watch(path: string, changed: () => void, every: number | null = null): () => void {
    const entry = this.entries.get(path) ?? new Entry(path);
    this.entries.set(path, entry);
    entry.users.add(changed);
    entry.pace = every;
    if (!entry.busy) this.freshen(entry);
    return () => {
      entry.users.delete(changed);
      if (entry.users.size === 0) this.rest(entry);
    };
  }

  /** Begins to fetch what will be watched in a moment, ahead of all else. */
  ask(path: string): void {
    const entry = this.entries.get(path) ?? new Entry(path);
    this.entries.set(path, entry);
    if (!entry.busy) void this.load(entry);
  }

  /** Fetches again what is shown and starts with one of these paths; the rest when it is shown. */
  touch(prefixes: readonly string[]): void {
    for (const entry of this.entries.values()) {
      if (!prefixes.some((prefix) => entry.path.startsWith(prefix))) continue;
      entry.overtaken = true;
      if (entry.users.size === 0) entry.outdated = true;
      this.schedule(entry, GATHER_MS);
    }
  }

  reload(path: string): void {
    const entry = this.entries.get(path);
    if (!entry) return;
    entry.overtaken = true;
    void this.load(entry);
  }

  /** How often everything is fetched without being touched: seldom while events arrive live.
   * A change of pace fetches all once `within` this time, for what happened while the socket was away. */
  setPace(milliseconds: number, within = GATHER_MS): void {
    if (milliseconds === this.pace) return;
    this.pace = milliseconds;
    for (const entry of this.entries.values()) {
      entry.overtaken = true;
      this.schedule(entry, within);
    }
  }

  /** A page nobody looks at asks for nothing; on return it catches up at once. */
  setAwake(awake: boolean): void {
    this.awake = awake;
    for (const entry of this.entries.values()) {
      if (awake) this.schedule(entry, 0);
      else this.rest(entry);
    }
  }

  /** Forgets everything, at sign-out. */
  clear(): void {
    for (const entry of this.entries.values()) this.rest(entry);
    this.entries.clear();
  }

  /** A panel that opens is content with an answer of a moment ago, unless an event has overtaken it. */
  private freshen(entry: Entry): void {
    const young = entry.at !== undefined && Date.now() - entry.at < YOUNG_MS && !entry.outdated && !entry.read.error;
    if (young) this.schedule(entry, entry.pace ?? this.pace);
    else void this.load(entry);
  }

  /** Loads within `wait`; never later than it was going to. */
  private schedule(entry: Entry, wait: number): void {
    if (entry.users.size === 0 || !this.awake) return;
    if (entry.busy) {
      entry.stale = true;
      return;
    }
    const due = Date.now() + wait;
    if (due >= entry.due) return;
    this.rest(entry);
    entry.due = due;
    entry.timer = setTimeout(() => void this.load(entry), wait);
  }

  private rest(entry: Entry): void {
    clearTimeout(entry.timer);
    entry.due = Infinity;
  }

  private async load(entry: Entry): Promise<void> {
    if (entry.busy) {
      entry.stale = true;
      return;
    }
    this.rest(entry);
    entry.busy = true;
    entry.stale = false;
    entry.outdated = false;
    const anew = entry.overtaken;
    entry.overtaken = false;
    try {
      const text = await this.fetch(entry.path, anew);
      entry.at = Date.now();
      this.heard(true);
      // The same answer keeps the same object, so that no panel draws again for nothing.
      if (text !== entry.text || entry.read.error) {
        const data: unknown = text === entry.text ? entry.read.data : JSON.parse(text);
        entry.text = text;
        this.publish(entry, { data });
      }
    } catch (error) {
      entry.overtaken ||= anew;
      // What the page gave up itself says nothing of the API.
      if ((error as ApiError).code === "aborted") entry.outdated = true;
      else {
        this.heard(false);
        this.publish(entry, { ...entry.read, error: error as ApiError });
      }
    }
    entry.busy = false;
    const rhythm = entry.read.error ? PACE_POLLING_MS : (entry.pace ?? this.pace);
    this.schedule(entry, entry.stale ? GATHER_MS : rhythm);
  }

  private publish(entry: Entry, read: Read<unknown>): void {
    entry.read = read;
    for (const changed of entry.users) changed();
  }
}
