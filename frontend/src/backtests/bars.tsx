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

/** `wanted` is null while the form is not filled in. */
export function FetchBars({ wanted }: { wanted: Wanted | null }) {
  const [id, follow] = useDraft<string | null>("backtest-bars", null);
  const { busy, error, run } = useSend();
  const [following, setFollowing] = useState(false);
  const job = useRead<Ingest>(id && `${PATH}/${encodeURIComponent(id)}`, following ? PACE_MS : null).data;
  const underWay = job !== undefined && UNDER_WAY.has(job.state);
  if (underWay !== following) setFollowing(underWay);

  async function begin(): Promise<void> {
    const begun = await run(() => send<Ingest>("POST", PATH, wanted, { touches: [PATH] }));
    if (begun) follow(begun.id);
  }
  return (
    <div class="fetch-bars">
      <button type="button" class="quiet" disabled={busy || underWay || wanted === null} onClick={() => void begin()} data-testid="bars-fetch">
        Fetch its bars
      </button>
      <p class="soft" role="status">
        {job ? <Told job={job} /> : "A backtest reads stored bars alone; here the missing ones are fetched from the broker."}
      </p>
      {error && <ErrorNotice error={error} what="bars" />}
    </div>
  );
}

function Told({ job }: { job: Ingest }) {
  const of = `bars of ${job.timeframe} from ${job.start} to ${job.end}`;
  return (
    <span data-testid="bars-state" data-state={job.state}>
      <State tone={TONES[job.state]}>{job.state}</State>: {job.state === "done" ? `${job.bars.toLocaleString("en-US")} ${of} are stored` : `${of}, ${job.steps_done} of ${job.steps} steps`}
      {job.without_bars.length > 0 && `; none of ${job.without_bars.join(", ")}`}
      {job.message && `. ${job.message}`}
    </span>
  );
}
