// The bars that a backtest needs: what the store lacks is fetched on a click, and seen to come along.
import { useState } from "preact/hooks";
import type { Ingest } from "../api/bodies";
import { State, type Tone } from "../parts/figures";
import { ErrorNotice } from "../parts/panel";
import { useDraft } from "../store/draft";
import { useRead } from "../store/hooks";
import { send, useSend } from "../store/send";
import type { Wanted } from "./request";

const PATH = "/api/historical/ingest";
/** While they come the progress is read anew. */
const PACE_MS = 1_000;
const UNDER_WAY: ReadonlySet<Ingest["state"]> = new Set(["queued", "running"]);
const TONES: Readonly<Record<Ingest["state"], Tone>> = { queued: "quiet", running: "busy", done: "good", failed: "bad" };
const NOBODY: readonly string[] = [];

/** `wanted` is empty while the form is not filled in. */
export function FetchBars({ wanted }: { wanted: readonly Wanted[] }) {
  const [ids, follow] = useDraft<readonly string[]>("backtest-bars", NOBODY);
  const { busy, error, run } = useSend();

  async function begin(): Promise<void> {
    const begun = await run(() => Promise.all(wanted.map((one) => send<Ingest>("POST", PATH, one, { touches: [PATH] }))));
    if (begun) follow(begun.map(({ id }) => id));
  }
  return (
    <div class="fetch-bars">
      <button type="button" class="quiet" disabled={busy || wanted.length === 0} onClick={() => void begin()} data-testid="bars-fetch">
        Fetch its bars
      </button>
      <div class="soft" role="status">
        {ids.length === 0 ? "A backtest reads stored bars alone: here the missing ones are fetched from the broker." : ids.map((id) => <Coming key={id} id={id} />)}
      </div>
      {error && <ErrorNotice error={error} what="bars" />}
    </div>
  );
}

function Coming({ id }: { id: string }) {
  const [following, setFollowing] = useState(true);
  const job = useRead<Ingest>(`${PATH}/${encodeURIComponent(id)}`, following ? PACE_MS : null).data;
  if (!job) return null;
  if (UNDER_WAY.has(job.state) !== following) setFollowing(!following);
  const of = `bars of ${job.timeframe} from ${job.start} to ${job.end}`;
  return (
    <p data-testid="bars-state" data-state={job.state}>
      <State tone={TONES[job.state]}>{job.state}</State>: {job.state === "done" ? `${job.bars.toLocaleString("en-US")} ${of} are stored` : `${of}, ${job.steps_done} of ${job.steps} steps`}
      {job.without_bars.length > 0 && `; none of ${job.without_bars.join(", ")}`}
      {job.message && `. ${job.message}`}
    </p>
  );
}
