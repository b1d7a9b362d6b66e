// What was typed and not sent yet: it outlives a change of page and the end of a session, in memory alone.
import { useCallback } from "preact/hooks";
import { onForget } from "../desk";
import { Cell } from "./cell";
import { useCell } from "./hooks";

const drafts = new Map<string, Cell<unknown>>();

/** The draft named `name`, `initial` while there is none; `clear` goes back to that. */
export function useDraft<T>(name: string, initial: T): [draft: T, set: (draft: T) => void, clear: () => void] {
  const cell = drafts.get(name) ?? new Cell<unknown>(undefined);
  drafts.set(name, cell);
  const draft = useCell(cell) as T | undefined;
  const set = useCallback((next: T) => cell.set(next), [cell]);
  const clear = useCallback(() => cell.set(undefined), [cell]);
  return [draft === undefined ? initial : draft, set, clear];
}

// The next one at this screen reads nothing of it.
onForget(() => drafts.forEach((cell) => cell.set(undefined)));
