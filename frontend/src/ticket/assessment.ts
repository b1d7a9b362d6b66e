// The risk verdict on what is being typed: asked a moment after the last key, and an older question
// never overtakes a newer one.
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import type { Assessment } from "../api/bodies";
import { send } from "../store/send";

const PAUSE_MS = 350;
/** Prices and books move while nobody types. */
const AGAIN_MS = 15_000;

export interface Asked {
  verdict: Assessment | null;
  error: ApiError | null;
  /** What is shown is of an older ticket. */
  stale: boolean;
  /** Milliseconds of this computer's clock. */
  at: number | null;
}

const NOTHING: Asked = { verdict: null, error: null, stale: false, at: null };

/** `body` is the ticket as JSON text, null while it is not whole; `after` asks anew when it changes. */
export function useAssessment(body: string | null, after: unknown): Asked {
  const [asked, setAsked] = useState<Asked>(NOTHING);
  useEffect(() => {
    if (body === null) {
      setAsked(NOTHING);
      return undefined;
    }
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    setAsked((before) => ({ ...before, stale: true }));
    async function ask(): Promise<void> {
      try {
        const verdict = await send<Assessment>("POST", "/api/risk/assess", JSON.parse(body!), { signal: abort.signal });
        if (!abort.signal.aborted) setAsked({ verdict, error: null, stale: false, at: Date.now() });
      } catch (error) {
        if (abort.signal.aborted || !(error instanceof ApiError)) return;
        setAsked({ verdict: null, error, stale: false, at: null });
      }
      if (!abort.signal.aborted) timer = setTimeout(() => void again(), AGAIN_MS);
    }
    const again = (): Promise<void> | void => {
      if (document.visibilityState === "visible") return ask();
      timer = setTimeout(() => void again(), AGAIN_MS);
    };
    timer = setTimeout(() => void ask(), PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [body, after]);
  return asked;
}
