// Live prices of the symbols on screen: who watches what, and the newest poll of each symbol.
import type { LiveEvent, WatchedPrice } from "../api/bodies";
import { Cell } from "../store/cell";

export const PRICES_CHANGED = "PricesChanged";

export type Prices = ReadonlyMap<string, WatchedPrice>;

export class LivePrices {
  readonly cell = new Cell<Prices>(new Map());
  private readonly watchers = new Map<string, number>();
  private polled = new Map<string, number>();
  private awake = true;

  /** `tell` hears all topics to watch whenever they change. */
  constructor(private readonly tell: (topics: string[]) => void) {}

  /** Watches `symbols` until the returned function is called. */
  watch(symbols: readonly string[]): () => void {
    for (const symbol of symbols) this.watchers.set(symbol, (this.watchers.get(symbol) ?? 0) + 1);
    this.told();
    return () => {
      for (const symbol of symbols) {
        const left = (this.watchers.get(symbol) ?? 1) - 1;
        if (left > 0) this.watchers.set(symbol, left);
        else this.watchers.delete(symbol);
      }
      this.told();
    };
  }

  /** A page nobody looks at watches nothing, so that the feed may end. */
  setAwake(awake: boolean): void {
    this.awake = awake;
    this.told();
  }

  /** Takes a frame's prices over; of two polls that overtook each other the later counts. */
  take(event: LiveEvent): void {
    const at = Date.parse(event.at);
    const next = new Map(this.cell.value);
    for (const price of (event.detail.prices ?? []) as WatchedPrice[]) {
      if (at < (this.polled.get(price.symbol) ?? -Infinity)) continue;
      this.polled.set(price.symbol, at);
      next.set(price.symbol, price);
    }
    this.cell.set(next);
  }

  /** Prices of a connection that was lost are of no use any more. */
  forget(): void {
    this.polled = new Map();
    if (this.cell.value.size > 0) this.cell.set(new Map());
  }

  private told(): void {
    this.tell(this.awake ? [...this.watchers.keys()].map((symbol) => `prices:${symbol}`) : []);
  }
}
