// How panels read cells and the API.
import { useCallback, useEffect, useReducer } from "preact/hooks";
import type { ApiError } from "../api/client";
import type { WatchedPrice } from "../api/bodies";
import { prices, reads } from "../desk";
import type { Cell } from "./cell";
import type { Read } from "./reads";

const UNASKED: Read<never> = {};

function useRedraw(): () => void {
  const [, redraw] = useReducer((count: number, _: undefined) => count + 1, 0);
  return useCallback(() => redraw(undefined), []);
}

export function useCell<T>(cell: Cell<T>): T {
  const redraw = useRedraw();
  const { value } = cell;
  useEffect(() => {
    const stop = cell.watch(redraw);
    // The cell may have been set between this panel's drawing and its watching.
    if (!Object.is(cell.value, value)) redraw();
    return stop;
  }, [cell]);
  return value;
}

/** What a panel knows of one path: nothing yet, data, an error, or data with a later error. */
export interface View<T> {
  data: T | undefined;
  error: ApiError | undefined;
  /** When the API last answered well, in milliseconds of this computer's clock. */
  at: () => number | undefined;
  reload: () => void;
}

/** Reads `path` and keeps it fresh while the panel is shown; null reads nothing yet. */
export function useRead<T>(path: string | null, every: number | null = null): View<T> {
  const redraw = useRedraw();
  const read: Read<T> = path === null ? UNASKED : reads.peek<T>(path);
  useEffect(() => {
    if (path === null) return undefined;
    const stop = reads.watch(path, redraw, every);
    // An answer may have come between this panel's drawing and its watching.
    if (reads.peek(path) !== read) redraw();
    return stop;
  }, [path, every]);
  const reload = useCallback(() => {
    if (path !== null) reads.reload(path);
  }, [path]);
  const at = useCallback(() => (path === null ? undefined : reads.answeredAt(path)), [path]);
  return { data: read.data, error: read.error, at, reload };
}

/** The live price of one symbol, watched while it is shown; only what shows it is drawn again. */
export function usePrice(symbol: string): WatchedPrice | undefined {
  useEffect(() => prices.watch([symbol]), [symbol]);
  return useCell(prices.of(symbol));
}
