// The frame every panel stands in, with its three other faces: loading, empty, error.
import type { ComponentChildren } from "preact";
import { useErrorBoundary, useId } from "preact/hooks";
import type { ApiError } from "../api/client";
import type { View } from "../store/hooks";
import { Age } from "./age";

interface PanelProps {
  title: string;
  testid?: string;
  aside?: ComponentChildren;
  flush?: boolean;
  /** What the panel shows: its age stands in the head. */
  view?: View<unknown>;
  children: ComponentChildren;
}

/** `flush` lets a table reach the panel's edges. */
export function Panel({ title, testid, aside, flush, view, children }: PanelProps) {
  const id = useId();
  const [broken] = useErrorBoundary();
  return (
    <section class={flush ? "panel flush" : "panel"} aria-labelledby={id} data-testid={testid}>
      <header class="panel-head">
        <h2 id={id}>{title}</h2>
        <div class="panel-aside">
          {aside}
          {view && <Age of={view.at} />}
        </div>
      </header>
      {broken ? <Broken error={broken} /> : children}
    </section>
  );
}

/** A panel that cannot draw what the API sent says so and leaves the others alone. */
const Broken = ({ error }: { error: Error }) => (
  <div class="notice bad" role="alert" data-testid="error">
    <p>
      <strong>This panel cannot be drawn.</strong> {error.message}
    </p>
  </div>
);

interface LoadedProps<T> {
  view: View<T>;
  what: string;
  rows?: number;
  empty?: ComponentChildren;
  isEmpty?: (data: T) => boolean;
  children: (data: T) => ComponentChildren;
}

/** Data when there is some, with a later error above it; else the error, or that it is loading. */
export function Loaded<T>({ view, what, rows = 3, empty, isEmpty, children }: LoadedProps<T>) {
  const { data, error, reload } = view;
  if (data === undefined) {
    // The API says 404 of what is not there yet, as the books before the first sync.
    if (error?.status === 404) return <p class="empty">{sentence(error.message)}</p>;
    return error ? <ErrorNotice error={error} what={what} retry={reload} /> : <Loading what={what} rows={rows} />;
  }
  return (
    <>
      {error && <ErrorNotice error={error} what={what} retry={reload} stale />}
      {isEmpty?.(data) ? <p class="empty">{empty}</p> : children(data)}
    </>
  );
}

const sentence = (message: string): string => `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? "" : "."}`;

function Loading({ what, rows }: { what: string; rows: number }) {
  return (
    <div class="loading" role="status">
      <span class="unseen">Loading {what}</span>
      {Array.from({ length: rows }, (_, row) => (
        <span key={row} class="bone" aria-hidden="true" />
      ))}
    </div>
  );
}

interface ErrorProps {
  error: ApiError;
  what: string;
  retry?: () => void;
  stale?: boolean;
}

export function ErrorNotice({ error, what, retry, stale }: ErrorProps) {
  return (
    <div class="notice bad" role="alert" data-testid="error">
      <p>
        <strong>{stale ? `Shown ${what} may be out of date.` : `No ${what}.`}</strong> {sentence(error.message)}
      </p>
      <p class="notice-foot">
        {error.correlationId && (
          <>
            Correlation id <code>{error.correlationId}</code>
          </>
        )}
        {retry && (
          <button type="button" class="quiet" onClick={retry}>
            Try again
          </button>
        )}
      </p>
    </div>
  );
}
