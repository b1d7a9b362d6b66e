// What the page is opened for goes first: what stands beside it waits until that was answered, so that the
// API's functions are not asked two things at once while the reader waits for one.

/** A chief answer may call for another chief read, as the settings for the chart's first symbol. */
const GRACE_MS = 30;
/** Beside a chief read that hangs, the rest does not wait for ever. */
export const LONGEST_WAIT_MS = 1_500;

export class Precedence {
  private running = 0;
  private waiting = new Set<() => void>();

  /** Runs at once, and holds up what waits in `after`. */
  async first<T>(run: () => Promise<T>): Promise<T> {
    this.running += 1;
    try {
      return await run();
    } finally {
      this.running -= 1;
      setTimeout(() => this.release(), GRACE_MS);
    }
  }

  /** Resolves once nothing chief is under way. */
  async after(): Promise<void> {
    if (this.running === 0) return;
    await new Promise<void>((resolve) => {
      this.waiting.add(resolve);
      setTimeout(resolve, LONGEST_WAIT_MS);
    });
  }

  private release(): void {
    if (this.running > 0) return;
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}
