// Reads of one service go one after another. Each of two at once has an instance of the service's function
// to itself, and the second one must start: that takes longer than to wait for the first.

const SERVICES: readonly (readonly [service: string, paths: RegExp])[] = [
  ["position", /^\/api\/(account|positions|portfolio)\b/],
  ["trading", /^\/api\/(orders|fills|refusals)\b/],
  ["signal", /^\/api\/(signals|indicators|runs)\b/],
  ["market_data", /^\/api\/(chart|latest|market_status)\b/],
  ["risk", /^\/api\/(risk|trading_state)\b/],
  ["analytics", /^\/api\/(analytics|backtests)\b/],
];

/** The service that answers a path; where one has a prefix of its own, by that. */
export const serviceOf = (path: string): string => SERVICES.find(([, paths]) => paths.test(path))?.[0] ?? path.split(/[/?]/)[2] ?? path;

/** Behind a read that hangs nobody waits for ever. */
export const LONGEST_WAIT_MS = 1_500;

export class Lanes {
  private readonly last = new Map<string, Promise<void>>();

  /** Runs once the read before it in its lane has ended. */
  async take<T>(lane: string, run: () => Promise<T>): Promise<T> {
    const before = this.last.get(lane);
    let end!: () => void;
    const ended = new Promise<void>((resolve) => (end = resolve));
    this.last.set(lane, ended);
    if (before) await Promise.race([before, new Promise((resolve) => setTimeout(resolve, LONGEST_WAIT_MS))]);
    try {
      return await run();
    } finally {
      end();
      if (this.last.get(lane) === ended) this.last.delete(lane);
    }
  }
}
