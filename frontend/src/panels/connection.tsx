// Whether events arrive live, shown at all times.
import { connection } from "../desk";
import type { Connection } from "../live/socket";
import { useCell } from "../store/hooks";

const WORDS: Record<Connection, readonly [shape: string, title: string]> = {
  connecting: ["◌", "Opening the live connection"],
  live: ["●", "Events arrive as they happen"],
  reconnecting: ["◐", "The live connection was lost and is being opened again"],
  polling: ["○", "No live connection: figures are fetched every few seconds"],
};

export function ConnectionLamp() {
  const state = useCell(connection);
  const [shape, title] = WORDS[state];
  return (
    <span class={`connection ${state}`} role="status" title={title} data-testid="connection" data-state={state}>
      <span class="shape" aria-hidden="true">
        {shape}
      </span>
      {state}
    </span>
  );
}
