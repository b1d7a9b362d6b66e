// Live prices of the symbols on screen: who watches what, and the newest poll of each symbol.
import type { LiveEvent, WatchedPrice } from "../api/bodies";
import { Cell } from "../store/cell";

export const PRICES_CHANGED = "PricesChanged";

interface Watched {
  cell: Cell<WatchedPrice | undefined>;
  polled: number;
  watchers: number;
}

export class LivePrices {
  private readonly symbols = new Map<string, Watched>();
  private awake = true;
  private telling = false;

  /** `tell` hears all topics to watch, once for all that changed in one go. */
  constructor(private readonly tell: (topics: string[]) => void) {}

  /** The price of one symbol, by itself: only what shows it is drawn again when it moves. */
  of(symbol: string): Cell<WatchedPrice | undefined> {
    return this.entry(symbol).cell;
  }

  /** Watches `symbols` until the returned function is called. */
  watch(symbols: readonly string[]): () => void {
    for (const symbol of symbols) this.entry(symbol).watchers += 1;
    this.told();
    return () => {
      for (const symbol of symbols) this.entry(symbol).watchers -= 1;
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
    for (const price of (event.detail.prices ?? []) as WatchedPrice[]) {
      const entry = this.entry(price.symbol);
      if (at < entry.polled) continue;
      entry.polled = at;
      entry.cell.set(price);
    }
  }

  /** Prices of a connection that was lost are of no use any more. */
  forget(): void {
    for (const entry of this.symbols.values()) {
      entry.polled = -Infinity;
      entry.cell.set(undefined);
    }
  }

  private entry(symbol: string): Watched {
    const entry = this.symbols.get(symbol) ?? { cell: new Cell<WatchedPrice | undefined>(undefined), polled: -Infinity, watchers: 0 };
    this.symbols.set(symbol, entry);
    return entry;
  }

  private told(): void {
    if (this.telling) return;
    this.telling = true;
    queueMicrotask(() => {
      this.telling = false;
      const watched = [...this.symbols].filter(([, entry]) => entry.watchers > 0);
      this.tell(this.awake ? watched.map(([symbol]) => `prices:${symbol}`) : []);
    });
  }
}
