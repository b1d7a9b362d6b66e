// This computer's time for ages on the page: one slow tick for all of them, and only while one is shown.
import { useEffect, useState } from "preact/hooks";

const TICK_MS = 5_000;
const watchers = new Set<(now: number) => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function watch(watcher: (now: number) => void): () => void {
  watchers.add(watcher);
  timer ??= setInterval(() => {
    if (document.visibilityState === "visible") for (const each of watchers) each(Date.now());
  }, TICK_MS);
  return () => {
    watchers.delete(watcher);
    if (watchers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Milliseconds since 1970, renewed every few seconds. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => watch(setNow), []);
  return now;
}
