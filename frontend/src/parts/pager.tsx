// Steps through the pages of a list that the API gives by cursor.
import type { VNode } from "preact";
import { useState } from "preact/hooks";

interface Pages {
  /** What is read for the page that is looked at. */
  path: string;
  /** Its buttons, below what that answered; null where it is the only page. */
  pager: (page: { next: string | null }) => VNode | null;
}

/** The pages of the list whose first is at `first`, a path with a query; another one begins at its own first page. */
export function usePages(first: string): Pages {
  const [turned, turn] = useState<{ first: string; cursors: readonly string[] }>({ first, cursors: [] });
  const cursors = turned.first === first ? turned.cursors : [];
  const cursor = cursors.at(-1);
  return {
    path: cursor ? `${first}&cursor=${encodeURIComponent(cursor)}` : first,
    pager: ({ next }) =>
      cursor || next ? (
        <div class="pager">
          <button type="button" class="quiet" disabled={!cursor} onClick={() => turn({ first, cursors: cursors.slice(0, -1) })}>
            Newer
          </button>
          <button type="button" class="quiet" disabled={!next} onClick={() => next && turn({ first, cursors: [...cursors, next] })}>
            Older
          </button>
        </div>
      ) : null,
  };
}
