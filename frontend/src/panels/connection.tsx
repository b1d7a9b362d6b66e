// Whether events arrive live, shown at all times, and since when nothing was heard at all.
import { connection, heardAt } from "../desk";
import { fresh, type Freshness } from "../live/freshness";
import { localClock } from "../format/time";
import { useNow } from "../store/clock";
import { useCell } from "../store/hooks";

const WORDS: Record<Freshness, readonly [shape: string, title: string]> = {
  connecting: ["◌", "Opening the live connection"],
  live: ["●", "Events arrive as they happen"],
  reconnecting: ["◐", "The live connection was lost and is being opened again"],
  polling: ["○", "No live connection: figures are fetched every few seconds"],
  stale: ["✕", "The server does not answer: what is shown is old"],
};

export function ConnectionLamp() {
  const heard = useCell(heardAt);
  const state = fresh(useCell(connection), heard, useNow());
  const [shape, title] = WORDS[state];
  return (
    <span class={`connection ${state}`} role="status" title={title} data-testid="connection" data-state={state}>
      <span class="shape" aria-hidden="true">
        {shape}
      </span>
      {state === "stale" ? `stale since ${localClock(new Date(heard).toISOString())}` : state}
    </span>
  );
}
