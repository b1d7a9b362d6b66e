// Commands to the API: what a click or a form sends, and what to read again once it was taken.
import { useRef, useState } from "preact/hooks";
import { ApiError, type Method } from "../api/client";
import { reads, session } from "../desk";

interface Manner {
  /** The `Idempotency-Key`: the same key and body again do nothing twice. */
  key?: string;
  /** The version that the change was made on, as `If-Match`. */
  ifMatch?: string | number;
  /** Path prefixes to read again after it. */
  touches?: readonly string[];
  /** Gives it up. */
  signal?: AbortSignal;
}

/** Sends a command and gives its answer. Throws `ApiError`. */
export async function send<T>(method: Exclude<Method, "GET">, path: string, body?: unknown, manner: Manner = {}): Promise<T> {
  const headers: Record<string, string> = {};
  if (manner.key !== undefined) headers["Idempotency-Key"] = manner.key;
  if (manner.ifMatch !== undefined) headers["If-Match"] = String(manner.ifMatch);
  const { text } = await session.request(method, path, {
    headers,
    ...(body !== undefined && { body }),
    ...(manner.signal && { signal: manner.signal }),
  });
  if (manner.touches) reads.touch(manner.touches);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** A new Idempotency-Key. Keep one for what was typed until it was answered, so that a second try is no second order. */
export const freshKey = (): string => crypto.randomUUID();

export interface Sending {
  busy: boolean;
  error: ApiError | null;
  /** Runs one command at a time; undefined when it was refused, which `error` then tells. */
  run<T>(command: () => Promise<T>): Promise<T | undefined>;
  forget(): void;
}

export function useSend(): Sending {
  const [state, setState] = useState<{ busy: boolean; error: ApiError | null }>({ busy: false, error: null });
  const running = useRef(false);
  return {
    ...state,
    async run(command) {
      if (running.current) return undefined;
      running.current = true;
      setState({ busy: true, error: null });
      try {
        const answer = await command();
        setState({ busy: false, error: null });
        return answer;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        setState({ busy: false, error });
        return undefined;
      } finally {
        running.current = false;
      }
    },
    forget: () => setState({ busy: false, error: null }),
  };
}
